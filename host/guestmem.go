package host

import (
	"bytes"
	"encoding/json"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
)

// view returns the guest's bytes at (ptr, n), without a copy: they are the
// guest's again when the call returns. A range outside its memory is
// StatusInvalid, a length past limit StatusTooLarge.
func view(mod api.Module, ptr, n uint64, limit uint32) ([]byte, abi.Status) {
	if uint32(n) > limit {
		return nil, abi.StatusTooLarge
	}
	b, ok := mod.Memory().Read(uint32(ptr), uint32(n))
	if !ok {
		return nil, abi.StatusInvalid
	}
	return b, abi.StatusOK
}

// results holds what did not fit a guest's buffer.
type results struct {
	kept  map[uint32][]byte
	bytes int
	last  uint32
}

// full reports whether a call that would need a ticket must not be made.
func (t *results) full() bool {
	return len(t.kept) >= abi.MaxTickets || t.bytes >= abi.MaxTicketBytes
}

// keep stores data and returns its ticket.
func (t *results) keep(data []byte) uint32 {
	if t.kept == nil {
		t.kept = map[uint32][]byte{}
	}
	for t.last = (t.last + 1) & 0x7fff_ffff; t.last == 0 || t.kept[t.last] != nil; t.last++ {
	}
	t.kept[t.last] = data
	t.bytes += len(data)
	return t.last
}

// output checks a guest's buffer before anything is done that fills it.
func (r *run) output(mod api.Module, ptr, capacity uint64) (buf []byte, s abi.Status) {
	if r.results.full() {
		return nil, abi.StatusTooLarge
	}
	buf, ok := mod.Memory().Read(uint32(ptr), uint32(capacity))
	if !ok {
		return nil, abi.StatusInvalid
	}
	return buf, abi.StatusOK
}

// deliver copies data to a guest's buffer, and keeps it under a ticket when
// it does not fit. data may be kept.
func (r *run) deliver(buf, data []byte) uint64 {
	if copy(buf, data) == len(data) {
		return uint64(abi.OK(uint32(len(data)), 0))
	}
	return uint64(abi.OK(uint32(len(data)), r.results.keep(data)))
}

// deliverJSON delivers v.
func (r *run) deliverJSON(buf []byte, v any) uint64 {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return result(r.fail(abi.StatusUnavailable))
	}
	return r.deliver(buf, bytes.TrimSuffix(data.Bytes(), []byte("\n")))
}

// fail remembers s as the last refusal and returns it.
func (r *run) fail(s abi.Status) abi.Status {
	if s != abi.StatusAgain {
		r.lastError = s.Text()
	}
	return s
}

func (r *run) fetchResult(mod api.Module, stack []uint64) {
	ticket, offset := uint32(stack[0]), uint32(stack[1])
	data, ok := r.results.kept[ticket]
	if !ok {
		stack[0] = result(r.fail(abi.StatusNotFound))
		return
	}
	buf, ok := mod.Memory().Read(uint32(stack[2]), uint32(stack[3]))
	if !ok || uint64(offset) > uint64(len(data)) {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	n := copy(buf, data[offset:])
	if int(offset)+n == len(data) {
		delete(r.results.kept, ticket)
		r.results.bytes -= len(data)
	}
	stack[0] = uint64(abi.OK(uint32(n), 0))
}

func (r *run) errorText(mod api.Module, stack []uint64) {
	buf, s := r.output(mod, stack[0], stack[1])
	if s != abi.StatusOK {
		stack[0] = result(s)
		return
	}
	stack[0] = r.deliver(buf, []byte(r.lastError))
}

func (r *run) input(mod api.Module, stack []uint64) {
	buf, s := r.output(mod, stack[0], stack[1])
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliver(buf, r.start)
}
