package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/egress"
)

// The most that an exchange holds of each body, in bytes.
const (
	responseWindow = 256 << 10
	requestWindow  = 256 << 10
	bodyChunk      = 32 << 10
)

// exchange is one HTTP request and its answer. The guest's thread and the
// goroutines that move the bytes share it, under mu.
type exchange struct {
	wake   func()
	cancel context.CancelFunc
	spares *spares

	mu       sync.Mutex
	moved    sync.Cond // room or an end has come
	status   int       // 0 before the head
	headers  [][2]string
	headSeen bool // wait has reported the head
	body     ring // read ahead, not yet the guest's
	received int64
	ended    bool       // the body is whole
	failure  abi.Status // why it is not

	upload *upload // nil when no body follows
}

var _ handle = (*exchange)(nil)

// answers is what an exchange asks of its run, from its own goroutine.
type answers struct {
	// head looks at an answer before anything of it is shown, and returns
	// what its body is passed through; a status other than OK fails the
	// exchange.
	head func(*http.Response) (*reception, abi.Status)
	// failed sorts an error of the transport.
	failed func(error) abi.Status
}

// reception is an answer as the guest gets it.
type reception struct {
	headers [][2]string
	body    io.Reader
	// pass appends to dst what may be passed on of a chunk; last says that
	// nothing follows.
	pass func(dst, chunk []byte, last bool) ([]byte, abi.Status)
}

func newExchange(wake func(), cancel context.CancelFunc, s *spares) *exchange {
	x := &exchange{wake: wake, cancel: cancel, spares: s}
	x.moved.L = &x.mu
	return x
}

// run sends the request and reads the answer until its end, the guest's
// close, or a failure.
func (x *exchange) run(t http.RoundTripper, req *http.Request, a answers) {
	defer x.cancel()
	defer x.survive(a.failed)
	res, err := t.RoundTrip(req)
	if err != nil {
		x.fail(a.failed(err))
		return
	}
	defer res.Body.Close()
	in, s := a.head(res)
	if s != abi.StatusOK {
		x.fail(s)
		return
	}
	x.head(res.StatusCode, in.headers)
	body := intake{x: x, in: in, failed: a.failed, chunk: x.spares.buffer(), room: x.spares.buffer()}
	defer x.spares.keep(body.chunk, body.room)
	if s := body.whole(); s != abi.StatusOK {
		x.fail(s)
	}
}

// survive turns a panic into the end of the exchange.
func (x *exchange) survive(failed func(error) abi.Status) {
	if p := recover(); p != nil {
		x.fail(failed(fmt.Errorf("the transport panicked (%T)", p))) // not its text: it may hold a value
	}
}

func (x *exchange) head(status int, headers [][2]string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status, x.headers = status, headers
}

// add appends to what was read ahead, once there is room for it; with the last
// chunk comes the end, so that the guest is woken once for both. It reports
// false when nobody wants it any more.
func (x *exchange) add(chunk []byte, last bool) bool {
	x.mu.Lock()
	for x.body.len() >= responseWindow && x.failure == 0 {
		x.moved.Wait()
	}
	if x.failure == 0 && x.received+int64(len(chunk)) > abi.MaxResponseBodyBytes {
		x.failure = abi.StatusTooLarge
	}
	ok := x.failure == 0
	if ok {
		if x.body.buf == nil {
			x.body.buf = x.spares.buffer()
		}
		x.received += int64(len(chunk))
		x.body.put(chunk)
		x.ended = last
	}
	x.mu.Unlock()
	x.wake()
	return ok
}

// fail ends the exchange; the first failure counts.
func (x *exchange) fail(s abi.Status) {
	x.mu.Lock()
	if x.failure == 0 && !x.ended {
		x.failure = s
	}
	if s == abi.StatusCancelled {
		x.drop()
	}
	x.moved.Broadcast()
	x.mu.Unlock()
	if x.upload != nil {
		x.upload.abort()
	}
	x.cancel()
	x.wake()
}

// ready reports what wait would say, and whether it would say anything. A
// head is news once, and its headers come with the first report; bytes, the
// end and a failure are news until they are taken.
func (x *exchange) ready(handle uint32, report bool) (abi.Ready, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := abi.Ready{Handle: handle, Status: x.status}
	if !x.headSeen {
		out.Headers = x.headers
	}
	switch {
	case x.body.len() > 0:
		out.State = abi.ReadyBody
	case x.failure != 0:
		out.State, out.Error = abi.ReadyError, x.failure.String()
	case x.ended:
		out.State = abi.ReadyDone
	case x.status != 0 && !x.headSeen:
		out.State = abi.ReadyHead
	default:
		return out, false
	}
	if report && x.status != 0 {
		x.headSeen, x.headers = true, nil
	}
	return out, true
}

