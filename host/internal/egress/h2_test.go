package egress

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// startTLS serves handler over TLS as example.com, by HTTP/2 when h2 says so,
// and returns a client that may reach it, and its URL.
func startTLS(t testing.TB, h2 bool, l Limits, handler http.HandlerFunc) (*Client, string) {
	srv := httptest.NewUnstartedServer(handler)
	srv.EnableHTTP2 = h2
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	at := netip.MustParseAddrPort(srv.Listener.Addr().String())
	c := NewClient(NewTransport(NewDialer(Exceptions{"example.com": {at}}, nil), rootsOf(srv)), l)
	t.Cleanup(func() { c.CloseIdleConnections(); srv.Close() })
	return c, "https://example.com:" + itoa(at.Port()) + "/"
}

func rootsOf(srv *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return roots
}

func TestBothVersions(t *testing.T) {
	for want, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		conns := map[string]bool{}
		c, url := startTLS(t, h2, Limits{Concurrency: 1}, func(w http.ResponseWriter, r *http.Request) {
			conns[r.RemoteAddr] = true
			w.Header().Set("Trailer", "X-Late")
			_, _ = io.WriteString(w, r.Proto)
			w.Header().Set("X-Late", "canary-77b")
			w.Header().Set(http.TrailerPrefix+"X-Later", "canary-77c")
		})
		for range 3 {
			res, err := c.RoundTrip(request(t.Context(), "GET", url, ""))
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			b, err := io.ReadAll(res.Body)
			if string(b) != want || err != nil {
				t.Errorf("spoke %q, %v; want %s", b, err, want)
			}
			if err := res.Body.Close(); err != nil || res.Trailer != nil || res.Header.Get("Trailer") != "" {
				t.Errorf("%s: %v, trailers %d, announced %q", want, err, len(res.Trailer), res.Header.Get("Trailer"))
			}
		}
		if len(conns) != 1 {
			t.Errorf("%s: three requests used %d connections", want, len(conns))
		}
	}
}

func TestHeadsAreBounded(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		c, url := startTLS(t, h2, Limits{}, func(w http.ResponseWriter, r *http.Request) {
			size := abi.MaxResponseHeadBytes / 2
			if r.URL.Path == "/large" {
				size = abi.MaxResponseHeadBytes + 64<<10
			}
			for i := range size / 1000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 980))
			}
		})
		if status, _, err := ask(c, request(t.Context(), "GET", url, "")); status != 200 || err != nil {
			t.Errorf("h2 %v: a head within its bound: %d, %v", h2, status, err)
		}
		if status, _, err := ask(c, request(t.Context(), "GET", url+"large", "")); err == nil {
			t.Errorf("h2 %v: a head past its bound: %d", h2, status)
		}
	}
}

func TestHintsAreBounded(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		c, url := startTLS(t, h2, Limits{}, func(w http.ResponseWriter, r *http.Request) {
			n := 2
			if r.URL.Path == "/many" {
				n = 10000
			}
			w.Header().Set("Link", "</"+strings.Repeat("a", 1000)+">")
			for i := 0; i < n && r.Context().Err() == nil; i++ {
				w.WriteHeader(http.StatusEarlyHints)
			}
			w.WriteHeader(200)
		})
		if status, _, err := ask(c, request(t.Context(), "GET", url, "")); status != 200 || err != nil {
			t.Errorf("h2 %v: two hints: %d, %v", h2, status, err)
		}
		if status, _, err := ask(c, request(t.Context(), "POST", url+"many", "")); err == nil {
			t.Errorf("h2 %v: ten thousand hints: %d", h2, status)
		}
	}
}

func TestUnreadAnswersDoNotHoldUpOthers(t *testing.T) {
	c, url := startTLS(t, true, Limits{Concurrency: 20}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, "ok")
			return
		}
		piece := make([]byte, 64<<10)
		for {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	for range 12 {
		res, err := c.RoundTrip(request(t.Context(), "GET", url+"endless", ""))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, body, err := ask(c, request(ctx, "GET", url, "")); body != "ok" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestRepeatsOverBothVersions(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		n := 0
		c, url := startTLS(t, h2, Limits{}, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if n++; n == 1 {
				http.Error(w, "busy", http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write(b)
		})
		c.backoff = zero
		status, body, err := ask(c, request(t.Context(), "REPORT", url, "<q/>"))
		if status != 200 || body != "<q/>" || err != nil || n != 2 {
			t.Errorf("h2 %v: %d %q, %v after %d tries", h2, status, body, err, n)
		}
	}
}

// TestNothingIsLeftBehind ends requests in each way and counts goroutines.
func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		for _, h2 := range []bool{false, true} {
			c, url := startTLS(t, h2, Limits{Concurrency: 2}, func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
				if r.URL.Path == "/stuck" {
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				}
			})
			for range 10 {
				_, _, _ = ask(c, request(t.Context(), "GET", url, ""))
				ctx, cancel := context.WithCancel(t.Context())
				res, err := c.RoundTrip(request(ctx, "GET", url+"stuck", ""))
				if err != nil {
					t.Fatal(err)
				}
				cancel()
				if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
					t.Errorf("h2 %v: %v", h2, err)
				}
				res, err = c.RoundTrip(request(t.Context(), "GET", url+"stuck", ""))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
			}
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}
