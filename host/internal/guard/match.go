package guard

import "unicode/utf8"

// match tries one pattern from q, in all ways, and takes the longest.
func (sc *scan) match(q int, at int32) {
	if sc.excess || !sc.set.lives(sc.set.patterns[at].secret) {
		return
	}
	m := matching{scan: sc, pattern: sc.set.patterns[at].text, best: -1}
	m.end = q + stretch*len(m.pattern) + stretchBase
	sc.read.cut = false
	m.ways = &sc.matchWays
	m.ways.n, m.ways.full = 0, false
	m.ways.push(state{p: q})
	for s, ok := m.ways.pop(); ok; s, ok = m.ways.pop() {
		m.follow(s)
	}
	if m.ways.full || sc.read.steps > sc.limit {
		sc.giveUp(at)
		return
	}
	if m.best >= 0 {
		sc.found = append(sc.found, found{q, m.best, at})
	}
	if (m.open || sc.read.cut) && !sc.final {
		sc.hold = min(sc.hold, q)
	}
}

// giveUp ends the search: the whole text is taken for a hit.
func (sc *scan) giveUp(pattern int32) {
	sc.excess = true
	sc.found = append(sc.found[:0], found{0, len(sc.text), pattern})
}

// matching is one pattern being tried from one place.
type matching struct {
	*scan
	pattern string
	ways    *states
	end     int // where it must not go on
	best    int // the furthest end of an occurrence, or -1
	open    bool
}

// follow reads on from a state: as long as there is one way only, then it
// leaves the ways there are.
func (m *matching) follow(s state) {
	for {
		from := s.k
		if !m.plainly(&s) {
			m.read.steps += s.k - from
			return
		}
		m.read.steps += s.k - from + 1
		switch {
		case s.k == len(m.pattern):
			m.best = max(m.best, s.p)
			return
		case s.p >= len(m.text):
			m.open = true
			return
		case s.p >= m.end || m.read.steps > m.limit || s.gaps > maxGaps:
			return
		}
		if !m.simply(&s) {
			return
		}
	}
}

// plainly goes on while the text is plain, and reports whether it fits.
func (m *matching) plainly(s *state) bool {
	p, k, text, pattern := s.p, s.k, m.text, m.pattern
	if s.indent && p < len(text) && isBlank(rune(text[p])) {
		return true
	}
	for k < len(pattern) && p < len(text) && class[text[p]] == ordinary {
		if canon[text[p]] != pattern[k] {
			s.k = k
			return false
		}
		p++
		k++
	}
	if p > s.p {
		*s = state{p: p, k: k}
	}
	return true
}

// simply reads one character that is not plain. If there is but one way to, it
// goes on with it; else it leaves the ways and returns false.
func (m *matching) simply(s *state) bool {
	char, next := m.read.simple(s.p)
	if next < 0 || char == '\n' || s.indent {
		var all readings
		m.read.at(s.p, MaxDepth, &all)
		for i := range all.n {
			m.step(&all.list[i], *s)
		}
		return false
	}
	decoded := canon[char] == m.pattern[s.k]
	literal := m.text[s.p] == m.pattern[s.k]
	if decoded && literal {
		m.ways.push(state{p: s.p + 1, k: s.k + 1})
	}
	switch {
	case decoded:
		*s = state{p: next, k: s.k + 1}
	case literal:
		*s = state{p: s.p + 1, k: s.k + 1}
	}
	return decoded || literal
}

// step adds where one reading leads: one or two ways, or none.
func (m *matching) step(r *reading, s state) {
	switch r.kind {
	case aByte:
		if canon[byte(r.char)] == m.pattern[s.k] {
			m.ways.push(state{p: r.next, k: s.k + 1})
		}
		if s.indent && isBlank(r.char) {
			m.ways.push(s.over(r.next, true))
		}
	case aRune:
		var buf [utf8.UTFMax]byte
		n := utf8.EncodeRune(buf[:], r.char)
		if k := s.k + n; k <= len(m.pattern) && m.pattern[s.k:k] == string(buf[:n]) {
			m.ways.push(state{p: r.next, k: k})
		}
	case aGap, aBreak:
		if s.k == 0 { // never the beginning
			return
		}
		m.ways.push(s.over(r.next, r.kind == aBreak))
		if r.kind == aBreak && m.pattern[s.k] == sign {
			m.ways.push(state{p: r.next, k: s.k + 1, indent: true})
		}
	}
}

// order sorts what was found by its start, the longest first.
func (s *Set) order(a, b found) int {
	switch {
	case a.start != b.start:
		return a.start - b.start
	case a.end != b.end:
		return b.end - a.end
	case s.stops(a) != s.stops(b):
		if s.stops(a) {
			return -1
		}
		return 1
	}
	return int(a.pattern - b.pattern)
}

func (s *Set) stops(f found) bool { return f.pattern < 0 || s.patterns[f.pattern].stop }

// hit describes what was found.
func (s *Set) hit(f found) Hit {
	if f.pattern < 0 {
		w := &s.weak[^f.pattern]
		return Hit{Secret: w.secret, Name: w.name, Form: "raw", Start: f.start, End: f.end, Stop: true, pattern: -1}
	}
	p := &s.patterns[f.pattern]
	h := Hit{Secret: p.secret, Name: p.name, Form: p.form, Start: f.start, End: f.end, Stop: p.stop, pattern: f.pattern}
	if f.end-f.start != len(p.text) {
		h.Form = p.escaped
	}
	return h
}

// next returns the hit that begins with the i-th that was found, and where to
// go on. What lies within a longer one is not told; what overlaps is one hit.
func (sc *scan) next(i int) (h Hit, after int, ok bool) {
	if i >= len(sc.found) {
		return Hit{}, i, false
	}
	f := sc.found[i]
	h = sc.set.hit(f)
	if sc.excess {
		h.Form, h.Stop = FormExcess, true
	}
	longest, stop := f.end-f.start, h.Stop
	for i++; i < len(sc.found) && sc.found[i].start < h.End; i++ {
		g := sc.found[i]
		if g.end <= h.End {
			continue
		}
		stop = stop || sc.set.stops(g)
		start := h.Start
		if g.end-g.start > longest {
			longest = g.end - g.start
			h = sc.set.hit(g)
		}
		h.Start, h.End = start, g.end
	}
	h.Stop = stop
	return h, i, true
}

// emit appends what is decided to dst, and returns how much of the text that
// was.
func (sc *scan) emit(dst []byte, base int, put func(Hit) []byte) (out []byte, done, hits int, stop *Hit) {
	for i := 0; ; {
		h, after, ok := sc.next(i)
		if !ok || h.Start >= sc.hold {
			break
		}
		if h.End > sc.hold {
			sc.hold = h.Start
			break
		}
		dst = append(dst, sc.text[done:h.Start]...)
		text := sc.text[h.Start:h.End]
		done, i = h.End, after
		h.Start += base
		h.End += base
		if put == nil || h.Stop {
			told := h // the one that is allocated
			told.Stop = true
			return dst, done, hits, &told
		}
		with := put(h)
		if sc.exact {
			dst = sc.set.mask(dst, &h, text, with)
		} else {
			dst = sc.set.place(dst, &h, text, with)
		}
		hits++
	}
	return append(dst, sc.text[done:sc.hold]...), sc.hold, hits, nil
}
