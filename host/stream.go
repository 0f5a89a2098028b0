package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/mailwire"
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/manifests"
)

// The most that a stream holds in each direction, in bytes.
const (
	streamWindow = 256 << 10
	streamChunk  = 32 << 10
)

// stream is one connection to a mail server, or another that speaks TLS. The
// guest's thread and the goroutines that move the bytes share it, under mu.
type stream struct {
	wake   func()
	cancel context.CancelFunc
	wire   wire

	mu       sync.Mutex
	moved    sync.Cond // room, bytes or an end have come
	open     bool      // the connection stands
	openSeen bool      // wait has reported it
	in, out  []byte    // for the guest, for the server
	ended    bool      // the server has closed
	closed   bool      // the guest has: nothing more is sent
	failure  abi.Status
}

var _ handle = (*stream)(nil)

// wire is what stands between a guest and a server: it puts values in and
// takes echoes out. Calls come one at a time.
type wire interface {
	FromGuest(p []byte) (toServer, toGuest []byte, err error)
	FromServer(p []byte) (toGuest, toServer []byte, err error)
	// Held is how many bytes of the guest's wait for the server to answer.
	Held() int
	// EndOfGuest and EndOfServer return what was held back.
	EndOfGuest() (toServer []byte, err error)
	EndOfServer() (toGuest []byte, err error)
}

