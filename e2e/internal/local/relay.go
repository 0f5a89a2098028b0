package local

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// Relay passes connections on, until the test ends.
type Relay struct {
	listen      net.Listener
	to          string
	connections atomic.Int64
	breakAfter  atomic.Int64
	change      atomic.Pointer[func([]byte) []byte]
}

// NewRelay starts a relay to a server's address.
func NewRelay(t testing.TB, to string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listen: l, to: to}
	r.breakAfter.Store(-1)
	go r.accept()
	t.Cleanup(func() { _ = l.Close() })
	return r
}

// Addr returns where the relay listens.
func (r *Relay) Addr() netip.AddrPort { return netip.MustParseAddrPort(r.listen.Addr().String()) }

// Connections returns how many connections came so far.
func (r *Relay) Connections() int { return int(r.connections.Load()) }

// BreakOffAfter breaks each connection off when the server has sent that many
// bytes, TLS and all. A negative number lets them be.
func (r *Relay) BreakOffAfter(bytes int64) { r.breakAfter.Store(bytes) }

// Change has what the server sends changed on its way, as someone on it would,
// in new connections. change is called for each piece as it comes.
func (r *Relay) Change(change func(piece []byte) []byte) { r.change.Store(&change) }

func (r *Relay) accept() {
	for {
		guest, err := r.listen.Accept()
		if err != nil {
			return
		}
		r.connections.Add(1)
		go r.pass(guest)
	}
}

// pass copies both ways until one side ends, or enough has been said.
func (r *Relay) pass(guest net.Conn) {
	defer func() { _ = guest.Close() }()
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, guest)
		_ = server.Close()
	}()
	var said io.Reader = server
	if most := r.breakAfter.Load(); most >= 0 {
		said = io.LimitReader(server, most)
	}
	if change := r.change.Load(); change != nil {
		said = &changed{said, *change, nil}
	}
	_, _ = io.Copy(guest, said)
}

// changed reads what a function makes of what is read.
type changed struct {
	from   io.Reader
	change func([]byte) []byte
	rest   []byte
}

func (c *changed) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		piece := make([]byte, 4096)
		n, err := c.from.Read(piece)
		if n == 0 && err != nil {
			return 0, err
		}
		c.rest = c.change(piece[:n])
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
