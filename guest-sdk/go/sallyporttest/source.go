package sallyporttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Handler returns a source that answers from a handler in this process. What
// the handler writes can be read before it has returned.
func Handler(h http.Handler) http.RoundTripper { return handler{h} }

type handler struct{ h http.Handler }

var _ http.RoundTripper = handler{}

func (s handler) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	req.RequestURI, req.RemoteAddr = req.URL.RequestURI(), "127.0.0.1:1"
	r, w := io.Pipe()
	out := &response{header: http.Header{}, head: make(chan struct{}), body: w}
	go func() {
		defer func() {
			out.WriteHeader(http.StatusOK)
			w.Close()
		}()
		s.h.ServeHTTP(out, req)
	}()
	context.AfterFunc(req.Context(), func() { r.CloseWithError(context.Cause(req.Context())) })
	select {
	case <-out.head:
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
	return &http.Response{StatusCode: out.status, Header: out.sent, Body: r, Request: req,
		ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1}, nil
}

// response is the handler's side of a response.
type response struct {
	header http.Header
	once   sync.Once
	head   chan struct{} // closed when status and sent are set
	status int
	sent   http.Header
	body   *io.PipeWriter
}

func (r *response) Header() http.Header { return r.header }

func (r *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %d", status)) // as net/http does
	}
	r.once.Do(func() {
		r.status, r.sent = status, r.header.Clone()
		close(r.head)
	})
}

func (r *response) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// Flush sends the head; what is written is not held back.
func (r *response) Flush() { r.WriteHeader(http.StatusOK) }

var _ http.Flusher = (*response)(nil)
