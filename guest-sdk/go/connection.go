package sallyport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// Connection is a connection to a server that speaks TLS. The host opens it,
// verifies the server, and puts credentials' values where surrogates stand in
// an authentication command; see [Run.Dial]. Package stream makes a net.Conn
// of it.
//
// One goroutine may read while another writes; the other methods may be called
// at any time.
type Connection struct {
	run     *Run
	address string
	handle  uint32
	waiter  hostcall.Waiter

	reading, writing sync.Mutex // one goroutine each way

	closing sync.Once
	mu      sync.Mutex
	closed  bool
	ended   error // io.EOF, once the server has closed
	failed  error // why the connection is of no use any more
}

// Dial connects to a server: "imaps://host", "smtps://host" or
// "tls://host:port"; or "imap://host" or "smtp://host", where the host does
// STARTTLS before anything else. Another port is written behind the host. It
// returns once TLS stands and the server is who it says; ctx bounds that, and
// nothing after.
//
// In LOGIN and AUTHENTICATE of IMAP and in AUTH of SMTP a surrogate becomes the
// value; in another command it ends the connection with [ErrLeakBlocked]; in a
// message it stays what it is. COMPRESS and fetches of a part of a part
// (BODY[]<0.100>) are refused.
//
// The error is [ErrDenied] when no egress rule covers the address,
// [ErrUnavailable] when the server cannot be reached or verified, ctx's cause
// when that ended first.
func (r *Run) Dial(ctx context.Context, address string) (*Connection, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open %s: %w", withoutQuery(address), context.Cause(ctx))
	}
	c := &Connection{run: r, address: withoutQuery(address)}
	res := r.host.Open(address)
	if st := res.Status(); st != abi.StatusOK {
		return nil, r.refused("open", c.address, st)
	}
	c.handle = res.Len()
	var err error
	if c.waiter, err = r.host.Waiter(c.handle); err != nil {
		return nil, fmt.Errorf("open %s: %w", c.address, err)
	}
	stop := context.AfterFunc(ctx, func() { c.waiter.SetDeadline(longAgo) })
	err = c.head()
	if !stop() && err == nil {
		err = os.ErrDeadlineExceeded // ctx ended as the connection came to stand
	}
	if err == nil {
		return c, nil
	}
	c.Close()
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("open %s: %w", c.address, cause)
	}
	return nil, err
}

// head waits until the connection stands.
func (c *Connection) head() error {
	var ready wireReady
	var err error
	parked := c.waiter.Read(func() bool {
		ready, err = c.poll()
		return err != nil || ready.State != ""
	})
	switch {
	case parked != nil:
		return parked
	case err == nil && ready.State == abi.ReadyError:
		return c.run.failed("open", c.address, abi.StatusNamed(ready.Error))
	}
	return err
}

// poll asks how far the connection is; State is empty when nothing has come.
func (c *Connection) poll() (wireReady, error) {
	raw, err := c.run.result("open", c.address, make([]byte, 1<<10),
		func(out []byte) abi.Result { return c.run.host.StreamPoll(c.handle, out) })
	if err != nil {
		return wireReady{}, err
	}
	return firstReady(raw)
}

// Address returns what was dialled.
func (c *Connection) Address() string { return c.address }

// Err returns why the connection is of no use any more: the first refusal of
// the host's. It is nil while there was none, also when the server has closed
// the connection. A library that speaks over it may have an error of its own
// for that; Err is what the connector's DONE should be about.
func (c *Connection) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Read reads what the server sent: at least one byte, or an error. It is
// io.EOF when the server has closed, os.ErrDeadlineExceeded past the deadline,
// os.ErrClosed after [Connection.Close], or a refusal.
func (c *Connection) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if err := c.over(true); err != nil {
		return 0, err
	}
	var res abi.Result
	parked := c.waiter.Read(func() bool {
		res = c.run.host.StreamRead(c.handle, p)
		return res.Status() != abi.StatusAgain
	})
	switch st := res.Status(); {
	case parked != nil:
		return 0, c.why(parked)
	case st != abi.StatusOK:
		return 0, c.fail("read", st)
	case res.Len() == 0:
		c.mu.Lock()
		c.ended = io.EOF
		c.mu.Unlock()
		return 0, io.EOF
	}
	return min(int(res.Len()), len(p)), nil
}

// Write sends p. It waits while the server is slow; an error may come after
// a part was taken.
func (c *Connection) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for n < len(p) {
		taken, err := c.write(p[n:])
		if err != nil {
			return n, err
		}
		n += taken
	}
	if len(p) == 0 {
		return 0, c.over(false)
	}
	return n, nil
}

// CloseWrite says that nothing more will be sent. What the server still has to
// say can be read.
func (c *Connection) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.write(nil)
	return err
}

// write gives the host some of p, or with none of it the end.
func (c *Connection) write(p []byte) (int, error) {
	if err := c.over(false); err != nil {
		return 0, err
	}
	var res abi.Result
	parked := c.waiter.Write(func() bool {
		res = c.run.host.StreamWrite(c.handle, p)
		return res.Status() != abi.StatusAgain
	})
	switch st := res.Status(); {
	case parked != nil:
		return 0, c.why(parked)
	case st != abi.StatusOK:
		return 0, c.fail("write", st)
	case res.Len() == 0 && len(p) > 0:
		return 0, io.ErrNoProgress
	}
	return min(int(res.Len()), len(p)), nil
}

// over returns why nothing can be read, or written, any more.
func (c *Connection) over(reading bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return os.ErrClosed
	case c.failed != nil:
		return c.failed
	case reading:
		return c.ended
	}
	return nil
}

// why says why a goroutine was woken before anything came: the poller's own
// error for a closed handle is none that callers know.
func (c *Connection) why(parked error) error {
	if err := c.over(false); err != nil {
		return err
	}
	if errors.Is(parked, os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return fmt.Errorf("%s: %w", c.address, parked)
}

// fail makes the error of a status that a call returned, and keeps the first.
// What was written after the server had closed is refused as well, and is
// nothing to keep.
func (c *Connection) fail(op string, st abi.Status) error {
	if c.isClosed() { // by another goroutine, which freed the handle
		return os.ErrClosed
	}
	err := c.run.refused(op, c.address, st)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil && st != abi.StatusInvalid {
		c.failed = err
	}
	return err
}

func (c *Connection) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// SetDeadline sets when Read and Write, also those under way, fail with
// os.ErrDeadlineExceeded. The zero time is never. It may be set anew at any
// time, and what was not read by then can still be.
func (c *Connection) SetDeadline(t time.Time) error { return c.deadline(c.waiter.SetDeadline(t)) }

// SetReadDeadline does so for Read.
func (c *Connection) SetReadDeadline(t time.Time) error {
	return c.deadline(c.waiter.SetReadDeadline(t))
}

// SetWriteDeadline does so for Write.
func (c *Connection) SetWriteDeadline(t time.Time) error {
	return c.deadline(c.waiter.SetWriteDeadline(t))
}

func (c *Connection) deadline(err error) error {
	if err != nil && c.isClosed() {
		return os.ErrClosed
	}
	return err
}

// Close ends the connection, and what waits in Read and Write.
func (c *Connection) Close() error {
	err := os.ErrClosed
	c.closing.Do(func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		err = c.waiter.Close()
	})
	return err
}
