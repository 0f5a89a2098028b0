// Package experimental changes how a host behaves, for tests and benchmarks.
//
// # Promise
//
// None: what is here may change or go in any version. Hand the returned
// context to host.New.
package experimental

import (
	"context"

	"github.com/sallyport-host/sallyport/host/internal/knobs"
)

// WithMemoryDump lets see look at each buffer of a guest's linear memory just
// before it is wiped: the last one, and those that growing left behind. see
// must not keep the slice, and is called from the run's goroutine. Who looks
// already goes on looking, before see.
func WithMemoryDump(ctx context.Context, see func(runID string, memory []byte)) context.Context {
	return knobs.With(ctx, func(k *knobs.Knobs) {
		if before := k.MemoryDump; before != nil {
			k.MemoryDump = func(runID string, memory []byte) { before(runID, memory); see(runID, memory) }
			return
		}
		k.MemoryDump = see
	})
}

// WithHostCalls lets see look at a guest's whole linear memory as each host
// function, WASI's among them, is entered and as it is left, however that is.
// function is named as in a module's imports: "sallyport:run/v1.emit". see must
// not keep the slice, and is called from the run's goroutine.
func WithHostCalls(ctx context.Context, see func(runID, function string, memory []byte)) context.Context {
	return knobs.With(ctx, func(k *knobs.Knobs) { k.HostCall = see })
}

// WithoutInterruption leaves out the meter, which stops a guest that computes
// and never calls the host. Such a guest can then only be stopped with the
// process, and holds up every garbage collection: use it for measurements.
func WithoutInterruption(ctx context.Context) context.Context {
	return knobs.With(ctx, func(k *knobs.Knobs) { k.NoInterrupt = true })
}
