// Package linmem allocates a guest's linear memory.
//
// # Promise
//
// A memory never grows past its limit: the guest's memory.grow fails instead.
// What a guest leaves behind is out of reach before anyone else is given that
// memory: given back to the system, which clears it, or wiped.
//
// Where the system has mmap, a memory takes address space for all that it may
// become, and pages only for what the guest has touched: it grows where it
// stands, without a copy, and its pages are gone the moment it is released.
// What all instances of a module begin with, its data, is one [Image]; on
// Linux they share its pages for as long as they do not write to them.
// Elsewhere, and where no address space is left, a memory is of Go's heap.
//
// # Concurrency
//
// A Memory belongs to one guest. An Image may be used by many at once.
package linmem

import "github.com/tetratelabs/wazero/experimental"

// piece is how much is copied or wiped at once: Go cannot stop in the middle
// of it, and a garbage collection would wait.
const piece = 1 << 20

// Memory is one guest's linear memory. It is not safe for concurrent use.
type Memory struct {
	limit  uint64
	wanted uint64
	image  *Image
	buf    []byte
	region []byte // the address space that buf is the beginning of; nil when it is of Go's heap
	heap   bool   // it is to be of Go's heap
	// BeforeWipe, when set, sees each buffer just before it is wiped or given
	// back: the last one, and those that growing left behind.
	BeforeWipe func(memory []byte)
}

var (
	_ experimental.MemoryAllocator = (*Memory)(nil)
	_ experimental.LinearMemory    = (*Memory)(nil)
)

// New returns a memory of at most limit bytes, a multiple of WebAssembly's
// page. It begins as image says, or empty when that is nil.
func New(limit uint64, image *Image) *Memory { return &Memory{limit: limit, image: image} }

// Allocate returns m: one memory for one module.
func (m *Memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory to size bytes, or returns nil when that is past
// the limit, or less than the image needs.
func (m *Memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.wanted = size
		return nil
	}
	if size < uint64(len(m.buf)) {
		return nil
	}
	switch {
	case size == 0:
		return []byte{} // nothing is taken yet
	case m.region != nil:
		if commit(m.region, len(m.buf), int(size)) != nil {
			return nil
		}
		m.buf = m.region[:size:size]
	case m.buf != nil:
		m.growHeap(size)
	case size < m.image.size():
		return nil
	case m.begin(size) != nil:
		m.growHeap(size)
		if m.image.copyTo(m.buf) != nil {
			return nil
		}
	}
	return m.buf
}

// Wanted is the size in bytes that was last refused for the limit, 0 when none
// was.
func (m *Memory) Wanted() uint64 { return m.wanted }

// begin takes address space, and makes its first size bytes what the image
// says.
func (m *Memory) begin(size uint64) error {
	if m.heap {
		return errNoPages
	}
	region, err := reserve(int(m.limit))
	if err != nil {
		return err
	}
	if err := m.image.lay(region, int(size)); err != nil {
		release(region)
		return err
	}
	m.region, m.buf = region, region[:size:size]
	return nil
}

// growHeap is for where there are no pages of our own.
func (m *Memory) growHeap(size uint64) {
	if size > uint64(cap(m.buf)) {
		// Grow by half at least, so that a guest which grows page by page
		// does not copy each time.
		next := make([]byte, size, min(m.limit, max(size, uint64(cap(m.buf))*3/2)))
		for at := 0; at < len(m.buf); at += piece {
			copy(next[at:], m.buf[at:min(at+piece, len(m.buf))])
		}
		m.wipe()
		m.buf = next
	}
	m.buf = m.buf[:size]
}

// Free does nothing. The engine calls it when a module is closed, and a host
// function that closes its own module may still be reading the memory: see
// [Memory.Release].
func (m *Memory) Free() {}

// Release ends the memory. Nobody may touch it any more.
func (m *Memory) Release() {
	m.wipe()
	if m.region != nil {
		release(m.region)
	}
	m.buf, m.region, m.limit = nil, nil, 0
}

func (m *Memory) wipe() {
	all := m.buf
	if m.region == nil {
		all = m.buf[:cap(m.buf)]
	}
	if m.BeforeWipe != nil && len(all) > 0 {
		m.BeforeWipe(all)
	}
	for ; m.region == nil && len(all) > 0; all = all[min(piece, len(all)):] {
		clear(all[:min(piece, len(all))])
	}
}
