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

// chunkBytes is how much of a body that follows is given to the host at once.
const chunkBytes = 32 << 10

// longAgo is a deadline that ends what waits.
var longAgo = time.Unix(1, 0)

// brief is how long a request waits in one call of the host, in milliseconds,
// when no other goroutine is there that could go on meanwhile. Most answers
// come within it, and parking costs more than they take; timers are late by as
// much at most.
const brief = 10

// exchange is one request under way. It is the body of its response too.
type exchange struct {
	run    *Run
	op     string // for errors: the method
	name   string // for errors: the URL without its query
	handle uint32
	ctx    context.Context
	cancel context.CancelFunc // of the request's own timeout

	closing sync.Once
	closed  error

	mu      sync.Mutex
	waiter  hostcall.Waiter // nil until a goroutine has to be parked
	unwatch func() bool     // ends the watch over ctx, which comes with waiter
	ended   error           // sticky end of the body
	upload  error           // why the request's body failed on this side
}

// exchange sends one request, without redirects.
func (c *Client) exchange(ctx context.Context, req *Request) (*Response, error) {
	x := &exchange{run: c.run, op: req.method(), name: withoutQuery(req.URL), ctx: ctx, cancel: func() {}}
	if req.Timeout > 0 {
		x.ctx, x.cancel = context.WithTimeout(ctx, req.Timeout)
	}
	if err := x.send(req); err != nil {
		x.cancel()
		closeReader(req.BodyReader)
		return nil, err
	}
	if req.BodyReader != nil {
		go x.uploadFrom(req.BodyReader)
	}
	ready, err := x.head()
	if err != nil {
		x.Close()
		return nil, err
	}
	return &Response{StatusCode: ready.Status, Header: headerOf(ready.Headers), Body: x, Request: req}, nil
}

// send starts the exchange.
func (x *exchange) send(req *Request) error {
	if x.ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", x.op, x.name, context.Cause(x.ctx))
	}
	room := x.run.room()
	head := appendHead(room[:0], req.method(), req.URL, req.Header, x.timeoutMS())
	res := x.run.host.Send(head, req.Body, req.BodyReader != nil)
	x.run.reuse(room)
	if st := res.Status(); st != abi.StatusOK {
		return x.run.refused(x.op, x.name, st)
	}
	x.handle = res.Len()
	if req.BodyReader != nil { // whose goroutine is parked as well
		_, err := x.parking()
		return err
	}
	return nil
}

// parking returns what parks goroutines on the exchange; ctx ends it.
func (x *exchange) parking() (hostcall.Waiter, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.waiter != nil || x.ended != nil {
		return x.waiter, x.ended
	}
	w, err := x.run.host.Waiter(x.handle)
	if err != nil {
		return nil, err
	}
	x.waiter, x.unwatch = w, context.AfterFunc(x.ctx, func() { w.SetDeadline(longAgo) })
	return w, nil
}

// alone reports whether the guest may stand still for as long as the host
// waits, as nobody else loses by it.
func (x *exchange) alone() bool { return x.ctx.Err() == nil && x.run.host.Alone() }

// park calls try, with its goroutine parked in between, until it says that it
// is done.
func (x *exchange) park(try func() (done bool)) error {
	if x.ctx.Err() != nil {
		return os.ErrDeadlineExceeded
	}
	w, err := x.parking()
	if err != nil {
		return err
	}
	return w.Read(try)
}

// timeoutMS is what the host is told: a little more than is left until the
// context's deadline, so that it is the context that ends the exchange, with
// its own error, and the host only when the guest stands still. It is 0 when
// there is no deadline.
func (x *exchange) timeoutMS() int64 {
	deadline, ok := x.ctx.Deadline()
	if !ok {
		return 0
	}
	const more = time.Second
	return max(time.Until(deadline)+more, more).Milliseconds()
}

// head waits for the head of the response.
func (x *exchange) head() (ready wireReady, err error) {
	room := x.run.room()
	defer x.run.reuse(room)
	if x.alone() {
		ready, err = x.wait(brief, room)
		x.run.yield()
	}
	if err == nil && ready.State == "" {
		ready, err = x.parkedHead(room)
	}
	if err == nil && ready.State == abi.ReadyError {
		err = x.why(x.run.failed(x.op, x.name, abi.StatusNamed(ready.Error)))
	}
	return ready, err
}

func (x *exchange) parkedHead(room []byte) (ready wireReady, err error) {
	parked := x.park(func() bool {
		ready, err = x.wait(0, room)
		return err != nil || ready.State != ""
	})
	if parked != nil {
		err = x.why(parked)
	}
	return ready, err
}

