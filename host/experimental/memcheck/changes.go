package memcheck

import "unsafe"

// Overlap is how much around what has changed is searched with it, in bytes:
// what was written lies in one piece with what was there before.
const Overlap = 1 << 10

// Memory is compared by pages, and within one that differs by blocks.
const (
	page  = 4 << 10
	block = 128
)

// copied is what a guest's memory held at the last look.
type copied struct{ memory []byte }

// changes calls search for each range of memory that is not as it was, with
// what is around it, and keeps what it is now. Ranges that are near each other
// are one.
func (c *copied) changes(memory []byte, search func([]byte)) {
	if more := len(memory) - len(c.memory); more > 0 {
		c.memory = append(c.memory, make([]byte, more)...)
	}
	from, to := 0, 0 // the range that is not searched yet; none when to is 0
	done := func() {
		if to > 0 {
			search(memory[max(0, from-Overlap):min(len(memory), to+Overlap)])
		}
	}
	for at := 0; at < len(memory); at += page {
		end := min(at+page, len(memory))
		if same(memory[at:end], c.memory[at:end]) {
			continue
		}
		first, last := differ(memory[at:end], c.memory[at:end])
		copy(c.memory[at+first:at+last], memory[at+first:at+last])
		if to > 0 && at+first > to+2*Overlap {
			done()
			to = 0
		}
		if to == 0 {
			from = at + first
		}
		to = at + last
	}
	done()
}

// differ returns where two pages that differ begin to, and where they end to,
// by blocks.
func differ(a, b []byte) (first, last int) {
	for same(a[first:min(first+block, len(a))], b[first:min(first+block, len(a))]) {
		first += block
	}
	last = len(a)
	for from := (last - 1) / block * block; same(a[from:last], b[from:last]); from = last - block {
		last = from
	}
	return first, last
}

// same is bytes.Equal, which the race detector makes ten times slower: it marks
// each byte as read. A look compares all of a memory.
func same(a, b []byte) bool {
	return unsafe.String(unsafe.SliceData(a), len(a)) == unsafe.String(unsafe.SliceData(b), len(b))
}
