package stream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
	"github.com/sallyport-host/sallyport/guest-sdk/go/stream"
)

const canary = `ca"na\ry`

// host is a host whose one server does what serve does.
func host(serve func(server net.Conn)) sallyporttest.Host {
	return sallyporttest.Host{
		Streams:     []string{"notes"},
		Credentials: map[string]string{"PASSWORD": canary},
		Dial: func(context.Context, string) (net.Conn, error) {
			guest, server := net.Pipe()
			go serve(server)
			return guest, nil
		},
	}
}

// talk runs f over a connection to the server, and expects nothing to be left
// open.
func talk(t *testing.T, h sallyporttest.Host, f func(run *sallyport.Run, conn *stream.Conn)) *sallyporttest.Result {
	t.Helper()
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error {
		conn, err := stream.Dial(ctx, run, "imaps://mail.example:1993")
		if err != nil {
			return err
		}
		defer conn.Close()
		f(run, conn)
		return nil
	})
	if r.Done.Status != abi.Succeeded || r.Open != 0 || len(r.Problems) != 0 {
		t.Errorf("ended as %+v, %d open, %q", r.Done, r.Open, r.Problems)
	}
	return r
}

// echo writes back what it reads, until there is no more.
func echo(server net.Conn) {
	_, _ = io.Copy(server, server)
	_ = server.Close()
}

// quiet takes nothing and says nothing.
func quiet(net.Conn) {}

func TestBytesGoBothWaysAtOnce(t *testing.T) {
	r := talk(t, host(echo), func(_ *sallyport.Run, conn *stream.Conn) {
		whole := strings.Repeat("0123456789abcde\n", 32<<10) // 512 KiB: more than any window
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := io.WriteString(conn, whole); err != nil {
				t.Error(err)
			}
		})
		got := make([]byte, len(whole))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != whole {
			t.Errorf("read %d bytes that differ, %v", len(got), err)
		}
		writing.Wait()
		if a := conn.RemoteAddr(); a.Network() != "imaps" || a.String() != "mail.example:1993" {
			t.Errorf("address %s %s", a.Network(), a)
		}
	})
	if len(r.Requests) != 1 || r.Requests[0] != "open imaps://mail.example:1993" {
		t.Errorf("requests %q", r.Requests)
	}
}

