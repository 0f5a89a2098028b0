// Package knobs carries what package host/experimental sets to package host,
// through a context, so that neither has to export it.
//
// # Promise
//
// The zero [Knobs] change nothing: a host whose context has none runs as its
// configuration says.
package knobs

import "context"

// Knobs are settings for tests and benchmarks. The zero value is what a host
// runs with.
type Knobs struct {
	// MemoryDump sees each buffer of a guest's linear memory just before it
	// is wiped. It must not keep it.
	MemoryDump func(runID string, memory []byte)
	// HostCall sees a guest's linear memory as each host function is entered
	// and as it is left. It must not keep it.
	HostCall func(runID, function string, memory []byte)
	// NoInterrupt leaves out what stops a guest that only computes.
	NoInterrupt bool
}

type key struct{}

// With returns a context whose knobs are changed by set.
func With(ctx context.Context, set func(*Knobs)) context.Context {
	k := From(ctx)
	set(&k)
	return context.WithValue(ctx, key{}, k)
}

// From returns the context's knobs.
func From(ctx context.Context) Knobs {
	k, _ := ctx.Value(key{}).(Knobs)
	return k
}