// openStream starts to connect to a server, once that is decided.
func (r *run) openStream(mod api.Module, stack []uint64) {
	address, s := view(mod, stack[0], stack[1], abi.MaxURLBytes)
	if s == abi.StatusOK {
		s = r.room()
	}
	if s == abi.StatusOK {
		s = r.checkOut(address, "the address of a stream")
	}
	var o *outgoing
	if s == abi.StatusOK {
		o, s = r.readAddress(string(address))
	}
	if s == abi.StatusOK {
		s = r.mayReach(o)
	}
	if s == abi.StatusOK && !r.spend(limitRequests, 1) {
		s = abi.StatusExhausted
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	ctx, cancel := context.WithCancel(r.Context)
	x := &stream{wake: r.nudge, cancel: cancel}
	x.moved.L = &x.mu
	x.wire = r.newWire(o)
	number := r.take(x)
	r.moving.Go(func() {
		defer cancel()
		x.run(ctx, r, o)
	})
	stack[0] = uint64(number)
}

func (r *run) readAddress(address string) (*outgoing, abi.Status) {
	o := &outgoing{}
	if token, found := surrogate.In(address, r.tokens.live); found {
		return nil, r.misplaced(o, token, "the address of a stream")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, r.refuseRequest(o, "stream_address", "the address cannot be read", "write scheme://host:port", abi.StatusInvalid)
	}
	if o.target, err = manifests.TargetOf("", u); err != nil {
		return nil, r.refuseRequest(o, "stream_address", err.Error(), "write imaps://host, imap://host, smtps://host, smtp://host or tls://host:port", abi.StatusInvalid)
	}
	if o.target.Origin.HTTP() {
		return nil, r.refuseRequest(o, "stream_address", "http is no stream", "send a request instead", abi.StatusInvalid)
	}
	o.url = u
	return o, abi.StatusOK
}

// connect opens the connection: TLS from the start, or after STARTTLS.
func (r *run) connect(ctx context.Context, o manifests.Origin) (net.Conn, []byte, error) {
	var protocol mailwire.Protocol
	switch o.Scheme {
	case "imap":
		protocol = mailwire.IMAP
	case "smtp":
		protocol = mailwire.SMTP
	default:
		conn, err := r.host.dialer.Stream(ctx, o, r.host.roots)
		if err != nil {
			return nil, nil, err
		}
		return conn, nil, nil
	}
	plain, err := r.host.dialer.Plain(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { plain.Close() })
	defer stop()
	greeting, err := mailwire.StartTLS(plain, protocol)
	if err != nil {
		return nil, nil, errors.Join(err, plain.Close())
	}
	conn, err := r.host.dialer.Upgrade(ctx, plain, o.Host, r.host.roots)
	if err != nil {
		return nil, nil, err
	}
	return conn, greeting, nil
}

// connectTime bounds the way to an open stream.
const connectTime = 30 * time.Second

// run connects and moves bytes until an end has come.
func (x *stream) run(ctx context.Context, r *run, o *outgoing) {
	dialing, done := context.WithTimeout(ctx, connectTime)
	defer done()
	conn, greeting, err := r.connect(dialing, o.target.Origin)
	if err != nil {
		x.fail(r.exchangeFailed(dialing, o, err))
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	x.mu.Lock()
	x.open, x.in = true, append(x.in, greeting...)
	x.mu.Unlock()
	x.wake()
	var sending sync.WaitGroup
	sending.Go(func() { x.send(conn) })
	x.receive(ctx, r, o, conn)
	conn.Close()
	sending.Wait()
}

// receive takes what the server says.
func (x *stream) receive(ctx context.Context, r *run, o *outgoing, conn net.Conn) {
	chunk := make([]byte, streamChunk)
	for {
		n, err := conn.Read(chunk)
		x.mu.Lock()
		for len(x.in) >= streamWindow && x.failure == 0 {
			x.moved.Wait()
		}
		if x.failure != 0 {
			x.mu.Unlock()
			return
		}
		in, out, wireErr := x.wire.FromServer(chunk[:n])
		if errors.Is(err, io.EOF) && wireErr == nil {
			var rest []byte
			rest, wireErr = x.wire.EndOfServer()
			in = append(in, rest...)
			x.ended = true
		}
		x.in, x.out = append(x.in, in...), append(x.out, out...)
		x.moved.Broadcast()
		x.mu.Unlock()
		x.wake()
		switch {
		case wireErr != nil:
			x.fail(r.wireRefused(o, wireErr))
			return
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			x.fail(r.exchangeFailed(ctx, o, err))
			return
		}
	}
}

// send gives the server what is for it, until the guest or the connection is
// at its end.
func (x *stream) send(conn net.Conn) {
	for {
		x.mu.Lock()
		for len(x.out) == 0 && !(x.closed && x.wire.Held() == 0) && !x.ended && x.failure == 0 {
			x.moved.Wait()
		}
		out, over := x.out, x.ended || x.failure != 0
		last := x.closed && len(out) == 0 && x.wire.Held() == 0
		x.out = nil
		x.mu.Unlock()
		if over {
			return
		}
		x.wake()
		_, err := conn.Write(out)
		clear(out) // it may hold a value
		if err != nil {
			conn.Close() // receive says why
			return
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok && last {
			_ = half.CloseWrite()
		}
		if last {
			return
		}
	}
}

func (x *stream) ready(number uint32, report bool) (abi.Ready, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := abi.Ready{Handle: number}
	switch {
	case len(x.in) > 0:
		out.State = abi.ReadyBody
	case x.failure != 0:
		out.State, out.Error = abi.ReadyError, x.failure.String()
	case x.ended:
		out.State = abi.ReadyDone
	case x.open && !x.openSeen:
		out.State = abi.ReadyHead
	default:
		return out, false
	}
	x.openSeen = x.openSeen || report
	return out, true
}

func (x *stream) writable() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failure != 0 || x.closed || x.ended || x.roomy()
}

// roomy reports whether the connection stands and the server keeps up.
func (x *stream) roomy() bool {
	return x.open && len(x.out) < streamWindow && x.wire.Held() < streamWindow
}

// write takes bytes for the server; nothing at all is the end.
func (x *stream) write(p []byte) (int, abi.Status) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.failure != 0:
		return 0, x.failure
	case x.closed:
		return 0, abi.StatusInvalid
	case x.ended:
		return 0, abi.StatusUnavailable
	case !x.roomy():
		return 0, abi.StatusAgain
	}
	n := min(len(p), streamChunk)
	var out, in []byte
	var err error
	if len(p) == 0 {
		x.closed = true
		out, err = x.wire.EndOfGuest()
	} else {
		out, in, err = x.wire.FromGuest(p[:n])
	}
	if err != nil {
		s := statusOf(err)
		x.failure = s
		x.moved.Broadcast()
		x.cancel()
		return 0, s
	}
	x.out, x.in = append(x.out, out...), append(x.in, in...)
	x.moved.Broadcast()
	if len(in) > 0 {
		x.wake()
	}
	return n, abi.StatusOK
}

