package guard

import "bytes"

// tokens finds a weak value.
func (sc *scan) tokens(i int) {
	value := sc.set.weak[i].value
	if !sc.set.lives(sc.set.weak[i].secret) {
		return
	}
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