// read takes bytes of the body: their number, 0 at its end.
func (x *exchange) read(buf []byte) (int, abi.Status) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch n := x.body.take(buf); {
	case n > 0 || x.body.len() > 0: // a buffer of no bytes takes none, and that is no end
		if n == 0 {
			return 0, abi.StatusInvalid
		}
		if x.ended && x.body.len() == 0 {
			x.drop()
		}
		x.moved.Broadcast()
		return n, abi.StatusOK
	case x.failure != 0:
		return 0, x.failure
	case x.ended:
		return 0, abi.StatusOK
	}
	return 0, abi.StatusAgain
}

// drop gives the room for the body away.
func (x *exchange) drop() {
	x.spares.keep(x.body.buf)
	x.body = ring{}
}

func (x *exchange) writable() bool { return x.upload == nil || x.upload.writable() }

// write takes a part of a body that follows.
func (x *exchange) write(p []byte) (int, abi.Status) {
	if x.upload == nil {
		return 0, abi.StatusInvalid
	}
	n, s := x.upload.write(p)
	switch s {
	case abi.StatusOK, abi.StatusAgain:
		return n, s
	case abi.StatusInvalid:
		if failure := x.failed(); failure != 0 {
			return 0, failure // the body was given up because the exchange failed
		}
		return 0, s
	}
	x.fail(s)
	return 0, s
}

func (x *exchange) failed() abi.Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failure
}

// upload is a request body that follows by write. It holds a bounded part of
// it.
type upload struct {
	mu      sync.Mutex
	moved   sync.Cond
	pending []byte
	taken   int64
	closed  bool // the guest has written the end
	aborted bool
	// pass returns what of the guest's bytes goes out, values put in; last
	// says that nothing follows.
	pass func(chunk []byte, last bool) ([]byte, abi.Status)
	wake func()
}

func newUpload(pass func([]byte, bool) ([]byte, abi.Status), wake func()) *upload {
	u := &upload{pass: pass, wake: wake}
	u.moved.L = &u.mu
	return u
}

// write takes what there is room for.
func (u *upload) write(p []byte) (int, abi.Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.aborted || u.closed { // also when the source answered without reading it all
		return 0, abi.StatusInvalid
	}
	n := min(len(p), requestWindow-len(u.pending))
	if n <= 0 && len(p) > 0 {
		return 0, abi.StatusAgain
	}
	if u.taken += int64(n); u.taken > abi.MaxRequestBodyBytes {
		return 0, abi.StatusTooLarge
	}
	out, s := u.pass(p[:n], len(p) == 0)
	if s != abi.StatusOK {
		return 0, s
	}
	u.pending = append(u.pending, out...)
	u.closed = len(p) == 0
	u.moved.Broadcast()
	return n, abi.StatusOK
}

func (u *upload) writable() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.aborted || u.closed || len(u.pending) < requestWindow
}

func (u *upload) abort() {
	u.mu.Lock()
	u.aborted = true
	u.moved.Broadcast()
	u.mu.Unlock()
}

var errUploadAborted = errors.New("the request body was given up")

// Read is for net/http, which sends what it reads.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.pending) == 0 && !u.closed && !u.aborted {
		u.moved.Wait()
	}
	switch {
	case u.aborted:
		return 0, errUploadAborted
	case len(u.pending) == 0:
		return 0, io.EOF
	}
	n := copy(p, u.pending)
	u.pending = u.pending[n:]
	u.wake()
	return n, nil
}

// Close is called by net/http when it needs no more.
func (u *upload) Close() error { u.abort(); return nil }

// failure sorts an error of the transport into a status, and says whether the
// address itself was refused.
func failure(ctx context.Context, err error) (abi.Status, *egress.AddressError) {
	var refused *egress.AddressError
	switch {
	case errors.As(err, &refused):
		return abi.StatusDenied, refused
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return abi.StatusTimeout, nil
	case ctx.Err() != nil:
		return abi.StatusCancelled, nil
	}
	return abi.StatusUnavailable, nil
}

// plainly words a failure for the owner. It knows a closed list of causes: the
// text of an error may hold an address, or what the source wrote.
func plainly(err error) string {
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var slow *egress.TimeoutError
	switch {
	case errors.As(err, &slow):
		return "took too long to " + string(slow.Phase)
	case errors.As(err, &authority):
		return "has a certificate of an authority that is not known here"
	case errors.As(err, &name):
		return "has a certificate for another name"
	case errors.As(err, &invalid), errors.As(err, &verification):
		return "has a certificate that is not valid"
	case errors.As(err, &record):
		return "does not speak TLS"
	case errors.As(err, &dns), errors.Is(err, egress.ErrNoAddress):
		return "has a name that does not resolve"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections"
	case errors.Is(err, egress.ErrConnect):
		return "cannot be reached"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "broke off the connection"
	}
	return "gave an answer that makes no sense"
}
