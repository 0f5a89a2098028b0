package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sallyport-host/sallyport/abi"
)

// WASI's error numbers, as far as they are used.
const (
	wasiOK     = 0
	wasiBadF   = 8
	wasiFault  = 21
	wasiInval  = 28
	wasiNoSys  = 52
	wasiNotSup = 58
)

// WASI's clocks, event types, file types and flags, as far as they are used.
const (
	clockRealtime  = 0
	clockMonotonic = 1
	eventClock     = 0
	eventRead      = 1
	eventWrite     = 2
	clockAbsolute  = 1
	typeCharacter  = 2 // a character device: stdin, stdout and stderr
	typeStream     = 6 // a stream socket: a handle
	flagNonblock   = 4
)

// wasiFunc is a function of WASI for a run; it returns an errno.
type wasiFunc func(r *run, mod api.Module, stack []uint64) uint32

// wasiFunction returns the implementation of one function of WASI preview 1.
// There is nothing behind most of them.
func wasiFunction(f abi.Func) api.GoModuleFunc {
	var fn wasiFunc
	switch f.Name {
	case "args_sizes_get", "environ_sizes_get":
		fn = nothingSized
	case "args_get", "environ_get", "sched_yield":
		fn = func(*run, api.Module, []uint64) uint32 { return wasiOK }
	case "clock_res_get":
		fn = clockRes
	case "clock_time_get":
		fn = clockTime
	case "random_get":
		fn = random
	case "fd_write":
		fn = (*run).fdWrite
	case "fd_read":
		fn = (*run).fdRead
	case "fd_close":
		fn = (*run).fdClose
	case "fd_fdstat_get":
		fn = (*run).fdStat
	case "poll_oneoff":
		fn = (*run).poll
	case "proc_exit":
		return procExit
	default:
		errno := uint32(wasiNoSys)
		if strings.HasPrefix(f.Name, "fd_") {
			errno = wasiBadF
		}
		fn = func(*run, api.Module, []uint64) uint32 { return errno }
	}
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		r := runOf(ctx)
		if r == nil {
			stack[0] = wasiNoSys
			return
		}
		defer r.survive(mod)
		stack[0] = uint64(fn(r, mod, stack))
	}
}

func procExit(_ context.Context, mod api.Module, stack []uint64) {
	code := uint32(stack[0])
	_ = mod.CloseWithExitCode(context.Background(), code)
	panic(sys.NewExitError(code))
}

func nothingSized(_ *run, mod api.Module, stack []uint64) uint32 {
	m := mod.Memory()
	if !m.WriteUint32Le(uint32(stack[0]), 0) || !m.WriteUint32Le(uint32(stack[1]), 0) {
		return wasiFault
	}
	return wasiOK
}

func clockRes(_ *run, mod api.Module, stack []uint64) uint32 {
	if id := uint32(stack[0]); id != clockRealtime && id != clockMonotonic {
		return wasiInval
	}
	if !mod.Memory().WriteUint64Le(uint32(stack[1]), 1) {
		return wasiFault
	}
	return wasiOK
}

func clockTime(r *run, mod api.Module, stack []uint64) uint32 {
	now, ok := r.clock(uint32(stack[0]))
	if !ok {
		return wasiInval
	}
	if !mod.Memory().WriteUint64Le(uint32(stack[2]), now) {
		return wasiFault
	}
	return wasiOK
}

// clock reads a clock, in nanoseconds. The monotonic one begins with the run:
// how long the machine has been up is none of the guest's business.
func (r *run) clock(id uint32) (uint64, bool) {
	switch id {
	case clockRealtime:
		return uint64(time.Now().UnixNano()), true
	case clockMonotonic:
		return uint64(time.Since(r.began)) + 1, true
	}
	return 0, false
}

func random(_ *run, mod api.Module, stack []uint64) uint32 {
	if uint32(stack[1]) > abi.MaxRandomBytes {
		return wasiInval
	}
	buf, ok := mod.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return wasiFault
	}
	_, _ = rand.Read(buf) // never fails: crypto/rand aborts the process instead
	return wasiOK
}

// maxConsoleWrite bounds one fd_write, in bytes: no signal reaches a guest
// while the host works for it. WASI lets a write take less than it was given.
const maxConsoleWrite = 1 << 20

// fdWrite takes what a guest writes to stdout and stderr to the log.
func (r *run) fdWrite(mod api.Module, stack []uint64) uint32 {
	fd := uint32(stack[0])
	if fd != 1 && fd != 2 {
		return r.notAFile(fd)
	}
	vecs, ok := mod.Memory().Read(uint32(stack[1]), min(uint32(stack[2]), 1024)*8)
	if !ok {
		return wasiFault
	}
	var total uint32
	for ; len(vecs) >= 8 && total < maxConsoleWrite; vecs = vecs[8:] {
		p, ok := mod.Memory().Read(binary.LittleEndian.Uint32(vecs), binary.LittleEndian.Uint32(vecs[4:]))
		if !ok {
			return wasiFault
		}
		p = p[:min(uint32(len(p)), maxConsoleWrite-total)]
		r.console.write(fd, p)
		total += uint32(len(p))
	}
	if !mod.Memory().WriteUint32Le(uint32(stack[3]), total) {
		return wasiFault
	}
	return wasiOK
}

