package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers over UDP on loopback, each question of type A with the
// next of its answers; the last one stays.
type nameServer struct {
	net.PacketConn
	mu      sync.Mutex
	answers [][]netip.Addr
	asked   journal
}

func startNames(t *testing.T, answers ...[]netip.Addr) (*nameServer, Lookup) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{PacketConn: conn, answers: answers}
	var done sync.WaitGroup
	done.Go(s.serve)
	t.Cleanup(func() { _ = conn.Close(); done.Wait() })
	return s, Resolver(&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}})
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
		q := m.Questions[0]
		if q.Type == dnsmessage.TypeA {
			for _, a := range s.next(q.Name.String()) {
				reply.Answers = append(reply.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: a.As4()},
				})
			}
		}
		if wire, err := reply.Pack(); err == nil {
			_, _ = s.WriteTo(wire, from)
		}
	}
}

func (s *nameServer) next(name string) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.add(name)
	out := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return out
}

var (
	public  = netip.MustParseAddr("93.184.215.14")
	private = netip.MustParseAddr("127.0.0.1")
)

// toServer connects to a loopback listener whatever public address it is
// asked for, and writes down which.
func toServer(l net.Listener, log *journal) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		log.add(a.Addr().String())
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}
}

// TestRebinding has a name server that answers with a public address first,
// and with this machine's after.
func TestRebinding(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1); r.URL.Path == "/last" {
			w.Header().Set("Connection", "close")
		}
		if r.URL.Path == "/busy" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(503)
		}
		_, _ = io.WriteString(w, "ok")
	})}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() { _ = srv.Close(); done.Wait() })

	for name, last := range map[string]string{"a later connection": "last", "a second try": "busy"} {
		t.Run(name, func(t *testing.T) {
			names, lookup := startNames(t, []netip.Addr{public}, []netip.Addr{private})
			d := NewDialer(nil, lookup)
			var dialled journal
			d.connect = toServer(l, &dialled)
			c := NewClient(NewTransport(d, nil), Limits{})
			defer c.CloseIdleConnections()
			calls.Store(0)
			const at = "http://rebind.example:8080/"
			for range 3 { // over the one connection, which stays where it is
				if _, body, err := ask(c, request(t.Context(), "GET", at, "")); body != "ok" || err != nil {
					t.Fatalf("%q, %v", body, err)
				}
			}
			if asked := names.asked.String(); asked != "rebind.example." {
				t.Errorf("one connection asked for %q", asked)
			}
			c.backoff = zero
			_, _, err := ask(c, request(t.Context(), "GET", at+last, ""))
			if last == "last" {
				_, _, err = ask(c, request(t.Context(), "GET", at, ""))
			}
			if !errors.Is(err, ErrAddress) {
				t.Errorf("%v, want ErrAddress", err)
			}
			if calls.Load() != 4 || dialled.String() != public.String() || names.asked.String() != "rebind.example. rebind.example." {
				t.Errorf("%d requests came, dialled %s, asked for %q", calls.Load(), dialled.String(), names.asked.String())
			}
		})
	}
}

func TestAnswerIsLookedAtOnce(t *testing.T) {
	_, lookup := startNames(t, []netip.Addr{public, private}, []netip.Addr{public})
	if _, err := NewDialer(nil, lookup).DialContext(t.Context(), "tcp", "mixed.example:443"); !errors.Is(err, ErrAddress) {
		t.Errorf("a name with a special address among others: %v", err)
	}
	_, lookup = startNames(t, nil)
	if _, err := NewDialer(nil, lookup).DialContext(t.Context(), "tcp", "none.example:443"); !errors.Is(err, ErrNoAddress) {
		t.Errorf("a name without addresses: %v", err)
	}
}
