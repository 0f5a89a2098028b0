package roundtrip_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/roundtrip"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const origin = "https://notes.example"

func source(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/a":
		if r.Header.Get("Content-Length") != "" || r.Header.Get("Connection") != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s:%s", user, password)
	case "/old":
		http.Redirect(w, r, "/new", http.StatusFound)
	case "/login":
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
	case "/hang":
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s %s %d %s:%s %s", r.Method, r.URL.Path, len(body), user, password, r.Header.Get("Cookie"))
	}
}

// client runs f with an http.Client in a run.
func client(t *testing.T, f func(ctx context.Context, c *http.Client, token string) error) {
	t.Helper()
	host := sallyporttest.Host{Streams: []string{"notes"}, Credentials: map[string]string{"TOKEN": "canary"},
		Source: sallyporttest.Handler(http.HandlerFunc(source))}
	r := host.Run(func(ctx context.Context, run *sallyport.Run) error {
		token, err := run.Credential("TOKEN")
		if err != nil {
			return err
		}
		return f(ctx, &http.Client{Transport: roundtrip.New(run)}, string(token))
	})
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 || r.Open > 0 {
		t.Errorf("%+v, problems %q, %d open", r.Done, r.Problems, r.Open)
	}
}

func ask(t *testing.T, c *http.Client, req *http.Request) string {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// body knows when it has been closed.
type body struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func newBody(text string) *body {
	return &body{Reader: strings.NewReader(text), closed: make(chan struct{})}
}

func (b *body) Close() error { b.once.Do(func() { close(b.closed) }); return nil }

func TestRoundTrip(t *testing.T) {
	client(t, func(ctx context.Context, c *http.Client, token string) error {
		req := func(method, path string, length int64, b io.Reader) *http.Request {
			r, err := http.NewRequestWithContext(ctx, method, origin+path, b)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = length
			return r
		}
		withToken := req("GET", "/a#frag", 0, nil)
		withToken.Header.Set("Content-Length", "99")
		withToken.Header.Set("Connection", "close")
		withToken.SetBasicAuth("ada", token)
		if got := ask(t, c, withToken); got != "ada:canary" {
			t.Errorf("Basic: %q", got)
		}
		if got := ask(t, c, req("GET", "/old", 0, nil)); got != "GET /new 0 : " {
			t.Errorf("http.Client follows redirects itself: %q", got)
		}
		for _, length := range []int64{5, -1} {
			b := newBody("hello")
			if got := ask(t, c, req("POST", "/b", length, b)); got != "POST /b 5 : " {
				t.Errorf("a body of length %d: %q", length, got)
			}
			<-b.closed // the upload may end after the response
		}
		b := newBody("hel")
		if _, err := c.Do(req("POST", "/b", 5, b)); err == nil {
			t.Error("a body shorter than it says was sent")
		}
		<-b.closed
		other := req("GET", "/a", 0, nil)
		other.Host = "elsewhere.example"
		if _, err := c.Do(other); err == nil {
			t.Error("another Host header was dropped in silence")
		}
		return nil
	})
}

func TestResponse(t *testing.T) {
	client(t, func(ctx context.Context, c *http.Client, token string) error {
		resp, err := c.Get(origin + "/login")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if len(resp.Cookies()) != 1 || resp.Status != "200 OK" || resp.Request == nil || resp.ContentLength != -1 {
			t.Errorf("%+v", resp)
		}
		return nil
	})
}

func TestErrorsAndCancelling(t *testing.T) {
	client(t, func(ctx context.Context, c *http.Client, token string) error {
		reading, cancel := context.WithCancel(ctx)
		defer cancel()
		req, err := http.NewRequestWithContext(reading, "GET", origin+"/hang", nil)
		if err != nil {
			return err
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		cancel()
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled body: %v", err)
		}
		return nil
	})
	nobody := sallyporttest.Host{Streams: []string{"notes"}}
	nobody.Run(func(_ context.Context, run *sallyport.Run) error {
		c := &http.Client{Transport: roundtrip.New(run)}
		if _, err := c.Get(origin); !errors.Is(err, sallyport.ErrUnavailable) {
			t.Errorf("a source that cannot be reached: %v", err)
		}
		return nil
	})
}
