package guard

// beyond stands for a character that is in no window.
const beyond = 0xff

// decode reads the escape at p of plain characters, when there is but one way
// to read it besides those as a byte of the sort that introduces it. What is no
// escape is that byte itself, up to the next. It returns a negative position if
// it is not that simple, or the text ends too soon. Of what is beyond ASCII it
// tells only that, and not that if it matters.
func (r *reader) decode(p int, high bool) (char byte, next int) {
	rest := r.text[p:]
	if len(rest) < 3 || class[rest[1]] != ordinary {
		return 0, -1
	}
	value, n := 0, 0
	switch rest[0] {
	case '\\':
		value, n = backslashed(rest)
	case '&':
		value, n = referenced(rest)
	default:
		value, n = hexed(rest)
	}
	switch {
	case n <= 0:
		return 0, -1
	case n == 1: // the byte itself
		return rest[0], p + 1
	case value >= 0x80:
		if high {
			return 0, -1
		}
		return beyond, p + n
	case class[byte(value)] == introduce:
		if n == len(rest) || byte(value) != rest[0] || mayIntroduce(rest[n-1:]) {
			return 0, -1
		}
	case class[byte(value)] != ordinary:
		return 0, -1
	}
	return byte(value), p + n
}

// The parts of decode return a length of 1 for what is no escape, and of 0
// for what is not simple. The byte after the first is ordinary.

// hexed is for percent and quoted-printable escapes. Those of the sign itself
// are one with what they introduce.
func hexed(rest []byte) (value, n int) {
	sign := rest[0]
	for n = 0; n+2 < len(rest) && n <= 2*(MaxDepth-1); n += 2 {
		a, b := rest[n+1], rest[n+2]
		switch {
		case class[a] != ordinary || sign == '=' && (a == ' ' || a == '\t'):
			return 0, 0
		case roles[a]&hexDigit == 0:
			return int(sign), n + 1
		case class[b] != ordinary:
			return 0, 0
		case roles[b]&hexDigit == 0:
			return int(sign), n + 1
		}
		if v := unhex(a)<<4 | unhex(b); v != sign {
			return int(v), n + 3
		}
	}
	return 0, 0
}

func digits(text []byte, role uint16, shift int) (value int, ok, plain bool) {
	for _, c := range text {
		if class[c] != ordinary {
			return 0, false, false
		}
		if roles[c]&role == 0 {
			return 0, false, true
		}
		value = value<<shift | int(unhex(c))
	}
	return value, true, true
}

func backslashed(rest []byte) (value, n int) {
	n = 2
	role, shift := hexDigit, 4
	switch c := rest[1]; c {
	case 't':
		return '\t', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'v':
		return '\v', 2
	case 'n', 'r', 'U':
		return 0, 0
	case 'u':
		if rest[2] == '{' {
			return 0, 0
		}
		n = 6
	case 'x':
		n = 4
	default:
		switch {
		case roles[c]&octDigit != 0:
			role, shift, n = octDigit, 3, 4
		case roles[c]&punctuation != 0:
			return int(c), 2
		default:
			return '\\', 1
		}
	}
	if len(rest) < n {
		return 0, 0
	}
	from := 2
	if role == octDigit {
		from = 1
	}
	value, ok, plain := digits(rest[from:n], role, shift)
	switch {
	case !plain:
		return 0, 0
	case !ok, role == octDigit && value > 0xff:
		return '\\', 1
	}
	return value, n
}

func referenced(rest []byte) (value, n int) {
	if rest[1] == '#' {
		return numbered(rest)
	}
	for n = 1; n < len(rest) && n <= maxEntity+1; n++ {
		switch c := rest[n]; {
		case class[c] != ordinary:
			return 0, 0
		case c == ';':
			if char := entities[string(rest[1:n])]; char != 0 {
				return int(char), n + 1
			}
			return '&', 1
		case roles[c]&nameChar == 0:
			return '&', 1
		}
	}
	if n == len(rest) {
		return 0, 0
	}
	return '&', 1
}

func numbered(rest []byte) (value, n int) {
	from, base, role := 2, 10, decDigit
	if rest[2]|0x20 == 'x' {
		from, base, role = 3, 16, hexDigit
	}
	for n = from; n < len(rest) && n < from+maxDigits; n++ {
		c := rest[n]
		if class[c] != ordinary {
			return 0, 0
		}
		if roles[c]&role == 0 {
			if n == from {
				return '&', 1
			}
			if c == ';' {
				n++
			}
			return value, n
		}
		value = value*base + int(unhex(c))
	}
	return 0, 0
}

// mayIntroduce reports whether an escape may follow a sign that was itself one;
// rest begins with what stands for the sign.
func mayIntroduce(rest []byte) bool {
	c := rest[1]
	return class[c] != ordinary || c == '#' || roles[c]&nameChar != 0 || c == ' ' || c == '\t' || roles[c]&(punctuation|slash) != 0
}
