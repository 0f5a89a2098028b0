package guard

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// scan searches one text, which may go on unless it is final.
type scan struct {
	set   *Set
	text  []byte
	final bool
	// before is the byte before text, or -1.
	before int

	// The ways open in match and in probe.
	matchWays, probeWays states

	read   reader
	found  []found
	hold   int // where what is not decided begins
	limit  int // of steps
	excess bool
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
			for q := max(0, len(sc.text)-sc.set.filter.window+1); q < len(sc.text); q++ {
				sc.open(q)
			}
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
	gram := canonGram(word32(sc.text, i))
	for _, r := range sc.set.filter.find(gram) {
		if q := i - int(r.offset); r.gram == gram && q >= 0 {
			sc.match(q, r.pattern)
		}
	}
}

// specials finds what is not written plainly, from the first place that is not.
func (sc *scan) specials() {
	text := sc.text
	i := 0
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		if class[byte(w)]|class[byte(w>>8)]|class[byte(w>>16)]|class[byte(w>>24)]|
			class[byte(w>>32)]|class[byte(w>>40)]|class[byte(w>>48)]|class[byte(w>>56)] == ordinary {
			continue
		}
		for j := i; j < i+8; j++ {
			if c := class[text[j]]; c != ordinary {
				sc.special(j, c)
			}
		}
	}
	for ; i < len(text); i++ {
		if c := class[text[i]]; c != ordinary {
			sc.special(i, c)
		}
	}
}

// special tries the occurrences whose first place that is not plain is e.
func (sc *scan) special(e int, c uint8) {
	if sc.excess {
		return
	}
	if c == introduce {
		sc.escape(e)
		return
	}
	// A gap: within an occurrence, and the first byte of the gap.
	if !sc.set.filter.mayEnd(sc.text, e) || class[sc.text[e-1]]&(newline|null) != 0 {
		return
	}
	done := false
	if c == null {
		done = sc.quickNull(e)
	} else {
		done = sc.quickBreak(e, sc.read.gap(e, newline|null), sc.read.gap(e, newline|null|blank))
	}
	if !done {
		sc.probe(e)
	}
}

// plausible reports whether an escape may begin at e: a cheap first look.
func (sc *scan) plausible(e int) bool {
	rest := sc.text[e:]
	if len(rest) < 3 || class[rest[1]] != ordinary {
		return true
	}
	switch role := roles[rest[1]]; rest[0] {
	case '=':
		if rest[1] == ' ' || rest[1] == '\t' {
			end := sc.read.gap(e+1, blank)
			return end == len(sc.text) || class[sc.text[end]] != ordinary
		}
		fallthrough
	case '%':
		return role&hexDigit != 0 && (class[rest[2]] != ordinary || roles[rest[2]]&hexDigit != 0)
	case '&':
		return role&number != 0 || role&nameChar != 0 && mayName(rest[1:])
	default:
		return role&punctuation == 0 || sc.set.filter.inside[canon[rest[1]]]
	}
}

// escape tries the occurrences whose first escape is at e.
func (sc *scan) escape(e int) {
	if !sc.plausible(e) {
		return
	}
	f := &sc.set.filter
	char, next := sc.read.simple(e)
	switch {
	case next < 0:
		sc.probe(e)
	case char == '\n':
		if f.mayEnd(sc.text, e) && !sc.quickBreak(e, next, sc.read.gap(next, blank)) {
			sc.probe(e)
		}
	case f.goesOn(sc.text, e, canon[char]):
		sc.grams4(e)
		fallthrough
	case f.first[canon[char]]:
		sc.probeFrom(e, char, next)
	}
}

// mayName reports whether text may begin with the name of an entity.
func mayName(text []byte) bool {
	for n, c := range text[:min(len(text), maxEntity+1)] {
		switch {
		case class[c] != ordinary:
			return true
		case c == ';':
			return entities[string(text[:n])] != 0
		case roles[c]&nameChar == 0:
			return false
		}
	}
	return len(text) <= maxEntity
}

// quickNull does what probe does for the NULs of UTF-16, when nothing else is
// between.
func (sc *scan) quickNull(e int) bool {
	text := sc.text
	if e+8 > len(text) || text[e+2]|text[e+4]|text[e+6] != 0 ||
		class[text[e+1]]|class[text[e+3]]|class[text[e+5]]|class[text[e+7]] != ordinary {
		return false
	}
	sc.grams4(e)
	sc.grams(e, uint32(text[e+1])|uint32(text[e+3])<<8|uint32(text[e+5])<<16|uint32(text[e+7])<<24)
	return true
}

// quickBreak does what probe does for a line break at e that ends at near, with
// indentation at far, when nothing else is between.
func (sc *scan) quickBreak(e, near, far int) bool {
	text, f := sc.text, &sc.set.filter
	if far < len(text) && class[text[far]] == introduce {
		// Often a quotation mark, which ends all but a run of signs.
		if char, next := sc.read.simple(far); next >= 0 && !f.near[canon[char]] && !f.near[text[far]] {
			sc.grams4(e)
			if far-near+1 >= gramLen && f.near[sign] {
				sc.grams(e, fourSigns)
			}
			return true
		}
	}
	if far+gramLen > len(text) || text[far] == '+' || !allOrdinary(text[near:far+gramLen]) {
		return false
	}
	sc.grams4(e)
	word := word32(text, far)
	sc.grams(e, word)
	// The break may be a space, and of the blanks any number may count.
	if f.near[sign] {
		for range min(far-near+1, gramLen) {
			word = word<<8 | sign
			sc.grams(e, word)
		}
	}
	return true
}

const fourSigns = sign | sign<<8 | sign<<16 | sign<<24

func allOrdinary(text []byte) bool {
	all := ordinary
	for _, c := range text {
		all |= class[c]
	}
	return all == ordinary
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
	if !sc.set.filter.may(word) {
		return
	}
	gram := canonGram(word)
	for _, r := range sc.set.filter.find(gram) {
		if q := e - int(r.offset); r.gram == gram && r.offset < gramLen && q >= 0 {
			sc.match(q, r.pattern)
		}
	}
}

// open tries all occurrences from q, because the text ends too soon for the
// filter.
func (sc *scan) open(q int) {
	if b := sc.text[q]; class[b] == ordinary {
		sc.matchAll(q, canon[b])
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
	for _, p := range sc.set.first[first] {
		sc.match(q, p)
	}
}
