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
	// The grams behind the bitmap: heads has the first ref of each bucket, and
	// each the next, one more than the index; 0 ends them.
	heads []uint32
	refs  []ref
	// inside has the characters of all windows, near those that an escape
	// and what follows it may be read as: any other needs no further look.
	inside, near [256]bool
	// high is set when one beyond ASCII is inside.
	high bool
	// first has the characters that a window begins with, and pairs those
	// that follow each other in one: a bit for the second, by the first.
	first [256]bool
	pairs [256][4]uint64
}

// ref says that a gram stands in a pattern at an offset.
type ref struct {
	gram    uint32
	next    uint32
	pattern int32
	offset  int32
}

const (
	minBits, maxBits = 15, 20 // of the bitmap's size
	sparse           = 64     // bits of it for each ref, or half of that: some 1 or 2 % are set
	crowd            = 2      // refs in a bucket
)

func hash(key uint32) uint32 { return key * 0x9e3779b1 }

// narrow makes the window no wider than a form of n characters. The grams of
// those that were added before it are more than is needed.
func (f *filter) narrow(n int) {
	f.window = min(f.window, n)
	f.stride = f.window - gramLen + 1
}

// add adds the grams of a pattern; index is to follow.
func (f *filter) add(p string, at int32) {
	for i := range f.stride {
		f.refs = append(f.refs, ref{gram: gramOf(p[i:]), pattern: at, offset: int32(i)})
	}
	f.first[p[0]] = true
	for i := range f.window {
		c := p[i]
		if i > 0 {
			f.pairs[p[i-1]][c>>6] |= 1 << (c & 63)
		}
		f.inside[c] = true
		f.near[c] = f.near[c] || i < 2*gramLen-1
		f.high = f.high || c >= 0x80
	}
}

// index brings the bitmap and the heads up to date, after the first old refs.
// What it changes is made anew, so that a copy of the filter stays as it is.
func (f *filter) index(old int) {
	size := min(max(bits.Len(uint(sparse*len(f.refs))), minBits), maxBits)
	if len(f.bitmap) < 1<<(size-1)/64 {
		f.shift = 32 - uint(size)
		f.bitmap = make([]uint64, 1<<size/64)
		f.refs = slices.Clone(f.refs)
		f.heads = make([]uint32, max(1<<bits.Len(uint(len(f.refs))/crowd), 1<<size/sparse/crowd))
		old = 0
	} else {
		f.bitmap = slices.Clone(f.bitmap)
		f.heads = slices.Clone(f.heads)
	}
	for i := old; i < len(f.refs); i++ {
		r := &f.refs[i]
		head := &f.heads[f.bucket(r.gram)]
		r.next, *head = *head, uint32(i+1)
		f.variants(r.gram, 0)
	}
}

func (f *filter) bucket(gram uint32) uint32 { return hash(gram) >> 7 & uint32(len(f.heads)-1) }

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

// find returns one more than the index of the first ref in the bucket of a
// gram.
func (f *filter) find(gram uint32) uint32 { return f.heads[f.bucket(gram)] }

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