// wait asks how far the exchange is; State is empty when nothing has come.
func (x *exchange) wait(timeoutMS int64, room []byte) (wireReady, error) {
	raw, err := x.run.fetch(x.op, x.name, room, x.run.host.Wait(x.handle, timeoutMS, room))
	if err != nil {
		return wireReady{}, err
	}
	return firstReady(raw)
}

// why says why an exchange ended early: what failed on this side and what the
// context says come before what the host made of it.
func (x *exchange) why(err error) error {
	x.mu.Lock()
	upload := x.upload
	x.mu.Unlock()
	if upload != nil {
		return fmt.Errorf("%s %s: %w", x.op, x.name, upload)
	}
	if cause := context.Cause(x.ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%s %s: %w", x.op, x.name, cause)
	}
	return err
}

// Read reads the response's body.
func (x *exchange) Read(p []byte) (n int, err error) {
	x.mu.Lock()
	err = x.ended
	x.mu.Unlock()
	if err != nil || len(p) == 0 {
		return 0, err
	}
	res, parked := x.take(p)
	switch st := res.Status(); {
	case parked != nil:
		err = x.why(parked)
	case st != abi.StatusOK:
		err = x.why(x.run.refused(x.op, x.name, st))
	case res.Len() == 0:
		err = io.EOF
	default:
		return min(int(res.Len()), len(p)), nil
	}
	x.mu.Lock()
	x.ended = err
	x.mu.Unlock()
	x.Close() // frees the handle
	return 0, err
}

// take reads what there is of the body, or waits for it.
func (x *exchange) take(p []byte) (res abi.Result, parked error) {
	if x.ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded
	}
	res = x.run.host.Read(x.handle, p)
	if res.Status() == abi.StatusAgain && x.alone() {
		var room [128]byte // for a report without headers
		x.run.host.Wait(x.handle, brief, room[:])
		x.run.yield()
		res = x.run.host.Read(x.handle, p)
	}
	if res.Status() == abi.StatusAgain {
		return x.parkedTake(p)
	}
	return res, nil
}

func (x *exchange) parkedTake(p []byte) (res abi.Result, parked error) {
	parked = x.park(func() bool {
		res = x.run.host.Read(x.handle, p)
		return res.Status() != abi.StatusAgain
	})
	return res, parked
}

// Close ends the exchange. A Read under way or later fails, unless the body
// had ended.
func (x *exchange) Close() error {
	x.closing.Do(func() {
		x.cancel()
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.ended == nil {
			x.ended = os.ErrClosed
		}
		if x.waiter == nil {
			x.closed = x.run.host.Close(x.handle)
			return
		}
		x.unwatch()
		x.closed = x.waiter.Close()
	})
	return x.closed
}

// uploadFrom gives the host the request's body. What the reader fails with
// ends the exchange; what the host refuses is left to the response, which may
// have come before the body was wanted.
func (x *exchange) uploadFrom(body io.Reader) {
	defer closeReader(body)
	err := protect(func() error {
		buf := make([]byte, chunkBytes)
		for {
			n, err := readSome(body, buf)
			if !x.write(buf[:n]) {
				return nil
			}
			if err == io.EOF {
				x.writeSome(nil) // the body has ended
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		x.mu.Lock()
		x.upload = err
		x.mu.Unlock()
		x.waiter.SetDeadline(longAgo)
	}
}

// maxEmptyReads is how many reads in a row may give nothing, as in bufio. A
// reader that does so for ever would let no other goroutine of the guest run.
const maxEmptyReads = 100

// readSome reads something, or says with io.ErrNoProgress that nothing comes.
func readSome(r io.Reader, buf []byte) (n int, err error) {
	for range maxEmptyReads {
		if n, err = r.Read(buf); n != 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// closeReader closes a request's body that wants to be closed.
func closeReader(body io.Reader) {
	if c, ok := body.(io.Closer); ok {
		c.Close() // it was read as far as it was wanted: there is nothing to tell
	}
}

// write gives all of p, and reports whether more is wanted.
func (x *exchange) write(p []byte) bool {
	for len(p) > 0 {
		res, ok := x.writeSome(p)
		if !ok || res.Len() == 0 {
			return false
		}
		p = p[min(int(res.Len()), len(p)):]
	}
	return true
}

func (x *exchange) writeSome(p []byte) (res abi.Result, ok bool) {
	parked := x.waiter.Write(func() bool {
		res = x.run.host.Write(x.handle, p)
		return res.Status() != abi.StatusAgain
	})
	return res, parked == nil && res.Status() == abi.StatusOK
}
