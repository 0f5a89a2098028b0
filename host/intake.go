package host

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// quietTime is how long an answer's first bytes may wait for more of it to
// come: a small one is then searched in one piece, and its guest woken once.
const quietTime = time.Millisecond

// intake takes in the body of an answer. It is for one goroutine, but for what
// its timer does.
type intake struct {
	x      *exchange
	in     *reception
	failed func(error) abi.Status

	mu     sync.Mutex
	room   []byte // for what is passed on
	chunk  []byte
	from   int        // of chunk, what was read and not passed on
	to     int        // yet
	loud   bool       // what comes is passed on at once
	halted bool       // nothing more is
	status abi.Status // why
}

// whole reads the body to its end. The status says why it is not whole; OK,
// too, when nobody wants it any more.
func (t *intake) whole() abi.Status {
	timer := time.AfterFunc(quietTime, t.hurry)
	defer t.end(timer)
	for {
		n, err := t.in.body.Read(t.chunk[t.to:])
		if more, s := t.took(n, err); !more {
			return s
		}
		if err != nil {
			return t.failed(err)
		}
	}
}

// took takes note of n bytes that were read.
func (t *intake) took(n int, err error) (more bool, s abi.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to += n
	last := errors.Is(err, io.EOF)
	if t.loud || err != nil || t.to == len(t.chunk) {
		t.loud = true
		t.pass(last)
		t.from, t.to = 0, 0
	}
	return !last && !t.halted, t.status
}

// hurry passes on what has come, and from now on what comes.
func (t *intake) hurry() {
	defer t.x.survive(t.failed)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loud || t.halted {
		return
	}
	t.loud = true
	t.pass(false)
	t.x.wake() // for the head, when there is nothing else
}

// pass passes on what was read.
func (t *intake) pass(last bool) {
	if t.halted {
		return
	}
	out, s := t.in.pass(t.room[:0], t.chunk[t.from:t.to], last)
	t.from = t.to
	if s != abi.StatusOK || (len(out) > 0 || last) && !t.x.add(out, last) {
		t.halted, t.status = true, s
	}
	if cap(out) > cap(t.room) {
		t.room = out[:cap(out)] // more was held back than there was room for
	}
}

// end waits until the timer touches nothing any more.
func (t *intake) end(timer *time.Timer) {
	timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.halted = true
}
