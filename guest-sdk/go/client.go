package sallyport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Request is a request to a source. It is the host that sends it: egress rules
// decide whether it may go there, and where a surrogate stands in it the host
// puts the credential's value. A Request may be used again when it has no
// BodyReader.
type Request struct {
	Method string // "" means GET
	URL    string // absolute, http or https, without a fragment
	Header Header
	Body   []byte
	// BodyReader is a body that follows piece by piece, instead of Body: for
	// one that is too large to hold. It is read in a goroutine of its own, and
	// closed, when it is an io.Closer, once no more of it is wanted: that may
	// be after Do has returned. A reader that gives nothing again and again
	// ends the exchange with io.ErrNoProgress.
	BodyReader io.Reader
	// Timeout bounds the whole exchange, the reading of the response's body
	// included. Zero leaves it to the context and the host.
	Timeout time.Duration
}

func (r *Request) method() string {
	if r.Method == "" {
		return "GET"
	}
	return r.Method
}

// Response is a source's answer. Body is never nil, and is to be closed: until
// it is closed or read to its end it takes one of the run's handles.
type Response struct {
	StatusCode int
	Header     Header
	Body       io.ReadCloser
	Request    *Request // the one that this answers, after redirects
}

// Bytes reads the rest of the body and closes it. A body of more than most
// bytes is [ErrTooLarge].
func (r *Response) Bytes(most int64) ([]byte, error) {
	defer r.Body.Close()
	b, err := readAll(io.LimitReader(r.Body, max(most, most+1)), min(r.length(), most))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, &Error{Op: "read", Name: withoutQuery(r.Request.URL), Status: ErrTooLarge}
	}
	return b, nil
}

// length returns what the source says of the body's length, 0 when it says
// nothing of use. What it says takes no memory before it comes: past bodyRoom
// it is not believed.
func (r *Response) length() int64 {
	n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return min(n, bodyRoom)
}

// The room for a body: at first, when nothing is known of it, and at most, when
// the source says how long it is.
const (
	firstRoom = 4 << 10
	bodyRoom  = 1 << 20
)

// readAll is io.ReadAll for a body whose length may be known: each read is a
// call of the host, so that they had better be few.
func readAll(r io.Reader, length int64) ([]byte, error) {
	b := make([]byte, 0, max(length+1, firstRoom)) // one byte of room is what shows the end
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = slices.Grow(b, cap(b)) // twice as much
		}
	}
}

// Err returns nil for a status below 400, else a [*SourceError].
func (r *Response) Err() error {
	if r.StatusCode < 400 {
		return nil
	}
	return &SourceError{StatusCode: r.StatusCode, Method: r.Request.method(), URL: withoutQuery(r.Request.URL)}
}

// SourceError is a source's refusal. It wraps [ErrRejected] for 401,
// [ErrRateLimited] for 429, and [ErrUnavailable] for 408 and from 500 on.
type SourceError struct {
	StatusCode int
	Method     string
	URL        string // without its query
}

var _ error = (*SourceError)(nil)

// Error is one line.
func (e *SourceError) Error() string {
	return fmt.Sprintf("%s %s: the source answered with status %d", e.Method, e.URL, e.StatusCode)
}

// Unwrap returns the sentinel of the status, nil when it has none.
func (e *SourceError) Unwrap() error {
	switch {
	case e.StatusCode == 401:
		return ErrRejected
	case e.StatusCode == 429:
		return ErrRateLimited
	case e.StatusCode == 408 || e.StatusCode >= 500:
		return ErrUnavailable
	}
	return nil
}

// Client sends requests. Its zero value is not usable; take [NewClient]. It
// may be used from several goroutines.
type Client struct {
	run *Run

	// CheckRedirect is asked before a redirect is followed: next is what would
	// be sent, via what was sent so far, the first first. nil follows none,
	// and so does an error of [ErrUseResponse]; any other error is Do's. What
	// is sent next is decided by the host anew, with the surrogates that stand
	// in it: CheckRedirect may take them out of next.
	CheckRedirect func(next *Request, via []*Request) error
}

// NewClient returns a client that follows no redirect.
func NewClient(run *Run) *Client { return &Client{run: run} }

// ErrUseResponse tells [Client.Do] to return a redirect as it is.
var ErrUseResponse = errors.New("use the response")

// FollowRedirects returns a CheckRedirect that follows up to most redirects in
// a row, from https to http never.
func FollowRedirects(most int) func(next *Request, via []*Request) error {
	return func(next *Request, via []*Request) error {
		if len(via) > most {
			return &Failure{Message: fmt.Sprintf("%s: more than %d redirects", withoutQuery(via[0].URL), most), Err: ErrUnavailable}
		}
		if strings.HasPrefix(via[len(via)-1].URL, "https:") && !strings.HasPrefix(next.URL, "https:") {
			return &Failure{Message: withoutQuery(via[0].URL) + ": a redirect from https to http"}
		}
		return nil
	}
}

// Do sends a request and returns once the head of the response has come; any
// status is a response, not an error: see [Response.Err]. While it waits, the
// guest's other goroutines go on. When ctx ends, so does the exchange, also
// while the body is read, with ctx's cause as the error.
func (c *Client) Do(ctx context.Context, req *Request) (*Response, error) {
	var via []*Request
	for {
		resp, err := c.exchange(ctx, req)
		if err != nil || c.CheckRedirect == nil {
			return resp, err
		}
		next := redirect(resp)
		if next == nil {
			return resp, nil
		}
		via = append(via, req)
		if err := c.CheckRedirect(next, via); err != nil {
			if errors.Is(err, ErrUseResponse) {
				return resp, nil
			}
			return nil, errors.Join(err, resp.Body.Close())
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		req = next
	}
}

// redirect returns what a response asks to send next, nil when it does not or
// when it cannot be sent again. Other than browsers do, a method of WebDAV
// stays what it is after 301 and 302.
func redirect(resp *Response) *Request {
	req := resp.Request
	next := *req
	next.Header = make(Header, len(req.Header))
	for name, values := range req.Header {
		next.Header[name] = values
	}
	switch resp.StatusCode {
	case 307, 308:
	case 301, 302:
		if req.method() == "POST" {
			next.get()
		}
	case 303:
		if req.method() != "HEAD" {
			next.get()
		}
	default:
		return nil
	}
	if next.BodyReader != nil {
		return nil
	}
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil
	}
	from, err := url.Parse(req.URL)
	if err != nil {
		return nil
	}
	to = from.ResolveReference(to)
	to.Fragment, to.RawFragment = "", ""
	next.URL = to.String()
	if to.Scheme != from.Scheme || to.Host != from.Host {
		// What was for one origin is for no other: the host would refuse it.
		next.Header.Del("Authorization")
		next.Header.Del("Cookie")
	}
	return &next
}

// get turns a request into a GET without a body.
func (r *Request) get() {
	r.Method, r.Body, r.BodyReader = "GET", nil, nil
	r.Header.Del("Content-Type")
}
