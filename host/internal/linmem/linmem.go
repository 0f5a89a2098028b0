// Package linmem allocates a guest's linear memory.
//
// # Promise
//
// A memory never grows past its limit: the guest's memory.grow fails instead.
// What a guest leaves behind, when its memory moves and at its end, is wiped
// before Go may hand it to anyone else.
package linmem

import "github.com/tetratelabs/wazero/experimental"

// Memory is one guest's linear memory. It is not safe for concurrent use.
type Memory struct {
	limit uint64
	buf   []byte
	// BeforeWipe, when set, sees each buffer just before it is wiped: the
	// last one and those that growing left behind.
	BeforeWipe func(memory []byte)
}

var (
	_ experimental.MemoryAllocator = (*Memory)(nil)
	_ experimental.LinearMemory    = (*Memory)(nil)
)

// New returns a memory of at most limit bytes.
func New(limit uint64) *Memory { return &Memory{limit: limit} }

// Allocate returns m: one memory for one module.
func (m *Memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory to size bytes, or returns nil when that is past
// the limit.
func (m *Memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		return nil
	}
	if size > uint64(cap(m.buf)) {
		// Grow by half at least, so that a guest which grows page by page
		// does not copy each time.
		next := make([]byte, size, min(m.limit, max(size, uint64(cap(m.buf))*3/2)))
		copy(next, m.buf)
		m.wipe()
		m.buf = next
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free wipes the memory.
func (m *Memory) Free() {
	m.wipe()
	m.buf = nil
}

func (m *Memory) wipe() {
	all := m.buf[:cap(m.buf)]
	if m.BeforeWipe != nil && len(all) > 0 {
		m.BeforeWipe(all)
	}
	clear(all)
}