func TestServerCloses(t *testing.T) {
	serve := func(server net.Conn) {
		_, _ = io.WriteString(server, "* BYE\r\n")
		_ = server.Close()
	}
	talk(t, host(serve), func(_ *sallyport.Run, conn *stream.Conn) {
		all, err := io.ReadAll(conn)
		if string(all) != "* BYE\r\n" || err != nil {
			t.Errorf("%q, %v", all, err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("and then %v", err)
		}
		if conn.Err() != nil {
			t.Errorf("Err is %v", conn.Err())
		}
	})
}

func TestCloseWriteLeavesReading(t *testing.T) {
	serve := func(server net.Conn) {
		_, _ = bufio.NewReader(server).ReadString('\n')
		_, _ = io.WriteString(server, "bye\n")
		_ = server.Close()
	}
	talk(t, host(serve), func(_ *sallyport.Run, conn *stream.Conn) {
		if _, err := io.WriteString(conn, "go\n"); err != nil {
			t.Error(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Error(err)
		}
		if all, err := io.ReadAll(conn); string(all) != "bye\n" || err != nil {
			t.Errorf("%q, %v", all, err)
		}
		if _, err := conn.Write([]byte("more")); !errors.Is(err, sallyport.ErrInvalid) {
			t.Errorf("a write after the end: %v", err)
		}
	})
}

// timedOut is what users of package net ask of an error.
func timedOut(err error) bool {
	var e net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &e) && e.Timeout()
}

func TestDeadlines(t *testing.T) {
	past := time.Unix(1, 0)
	talk(t, host(quiet), func(_ *sallyport.Run, conn *stream.Conn) {
		buf := make([]byte, 1)
		large := make([]byte, 1<<20)
		for _, c := range []struct {
			name        string
			set         func(time.Time) error
			read, write bool
		}{
			{"read", conn.SetReadDeadline, true, false},
			{"write", conn.SetWriteDeadline, false, true},
			{"both", conn.SetDeadline, true, true},
		} {
			if err := c.set(past); err != nil {
				t.Fatal(err)
			}
			if c.read {
				if _, err := conn.Read(buf); !timedOut(err) {
					t.Errorf("%s: Read: %v", c.name, err)
				}
			}
			if c.write {
				if _, err := conn.Write(large); !timedOut(err) {
					t.Errorf("%s: Write: %v", c.name, err)
				}
			}
			if err := c.set(time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestDeadlineEndsWhatWaits: set while a Read is under way, and then taken
// back, after which the connection is as good as before.
func TestDeadlineEndsWhatWaits(t *testing.T) {
	say := make(chan struct{})
	serve := func(server net.Conn) {
		<-say
		_, _ = io.WriteString(server, "x")
	}
	talk(t, host(serve), func(_ *sallyport.Run, conn *stream.Conn) {
		ended := make(chan error)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		}()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		if err := <-ended; !timedOut(err) {
			t.Errorf("Read: %v", err)
		}
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		close(say)
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read after the deadline was taken back: %v", err)
		}
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	talk(t, host(quiet), func(_ *sallyport.Run, conn *stream.Conn) {
		ended := make(chan error)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		}()
		go func() {
			_, err := conn.Write(make([]byte, 1<<20))
			ended <- err
		}()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended by %v", err)
			}
		}
		if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
		if err := conn.SetDeadline(time.Time{}); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline: %v", err)
		}
	})
}

func TestDialFails(t *testing.T) {
	h := host(quiet)
	h.Dial = func(context.Context, string) (net.Conn, error) { return nil, errors.New("no route") }
	dial := func(ctx context.Context, address string) sallyporttest.Done {
		return h.Run(func(_ context.Context, run *sallyport.Run) error {
			conn, err := stream.Dial(ctx, run, address)
			if conn != nil || err == nil {
				t.Errorf("%v, %v", conn, err)
			}
			return err
		}).Done
	}
	if d := dial(t.Context(), "imaps://mail.example"); d.Code != abi.CodeSourceUnavailable || d.Recovery != sallyport.RetryByRuntime {
		t.Errorf("unreachable: %+v", d)
	}
	if d := dial(t.Context(), "mail.example"); d.Code != abi.CodeConnectorFailed {
		t.Errorf("no scheme: %+v", d)
	}
	h.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if d := dial(ctx, "imaps://mail.example"); d.Code != abi.CodeSourceUnavailable {
		t.Errorf("ctx ended: %+v", d)
	}
	if d := dial(ctx, "imaps://mail.example"); d.Code != abi.CodeSourceUnavailable {
		t.Errorf("ctx had ended: %+v", d)
	}
}

// TestServerBreaksOff: the host's refusal is told by Err as well, as a library
// over the connection may swallow it.
func TestServerBreaksOff(t *testing.T) {
	h := host(nil)
	broken := errors.New("reset")
	h.Dial = func(context.Context, string) (net.Conn, error) { return breaking{err: broken}, nil }
	talk(t, h, func(_ *sallyport.Run, conn *stream.Conn) {
		_, err := conn.Read(make([]byte, 1))
		if !errors.Is(err, sallyport.ErrUnavailable) || !errors.Is(conn.Err(), sallyport.ErrUnavailable) {
			t.Errorf("Read: %v; Err: %v", err, conn.Err())
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, sallyport.ErrUnavailable) {
			t.Errorf("Write: %v", err)
		}
	})
}

// breaking is a connection that fails.
type breaking struct {
	net.Conn
	err error
}

func (b breaking) Read([]byte) (int, error)  { return 0, b.err }
func (b breaking) Write([]byte) (int, error) { return 0, b.err }
func (b breaking) Close() error              { return nil }

// TestValuesInAuthenticationOnly holds the stand-in to what the host does.
func TestValuesInAuthenticationOnly(t *testing.T) {
	got := make(chan string, 1)
	serve := func(server net.Conn) {
		all, r := "", bufio.NewReader(server)
		for range 4 {
			line, _ := r.ReadString('\n')
			all += line
		}
		got <- all
		_ = server.Close()
	}
	s := sallyporttest.Surrogate("PASSWORD")
	talk(t, host(serve), func(run *sallyport.Run, conn *stream.Conn) {
		value, err := run.Credential("PASSWORD")
		if err != nil || string(value) != s {
			t.Errorf("%q, %v", value, err)
		}
		lines := []string{"a LOGIN alice " + s, `b login "alice" "` + s + `"`, "c APPEND INBOX {40}", s, ""}
		if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")); err != nil {
			t.Error(err)
		}
		_, _ = io.ReadAll(conn) // until the server has it all
	})
	want := strings.Join([]string{"a LOGIN alice " + canary, `b login "alice" "ca\"na\\ry"`, "c APPEND INBOX {40}", s, ""}, "\r\n")
	if all := <-got; all != want {
		t.Errorf("the server read other lines than it should")
	}
}
