package surrogate

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// Request is the head of a request as the guest wrote it. Its headers are
// valid names and values; which of them a guest may set is the caller's to
// say.
type Request struct {
	Method  string
	URL     string
	Headers [][2]string
}

// Draft is a request in which the surrogates of the address are found, and
// none is filled.
type Draft struct {
	// Target is where it goes, with surrogates in place in the path. Of a
	// whole URL it is known once that is opened.
	Target manifests.Target
	// Whole is the token that stands for the whole URL, "" when none does.
	Whole string

	request Request
	live    Live
	url     *url.URL
	opened  []byte // the value that Target was read from
}

// Filled is a request that is ready to be sent, but for its body.
type Filled struct {
	URL *url.URL
	// Target is the draft's, its path filled in.
	Target manifests.Target
	Header http.Header
	// Secret says that the URL holds a value, and is never to be shown.
	Secret bool
}

// Locate reads a request's address. A surrogate where none may stand in it is
// a [*PlaceError].
func Locate(r Request, live Live) (*Draft, error) {
	d := &Draft{request: r, live: live}
	if len(r.URL) > abi.MaxURLBytes {
		return nil, ErrURLTooLong
	}
	f := &filler{live: live}
	if err := f.refuse(r.Method, "the method", ""); err != nil {
		return nil, err
	}
	if d.Whole = wholeURL(r.URL, live); d.Whole != "" {
		return d, nil
	}
	u, err := parseURL(r.URL, live)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct{ text, where string }{
		{u.Scheme, "the scheme"}, {u.User.String(), "the user information"}, {u.Host, "the host name"}, {u.Opaque, "the address"},
	} {
		if err := f.refuse(part.text, part.where, ""); err != nil {
			return nil, err
		}
	}
	if d.Target, err = manifests.TargetOf(r.Method, u); err != nil {
		return nil, err
	}
	d.url = u
	return d, nil
}

// wholeURL returns the token that an address consists of.
func wholeURL(address string, live Live) string {
	rest := address
	for _, scheme := range []string{"https://", "http://"} {
		if r, ok := strings.CutPrefix(address, scheme); ok {
			rest = strings.TrimSuffix(r, "/")
		}
	}
	if abi.IsSurrogate(rest) && live(rest) {
		return rest
	}
	return ""
}

// parseURL reads an address that has one reading.
func parseURL(address string, live Live) (*url.URL, error) {
	if _, fragment, ok := strings.Cut(address, "#"); ok {
		f := &filler{live: live}
		if err := f.refuse(fragment, "the fragment", ""); err != nil {
			return nil, err
		}
		return nil, ErrURL
	}
	u, err := url.Parse(address)
	if err != nil || !plainQuery(u.RawQuery) {
		return nil, ErrURL
	}
	return u, nil
}

// plainQuery reports whether a query is made of the characters of a URI
// (RFC 3986), so that it stays one word of the request line.
func plainQuery(q string) bool {
	for i := range len(q) {
		if c := q[i]; c <= 0x20 || c >= 0x7f || strings.IndexByte("\"#<>\\^`{}|", c) >= 0 {
			return false
		}
	}
	return true
}

// Open reads where a whole URL leads. peek returns its value, which is not yet
// decided on: that is what the target is needed for.
func (d *Draft) Open(peek func(token string) ([]byte, error)) error {
	value, err := peek(d.Whole)
	if err != nil {
		return err
	}
	at := manifests.Position{Kind: manifests.AsURL}
	bad := func(reason string) error { return &ValueError{d.Whole, at, reason} }
	text := string(value)
	u, err := parseURL(text, func(string) bool { return false })
	if err != nil || len(text) > abi.MaxURLBytes {
		return bad("it is not an address that has one reading")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return bad("it is not an http or https address")
	}
	if d.Target, err = manifests.TargetOf(d.request.Method, u); err != nil {
		return bad("it is not an address that a request can go to")
	}
	d.url, d.opened = u, append([]byte(nil), value...)
	return nil
}

