package guard

import "strings"

// The bytes that may come second in an escape, by the one that introduces it.
const (
	afterPercent uint8 = 1 << iota
	afterEquals
	afterAmpersand
	afterBackslash
)

var follows = func() (t [256]uint8) {
	for c := range t {
		role := roles[c]
		switch {
		case class[c] != ordinary: // may be one spelled otherwise
			t[c] = afterPercent | afterEquals | afterAmpersand | afterBackslash
			continue
		case role&hexDigit != 0:
			t[c] |= afterPercent | afterEquals
		case c == ' ' || c == '\t':
			t[c] |= afterEquals
		}
		if role&(number|nameChar) != 0 {
			t[c] |= afterAmpersand
		}
		if role&(punctuation|octDigit|anyX|anyU) != 0 || strings.ContainsRune("nrtbfv", rune(c)) {
			t[c] |= afterBackslash
		}
	}
	return t
}()

func followsBit(introducer byte) uint8 {
	switch introducer {
	case '%':
		return afterPercent
	case '=':
		return afterEquals
	case '&':
		return afterAmpersand
	}
	return afterBackslash
}

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

// hexRun does what roll does for percent or quoted-printable escapes that
// follow each other, all of them once or all of them twice escaped. It returns
// the first that it did not look at, e itself if that is no such run.
func (sc *scan) hexRun(e int) (next int) {
	f, text := &sc.set.filter, sc.text
	sign, size := text[e], 3
	if e+minRun*size+2 > len(text) || f.inside[sign] {
		return e
	}
	if a, b := hexValues[text[e+1]], hexValues[text[e+2]]; a|b <= 0xf && a<<4|b == sign {
		size = 5
	}
	if text[e+size] != sign || text[e+2*size] != sign {
		return e
	}
	var word uint32
	live, p := 0, e // how many of the last may begin something
	for ; p+size <= len(text) && text[p] == sign; p += size {
		if size > 3 && (text[p+1] != text[e+1] || text[p+2] != text[e+2]) {
			break
		}
		a, b := hexValues[text[p+size-2]], hexValues[text[p+size-1]]
		if a|b > 0xf || class[a<<4|b] != ordinary {
			break
		}
		c := canon[a<<4|b]
		if (size > 3 || p == e) && f.goesOn(text, p, c) {
			sc.grams4(p)
		}
		if !f.near[c] {
			live = 0
			continue
		}
		word = word>>8 | uint32(c)<<24
		if live++; live >= gramLen && f.may(word) {
			sc.grams(p-(gramLen-1)*size, word)
		}
	}
	return p - size*min(live, gramLen-1)
}

// minRun is how many escapes are worth hexRun.
const minRun = 5
