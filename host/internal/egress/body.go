package egress

import (
	"io"
	"sync/atomic"
	"time"
)

// body is the body of an answer. Reading it fails when nothing comes for
// [BodyIdleTimeout]; the time that its reader takes does not count. Its end,
// an error or Close ends the request's turn.
type body struct {
	io.ReadCloser
	host    string
	end     func()
	idle    *time.Timer
	stalled atomic.Bool
	ended   atomic.Bool
}

var _ io.ReadCloser = (*body)(nil)

func newBody(rc io.ReadCloser, host string, cancel, end func()) *body {
	b := &body{ReadCloser: rc, host: host, end: end}
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
		b.finish()
		if err != io.EOF && b.stalled.Load() {
			err = &TimeoutError{Host: b.host, Phase: PhaseBody}
		}
	}
	return n, err
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
