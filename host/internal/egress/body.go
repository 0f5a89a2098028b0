package egress

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// body is the body of an answer. Reading it fails when nothing comes for
// [BodyIdleTimeout]; the time that its reader takes does not count. Its end,
// an error or Close ends the request's turn.
type body struct {
	io.ReadCloser
	ctx     context.Context // the request's
	host    string
	end     func()
	idle    *time.Timer
	stalled atomic.Bool
	ended   atomic.Bool
}

var _ io.ReadCloser = (*body)(nil)

func newBody(ctx context.Context, rc io.ReadCloser, host string, cancel, end func()) *body {
	b := &body{ReadCloser: rc, ctx: ctx, host: host, end: end}
	b.idle = time.AfterFunc(BodyIdleTimeout, func() {
		b.stalled.Store(true)
		cancel()
	})
	b.idle.Stop()
	return b
}

// Read implements io.Reader; a stall is a [*TimeoutError].
func (b *body) Read(p []byte) (int, error) {
	b.idle.Reset(BodyIdleTimeout)
	n, err := b.ReadCloser.Read(p)
	b.idle.Stop()
	if err != nil {
		err = b.ending(err)
		b.finish()
	}
	return n, err
}

// ending returns the error that ended the body. One that was cancelled is never
// whole: a source that is told so while its last bytes are awaited may still
// end it in good order.
func (b *body) ending(err error) error {
	switch {
	case b.stalled.Load():
		return &TimeoutError{Host: b.host, Phase: PhaseBody}
	case err == io.EOF && !b.ended.Load() && b.ctx.Err() != nil:
		return context.Cause(b.ctx)
	}
	return err
}

// Close implements io.Closer.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.idle.Stop()
	b.finish()
	return err
}

func (b *body) finish() {
	if b.ended.CompareAndSwap(false, true) {
		b.end()
	}
}
