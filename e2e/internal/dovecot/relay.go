package dovecot

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// relay passes connections on.
type relay struct {
	listen      net.Listener
	to          string
	connections atomic.Int64
	breakAfter  atomic.Int64
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listen: l, to: to}
	r.breakAfter.Store(-1)
	go r.accept()
	t.Cleanup(func() { _ = l.Close() })
	return r
}

func (r *relay) addr() netip.AddrPort { return netip.MustParseAddrPort(r.listen.Addr().String()) }

func (r *relay) accept() {
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
func (r *relay) pass(guest net.Conn) {
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
	_, _ = io.Copy(guest, said)
}