// Fill puts the values in, wherever resolve allows it.
func (d *Draft) Fill(resolve Resolve) (*Filled, error) {
	if d.url == nil {
		return nil, errNotOpened
	}
	f := bind(d.live, resolve, d.Target)
	u := *d.url
	out := &Filled{URL: &u, Target: d.Target, Header: http.Header{}}
	if d.Whole != "" {
		value, err := resolve(d.Whole, manifests.Position{Kind: manifests.AsURL}, d.Target)
		if err != nil {
			return nil, err
		}
		if string(value) != string(d.opened) {
			return nil, ErrChanged
		}
		out.Secret = true
	} else if err := f.address(&u, out); err != nil {
		return nil, err
	}
	_, u.Host, _ = strings.Cut(out.Target.Origin.String(), "://") // what was decided, not another spelling of it
	for _, pair := range d.request.Headers {
		if err := f.refuse(pair[0], "a header's name", ""); err != nil {
			return nil, err
		}
		name := textproto.CanonicalMIMEHeaderKey(pair[0])
		value, err := f.header(name, pair[1])
		if err != nil {
			return nil, err
		}
		out.Header.Add(name, value)
	}
	return out, nil
}

// address fills the path and the query of u.
func (f *filler) address(u *url.URL, out *Filled) error {
	before := len(f.places)
	path, err := f.path(u.EscapedPath())
	if err != nil {
		return err
	}
	if len(f.places) > before {
		if u.Path, err = url.PathUnescape(path); err != nil {
			return ErrURL
		}
		u.RawPath = path
		if out.Target, err = manifests.TargetOf(out.Target.Method, u); err != nil {
			last := f.places[len(f.places)-1]
			return &ValueError{last.Token, last.At, "with it the path could be read in two ways"}
		}
	}
	if u.RawQuery, err = f.pairs(u.RawQuery, manifests.AsQuery, "query"); err != nil {
		return err
	}
	out.Secret = len(f.places) > before
	return nil
}

// path fills an escaped path, segment by segment.
func (f *filler) path(escaped string) (string, error) {
	at := manifests.Position{Kind: manifests.AsPath}
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return "", ErrURL
		}
		if err := f.spelled(segment, plain, "the path"); err != nil {
			return "", err
		}
		filled, err := f.all([]byte(segment), at, encodeSegment)
		if err != nil {
			return "", err
		}
		segments[i] = string(filled)
	}
	return strings.Join(segments, "/"), nil
}

func encodeSegment(dst, value []byte) ([]byte, string) {
	text := string(value)
	if text == "." || text == ".." || hasControl(value, 0x20) {
		return nil, "it cannot be a segment of a path"
	}
	return append(dst, url.PathEscape(text)...), ""
}

// pairs fills a query or a form. What is not filled stays as it is.
func (f *filler) pairs(raw string, kind manifests.PositionKind, what string) (string, error) {
	if raw == "" {
		return raw, nil
	}
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		filled, err := f.pair(part, kind, what)
		if err != nil {
			return "", err
		}
		parts[i] = filled
	}
	return strings.Join(parts, "&"), nil
}

func (f *filler) pair(part string, kind manifests.PositionKind, what string) (string, error) {
	if pairNamesMethod(part) {
		return "", ErrMethod
	}
	rawName, rawValue, _ := strings.Cut(part, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil {
		name = rawName // no surrogate has an escape: what is not one is plain text
	}
	if err := f.refuse(name, "a "+what+" key", ""); err != nil {
		return "", err
	}
	value, err := url.QueryUnescape(rawValue)
	if err != nil {
		value = rawValue
	}
	if _, found := In(value, f.live); !found {
		return part, nil
	}
	if err := f.spelled(rawValue, value, "the "+what); err != nil {
		return "", err
	}
	at, ok := position(kind, name)
	if !ok {
		return "", f.refuse(value, "a "+what+" key that send_to cannot name", "")
	}
	filled, err := f.all([]byte(rawValue), at, encodeQuery)
	return rawName + "=" + string(filled), err
}

// encodeQuery escapes as application/x-www-form-urlencoded does.
func encodeQuery(dst, value []byte) ([]byte, string) {
	return append(dst, url.QueryEscape(string(value))...), ""
}

// spelled refuses a surrogate that is written with escapes: no client library
// does that.
func (f *filler) spelled(raw, plain, where string) error {
	if raw == plain {
		return nil
	}
	token, found := In(plain, f.live)
	if _, same := In(raw, f.live); found && !same {
		return &PlaceError{Token: token, Where: where + ", written with escapes", Remedy: "write it as it is"}
	}
	return nil
}
