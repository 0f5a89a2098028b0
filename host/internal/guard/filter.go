package guard

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// gramLen is the length of what the filter looks up.
const gramLen = 4

// maxWindow bounds the window below: a wider one saves few looks and costs
// many grams.
const maxWindow = 20

// foldBits makes the filter's key of four bytes: letters lose their case, and
// some other bytes are confused, which costs a look at the table.
const foldBits = 0x20202020

// filter tells where a form may begin. Every occurrence has a window, its
// first characters, as many as the shortest form has (up to maxWindow). All
// four-character grams of all windows are in a bitmap, so that
//
//   - an occurrence whose window is written plainly is seen by looking at
//     every stride-th byte (Wu and Manber's way);
//   - any other has a first place that is not plain, and is seen by looking at
//     the four characters before it, or at the four read from it.
type filter struct {
	window, stride int
	bitmap         []uint64
	shift          uint
	// The grams behind the bitmap: refs[starts[b]:starts[b+1]] have the
	// bucket b.
	starts []uint32
	refs   []ref
	mask   uint32
	// inside has the characters of all windows, near those that an escape
	// and what follows it may be read as: any other needs no further look.
	inside, near [256]bool
	// first has the characters that a window begins with, and pairs those
	// that follow each other in one: a bit for the second, by the first.
	first [256]bool
	pairs [256][4]uint64
}

// ref says that a gram stands in a pattern at an offset.
type ref struct {
	gram    uint32
	pattern int32
	offset  int32
}

func hash(key uint32) uint32 { return key * 0x9e3779b1 }

func newFilter(patterns []pattern) filter {
	f := filter{window: maxWindow, shift: 32 - 15}
	for _, p := range patterns {
		f.window = min(f.window, len(p.text))
	}
	f.stride = f.window - gramLen + 1
	for at, p := range patterns {
		for i := range f.stride {
			f.refs = append(f.refs, ref{gramOf(p.text[i:]), int32(at), int32(i)})
		}
		f.first[p.text[0]] = true
		for i := range f.window {
			if c := p.text[i]; i > 0 {
				f.pairs[p.text[i-1]][c>>6] |= 1 << (c & 63)
			}
			f.inside[p.text[i]] = true
			f.near[p.text[i]] = f.near[p.text[i]] || i < 2*gramLen-1
		}
	}
	size := bits.Len(uint(64 * len(f.refs))) // some 1 % of the bits set
	f.shift = 32 - uint(min(max(size, 15), 20))
	f.bitmap = make([]uint64, 1<<(32-f.shift)/64)
	f.index()
	return f
}

// index sorts refs into buckets and sets the bitmap.
func (f *filter) index() {
	buckets := 1 << bits.Len(uint(len(f.refs)))
	f.mask = uint32(buckets - 1)
	slices.SortFunc(f.refs, func(a, b ref) int {
		if x, y := f.bucket(a.gram), f.bucket(b.gram); x != y {
			return int(x) - int(y)
		}
		if a.gram != b.gram {
			return int(int64(a.gram) - int64(b.gram))
		}
		return int(a.pattern - b.pattern)
	})
	f.starts = make([]uint32, buckets+1)
	for i, r := range f.refs {
		f.starts[f.bucket(r.gram)+1]++
		if i == 0 || r.gram != f.refs[i-1].gram {
			f.variants(r.gram, 0)
		}
	}
	for i := range buckets {
		f.starts[i+1] += f.starts[i]
	}
}

func (f *filter) bucket(gram uint32) uint32 { return hash(gram) >> 7 & f.mask }

// variants sets the bit of every text that is canonically the same gram.
func (f *filter) variants(gram uint32, at uint) {
	if at == gramLen {
		h := hash(gram|foldBits) >> f.shift
		f.bitmap[h>>6] |= 1 << (h & 63)
		return
	}
	if byte(gram>>(8*at)) != sign {
		f.variants(gram, at+1)
		return
	}
	for _, c := range []byte(signs) {
		f.variants(gram&^(0xff<<(8*at))|uint32(c)<<(8*at), at+1)
	}
}

// may reports whether the four bytes of a little-endian word may be a gram.
func (f *filter) may(word uint32) bool {
	h := hash(word|foldBits) >> f.shift
	return f.bitmap[h>>6]>>(h&63)&1 != 0
}

// pair reports whether b follows a in a window.
func (f *filter) pair(a, b byte) bool { return f.pairs[a][b>>6]>>(b&63)&1 != 0 }

// goesOn reports whether c may follow what is before position e in a window.
func (f *filter) goesOn(text []byte, e int, c byte) bool {
	return e > 0 && f.pair(canon[text[e-1]], c)
}

// mayEnd reports whether a window may have come to position e.
func (f *filter) mayEnd(text []byte, e int) bool {
	if e == 0 {
		return false
	}
	c := canon[text[e-1]]
	return f.inside[c] && (f.first[c] || f.goesOn(text, e-1, c))
}

// find returns the refs of a gram; there may be others among them.
func (f *filter) find(gram uint32) []ref {
	b := f.bucket(gram)
	return f.refs[f.starts[b]:f.starts[b+1]]
}

// gramOf returns the gram of four canonical characters.
func gramOf(text string) uint32 {
	return uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24
}

// canonGram returns the gram of four bytes of text.
func canonGram(word uint32) uint32 {
	return uint32(canon[byte(word)]) | uint32(canon[byte(word>>8)])<<8 |
		uint32(canon[byte(word>>16)])<<16 | uint32(canon[byte(word>>24)])<<24
}

func word32(text []byte, at int) uint32 { return binary.LittleEndian.Uint32(text[at:]) }
