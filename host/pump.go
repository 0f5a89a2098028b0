package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/sallyport-host/sallyport/abi"
)

// The bounds of what a run holds for its sink: past the first, emit waits. A
// batch larger than that goes alone.
const (
	maxPumpBytes = 1 << 20
	// pumpOverhead is what a message costs beside its text.
	pumpOverhead = 256
)

// sinkGrace is how long a run that somebody outside stopped waits for its sink
// to take what emit took before.
const sinkGrace = abi.CancelDelay / 2

// pump carries checked messages to a run's sink, beside the guest, in order.
// Its goroutine is there only while there is something to carry, so that a run
// that collects nothing has none.
//
// One goroutine at a time may put or wait; close is for the same.
type pump struct {
	sink   Sink
	ctx    context.Context // of the sink's calls: a stop of the run does not end them, close does
	cancel context.CancelFunc
	failed func(error) // told once, from the pump's goroutine

	mu      sync.Mutex
	queue   []parcel
	held    int  // bytes of queue, and of what is being carried
	carries bool // the goroutine is there
	err     error
	moved   chan struct{} // something was carried

	dirty bool // something was put since the last flush; of who puts
}

// parcel is what one emit hands over.
type parcel struct {
	messages []Message
	size     int
}

func newParcel(messages []Message, text int) parcel {
	return parcel{messages, text + len(messages)*pumpOverhead}
}

var errPumpClosed = errors.New("the run has ended")

// newPump returns a pump to sink, whose calls get the values of ctx.
func newPump(ctx context.Context, sink Sink, failed func(error)) *pump {
	p := &pump{sink: sink, failed: failed, moved: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return p
}

// put hands over a batch, and waits until there is room for it.
func (p *pump) put(ctx context.Context, b parcel) error {
	if len(b.messages) == 0 {
		return nil
	}
	if err := p.until(ctx, func() bool { return p.held == 0 || p.held+b.size <= maxPumpBytes }); err != nil {
		return err
	}
	p.dirty = true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue, p.held = append(p.queue, b), p.held+b.size
	if !p.carries {
		p.carries = true
		go p.carry()
	}
	return nil
}

// flush waits until the sink has all that was put and has made it durable.
func (p *pump) flush(ctx context.Context) error {
	if err := p.wait(ctx); err != nil || !p.dirty {
		return err
	}
	if _, err := await(ctx, func() (struct{}, error) { return struct{}{}, p.sink.Flush(p.ctx) }); err != nil {
		return err
	}
	p.dirty = false
	return nil
}

// wait waits until the sink has all that was put.
func (p *pump) wait(ctx context.Context) error {
	return p.until(ctx, func() bool { return p.held == 0 })
}

// until waits for ok, which is asked under the lock, and returns ctx's cause
// or the sink's error when one of them comes first.
func (p *pump) until(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		err, good := p.err, ok()
		p.mu.Unlock()
		switch {
		case err != nil:
			return err
		case good:
			return nil
		}
		select {
		case <-p.moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close makes the sink's calls end, and drops what was not carried.
func (p *pump) close() {
	p.cancel()
	p.fail(errPumpClosed)
}

// fail drops what is queued, and all that would be.
func (p *pump) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.queue = nil
}

// carry writes what is queued until nothing is.
func (p *pump) carry() {
	for {
		b, ok := p.next()
		if !ok {
			return
		}
		if err := p.write(b); err != nil {
			p.failed(err) // before anybody is told that there is room
			p.fail(err)
		}
		p.mu.Lock()
		p.held -= b.size
		p.mu.Unlock()
		select {
		case p.moved <- struct{}{}:
		default:
		}
	}
}

// next takes the oldest batch. It reports false when the goroutine is to end.
func (p *pump) next() (b parcel, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil || len(p.queue) == 0 {
		p.carries = false
		return parcel{}, false
	}
	b = p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	return b, true
}

func (p *pump) write(b parcel) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked (%T)", v) // not its text: it may hold a value
		}
	}()
	for _, m := range b.messages {
		if p.ctx.Err() != nil {
			return errPumpClosed
		}
		if err := p.sink.Write(p.ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// handRest gives the sink what emit has taken, once the guest has ended. When
// the run was stopped that was taken before, and the sink still gets it if it
// is ready to: soon, when somebody waits for the run to stop.
func (r *run) handRest() {
	defer r.pump.close()
	if r.pump.wait(r) == nil || r.Err() == nil {
		return
	}
	grace := lastWords
	if cause := context.Cause(r); errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) ||
		errors.Is(cause, errHostClosed) || errors.Is(cause, errRevoked) {
		grace = sinkGrace
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r), grace)
	defer cancel()
	_ = r.pump.wait(ctx) // a stopped run does not fail for this
}

// sinkFailed stops the run: its records were counted, and one that lost some
// must not succeed.
func (r *run) sinkFailed(err error) {
	if r.Err() == nil && !errors.Is(err, errPumpClosed) {
		r.stop(fmt.Errorf("%w: %w", errSink, err))
	}
}

// beginSink tells a sink whose records come, and returns what tells it that
// they have ended.
func (r *run) beginSink() (end func(), err error) {
	s, ok := r.sink.(RunSink)
	if !ok {
		return func() {}, nil
	}
	done, err := s.Begin(r, RunInfo{RunID: r.id, Scope: r.scope, Manifest: r.manifest})
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r), lastWords)
		defer cancel()
		if _, err := await(ctx, func() (struct{}, error) { done(); return struct{}{}, nil }); err != nil {
			r.host.logger.Error("the sink does not end", "run", r.id, "err", err)
		}
	}, nil
}
