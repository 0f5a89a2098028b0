package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// The example credentials of AWS's documentation.
const (
	suiteID     = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	docID       = "AKIAIOSFODNN7EXAMPLE"
	docSecret   = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func secret(s string) vaultstore.Secret { return vaultstore.NewSecret([]byte(s)) }

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func parseURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func suite() AWS {
	return AWS{AccessKeyID: secret(suiteID), SecretKey: secret(suiteSecret), Region: "us-east-1", Service: "service"}
}

func signature(t testing.TB, a AWS, r Request) (signed, signature string) {
	t.Helper()
	h, err := a.Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok1 := strings.Cut(h.Get("Authorization"), "SignedHeaders=")
	signed, signature, ok2 := strings.Cut(rest, ", Signature=")
	if !ok1 || !ok2 {
		t.Fatalf("Authorization is %q", h.Get("Authorization"))
	}
	return signed, signature
}

// The vectors that AWS publishes: the Signature Version 4 test suite, the
// walk-through of the General Reference, and the examples of "Authenticating
// Requests" in the S3 API Reference.
func TestAWSVectors(t *testing.T) {
	suiteTime := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	docTime := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	general := suite()
	iam := general
	iam.Service = "iam"
	s3 := AWS{AccessKeyID: secret(docID), SecretKey: secret(docSecret), Region: "us-east-1", Service: "s3"}
	const bucket = "https://examplebucket.s3.amazonaws.com"
	for _, c := range []struct {
		name    string
		aws     AWS
		method  string
		url     string
		header  http.Header
		body    string
		at      time.Time
		headers string
		want    string
	}{
		{"get-vanilla", general, "GET", "https://example.amazonaws.com/", nil, "", suiteTime, "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"post-vanilla", general, "POST", "https://example.amazonaws.com/", nil, "", suiteTime, "host;x-amz-date",
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"get-vanilla-query-order-key-case", general, "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", nil, "", suiteTime, "host;x-amz-date",
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"post-x-www-form-urlencoded", general, "POST", "https://example.amazonaws.com/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			"Param1=value1", suiteTime, "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"ListUsers", iam, "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, "", suiteTime, "content-type;host;x-amz-date",
			"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		{"S3 GET Object", s3, "GET", bucket + "/test.txt", http.Header{"Range": {"bytes=0-9"}}, "", docTime, "host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"S3 PUT Object", s3, "PUT", bucket + "/test$file.text", http.Header{"Date": {"Fri, 24 May 2013 00:00:00 GMT"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"}},
			"Welcome to Amazon S3.", docTime, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"S3 GET Bucket Lifecycle", s3, "GET", bucket + "/?lifecycle", nil, "", docTime, "host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"S3 List Objects", s3, "GET", bucket + "/?max-keys=2&prefix=J", nil, "", docTime, "host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers, got := signature(t, c.aws, Request{c.method, parseURL(t, c.url), c.header, digest(c.body), c.at})
			if headers != c.headers || got != c.want {
				t.Errorf("signs %s as %s", headers, got)
			}
		})
	}
	if key := hex.EncodeToString(iam.key("20150830")); key != "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9" {
		t.Errorf("the day's key is %s", key)
	}
}

func request(t testing.TB) Request {
	return Request{"GET", parseURL(t, "https://example.amazonaws.com/a"), http.Header{}, digest(""), time.Unix(1e9, 0)}
}

// What a guest wrote under the names that signing sets changes nothing, and
// neither does what the transport may change; everything else does.
func TestAWSCovers(t *testing.T) {
	_, want := signature(t, suite(), request(t))
	for _, name := range []string{"Authorization", "X-Amz-Date", "User-Agent", "Connection", "Accept-Encoding", "Content-Length", "x-amz-date"} {
		r := request(t)
		r.Header[name] = []string{"something"}
		if _, got := signature(t, suite(), r); got != want {
			t.Errorf("%s is covered", name)
		}
	}
	for name, change := range map[string]func(*Request, *AWS){
		"a header":    func(r *Request, _ *AWS) { r.Header.Set("X-Amz-Acl", "public-read") },
		"the method":  func(r *Request, _ *AWS) { r.Method = "DELETE" },
		"the host":    func(r *Request, _ *AWS) { r.URL.Host = "example.amazonaws.com:8443" },
		"the path":    func(r *Request, _ *AWS) { r.URL.Path = "/b" },
		"the query":   func(r *Request, _ *AWS) { r.URL.RawQuery = "a" },
		"the body":    func(r *Request, _ *AWS) { r.BodySHA256 = digest("x") },
		"the time":    func(r *Request, _ *AWS) { r.Time = r.Time.Add(time.Second) },
		"the region":  func(_ *Request, a *AWS) { a.Region = "eu" },
		"the service": func(_ *Request, a *AWS) { a.Service = "iam" },
		"the key":     func(_ *Request, a *AWS) { a.SecretKey = secret("other") },
		"the session": func(_ *Request, a *AWS) { a.SessionToken = secret("session") },
	} {
		r, a := request(t), suite()
		change(&r, &a)
		if _, got := signature(t, a, r); got == want {
			t.Errorf("%s is not covered", name)
		}
	}
}

func TestAWSAdds(t *testing.T) {
	a := suite()
	a.Service, a.SessionToken = "s3", secret("the/session+token=")
	r := request(t)
	r.BodySHA256 = UnsignedPayload
	h, err := a.Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(h) != 4 || h.Get("X-Amz-Security-Token") != "the/session+token=" || h.Get("X-Amz-Content-Sha256") != UnsignedPayload || h.Get("X-Amz-Date") != "20010909T014640Z" ||
		!strings.HasPrefix(h.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20010909/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=") {
		t.Errorf("adds %v", h)
	}
	if len(r.Header) != 0 {
		t.Errorf("the request was changed: %v", r.Header)
	}
}

// A path is escaped again for every service but S3, as the test suite and S3's
// reference have it.
func TestAWSPaths(t *testing.T) {
	s3 := suite()
	s3.Service = "s3"
	for path, want := range map[string][2]string{
		"":                  {"/", "/"},
		"/":                 {"/", "/"},
		"/a%20b":            {"/a%2520b", "/a%20b"},
		"/%E1%88%B4":        {"/%25E1%2588%25B4", "/%E1%88%B4"},
		"/a!b'(c)*":         {"/a%21b%27%28c%29%2A", "/a%21b%27%28c%29%2A"},
		"/a:b/@c=d+e,f;g&$": {"/a%3Ab/%40c%3Dd%2Be%2Cf%3Bg%26%24", "/a%3Ab/%40c%3Dd%2Be%2Cf%3Bg%26%24"},
		"/-._~/x":           {"/-._~/x", "/-._~/x"},
	} {
		u := parseURL(t, "https://h.example"+path)
		one, err1 := suite().canonicalPath(u)
		two, err2 := s3.canonicalPath(u)
		if err1 != nil || err2 != nil || one != want[0] || two != want[1] {
			t.Errorf("%s is %s, for S3 %s (%v, %v)", path, one, two, err1, err2)
		}
	}
}

func TestAWSQueries(t *testing.T) {
	for query, want := range map[string]string{
		"":                "",
		"a":               "a=",
		"b=2&a=1":         "a=1&b=2",
		"a=2&a=10&A=3":    "A=3&a=10&a=2",
		"a=b%20c+d":       "a=b%20c%20d",
		"a=%2F%c3%a9~*'":  "a=%2F%C3%A9~%2A%27",
		"a=b=c":           "a=b%3Dc",
		"-x=1&%2dy=2&aa=": "-x=1&-y=2&aa=",
	} {
		if got, err := canonicalQuery(query); err != nil || got != want {
			t.Errorf("%s is %s, %v", query, got, err)
		}
	}
}

func TestAWSRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request, *AWS)
		want   error
	}{
		"no key":            {func(_ *Request, a *AWS) { a.SecretKey = vaultstore.Secret{} }, ErrKey},
		"a key of lines":    {func(_ *Request, a *AWS) { a.SecretKey = secret("canary\nkey") }, ErrKey},
		"no id":             {func(_ *Request, a *AWS) { a.AccessKeyID = vaultstore.Secret{} }, ErrKey},
		"an id with scope":  {func(_ *Request, a *AWS) { a.AccessKeyID = secret("canary/20010909") }, ErrKey},
		"a session of CR":   {func(_ *Request, a *AWS) { a.SessionToken = secret("canary\r\nX: y") }, ErrKey},
		"an empty session":  {func(_ *Request, a *AWS) { a.SessionToken = secret("") }, ErrKey},
		"a long session":    {func(_ *Request, a *AWS) { a.SessionToken = secret(strings.Repeat("canary", 4000)) }, ErrKey},
		"no region":         {func(_ *Request, a *AWS) { a.Region = "" }, ErrUse},
		"a region of two":   {func(_ *Request, a *AWS) { a.Region = "eu/s3" }, ErrUse},
		"no service":        {func(_ *Request, a *AWS) { a.Service = "" }, ErrUse},
		"no URL":            {func(r *Request, _ *AWS) { r.URL = nil }, ErrRequest},
		"no host":           {func(r *Request, _ *AWS) { r.URL.Host = "" }, ErrRequest},
		"no method":         {func(r *Request, _ *AWS) { r.Method = "" }, ErrRequest},
		"no digest":         {func(r *Request, _ *AWS) { r.BodySHA256 = "" }, ErrRequest},
		"a digest in caps":  {func(r *Request, _ *AWS) { r.BodySHA256 = strings.ToUpper(digest("")) }, ErrRequest},
		"a streamed body":   {func(r *Request, _ *AWS) { r.BodySHA256 = UnsignedPayload }, ErrRequest},
		"streamed in clear": {func(r *Request, a *AWS) { r.BodySHA256, a.Service, r.URL.Scheme = UnsignedPayload, "s3", "http" }, ErrRequest},
		"signed already":    {func(r *Request, _ *AWS) { r.URL.RawQuery = "x-amz-signature=canary" }, ErrRequest},
		"presigned":         {func(r *Request, _ *AWS) { r.URL.RawQuery = "X-Amz-Credential=canary" }, ErrRequest},
		"two readings":      {func(r *Request, _ *AWS) { r.URL.RawQuery = "a=1;b=canary" }, ErrRequest},
		"a broken escape":   {func(r *Request, _ *AWS) { r.URL.RawQuery = "canary=%zz" }, ErrRequest},
	} {
		r, a := request(t), suite()
		c.change(&r, &a)
		h, err := a.Sign(r)
		if !errors.Is(err, c.want) || h != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", suite(), suite(), suite()); strings.Contains(text, suiteSecret) || strings.Contains(text, suiteID) {
		t.Errorf("it prints as %s", text)
	}
}

// FuzzAWS: whatever a request is, signing ends, and what it adds can stand in
// headers.
func FuzzAWS(f *testing.F) {
	f.Add("GET", "https://h.example/a%20b?x=1", "X-A", " a  b ", "s3")
	f.Add("PUT", "https://h.example/?lifecycle", "Range", "bytes=0-9", "iam")
	f.Fuzz(func(t *testing.T, method, address, name, value, service string) {
		u, err := url.Parse(address)
		if err != nil {
			return
		}
		a := suite()
		a.Service = service
		h, err := a.Sign(Request{method, u, http.Header{name: {value}}, digest(value), time.Unix(1e9, 0)})
		if err != nil {
			if !errors.Is(err, ErrRequest) && !errors.Is(err, ErrUse) || strings.Contains(err.Error(), suiteSecret) {
				t.Fatal(err)
			}
			return
		}
		for _, values := range h {
			if strings.ContainsAny(values[0], "\r\n") && !strings.ContainsAny(name, "\r\n") || strings.Contains(values[0], suiteSecret) {
				t.Fatalf("adds %q", h)
			}
		}
	})
}
