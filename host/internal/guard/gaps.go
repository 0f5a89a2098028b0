package guard

// past returns the end of the line breaks and NULs at e.
func (sc *scan) past(e int) int {
	for e < len(sc.text) && class[sc.text[e]]&(newline|null) != 0 {
		e++
	}
	return e
}

// within reports whether a gap at e may be within an occurrence. One that goes
// on was looked at where it began.
func (sc *scan) within(e int) bool {
	return sc.set.filter.mayEnd(sc.text, e) && class[sc.text[e-1]]&(newline|null) == 0
}

// lineBreak is special for CR and LF.
func (sc *scan) lineBreak(e int) (next int) {
	if sc.within(e) && !sc.quickBreak(e, sc.read.gap(e, newline|null), sc.read.gap(e, newline|null|blank)) {
		sc.probe(e)
	}
	return sc.past(e)
}

// lineEnd is special for a line break that is spelled \n, or \\n in what was
// escaped twice, if there is but one way to read that besides the backslashes.
func (sc *scan) lineEnd(e int) bool {
	f, text, n := &sc.set.filter, sc.text, e+1
	twice := n < len(text) && text[n] == '\\'
	if twice {
		n++
	}
	if n >= len(text) || text[n] != 'n' && text[n] != 'r' {
		return false
	}
	far := sc.read.gap(n+1, blank)
	if twice && (f.near['\\'] || far >= len(text) || follows[text[far]]&afterBackslash != 0) {
		return false // the first may go on with what follows, as in a line that is continued
	}
	if f.mayEnd(text, e) && !sc.quickBreak(e, n+1, far) {
		sc.probe(e)
	}
	return true
}

// null is special for NUL.
func (sc *scan) null(e int) (next int) {
	if !sc.within(e) {
		return sc.past(e)
	}
	if word, ok := sc.wide(e); ok {
		sc.grams4(e)
		sc.grams(e, word)
		return sc.wideRun(e, word)
	}
	if !sc.quickNull(e) {
		sc.probe(e)
	}
	return sc.past(e)
}

// wide returns four characters of UTF-16, the first of them behind the NUL at
// e.
func (sc *scan) wide(e int) (word uint32, ok bool) {
	if e+8 > len(sc.text) {
		return 0, false
	}
	t := sc.text[e : e+8]
	if t[2]|t[4]|t[6] != 0 || class[t[1]]|class[t[3]]|class[t[5]]|class[t[7]] != ordinary {
		return 0, false
	}
	return uint32(t[1]) | uint32(t[3])<<8 | uint32(t[5])<<16 | uint32(t[7])<<24, true
}

// wideRun goes on in UTF-16 behind e, whose word was tried, up to a NUL that
// wide does not take. Behind the first, what may begin has one character
// before the NUL and the next three behind it.
func (sc *scan) wideRun(e int, word uint32) (next int) {
	f, text := &sc.set.filter, sc.text
	for e += 2; e+8 <= len(text) && text[e+6] == 0 && class[text[e+7]] == ordinary; e += 2 {
		if f.may(word) {
			sc.grams(e-1, word)
		}
		word = word>>8 | uint32(text[e+7])<<24
	}
	return e
}

// quickNull does what probe does for NULs, when nothing but more of them is
// between the next characters.
func (sc *scan) quickNull(e int) bool {
	text, f := sc.text, &sc.set.filter
	word := uint32(0)
	for p, n := e, 0; n < gramLen; p++ {
		switch {
		case p >= len(text) || p > e+gramLen*4:
			return false
		case text[p] == 0:
			continue
		case class[text[p]] != ordinary:
			return false
		}
		c := canon[text[p]]
		if n == 0 && f.goesOn(text, e, c) {
			sc.grams4(e)
		}
		if !f.near[c] {
			return true
		}
		word |= uint32(c) << (8 * n)
		n++
	}
	sc.grams(e, word)
	return true
}

// quickBreak does what probe does for a line break at e that ends at near, with
// indentation at far, when nothing else is between.
func (sc *scan) quickBreak(e, near, far int) bool {
	text, f := sc.text, &sc.set.filter
	if far < len(text) && sc.ends(far) {
		sc.grams4(e)
		if far-near+1 >= gramLen && f.near[sign] {
			sc.grams(e, fourSigns)
		}
		return true
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

// ends reports whether the character at p, often a quotation mark or a brace,
// ends all that a line break before it may be within but a run of signs.
func (sc *scan) ends(p int) bool {
	f, c := &sc.set.filter, sc.text[p]
	switch {
	case f.near[canon[c]] || gaps[c] != 0: // the gap may be longer than one
		return false
	case class[c] == ordinary:
		return true
	}
	char, next := sc.read.simple(p)
	return next >= 0 && !f.near[canon[char]]
}

const fourSigns = sign | sign<<8 | sign<<16 | sign<<24

func allOrdinary(text []byte) bool {
	all := ordinary
	for _, c := range text {
		all |= class[c]
	}
	return all == ordinary
}
