package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// UnsignedPayload takes the place of a body's digest where the body is
// streamed: S3 alone accepts it, and over TLS alone is it safe.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// amzTime is the form of X-Amz-Date.
const amzTime = "20060102T150405Z"

// maxAWSText bounds each part of AWS credentials but the session token.
const (
	maxAWSText    = 256
	maxAWSSession = 16 << 10
)

// AWS is what signs requests by AWS Signature Version 4.
type AWS struct {
	AccessKeyID  vaultstore.Secret
	SecretKey    vaultstore.Secret
	SessionToken vaultstore.Secret // the zero Secret when there is none
	Region       string
	Service      string
}

// Request is a request as it will be sent, its surrogates replaced. The signature covers its method,
// path, query, host, body digest and every header that Header has, but those
// that the transport may change; what is added later is not covered.
type Request struct {
	Method string
	URL    *url.URL // Host is what the Host header will say
	Header http.Header
	// BodySHA256 is the body's digest in lower-case hex, that of nothing when
	// there is no body, or UnsignedPayload.
	BodySHA256 string
	Time       time.Time
}

// Sign returns the headers to set on the request, replacing those of the same
// names: Authorization, X-Amz-Date, X-Amz-Security-Token when there is a
// session, and X-Amz-Content-Sha256 for S3. What the request has under these
// names is not looked at. An error wraps [ErrKey] or [ErrRequest].
func (a AWS) Sign(r Request) (http.Header, error) {
	if err := a.check(r); err != nil {
		return nil, err
	}
	added := http.Header{"X-Amz-Date": {r.Time.UTC().Format(amzTime)}}
	if !a.SessionToken.IsZero() {
		added.Set("X-Amz-Security-Token", string(a.SessionToken.Reveal()))
	}
	if a.s3() {
		added.Set("X-Amz-Content-Sha256", r.BodySHA256)
	}
	canonical, signedHeaders, err := a.canonical(r, added)
	if err != nil {
		return nil, err
	}
	date := r.Time.UTC().Format("20060102")
	scope := strings.Join([]string{date, a.Region, a.Service, "aws4_request"}, "/")
	digest := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{manifests.AlgAWS4, r.Time.UTC().Format(amzTime), scope, hex.EncodeToString(digest[:])}, "\n")
	signature := hex.EncodeToString(hmacSHA256(a.key(date), text))
	added.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", manifests.AlgAWS4, a.AccessKeyID.Reveal(), scope, signedHeaders, signature))
	return added, nil
}

// check refuses what AWS would, or what could be read in two ways.
func (a AWS) check(r Request) error {
	switch id := string(a.AccessKeyID.Reveal()); {
	case !isAWSText(string(a.SecretKey.Reveal()), maxAWSText):
		return badKey("it is not a secret access key")
	case !isAWSText(id, maxAWSText) || strings.ContainsAny(id, "/,="):
		return badKey("the access key id is not one")
	case !a.SessionToken.IsZero() && !isAWSText(string(a.SessionToken.Reveal()), maxAWSSession):
		return badKey("the session token is not one")
	case !isAWSText(a.Region, maxAWSText) || !isAWSText(a.Service, maxAWSText) || strings.ContainsAny(a.Region+a.Service, "/,="):
		return fmt.Errorf("%w: region and service are needed", ErrUse)
	case r.URL == nil || r.URL.Host == "" || !isAWSText(r.Method, maxAWSText):
		return fmt.Errorf("%w: it has no host or method", ErrRequest)
	case r.BodySHA256 == UnsignedPayload && (!a.s3() || r.URL.Scheme != "https"):
		return fmt.Errorf("%w: only S3 takes a streamed body, over https; send the body at once", ErrRequest)
	case r.BodySHA256 != UnsignedPayload && !isDigest(r.BodySHA256):
		return fmt.Errorf("%w: the body's digest is not one", ErrRequest)
	}
	return nil
}

// isAWSText reports whether s is visible ASCII within a bound.
func isAWSText(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func isDigest(s string) bool {
	return len(s) == hex.EncodedLen(sha256.Size) && strings.Trim(s, "0123456789abcdef") == ""
}

// s3 reports whether the service is one of S3's, which reads a path as it is
// and wants the body's digest in a header.
func (a AWS) s3() bool {
	return a.Service == "s3" || strings.HasPrefix(a.Service, "s3-") || a.Service == "s3express"
}

// key derives the day's key.
func (a AWS) key(date string) []byte {
	key := append([]byte("AWS4"), a.SecretKey.Reveal()...)
	for _, part := range []string{date, a.Region, a.Service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return key
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// canonical writes the request in the one form that is signed.
func (a AWS) canonical(r Request, added http.Header) (text, signedHeaders string, err error) {
	query, err := canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", "", err
	}
	path, err := a.canonicalPath(r.URL)
	if err != nil {
		return "", "", err
	}
	headers, signedHeaders := canonicalHeaders(r, added)
	return strings.Join([]string{r.Method, path, query, headers, signedHeaders, r.BodySHA256}, "\n"), signedHeaders, nil
}

// canonicalPath escapes the path as it is sent once more; for S3 it is the
// path escaped once. A request of a guest's has no dots or empty segments to
// resolve: they are refused long before.
func (a AWS) canonicalPath(u *url.URL) (string, error) {
	path := u.EscapedPath()
	if path == "" {
		return "/", nil
	}
	if a.s3() {
		var err error
		if path, err = url.PathUnescape(path); err != nil {
			return "", fmt.Errorf("%w: its path cannot be read", ErrRequest)
		}
	}
	return awsEscape(path, true), nil
}

// canonicalQuery sorts the query and escapes it in AWS's way.
func canonicalQuery(raw string) (string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", fmt.Errorf("%w: its query cannot be read", ErrRequest)
	}
	var pairs [][2]string
	for key, list := range values {
		if strings.EqualFold(key, "X-Amz-Signature") || strings.EqualFold(key, "X-Amz-Credential") {
			return "", fmt.Errorf("%w: its query is signed already", ErrRequest)
		}
		for _, value := range list {
			pairs = append(pairs, [2]string{awsEscape(key, false), awsEscape(value, false)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(parts, "&"), nil
}

// canonicalHeaders writes the headers that are signed, and their names.
func canonicalHeaders(r Request, added http.Header) (headers, names string) {
	all := map[string]string{"host": strings.ToLower(r.URL.Host)}
	for name, values := range r.Header {
		if _, replaced := added[http.CanonicalHeaderKey(name)]; !replaced && signsHeader(name) {
			all[strings.ToLower(name)] = canonicalValue(values)
		}
	}
	for name, values := range added {
		all[strings.ToLower(name)] = canonicalValue(values)
	}
	sorted := slices.Sorted(maps.Keys(all))
	var b strings.Builder
	for _, name := range sorted {
		b.WriteString(name + ":" + all[name] + "\n")
	}
	return b.String(), strings.Join(sorted, ";")
}

// canonicalValue joins the values of a header, each trimmed and with its runs
// of spaces made one.
func canonicalValue(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		words := strings.Split(strings.Trim(v, " \t"), " ")
		out[i] = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
	}
	return strings.Join(out, ",")
}

// signsHeader reports whether a header is signed: not those that the
// transport or a proxy may set or change, and not the signature's own.
func signsHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "host", "user-agent", "connection", "expect", "te", "trailer", "transfer-encoding", "upgrade",
		"content-length", "accept-encoding", "x-amzn-trace-id":
		return false
	}
	return true
}

// awsEscape escapes all but the unreserved characters of RFC 3986; a path
// keeps its slashes.
func awsEscape(s string, path bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
