package guard

import "unicode/utf8"

// match tries one pattern from q, in all ways, and takes the longest.
func (sc *scan) match(q int, at int32) {
	if sc.excess {
		return
	}
	m := matching{scan: sc, pattern: sc.set.patterns[at].text, best: -1}
	m.end = q + stretch*len(m.pattern) + stretchBase
	sc.read.cut = false
	m.follow(state{p: q})
	switch {
	case sc.read.steps > sc.limit:
		sc.excess = true
		sc.found = append(sc.found[:0], found{0, len(sc.text), at})
		return
	case m.best >= 0:
		sc.found = append(sc.found, found{q, m.best, at})
	}
	if (m.open || sc.read.cut) && !sc.final {
		sc.hold = min(sc.hold, q)
	}
}

// matching is one pattern being tried from one place.
type matching struct {
	*scan
	pattern string
	end     int // where it must not go on
	best    int // the furthest end of an occurrence, or -1
	open    bool
	nesting int
}

// follow reads on from a state.
func (m *matching) follow(at state) {
	for {
		p, k, gaps, indent := at.p, at.k, at.gaps, at.indent
		from := k
		for k < len(m.pattern) && p < len(m.text) && class[m.text[p]] == ordinary {
			if indent && isBlank(rune(m.text[p])) {
				break
			}
			if canon[m.text[p]] != m.pattern[k] {
				m.read.steps += k - from
				return
			}
			p++
			k++
			gaps, indent = 0, false
		}
		m.read.steps += k - from + 1
		switch {
		case k == len(m.pattern):
			m.best = max(m.best, p)
			return
		case p >= len(m.text):
			m.open = true
			return
		case p >= m.end || m.read.steps > m.limit || gaps > maxGaps:
			return
		}
		if char, next := m.read.simple(p); next >= 0 && char != '\n' && !indent {
			at = state{p: next, k: k + 1}
			if m.text[p] == m.pattern[k] {
				literal := state{p: p + 1, k: k + 1}
				if canon[char] != m.pattern[k] {
					at = literal
				} else {
					m.branch(literal)
				}
			} else if canon[char] != m.pattern[k] {
				return
			}
			continue
		}
		var all readings
		m.read.at(p, MaxDepth, &all)
		last := state{p: -1}
		for i := range all.n {
			for _, next := range m.steps(&all.list[i], state{p, k, gaps, indent}) {
				if next.p < 0 {
					continue
				}
				if last.p >= 0 {
					m.branch(last)
				}
				last = next
			}
		}
		if last.p < 0 {
			return
		}
		at = last
	}
}

// branch follows one of several ways to go on.
func (m *matching) branch(s state) {
	if m.nesting++; m.nesting > maxBranches {
		m.read.steps = m.limit + 1
	} else {
		m.follow(s)
	}
	m.nesting--
}

// state is how far a reading has come.
type state struct {
	p, k, gaps int
	indent     bool // after a line break, blanks are a gap too
}

// steps returns where one reading leads: to one or two states, or none.
func (m *matching) steps(r *reading, from state) [2]state {
	out := [2]state{{p: -1}, {p: -1}}
	gap := state{r.next, from.k, from.gaps + 1, true}
	switch r.kind {
	case aByte:
		if canon[byte(r.char)] == m.pattern[from.k] {
			out[0] = state{p: r.next, k: from.k + 1}
		}
		if from.indent && isBlank(r.char) {
			out[1] = gap
		}
	case aRune:
		var buf [utf8.UTFMax]byte
		n := utf8.EncodeRune(buf[:], r.char)
		if k := from.k + n; k <= len(m.pattern) && m.pattern[from.k:k] == string(buf[:n]) {
			out[0] = state{p: r.next, k: k}
		}
	case aGap, aBreak: // never the beginning
		if from.k == 0 {
			break
		}
		gap.indent = r.kind == aBreak || from.indent
		out[0] = gap
		if r.kind == aBreak && m.pattern[from.k] == sign {
			out[1] = state{r.next, from.k + 1, 0, true}
		}
	}
	return out
}

// isBlank tells what may indent a line, in a form as well.
func isBlank(char rune) bool { return char == ' ' || char == '\t' || char == '+' }

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
		return Hit{Secret: w.secret, Name: w.name, Form: "raw", Start: f.start, End: f.end, Stop: true}
	}
	p := &s.patterns[f.pattern]
	h := Hit{Secret: p.secret, Name: p.name, Form: p.form, Start: f.start, End: f.end, Stop: p.stop}
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
		done, i = h.End, after
		h.Start += base
		h.End += base
		if put == nil || h.Stop {
			told := h // the one that is allocated
			told.Stop = true
			return dst, done, hits, &told
		}
		dst = append(dst, put(h)...)
		hits++
	}
	return append(dst, sc.text[done:sc.hold]...), sc.hold, hits, nil
}
