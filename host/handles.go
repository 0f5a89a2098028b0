package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
)

// handle is what is open under a number: a request, or a stream. Its methods
// never block, and are called on the guest's thread, fail also elsewhere.
type handle interface {
	// ready reports what wait would say, and whether it would say anything;
	// report says that it is said.
	ready(number uint32, report bool) (abi.Ready, bool)
	// writable reports whether write would answer something else than again.
	writable() bool
	// write takes what there is room for; nothing at all is the end.
	write(p []byte) (int, abi.Status)
	// read takes what came: 0 at the end.
	read(buf []byte) (int, abi.Status)
	// fail ends it; the first failure counts.
	fail(s abi.Status)
}

// nudge tells the guest's thread that a handle has moved on.
func (r *run) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// room says whether one more handle may be opened.
func (r *run) room() abi.Status {
	if n := int64(len(r.handles)); n >= r.budget.most[limitHandles] {
		r.note(*r.budget.overrun(limitHandles, n+1).refusal("one more request or stream"))
		return abi.StatusExhausted
	}
	return abi.StatusOK
}

// take gives h the next number.
func (r *run) take(h handle) uint32 {
	r.lastHandle++
	r.handles[r.lastHandle] = h
	return r.lastHandle
}

func (r *run) handle(number uint64) (handle, abi.Status) {
	if h, ok := r.handles[uint32(number)]; ok {
		return h, abi.StatusOK
	}
	return nil, abi.StatusNotFound
}

func (r *run) write(mod api.Module, stack []uint64) {
	h, s := r.handle(stack[0])
	var p []byte
	if s == abi.StatusOK {
		p, s = view(mod, stack[1], stack[2], abi.MaxRequestBodyBytes)
	}
	n := 0
	if s == abi.StatusOK {
		n, s = h.write(p)
	}
	if s == abi.StatusOK && !r.spend(limitBytesOut, int64(n)) {
		s = abi.StatusExhausted
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = uint64(n)
}

func (r *run) read(mod api.Module, stack []uint64) {
	h, s := r.handle(stack[0])
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	buf, ok := mod.Memory().Read(uint32(stack[1]), uint32(stack[2]))
	if !ok {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	n, s := h.read(buf)
	if s == abi.StatusOK && !r.spend(limitBytesIn, int64(n)) {
		s = abi.StatusExhausted
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = uint64(n)
}

func (r *run) closeHandle(_ api.Module, stack []uint64) {
	if !r.closeOne(uint32(stack[0])) {
		stack[0] = result(r.fail(abi.StatusNotFound))
		return
	}
	stack[0] = 0
}

func (r *run) closeOne(number uint32) bool {
	h, ok := r.handles[number]
	if ok {
		h.fail(abi.StatusCancelled)
		delete(r.handles, number)
	}
	return ok
}

// closeHandles ends what is still under way, and waits for it: nothing of a
// run goes on after its end.
func (r *run) closeHandles() {
	for number := range r.handles {
		r.closeOne(number)
	}
	r.moving.end()
}

// wait blocks until one of the handles is ready, the time is over, or the run
// is stopped.
func (r *run) wait(mod api.Module, stack []uint64) {
	n := uint32(stack[1])
	if n > abi.MaxWaitHandles {
		stack[0] = result(r.fail(abi.StatusTooLarge))
		return
	}
	list, s := view(mod, stack[0], uint64(n)*4, abi.MaxWaitHandles*4)
	timeout := int64(stack[2])
	var buf []byte
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[3], stack[4])
	}
	if s == abi.StatusOK && timeout < -1 {
		s = abi.StatusInvalid
	}
	numbers := make([]uint32, 0, n)
	for i := 0; s == abi.StatusOK && i < len(list); i += 4 {
		number := binary.LittleEndian.Uint32(list[i:])
		_, s = r.handle(uint64(number))
		numbers = append(numbers, number)
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	var ready []abi.Ready
	look := func() bool {
		for _, number := range numbers {
			if rd, ok := r.handles[number].ready(number, true); ok {
				ready = append(ready, rd)
			}
		}
		return len(ready) > 0
	}
	limit := time.Duration(-1)
	if timeout >= 0 {
		limit = time.Duration(min(timeout, int64(maxSleep/time.Millisecond))) * time.Millisecond
	}
	if s := r.block(limit, look); s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	data := append(make([]byte, 0, readyRoom), '[')
	for i := range ready {
		if i > 0 {
			data = append(data, ',')
		}
		data = appendReady(data, &ready[i])
	}
	stack[0] = r.deliver(buf, append(data, ']'))
}

// readyRoom is for what wait reports, most of the time.
const readyRoom = 1 << 10

// appendReady appends a report as JSON, its members in this order and without
// white space: guests may read that faster than JSON in general.
func appendReady(b []byte, r *abi.Ready) []byte {
	b = append(b, `{"handle":`...)
	b = strconv.AppendUint(b, uint64(r.Handle), 10)
	b = append(b, `,"state":`...)
	b = appendText(b, string(r.State))
	if r.Status != 0 {
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(r.Status), 10)
	}
	for i, pair := range r.Headers {
		if i == 0 {
			b = append(b, `,"headers":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = appendText(b, pair[0])
		b = append(b, ',')
		b = appendText(b, pair[1])
		b = append(b, ']')
	}
	if len(r.Headers) > 0 {
		b = append(b, ']')
	}
	if r.Error != "" {
		b = append(b, `,"error":`...)
		b = appendText(b, r.Error)
	}
	return append(b, '}')
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			var quoted bytes.Buffer
			enc := json.NewEncoder(&quoted)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(s) // of a string there is no error
			return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// maxSleep bounds a stated time, so that it does not overflow; a run is over
// long before.
const maxSleep = 24 * time.Hour

// block waits until look reports true, for limit at most (negative is
// without limit), or until the run is stopped.
func (r *run) block(limit time.Duration, look func() bool) abi.Status {
	if look() || limit == 0 {
		return abi.StatusOK
	}
	var timer <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timer = t.C
	}
	for {
		select {
		case <-r.wake:
			if look() {
				return abi.StatusOK
			}
		case <-timer:
			look()
			return abi.StatusOK
		case <-r.Done():
			r.stop(context.Cause(r))
			return abi.Status(r.halted.Load())
		}
	}
}
