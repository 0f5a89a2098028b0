// Package meter rewrites a module so that it cannot compute for long without
// coming back to the host.
//
// # Promise
//
// What [Rewrite] returns behaves as the module that it was given, and calls an
// imported host function, the tick, each time it has used up the fuel that the
// last tick returned. Nothing a guest does takes much longer than its fuel
// says: straight code is charged by instruction, operations in bulk by length
// and in pieces, growing by pages. A module that is not valid is refused, or
// stays not valid, so that wazero refuses it. No input panics.
//
// The fuel is a global of the guest's that the guest cannot name: every index
// is checked against what the module itself has. It is written by the guest's
// own code alone, so that there is no race, and needs no experimental
// interface of the engine's.
//
// # Limits
//
// Fuel is not time: a load that misses every cache takes a hundred times as
// long as one that hits. Who answers the tick looks at a clock, and gives less
// fuel to slow code. Compiling is not metered; its work is bounded by
// [MaxWork].
//
// # Concurrency
//
// Rewrite keeps nothing between calls, and may be called concurrently.
package meter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/host/internal/lines"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// The tick: func() int64. It returns how much fuel the guest gets.
const (
	ImportModule = "sallyport:meter/v1"
	ImportName   = "tick"
)

// Version changes whenever the same module would be rewritten otherwise, or
// another module be refused.
const Version = 2

// The bounds on code, beyond those of wasmbin.
const (
	MaxNesting   = 50_000 // blocks within blocks
	MaxBranches  = 65_520 // targets of one br_table
	MaxCodeBytes = 7_654_321
	// MaxWork and MaxTotalWork bound what compiling a function, and all of
	// them, costs: places where control joins, times locals, each a value that
	// the compiler follows there. At a million it takes some 5 s; what Go
	// builds has 12 thousand at most, and a million in all.
	MaxWork      = 2_000_000
	MaxTotalWork = 20_000_000
)

// ErrModule is wrapped by every error of [Rewrite].
var ErrModule = errors.New("it cannot be metered")

// rewriter is the rewriting of one module.
type rewriter struct {
	m      *wasmbin.Module
	module []byte
	out    []byte

	fuel       uint32 // the global
	tick       uint32 // the imported function
	tickType   uint32
	bulkType   uint32 // (i32, i32, i32) -> ()
	fill, copy uint32 // appended functions, which work in pieces
	usesBulk   bool
	code       []byte // the code section's content

	lines    lines.Table // of the source; rows before moved have their new offsets
	moved    int
	nextLine int // the offset of the next row in the code as it came
	before   int // bytes of the code section before the functions
	end      int // where the module's own functions end, from there
}

// Rewrite returns module, which m was read of, with a meter in it.
func Rewrite(m *wasmbin.Module, module []byte) ([]byte, error) {
	w := &rewriter{m: m, module: module}
	for _, im := range m.Imports {
		if im.Module == ImportModule {
			return nil, fmt.Errorf("%w: it imports from %q, which is the host's own", ErrModule, ImportModule)
		}
	}
	types, funcs := uint32(len(m.Types)), uint32(len(m.Funcs))
	w.fuel, w.tick = uint32(m.Globals), uint32(m.ImportedFuncs)
	w.tickType, w.bulkType = types, types+1
	w.fill, w.copy = funcs+1, funcs+2
	w.out = make([]byte, 0, len(module)+len(module)/4+256)
	if err := w.rewrite(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	return w.out, nil
}

// fn is the index of function i once the tick stands among the imports.
func (w *rewriter) fn(i uint32) uint32 {
	if i >= w.tick {
		return i + 1
	}
	return i
}

func u32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

// s64 appends a signed LEB128.
func s64(out []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(out, c)
		}
		out = append(out, c|0x80)
	}
}
