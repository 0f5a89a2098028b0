package guard

import (
	"bytes"
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
	sc.read = reader{text: sc.text}
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
		return role&(number|nameChar) != 0
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
	text := sc.text
	if far+gramLen > len(text) || text[far] == '+' || !allOrdinary(text[near:far+gramLen]) {
		return false
	}
	sc.grams4(e)
	word := word32(text, far)
	sc.grams(e, word)
	// The break may be a space, and of the blanks any number may count.
	if sc.set.filter.near[sign] {
		for range min(far-near+1, gramLen) {
			word = word<<8 | sign
			sc.grams(e, word)
		}
	}
	return true
}

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

// probe reads on from e, not as the byte it is.
func (sc *scan) probe(e int) {
	sc.read.cut = false
	var all readings
	sc.read.at(e, MaxDepth, &all)
	cut := sc.read.cut
	inside := false
	for i, r := range all.list[:all.n] {
		if i == 0 && class[sc.text[e]] == introduce {
			continue
		}
		inside = inside || r.kind != aByte || sc.set.filter.inside[canon[byte(r.char)]]
	}
	if inside {
		sc.grams4(e)
		w := walk{scan: sc, from: e}
		w.on(&all, class[sc.text[e]] == introduce, gramSoFar{})
		cut = cut || w.cut
	}
	if cut {
		sc.openAround(e)
	}
}

// probeFrom is probe when there is but one escape at e, and it is read.
func (sc *scan) probeFrom(e int, char byte, next int) {
	w := walk{scan: sc, from: e}
	var g gramSoFar
	if w.push(&g, char) {
		w.step(next, g)
	}
	if w.cut {
		sc.openAround(e)
	}
}

// openAround tries all occurrences that the text's end hides from the filter
// at e.
func (sc *scan) openAround(e int) {
	if !sc.final {
		for q := max(0, e-gramLen+1); q <= e; q++ {
			sc.open(q)
		}
	}
}

// walk reads four characters in all ways.
type walk struct {
	*scan
	from int
	cut  bool
}

type gramSoFar struct {
	word uint32
	n    int
	gaps int
	// indent is as in state.
	indent bool
}

// push adds a byte. It returns false if no occurrence goes on with it.
func (w *walk) push(g *gramSoFar, c byte) bool {
	c = canon[c]
	if !w.set.filter.near[c] {
		return false
	}
	g.word |= uint32(c) << (8 * g.n)
	g.n++
	g.gaps, g.indent = 0, false
	return true
}

func (w *walk) step(p int, g gramSoFar) {
	for {
		if g.n == gramLen {
			w.grams(w.from, g.word)
			return
		}
		if p >= len(w.text) {
			w.cut = true
			return
		}
		if class[w.text[p]] != ordinary || g.indent && isBlank(rune(w.text[p])) {
			break
		}
		if !w.push(&g, w.text[p]) {
			return
		}
		p++
	}
	if g.gaps >= maxGaps || w.excess {
		return
	}
	if char, next := w.read.simple(p); next >= 0 && char != '\n' {
		if other := g; w.push(&other, w.text[p]) {
			w.step(p+1, other)
		}
		if g.indent && isBlank(rune(char)) {
			other := g
			other.gaps++
			w.step(next, other)
		}
		if w.push(&g, char) {
			w.step(next, g)
		}
		return
	}
	w.read.cut = false
	var all readings
	w.read.at(p, MaxDepth, &all)
	w.cut = w.cut || w.read.cut
	w.on(&all, false, g)
}

// on goes on with each reading.
func (w *walk) on(all *readings, notFirst bool, g gramSoFar) {
	for i := range all.n {
		r := &all.list[i]
		if i == 0 && notFirst {
			continue
		}
		next, gap := g, g
		gap.gaps++
		gap.indent = g.indent || r.kind == aBreak
		switch r.kind {
		case aByte:
			if w.push(&next, byte(r.char)) {
				w.step(r.next, next)
			}
			if g.indent && isBlank(r.char) {
				w.step(r.next, gap)
			}
		case aRune:
			if w.pushRune(&next, r.char) {
				w.step(r.next, next)
			}
		case aGap:
			w.step(r.next, gap)
		case aBreak:
			w.step(r.next, gap)
			if w.push(&next, ' ') {
				next.indent = true
				w.step(r.next, next)
			}
		}
	}
}

func (w *walk) pushRune(g *gramSoFar, char rune) bool {
	var buf [utf8.UTFMax]byte
	for _, c := range buf[:utf8.EncodeRune(buf[:], char)] {
		if g.n < gramLen && !w.push(g, c) {
			return false
		}
	}
	return true
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
	if sc.read.cut {
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

// tokens finds a weak value.
func (sc *scan) tokens(i int) {
	value := sc.set.weak[i].value
	for q := 0; q < len(sc.text); q++ {
		at := bytes.Index(sc.text[q:], value)
		if at < 0 {
			break
		}
		q += at
		switch end := q + len(value); {
		case !sc.edge(q, value[0]):
		case end == len(sc.text) && !sc.final:
			sc.hold = min(sc.hold, q)
		case end == len(sc.text) || !(word(value[len(value)-1]) && word(sc.text[end])):
			sc.found = append(sc.found, found{q, end, ^int32(i)})
		}
	}
	if sc.final {
		return
	}
	for n := min(len(value)-1, len(sc.text)); n > 0; n-- {
		if q := len(sc.text) - n; bytes.Equal(sc.text[q:], value[:n]) && sc.edge(q, value[0]) {
			sc.hold = min(sc.hold, q)
			return
		}
	}
}

// edge reports whether a token that begins with first may begin at q.
func (sc *scan) edge(q int, first byte) bool {
	if q > 0 {
		return !(word(first) && word(sc.text[q-1]))
	}
	return sc.before < 0 || !(word(first) && word(byte(sc.before)))
}

// word reports whether a byte is part of a word.
func word(c byte) bool { return kindOf(c) != '!' }
