package guard

// roll reads on from the escape at e, as long as there is one way to read what
// is there besides the literal, and tries what the filter has of each four
// characters that begin with an escape. It stops when none is among the last
// four, or a character is in no occurrence at that place.
func (sc *scan) roll(e int) (next int) {
	f, text := &sc.set.filter, sc.text
	var at [gramLen]int // where the last characters begin
	var word uint32
	n, escapes := 0, uint32(0) // how many they are; a bit for each that is one
	p := e
	for p < len(text) {
		c := text[p]
		next = p + 1
		switch {
		case class[c] == ordinary:
			c = canon[c]
		case class[c] != introduce || f.near[c]: // a gap, or the literal goes on too
			return sc.rollBack(e, p, at[:n], escapes)
		default:
			char, end := sc.read.decode(p, f.high)
			if end < 0 {
				return sc.rollBack(e, p, at[:n], escapes)
			}
			c, next = canon[char], end
			if end > p+1 && f.goesOn(text, p, c) {
				sc.grams4(p)
			}
			escapes |= 1 << n
		}
		if !f.near[c] {
			return next
		}
		at[n] = p
		word |= uint32(c) << (8 * n)
		if n++; n == gramLen {
			if escapes&1 != 0 {
				sc.grams(at[0], word)
			}
			at[0], at[1], at[2] = at[1], at[2], at[3]
			word >>= 8
			escapes >>= 1
			n--
		}
		if escapes == 0 {
			return next
		}
		p = next
	}
	return sc.rollBack(e, p, at[:n], escapes)
}

// rollBack looks closely at the escapes that roll could not read four
// characters from, because of p.
func (sc *scan) rollBack(e, p int, at []int, escapes uint32) (next int) {
	for i, q := range at {
		if escapes>>i&1 != 0 {
			sc.escape(q)
		}
	}
	if p == e {
		sc.escape(e)
		return e + 1
	}
	return p
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
