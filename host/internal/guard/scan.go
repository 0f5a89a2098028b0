package guard

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"
)

// scan searches one text, which may go on unless it is final.
type scan struct {
	set   *Set
	text  []byte
	final bool
	// before is the byte before text, or -1.
	before int
	// exact says that what takes a value's place has its length.
	exact bool

	// The ways open in match and in probe.
	matchWays, probeWays states

	read   reader
	found  []found
	hold   int // where what is not decided begins
	limit  int // of steps
	excess bool
}

// shared is what sets that were made of each other have in common: searches
// that are not in use, whose tables are large.
type shared struct {
	mu   sync.Mutex
	idle []*scan
}

// maxIdle is how many are kept.
const maxIdle = 4

// borrow returns a search of a whole text.
func (s *Set) borrow(text []byte) *scan {
	s.mu.Lock()
	var sc *scan
	if n := len(s.idle); n > 0 {
		sc, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		sc = &scan{}
	}
	s.mu.Unlock()
	sc.set, sc.text, sc.final, sc.before = s, text, true, -1
	sc.exact = false
	return sc
}

func (s *Set) giveBack(sc *scan) {
	sc.set, sc.text, sc.read.text = nil, nil, nil
	s.mu.Lock()
	if len(s.idle) < maxIdle {
		s.idle = append(s.idle, sc)
	}
	s.mu.Unlock()
}

// found is one occurrence of one pattern, or of a weak value if that is
// negative.
type found struct {
	start, end int
	pattern    int32
}

// run fills found, in order, and hold.
func (sc *scan) run() {
	sc.read.reset(sc.text)
	sc.found = sc.found[:0]
	sc.hold = len(sc.text)
	sc.limit = effortBase + effort*len(sc.text)
	sc.excess = false
	if len(sc.set.patterns) > 0 {
		sc.strides()
		sc.specials()
		if !sc.final {
			sc.tail()
		}
	}
	for i := range sc.set.weak {
		sc.tokens(i)
	}
	if sc.excess {
		sc.hold = len(sc.text)
	}
	slices.SortFunc(sc.found, sc.set.order)
}

// strides finds what is written plainly.
func (sc *scan) strides() {
	f := &sc.set.filter
	text, bitmap, shift, stride := sc.text, f.bitmap, f.shift, f.stride
	for i := 0; i+gramLen <= len(text); i += stride {
		h := hash(binary.LittleEndian.Uint32(text[i:])|foldBits) >> shift
		if bitmap[h>>6]>>(h&63)&1 != 0 {
			sc.plain(i)
		}
	}
}

// plain tries the patterns that have the four bytes at i.
func (sc *scan) plain(i int) {
	f := &sc.set.filter
	gram := canonGram(word32(sc.text, i))
	for at := f.find(gram); at > 0; {
		r := &f.refs[at-1]
		if q := i - int(r.offset); r.gram == gram && q >= 0 {
			sc.match(q, r.pattern)
		}
		at = r.next
	}
}

// grams4 tries the occurrences that have the four bytes before e, plainly.
func (sc *scan) grams4(e int) {
	if e >= gramLen && sc.set.filter.may(word32(sc.text, e-gramLen)) {
		sc.plain(e - gramLen)
	}
}

// grams tries the occurrences that have the word's four bytes, read from e,
// and less than four before it.
func (sc *scan) grams(e int, word uint32) {
	f := &sc.set.filter
	if !f.may(word) {
		return
	}
	gram := canonGram(word)
	for at := f.find(gram); at > 0; {
		r := &f.refs[at-1]
		if q := e - int(r.offset); r.gram == gram && r.offset < gramLen && q >= 0 {
			sc.match(q, r.pattern)
		}
		at = r.next
	}
}

// specials finds what is not written plainly, from the first place that is not.
func (sc *scan) specials() {
	text := sc.text
	next := 0 // what is before it was looked at
	for i := 0; i < len(text); i += 64 {
		if next >= i+64 {
			i = next &^ 63
		}
		mask := mask64At(text, i)
		if next > i {
			mask &= ^uint64(0) << (next - i)
		}
		for mask != 0 {
			next = sc.special(i + bits.TrailingZeros64(mask))
			if next >= i+64 {
				break
			}
			mask &= ^uint64(0) << (next - i)
		}
	}
}

// special tries the occurrences whose first place that is not plain is e, and
// perhaps some later ones. It returns what was not looked at yet.
func (sc *scan) special(e int) (next int) {
	if sc.excess {
		return len(sc.text)
	}
	c := sc.text[e]
	switch c {
	case 0:
		return sc.null(e)
	case '\r', '\n':
		return sc.lineBreak(e)
	}
	if e+1 < len(sc.text) && follows[sc.text[e+1]]&followsBit(c) == 0 {
		return e + 1 // no escape
	}
	if c == '\\' && sc.lineEnd(e) {
		return e + 1
	}
	if c == '%' || c == '=' {
		if next = sc.hexRun(e); next > e {
			return next
		}
	}
	return sc.roll(e)
}

// tail holds back what may begin at the end of the text, where the filter sees
// too little of it.
func (sc *scan) tail() {
	text := sc.text
	from := max(0, len(text)-sc.set.filter.window+1)
	plain := len(text) // from there on all is
	for plain > from && class[text[plain-1]] == ordinary {
		plain--
	}
	for q := from; q < plain && q < sc.hold; q++ {
		sc.open(q)
	}
	for q := plain; q < sc.hold; q++ {
		if sc.begins(text[q:]) {
			sc.hold = q
		}
	}
}

// begins reports whether a pattern begins with what is read plainly.
func (sc *scan) begins(rest []byte) bool {
	s := sc.set
	if len(rest) >= gramLen && !s.filter.may(word32(rest, 0)) {
		return false
	}
patterns:
	for at := s.first[canon[rest[0]]]; at > 0; at = s.patterns[at-1].next {
		p := &s.patterns[at-1]
		for i, c := range rest {
			if canon[c] != p.text[i] {
				continue patterns
			}
		}
		if s.lives(p.secret) {
			return true
		}
	}
	return false
}

// open tries all occurrences from q, because the text ends too soon for the
// filter.
func (sc *scan) open(q int) {
	if b := sc.text[q]; class[b] == ordinary {
		if rest := sc.text[q:]; len(rest) < gramLen || !allOrdinary(rest[:gramLen]) || sc.set.filter.may(word32(rest, 0)) {
			sc.matchAll(q, canon[b])
		}
		return
	}
	sc.read.cut = false
	var all readings
	sc.read.at(q, MaxDepth, &all)
	if sc.read.cut && !sc.final {
		sc.hold = min(sc.hold, q)
	}
	var buf [utf8.UTFMax]byte
	for _, r := range all.list[:all.n] {
		switch r.kind {
		case aByte:
			sc.matchAll(q, canon[byte(r.char)])
		case aRune:
			utf8.EncodeRune(buf[:], r.char)
			sc.matchAll(q, buf[0])
		}
	}
}

func (sc *scan) matchAll(q int, first byte) {
	for at := sc.set.first[first]; at > 0; at = sc.set.patterns[at-1].next {
		sc.match(q, at-1)
	}
}
