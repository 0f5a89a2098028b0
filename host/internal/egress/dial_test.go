package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scripted connects as its table says: after a time, or never.
type scripted map[string]struct {
	after time.Duration
	err   error
}

type journal struct {
	mu    sync.Mutex
	names []string
}

func (j *journal) add(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.names = append(j.names, name)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.names, " ")
}

func (s scripted) connect(log *journal) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		log.add(a.Addr().String())
		act := s[a.Addr().String()]
		if err := sleep(ctx, act.after); err != nil {
			return nil, err
		}
		if act.err != nil {
			return nil, act.err
		}
		c, _ := net.Pipe()
		return namedConn{c, a.Addr().String()}, nil
	}
}

type namedConn struct {
	net.Conn
	name string
}

func TestAddressesAreTriedByTurns(t *testing.T) {
	const long = time.Hour
	refused := errors.New("refused")
	for name, try := range map[string]struct {
		addrs []string
		acts  scripted
		won   string
		tried string
		took  time.Duration
	}{
		"the first answers":           {[]string{"2606::1", "93.0.0.1"}, scripted{}, "2606::1", "2606::1", 0},
		"the first is silent":         {[]string{"2606::1", "2606::2", "93.0.0.1"}, scripted{"2606::1": {after: long}}, "93.0.0.1", "2606::1 93.0.0.1", attemptDelay},
		"the first fails":             {[]string{"2606::1", "93.0.0.1"}, scripted{"2606::1": {time.Millisecond, refused}}, "93.0.0.1", "2606::1 93.0.0.1", time.Millisecond},
		"the first is slow, but wins": {[]string{"2606::1", "93.0.0.1"}, scripted{"2606::1": {after: 300 * time.Millisecond}, "93.0.0.1": {after: long}}, "2606::1", "2606::1 93.0.0.1", 300 * time.Millisecond},
		"all fail":                    {[]string{"93.0.0.1", "93.0.0.2"}, scripted{"93.0.0.1": {0, refused}, "93.0.0.2": {0, refused}}, "", "93.0.0.1 93.0.0.2", 0},
		"all are silent":              {[]string{"93.0.0.1", "93.0.0.2"}, scripted{"93.0.0.1": {after: long}, "93.0.0.2": {after: long}}, "", "93.0.0.1 93.0.0.2", DialTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDialer(nil, lookupOf(try.addrs...))
				var tried journal
				d.connect = try.acts.connect(&tried)
				began := time.Now()
				conn, err := d.DialContext(t.Context(), "tcp", "source.example:443")
				won := ""
				if c, ok := conn.(namedConn); ok {
					won = c.name
				}
				if won != try.won || (err == nil) != (won != "") || tried.String() != try.tried || time.Since(began) != try.took {
					t.Errorf("won %q (%v), tried %v, after %v", won, err, tried.String(), time.Since(began))
				}
				var late *TimeoutError
				if try.took == DialTimeout && (!errors.As(err, &late) || late.Phase != PhaseConnect || !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded)) {
					t.Errorf("silence: %v, want a TimeoutError of the phase connect", err)
				}
				if try.won == "" && try.took == 0 && (!errors.Is(err, ErrConnect) || !errors.Is(err, refused) || strings.Contains(err.Error(), "93.0")) {
					t.Errorf("failure: %v", err)
				}
			})
		})
	}
}

// TestLateWinnerIsClosed has both addresses answer, the second heedless of
// its context.
func TestLateWinnerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := make(chan net.Conn, 2)
		d := NewDialer(nil, lookupOf("93.0.0.1", "93.0.0.2"))
		d.connect = func(_ context.Context, a netip.AddrPort) (net.Conn, error) {
			time.Sleep(time.Second)
			here, peer := net.Pipe()
			peers <- peer
			return namedConn{here, a.Addr().String()}, nil
		}
		conn, err := d.DialContext(t.Context(), "tcp", "source.example:443")
		if err != nil || conn.(namedConn).name != "93.0.0.1" || len(peers) != 2 {
			t.Fatalf("%v, %d connections", err, len(peers))
		}
		<-peers
		if _, err := (<-peers).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the other is open: %v", err)
		}
		_ = conn.Close()
	})
}

func TestNoMoreThanAFewAddressesAreTried(t *testing.T) {
	var addrs []string
	for i := range 30 {
		addrs = append(addrs, "93.0.0."+itoa(uint16(i)))
	}
	d := NewDialer(nil, lookupOf(addrs...))
	got, err := d.addresses(t.Context(), "source.example", 443)
	if err != nil || len(got) != 30 || len(byTurns(got)) != maxAttempts {
		t.Errorf("%d checked, %d tried: %v", len(got), len(byTurns(got)), err)
	}
}

func TestLookupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, &net.DNSError{Err: "canary-9f2", IsTimeout: true}
		}
		began := time.Now()
		_, err := NewDialer(nil, stuck).DialContext(t.Context(), "tcp", "source.example:443")
		var late *TimeoutError
		if !errors.As(err, &late) || late.Phase != PhaseResolve || late.Host != "source.example" || time.Since(began) != DialTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the run was stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		d := NewDialer(nil, lookupOf("93.0.0.1", "93.0.0.2"))
		var tried journal
		d.connect = scripted{"93.0.0.1": {after: time.Hour}, "93.0.0.2": {after: time.Hour}}.connect(&tried)
		time.AfterFunc(time.Second, func() { cancel(why) })
		began := time.Now()
		_, err := d.DialContext(ctx, "tcp", "source.example:443")
		if !errors.Is(err, why) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestPortsAreNumbers(t *testing.T) {
	for _, a := range []string{"source.example", "source.example:", "source.example:0", "source.example:65536", "source.example:https", "source.example:-1"} {
		if _, err := NewDialer(nil, never(t)).DialContext(t.Context(), "tcp", a); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", a, err)
		}
	}
}