// notAFile answers for what is a handle, which has its own functions, and for
// what is nothing.
func (r *run) notAFile(fd uint32) uint32 {
	if _, ok := r.handles[fd]; ok {
		return wasiNotSup
	}
	return wasiBadF
}

// fdRead answers that stdin is at its end.
func (r *run) fdRead(mod api.Module, stack []uint64) uint32 {
	if fd := uint32(stack[0]); fd != 0 {
		return r.notAFile(fd)
	}
	if !mod.Memory().WriteUint32Le(uint32(stack[3]), 0) {
		return wasiFault
	}
	return wasiOK
}

func (r *run) fdClose(_ api.Module, stack []uint64) uint32 {
	if r.closeOne(uint32(stack[0])) {
		return wasiOK
	}
	return wasiBadF
}

// fdStat says what a descriptor is: 24 bytes, type, flags and rights.
func (r *run) fdStat(mod api.Module, stack []uint64) uint32 {
	fd := uint32(stack[0])
	var stat [24]byte
	if _, ok := r.handles[fd]; ok {
		stat[0], stat[2] = typeStream, flagNonblock
	} else if fd <= 2 {
		stat[0] = typeCharacter
	} else {
		return wasiBadF
	}
	if !mod.Memory().Write(uint32(stack[1]), stat[:]) {
		return wasiFault
	}
	return wasiOK
}

// The layout of poll_oneoff's subscriptions and events, in bytes.
const (
	subscriptionSize = 48
	eventSize        = 32
)

// subscription is one thing that poll_oneoff waits for.
type subscription struct {
	userdata uint64
	tag      byte
	fd       uint32
	after    time.Duration // of a clock, from now
	bad      uint32        // errno: ready at once
}

// poll waits for clocks and handles. It is what lets a guest's own scheduler
// run its other threads while one waits for a request.
func (r *run) poll(mod api.Module, stack []uint64) uint32 {
	n := uint32(stack[2])
	if n == 0 || n > abi.MaxPollSubscriptions {
		return wasiInval
	}
	in, ok := mod.Memory().Read(uint32(stack[0]), n*subscriptionSize)
	if !ok {
		return wasiFault
	}
	out, ok := mod.Memory().Read(uint32(stack[1]), n*eventSize)
	if !ok || !mod.Memory().WriteUint32Le(uint32(stack[3]), 0) {
		return wasiFault
	}
	if r.halted.Load() != 0 {
		r.exit(mod) // a stopped run neither sleeps nor spins
	}
	subs := make([]subscription, n)
	limit := time.Duration(-1)
	for i := range subs {
		subs[i] = r.subscription(in[i*subscriptionSize:])
		if subs[i].tag == eventClock && subs[i].bad == 0 && (limit < 0 || subs[i].after < limit) {
			limit = subs[i].after
		}
	}
	began := time.Now()
	ready := func() bool {
		for i := range subs {
			if r.isReady(&subs[i]) {
				return true
			}
		}
		return false
	}
	if r.block(limit, ready) != abi.StatusOK {
		r.exit(mod)
	}
	elapsed := time.Since(began)
	r.cpu.waited += elapsed
	r.cpu.since = 0
	count := uint32(0)
	for i := range subs {
		s := &subs[i]
		if s.tag == eventClock && s.bad == 0 && elapsed >= s.after || r.isReady(s) {
			putEvent(out[count*eventSize:][:eventSize], s)
			count++
		}
	}
	if !mod.Memory().WriteUint32Le(uint32(stack[3]), count) {
		return wasiFault
	}
	return wasiOK
}

func putEvent(out []byte, s *subscription) {
	clear(out)
	binary.LittleEndian.PutUint64(out, s.userdata)
	binary.LittleEndian.PutUint16(out[8:], uint16(s.bad))
	out[10] = s.tag
}

func (r *run) subscription(in []byte) subscription {
	s := subscription{userdata: binary.LittleEndian.Uint64(in), tag: in[8]}
	switch s.tag {
	case eventClock:
		now, ok := r.clock(binary.LittleEndian.Uint32(in[16:]))
		if !ok {
			s.bad = wasiInval
			return s
		}
		timeout := binary.LittleEndian.Uint64(in[24:])
		if binary.LittleEndian.Uint16(in[40:])&clockAbsolute != 0 {
			timeout -= min(timeout, now)
		}
		s.after = time.Duration(min(timeout, uint64(maxSleep)))
	case eventRead, eventWrite:
		s.fd = binary.LittleEndian.Uint32(in[16:])
		if _, ok := r.handles[s.fd]; !ok && s.fd > 2 {
			s.bad = wasiBadF
		}
	default:
		s.bad = wasiInval
	}
	return s
}

// isReady reports whether a handle's subscription, or a faulty one, has an
// event now. A clock's time is the caller's to keep.
func (r *run) isReady(s *subscription) bool {
	if s.bad != 0 {
		return true
	}
	if s.tag == eventClock {
		return false
	}
	x, ok := r.handles[s.fd]
	if !ok {
		return true // stdin is at its end; stdout and stderr take all
	}
	if s.tag == eventWrite {
		return x.writable()
	}
	_, ready := x.ready(s.fd, false)
	return ready
}