func (x *stream) read(buf []byte) (int, abi.Status) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch n := copy(buf, x.in); {
	case n > 0:
		if x.in = x.in[n:]; len(x.in) == 0 {
			x.in = nil
		}
		x.moved.Broadcast()
		return n, abi.StatusOK
	case len(x.in) > 0:
		return 0, abi.StatusInvalid
	case x.failure != 0:
		return 0, x.failure
	case x.ended:
		return 0, abi.StatusOK
	}
	return 0, abi.StatusAgain
}

func (x *stream) fail(s abi.Status) {
	x.mu.Lock()
	if x.failure == 0 && !x.ended {
		x.failure = s
	}
	if s == abi.StatusCancelled {
		x.failure, x.in = s, nil
	}
	x.moved.Broadcast()
	x.mu.Unlock()
	x.cancel()
	x.wake()
}

// statusOf returns the status that an error of a wire carries.
func statusOf(err error) abi.Status {
	var refused *refusedUse
	if errors.As(err, &refused) {
		return refused.status
	}
	return abi.StatusUnavailable
}

// wireRefused is statusOf for what the server did.
func (r *run) wireRefused(o *outgoing, err error) abi.Status {
	var refused *refusedUse
	if errors.As(err, &refused) {
		return refused.status
	}
	return r.refuseAnswer(o, oneLine(r.clean(err.Error())), abi.StatusUnavailable)
}

// newWire returns what a stream's bytes pass through. Its methods are called
// under the stream's lock, the guest's half on the guest's thread.
func (r *run) newWire(o *outgoing) wire {
	origin := o.target.Origin
	hooks := mailwire.Hooks{
		Live:     r.tokens.live,
		Guarded:  func() bool { return r.watch.guards(origin) },
		CheckOut: func(p []byte) error { return asError(r.checkOut(p, "what was sent to "+origin.String())) },
		Scrub: func(dst, p []byte) ([]byte, error) {
			out, s := r.scrub(dst, origin, p, "an answer")
			return out, asError(s)
		},
		Literal: func() mailwire.Filter {
			pass := r.inbound(origin, true)
			return func(dst, piece []byte, last bool) ([]byte, error) {
				out, s := pass(dst, piece, last)
				return out, asError(s)
			}
		},
		Authenticated: func(ok bool) {
			status := http.StatusUnauthorized
			if ok {
				status = http.StatusOK
			}
			for _, u := range o.used {
				u.saw(u.epoch, status, !ok)
			}
		},
	}
	at := manifests.Position{Kind: manifests.AsIMAP}
	switch origin.Scheme {
	case "imap", "imaps":
	case "smtp", "smtps":
		at.Kind = manifests.AsSMTP
	default:
		return &plainWire{in: r.inbound(origin, false), out: r.outbound(o)}
	}
	hooks.Resolve = func(token string) ([]byte, error) { return r.resolve(o, token, at, o.target) }
	hooks.Refused = func(f *mailwire.Refusal) error {
		return &refusedUse{r.refuseStream(o, f)}
	}
	if at.Kind == manifests.AsSMTP {
		return mailwire.NewSMTP(hooks)
	}
	return mailwire.NewIMAP(hooks)
}

func asError(s abi.Status) error {
	if s == abi.StatusOK {
		return nil
	}
	return &refusedUse{s}
}

func (r *run) refuseStream(o *outgoing, f *mailwire.Refusal) abi.Status {
	return r.refuseRequest(o, "stream", fmt.Sprintf("%s: %s", f.Where, f.Reason), f.Remedy, abi.StatusLeakBlocked)
}

// plainWire is a stream of which nothing is known but that it is TLS: nothing
// is put in, and a value that turns up in it stops the run.
type plainWire struct {
	in  func(dst, chunk []byte, last bool) ([]byte, abi.Status)
	out func(chunk []byte, last bool) ([]byte, abi.Status)
}

func (w *plainWire) FromGuest(p []byte) (toServer, toGuest []byte, err error) {
	out, s := w.out(p, false)
	return out, nil, asError(s)
}

func (w *plainWire) Held() int { return 0 }

func (w *plainWire) EndOfGuest() ([]byte, error) {
	out, s := w.out(nil, true)
	return out, asError(s)
}

func (w *plainWire) FromServer(p []byte) (toGuest, toServer []byte, err error) {
	in, s := w.in(nil, p, false)
	return in, nil, asError(s)
}

func (w *plainWire) EndOfServer() ([]byte, error) {
	in, s := w.in(nil, nil, true)
	return in, asError(s)
}
