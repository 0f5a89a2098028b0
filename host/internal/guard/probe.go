package guard

import "unicode/utf8"

// probe tries the occurrences whose first place that is not plain is e. It
// reads four characters from there, in all ways.
func (sc *scan) probe(e int) {
	sc.read.cut = false
	var all readings
	sc.read.at(e, MaxDepth, &all)
	w := sc.walk(e)
	w.cut = sc.read.cut
	first := 0
	if class[sc.text[e]] == introduce {
		first = 1 // the byte itself
	}
	if first < all.n || w.cut {
		sc.grams4(e)
	}
	for i := first; i < all.n; i++ {
		w.step(&all.list[i], state{})
	}
	w.end()
}

// probeFrom is probe when there is but one escape at e, and it is read.
func (sc *scan) probeFrom(e int, char byte, next int) {
	w := sc.walk(e)
	w.char(state{}, char, next)
	w.end()
}

// walk reads the four characters.
type walk struct {
	*scan
	from int
	ways *states
	// cut is set when more text could give others.
	cut bool
}

func (sc *scan) walk(from int) walk {
	sc.probeWays.n, sc.probeWays.full = 0, false
	return walk{scan: sc, from: from, ways: &sc.probeWays}
}

// end follows the ways to their ends.
func (w *walk) end() {
	for s, ok := w.ways.pop(); ok && !w.excess; s, ok = w.ways.pop() {
		w.follow(s)
	}
	if w.excess {
		return
	}
	if w.read.steps > w.limit {
		w.giveUp(0)
		return
	}
	if w.ways.full || w.cut && !w.final {
		for q := max(0, w.from-gramLen+1); q <= w.from; q++ {
			w.open(q)
		}
	}
}

// follow reads on as long as there is one way only, then it leaves those there
// are.
func (w *walk) follow(s state) {
	for {
		for s.k < gramLen && s.p < len(w.text) && class[w.text[s.p]] == ordinary && !(s.indent && isBlank(rune(w.text[s.p]))) {
			if !w.add(&s, w.text[s.p]) {
				return
			}
			s.p++
		}
		switch {
		case s.k == gramLen:
			w.grams(w.from, s.word)
			return
		case s.p >= len(w.text):
			w.cut = true
			return
		case s.gaps > maxGaps:
			return
		}
		char, next := w.read.simple(s.p)
		if next < 0 || char == '\n' || s.indent {
			break
		}
		w.char(s, w.text[s.p], s.p+1)
		if !w.add(&s, char) {
			return
		}
		s.p = next
	}
	w.read.cut = false
	var all readings
	w.read.at(s.p, MaxDepth, &all)
	w.cut = w.cut || w.read.cut
	for i := range all.n {
		w.step(&all.list[i], s)
	}
}

// add adds a byte to a state. It returns false if no occurrence goes on so.
func (w *walk) add(s *state, c byte) bool {
	f := &w.set.filter
	c = canon[c]
	if s.k > 0 && !f.pair(byte(s.word>>(8*(s.k-1))), c) {
		return false
	}
	s.word |= uint32(c) << (8 * s.k)
	s.k++
	s.gaps, s.indent = 0, false
	return f.near[c]
}

func (w *walk) char(s state, c byte, next int) {
	if w.add(&s, c) {
		s.p = next
		w.push(s)
	}
}

// push leaves a way to go, unless it is at its end.
func (w *walk) push(s state) {
	if s.k == gramLen {
		w.grams(w.from, s.word)
		return
	}
	w.ways.push(s)
}

// step adds where one reading leads.
func (w *walk) step(r *reading, s state) {
	switch r.kind {
	case aByte:
		w.char(s, byte(r.char), r.next)
		if s.indent && isBlank(r.char) {
			w.push(s.over(r.next, true))
		}
	case aRune:
		w.rune(s, r.char, r.next)
	case aGap:
		w.push(s.over(r.next, false))
	case aBreak:
		w.push(s.over(r.next, true))
		if w.add(&s, ' ') {
			s.p, s.indent = r.next, true
			w.push(s)
		}
	}
}

func (w *walk) rune(s state, char rune, next int) {
	var buf [utf8.UTFMax]byte
	for _, c := range buf[:utf8.EncodeRune(buf[:], char)] {
		if s.k < gramLen && !w.add(&s, c) {
			return
		}
	}
	s.p = next
	w.push(s)
}
