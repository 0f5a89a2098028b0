package host

import (
	"context"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/host/internal/meter"
)

// A slice is what a guest computes between two ticks.
const (
	// sliceTime is what a slice is to take. Garbage collection waits that
	// long for a guest, and so does another run where there is no free core.
	sliceTime = 500 * time.Microsecond
	// maxFuel and minFuel bound what a slice gets: the one, so that code that
	// begins to miss the caches, forty times as slow, is back within some
	// milliseconds, the other, so that it gets on at all. A tick takes some
	// 0.2 µs, and maxFuel lasts for 100 µs on the fastest code.
	maxFuel = 400_000
	minFuel = 10_000
	// quickTurn is how long it takes at most when nobody else wants to run.
	quickTurn = 5 * time.Microsecond
	// sleepEvery and shortSleep are how often, in slices, a guest sleeps for
	// the network to be looked at, and for how long.
	sleepEvery = 16
	shortSleep = 20 * time.Microsecond
)

// cpu is how much a guest has computed. The guest's thread owns it.
type cpu struct {
	at      time.Time     // of the last tick
	waited  time.Duration // in host calls that block, since then
	fuel    int64         // of the slice
	since   time.Duration // computed since the last host call
	unshown time.Duration // computed since others had a turn
	turns   int
}

// tick is called by a guest that has used up its fuel, and gives it more. It
// is where a guest that only computes is stopped, and where Go can stop it for
// a garbage collection, or let others run.
func tick(ctx context.Context, mod api.Module, stack []uint64) {
	r := runOf(ctx)
	if r == nil {
		stack[0] = minFuel // called by nobody's run, which has no limits
		return
	}
	defer r.survive(mod)
	now := time.Now()
	if !r.cpu.at.IsZero() {
		r.computed(max(0, now.Sub(r.cpu.at)-r.cpu.waited))
	}
	if r.Err() != nil {
		r.stop(context.Cause(r))
	}
	if r.halted.Load() != 0 {
		r.exit(mod)
	}
	if r.cpu.unshown >= sliceTime {
		now = r.cpu.letOthers()
	}
	r.cpu.at, r.cpu.waited = now, 0
	stack[0] = uint64(r.cpu.fuel)
}

// letOthers lets the rest of the process run, and returns the time then.
//
// # Why
//
// One call of Gosched gives the others one turn, and a collection takes a turn
// for each span it sweeps: with a guest's slice after each it took a second.
// So the guest goes on when a turn shows that nobody is waiting, or when it has
// waited for as long as it computed. Go looks at the network only when nothing
// else can run, or each 10 ms, so that now and then the guest sleeps instead.
func (c *cpu) letOthers() time.Time {
	c.unshown = 0
	began := time.Now()
	if c.turns++; c.turns%sleepEvery == 0 {
		time.Sleep(shortSleep)
	}
	for now := time.Now(); ; {
		runtime.Gosched()
		before := now
		now = time.Now()
		if now.Sub(before) < quickTurn || now.Sub(began) > sliceTime {
			return now
		}
	}
}

// computed notes that a slice took d: against the budgets, and for the size of
// the next.
func (r *run) computed(d time.Duration) {
	c := &r.cpu
	c.since += d
	c.unshown += d
	if r.spend(limitCPU, int64(d)) && int64(c.since) > r.budget.most[limitCPUBetweenCalls] {
		r.stop(r.budget.overrun(limitCPUBetweenCalls, int64(c.since)))
	}
	if d > sliceTime {
		c.fuel = max(minFuel, int64(float64(c.fuel)*float64(sliceTime)/float64(d)))
	} else {
		c.fuel = min(maxFuel, 2*c.fuel)
	}
}

// waitedSince notes that the guest did not compute since then, but waited for
// the host.
func (c *cpu) waitedSince(began time.Time) { c.waited += time.Since(began) }

// aside is a host function during which the guest does not compute: one that
// may block, or works long for it.
func aside(fn hostFunc) hostFunc {
	return func(r *run, mod api.Module, stack []uint64) {
		defer r.cpu.waitedSince(time.Now())
		fn(r, mod, stack)
	}
}

// registerTick makes the tick known to the runtime.
func (h *Host) registerTick(ctx context.Context) error {
	_, err := h.runtime.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(tick), nil, []api.ValueType{api.ValueTypeI64}).Export(meter.ImportName).Instantiate(ctx)
	return err
}
