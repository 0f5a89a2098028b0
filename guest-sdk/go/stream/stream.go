// Package stream gives connectors connections to mail servers, and to others
// that speak TLS, as a net.Conn: client libraries that take one run in a guest
// unmodified.
//
//	conn, err := stream.Dial(ctx, run, "imaps://imap.example.com")
//	if err != nil {
//		return err
//	}
//	client := imapclient.New(conn, nil) // emersion/go-imap/v2
//	err = client.Login(account, password).Wait()
//
// # Promise
//
// The host opens the connection, checks the address, and verifies TLS; a guest
// has no sockets and sees neither. What can be read and written is the plain
// protocol. In an authentication command a surrogate becomes the value, once;
// where the server echoes the value, the surrogate is read. See
// [sallyport.Run.Dial].
//
// A goroutine that waits in Read or Write lets the others go on. Deadlines work
// as those of package net: they end what waits, and can be set anew. Close ends
// what waits as well. One goroutine may read while others write. Errors are
// *[net.OpError], and wrap package sallyport's sentinels.
//
// # Limits
//
// There are no addresses: LocalAddr and RemoteAddr tell what was dialled. A
// host has 64 handles for a run, of streams and requests together.
//
// [sallyport.Run.Dial] is the same without package net.
package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// Conn is a [net.Conn].
type Conn struct {
	c    *sallyport.Connection
	addr addr
}

var _ net.Conn = (*Conn)(nil)

// Dial connects as [sallyport.Run.Dial] does. ctx bounds the dialling, and
// nothing after.
func Dial(ctx context.Context, run *sallyport.Run, address string) (*Conn, error) {
	c, err := run.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return &Conn{c, addr(c.Address())}, nil
}

// Err returns the first refusal of the host's, which is why the connection is of
// no use any more, or nil. It is what a connector returns when the library over
// the connection only says that it was closed.
func (c *Conn) Err() error { return c.c.Err() }

// Read reads what the server sent.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.c.Read(p)
	return n, c.error("read", err)
}

// Write sends p.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.c.Write(p)
	return n, c.error("write", err)
}

// CloseWrite says that nothing more will be sent.
func (c *Conn) CloseWrite() error { return c.error("close", c.c.CloseWrite()) }

// Close ends the connection.
func (c *Conn) Close() error { return c.error("close", c.c.Close()) }

// LocalAddr returns an address without meaning.
func (c *Conn) LocalAddr() net.Addr { return addr("guest") }

// RemoteAddr returns what was dialled.
func (c *Conn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline sets when Read and Write fail.
func (c *Conn) SetDeadline(t time.Time) error { return c.error("set", c.c.SetDeadline(t)) }

// SetReadDeadline sets when Read fails.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.error("set", c.c.SetReadDeadline(t)) }

// SetWriteDeadline sets when Write fails.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.error("set", c.c.SetWriteDeadline(t)) }

// error makes an error one that users of package net know.
func (c *Conn) error(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case err == io.EOF:
		return io.EOF // readers compare it
	case errors.Is(err, os.ErrClosed):
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: c.addr.Network(), Addr: c.addr, Err: err}
}

// addr is an address as it was dialled.
type addr string

var _ net.Addr = addr("")

// Network returns the scheme, "stream" where there is none.
func (a addr) Network() string {
	if scheme, _, ok := strings.Cut(string(a), "://"); ok {
		return scheme
	}
	return "stream"
}

// String returns the host, and the port where it was written.
func (a addr) String() string {
	_, rest, _ := strings.Cut(string(a), "://")
	if rest == "" {
		return string(a)
	}
	return rest
}
