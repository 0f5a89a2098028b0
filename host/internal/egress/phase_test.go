package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// piped returns a client whose every connection is served by serve, in a
// bubble.
func piped(t *testing.T, serve func(net.Conn)) *Client {
	d := NewDialer(nil, lookupOf("93.0.0.1"))
	d.connect = func(context.Context, netip.AddrPort) (net.Conn, error) {
		here, peer := net.Pipe()
		go func() {
			defer peer.Close()
			serve(peer)
		}()
		return here, nil
	}
	c := NewClient(NewTransport(d, nil), Limits{})
	t.Cleanup(func() {
		c.CloseIdleConnections()
		time.Sleep(time.Minute) // of the bubble: its peers see the end
	})
	return c
}

// hush reads and says nothing, until its peer goes.
func hush(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestEachPhaseIsBounded(t *testing.T) {
	for name, try := range map[string]struct {
		url   string
		serve func(net.Conn)
		phase Phase
		after time.Duration
	}{
		"TLS":     {there, hush, PhaseTLS, TLSTimeout},
		"no head": {"http://source.example/", hush, PhaseHead, HeadTimeout},
		"a head without end": {"http://source.example/", func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			go hush(c)
			for _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"); err == nil; time.Sleep(time.Second) {
				_, err = io.WriteString(c, "A: b\r\n")
			}
		}, PhaseHead, HeadTimeout},
		"no body": {"http://source.example/", func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
			hush(c)
		}, PhaseBody, BodyIdleTimeout},
		"no next chunk": {"http://source.example/", func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
			hush(c)
		}, PhaseBody, BodyIdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, try.serve)
				began := time.Now()
				_, body, err := ask(c, request(t.Context(), "GET", try.url, ""))
				var late *TimeoutError
				if !errors.As(err, &late) || late.Phase != try.phase || late.Host != "source.example" || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, want a timeout of the phase %q", err, try.phase)
				}
				if took := time.Since(began); took != try.after {
					t.Errorf("after %v, want %v", took, try.after)
				}
				if try.phase == PhaseBody && body != "ab" {
					t.Errorf("the body so far is %q", body)
				}
				if g := c.pacer.gates[originOf(request(t.Context(), "GET", try.url, ""))]; g.users != 0 {
					t.Errorf("%d turns are not over", g.users)
				}
			})
		})
	}
}

func TestSlowReaderIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
			for range 4 {
				time.Sleep(BodyIdleTimeout - time.Second)
				_, _ = io.WriteString(c, "x")
			}
			hush(c)
		})
		res, err := c.RoundTrip(request(t.Context(), "GET", "http://source.example/", ""))
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			time.Sleep(10 * BodyIdleTimeout) // the reader is busy elsewhere
			if n, err := io.ReadFull(res.Body, make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		_ = res.Body.Close()
	})
}

func TestContextBoundsTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for ; err == nil; time.Sleep(time.Second) {
				_, err = io.WriteString(c, "1\r\nx\r\n")
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+time.Millisecond)
		defer cancel()
		began := time.Now()
		_, body, err := ask(c, request(ctx, "GET", "http://source.example/", ""))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) || time.Since(began) != 90*time.Second+time.Millisecond || len(body) != 91 {
			t.Errorf("%v after %v and %d bytes", err, time.Since(began), len(body))
		}
	})
}

func TestStreamHandshakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, peer := net.Pipe()
		go hush(peer)
		began := time.Now()
		_, err := NewDialer(nil, nil).Upgrade(t.Context(), here, "mail.example", nil)
		var late *TimeoutError
		if !errors.As(err, &late) || late.Phase != PhaseTLS || time.Since(began) != TLSTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := here.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the plain connection goes on: %v", err)
		}
	})
}

var _ net.Error = (*TimeoutError)(nil)

func TestCancelledBodyIsNeverWhole(t *testing.T) {
	why := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	rest := readerFunc(func([]byte) (int, error) { cancel(why); return 0, io.EOF })
	b := newBody(ctx, io.NopCloser(rest), "source.example", func() {}, func() {})
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, why) {
		t.Errorf("%v, want the cause", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
