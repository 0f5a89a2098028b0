// Package roundtrip lets libraries that are built on net/http work in a
// Sallyport connector.
//
// # Promise
//
// A [Transport] sends what an [http.Client] gives it through the host, under
// the same rules as package sallyport's own client: the host decides where a
// request may go, puts in credentials' values where surrogates stand, and
// speaks TLS. Requests of several goroutines overlap. It never dials: a guest
// has no sockets.
//
// # Cookies
//
// Set-Cookie and Cookie pass through, so an [http.Client] with a
// net/http/cookiejar keeps a session as anywhere. The host keeps no cookies. It
// replaces every value in Set-Cookie that may be a secret by a surrogate, which
// becomes the value again in a Cookie header to the origin that set it, and goes
// nowhere else; a jar that is shared between origins is no hole.
//
// # Limits
//
// net/http makes a module some 7 MB larger, so it is paid for only by who
// imports this package. Connections, proxies, client certificates, trailers,
// informational responses and protocol upgrades are the host's business and
// cannot be seen from here.
package roundtrip

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// smallBody is up to which length a request's body is read first and sent
// whole, so that the source is told its length.
const smallBody = 1 << 20

// Transport is an [http.RoundTripper]. It may be used from several
// goroutines.
type Transport struct{ client *sallyport.Client }

var _ http.RoundTripper = (*Transport)(nil)

// New returns a transport for a run.
func New(run *sallyport.Run) *Transport { return &Transport{sallyport.NewClient(run)} }

// RoundTrip sends one request. Its errors wrap those of package sallyport.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	out, err := request(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if out.BodyReader == nil {
		closeBody(req) // it has been read; else the client closes it
	}
	resp, err := t.client.Do(req.Context(), out)
	if err != nil {
		return nil, err
	}
	return response(req, resp), nil
}

// connectionHeaders are the host's to set. net/http's own transport passes over
// the first four as well; the others are about a connection that is not here.
var connectionHeaders = []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer",
	"Connection", "Keep-Alive", "Te", "Expect", "Upgrade", "Proxy-Connection"}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close() // net/http's contract; there is nobody to tell
	}
}

// request copies a request, which RoundTrip may not change.
func request(req *http.Request) (*sallyport.Request, error) {
	if req.Host != "" && req.Host != req.URL.Host {
		return nil, fmt.Errorf("%s %s: a Host header of its own is not supported", req.Method, req.URL.Host)
	}
	u := *req.URL
	u.Fragment, u.RawFragment = "", ""
	out := &sallyport.Request{Method: req.Method, Header: sallyport.Header(maps.Clone(req.Header))}
	if out.Header == nil {
		out.Header = sallyport.Header{}
	}
	for _, name := range connectionHeaders {
		out.Header.Del(name)
	}
	if u.User != nil && out.Header.Get("Authorization") == "" { // as net/http does
		password, _ := u.User.Password()
		out.Header.Set("Authorization", sallyport.Basic(sallyport.Surrogate(u.User.Username()), sallyport.Surrogate(password)))
	}
	u.User = nil
	out.URL = u.String()
	switch {
	case req.Body == nil || req.Body == http.NoBody:
	case req.ContentLength > 0 && req.ContentLength <= smallBody:
		out.Body = make([]byte, req.ContentLength)
		if _, err := io.ReadFull(req.Body, out.Body); err != nil {
			return nil, fmt.Errorf("%s %s: reading the body: %w", req.Method, req.URL.Host, err)
		}
	default:
		out.BodyReader = req.Body
	}
	return out, nil
}

func response(req *http.Request, resp *sallyport.Response) *http.Response {
	length, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		length = -1
	}
	return &http.Response{
		Status:     strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode),
		StatusCode: resp.StatusCode,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header(resp.Header),
		Body:          resp.Body,
		ContentLength: length,
		Request:       req,
	}
}
