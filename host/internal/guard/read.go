package guard

// reader reads text the ways in which it may have been written. What it finds
// at a position are readings: the byte itself, or what an escape that begins
// there stands for, or a gap, which stands for nothing.
//
// Escapes of escapes are read from the inside: the characters of an escape
// that is depth deep are readings depth-1 deep. So each may be spelled in its
// own way, and no layer has to be decoded as a whole.
type reader struct {
	text []byte
	// cut is set when more text could give another reading.
	cut bool
	// deep is set when a character of an escape was not plainly written.
	deep bool
	// steps counts the work.
	steps int
}

type kind uint8

const (
	aByte kind = iota
	aRune      // beyond ASCII
	aGap
	aBreak // a gap that may also be read as a space
)

// reading is one way to read text: as char, up to next.
type reading struct {
	next int
	char rune
	kind kind
	// known is set when reading deeper finds no further escape from here.
	known bool
}

// maxReadings is far more than differ at one place; others are dropped.
const maxReadings = 20

type readings struct {
	list [maxReadings]reading
	n    int
}

func (rs *readings) add(kind kind, char rune, next int) {
	for i := range rs.n {
		if r := &rs.list[i]; r.next == next && r.kind == kind && r.char == char {
			return
		}
	}
	if rs.n < maxReadings {
		rs.list[rs.n] = reading{next: next, char: char, kind: kind}
		rs.n++
	}
}

// at collects the readings of the text from p, which is within it. That of the
// byte as it is comes first.
func (r *reader) at(p, depth int, out *readings) {
	r.steps++
	out.n = 0
	b := r.text[p]
	switch class[b] {
	case ordinary:
		out.add(aByte, rune(b), p+1)
	case newline:
		out.add(aBreak, 0, r.gap(p, newline|null))
		out.add(aBreak, 0, r.gap(p, newline|null|blank))
	case null:
		out.add(aGap, 0, r.gap(p, null))
	default:
		out.add(aByte, rune(b), p+1)
		r.escapes(depth, out)
	}
}

// simple reads an escape of plain characters that introduces nothing in turn,
// so that there is but one way to read it besides the literal. A line break
// is '\n'. It returns a negative position if it is not that simple.
func (r *reader) simple(p int) (char byte, next int) {
	rest := r.text[p:]
	if len(rest) < 3 || class[rest[1]] != ordinary {
		return 0, -1
	}
	char, next = rest[1], -1
	switch role := roles[char]; rest[0] {
	case '%', '=':
		if role&roles[rest[2]]&hexDigit != 0 {
			char, next = unhex(char)<<4|unhex(rest[2]), p+3
		}
	case '\\':
		switch {
		case char == 'n', char == 'r':
			return '\n', p + 2
		case role&punctuation != 0:
			next = p + 2
		case char == 'u' && len(rest) >= 6 && rest[2] == '0' && rest[3] == '0' && '0' <= rest[4] && rest[4] <= '7' && roles[rest[5]]&hexDigit != 0:
			char, next = unhex(rest[4])<<4|unhex(rest[5]), p+6
		}
	}
	if class[char] != ordinary {
		next = -1
	}
	return char, next
}

// gap returns the end of the run of bytes of these classes at p.
func (r *reader) gap(p int, classes uint8) int {
	end := min(len(r.text), p+MaxGap)
	for p < end && gaps[r.text[p]]&classes != 0 {
		p++
	}
	return p
}

// escapes adds what the readings in out introduce.
func (r *reader) escapes(depth int, out *readings) {
	outer := r.deep
	for inner := range depth { // inner: how deep the escape's characters are
		for i := range out.n { // those of this round are for the next
			from := &out.list[i]
			if from.known || from.kind != aByte || class[byte(from.char)] != introduce {
				continue
			}
			r.deep = false
			r.escape(byte(from.char), from.next, inner, out)
			from.known = !r.deep
		}
	}
	r.deep = outer
}

// escape adds the readings of an escape whose first character was read.
func (r *reader) escape(first byte, p, depth int, out *readings) {
	r.steps++
	switch first {
	case '%':
		r.pair(p, depth, out)
	case '=':
		r.pair(p, depth, out)
		r.softBreak(p, depth, out)
	case '&':
		r.entity(p, depth, out)
	case '\\':
		r.backslash(p, depth, out)
	}
}

// put adds what an escape stands for. White space counts for nothing there
// either.
func (r *reader) put(char rune, kind kind, next int, out *readings) {
	switch char {
	case '\r', '\n':
		out.add(aBreak, 0, next)
		if end := r.gap(next, blank); end > next {
			out.add(aBreak, 0, end)
		}
	case 0:
		out.add(aGap, 0, next)
	default:
		out.add(kind, char, next)
	}
}

func (r *reader) putRune(char rune, next int, out *readings) {
	if char < 0x80 {
		r.put(char, aByte, next, out)
		return
	}
	out.add(aRune, char, next)
	if char < 0x100 {
		out.add(aByte, char, next)
	}
}

// pick reads one character that is wanted. Gaps before it are skipped.
func (r *reader) pick(p, depth int, wanted uint16) (c byte, next int, ok bool) {
	for range maxGaps {
		if p >= len(r.text) {
			r.cut = true
			return 0, p, false
		}
		if b := r.text[p]; class[b] == ordinary {
			return b, p + 1, roles[b]&wanted != 0
		}
		r.deep = true
		var found readings
		r.at(p, depth, &found)
		gap := -1
		for _, f := range found.list[:found.n] {
			switch {
			case f.kind >= aGap:
				gap = f.next
			case f.kind == aByte && roles[byte(f.char)]&wanted != 0:
				return byte(f.char), f.next, true
			}
		}
		if gap < 0 {
			return 0, p, false
		}
		p = gap
	}
	return 0, p, false
}

// number reads digits, at least one and at most most, all most if exactly.
func (r *reader) number(p, depth int, digits uint16, most int, exactly bool) (v rune, next int, ok bool) {
	base := rune(16)
	switch digits {
	case decDigit:
		base = 10
	case octDigit:
		base = 8
	}
	n := 0
	for ; n < most; n++ {
		c, q, ok := r.pick(p, depth, digits)
		if !ok {
			break
		}
		p = q
		v = min(v*base+rune(unhex(c)), 1<<24)
	}
	return v, p, n == most || n > 0 && !exactly
}

func (r *reader) pair(p, depth int, out *readings) {
	if v, next, ok := r.number(p, depth, hexDigit, 2, true); ok {
		r.put(v, aByte, next, out)
	}
}

// softBreak reads the end of a quoted-printable line (RFC 2045 section 6.7).
func (r *reader) softBreak(p, depth int, out *readings) {
	p = r.gap(p, blank|null)
	if p >= len(r.text) {
		r.cut = true
		return
	}
	if class[r.text[p]] == ordinary {
		return
	}
	r.deep = true
	var found readings
	r.at(p, depth, &found)
	for _, f := range found.list[:found.n] {
		if f.kind == aBreak {
			out.add(aGap, 0, f.next)
		}
	}
}

// backslash reads an escape of JSON, JavaScript, C or a quoted string.
func (r *reader) backslash(p, depth int, out *readings) {
	if p = r.gap(p, null); p >= len(r.text) {
		r.cut = true
		return
	}
	r.deep = r.deep || class[r.text[p]] != ordinary
	var found readings
	r.at(p, depth, &found)
	for _, f := range found.list[:found.n] {
		switch {
		case f.kind == aBreak:
			out.add(aGap, 0, f.next) // a continued line
		case f.kind == aByte:
			r.backslashed(byte(f.char), p, f.next, depth, out)
		}
	}
}

func (r *reader) backslashed(c byte, p, next, depth int, out *readings) {
	switch {
	case c == 'u':
		r.utf16(next, depth, out)
	case c == 'U':
		if v, next, ok := r.number(next, depth, hexDigit, 8, true); ok {
			r.putRune(v, next, out)
		}
	case c == 'x':
		if v, next, ok := r.number(next, depth, hexDigit, 2, true); ok {
			r.putRune(v, next, out)
		}
	case roles[c]&octDigit != 0:
		if v, next, ok := r.number(p, depth, octDigit, 3, true); ok && v < 0x100 {
			r.putRune(v, next, out)
		}
	case c == 'n', c == 'r':
		r.put('\n', aByte, next, out)
	case c == 't':
		r.put('\t', aByte, next, out)
	case c == 'b':
		r.put('\b', aByte, next, out)
	case c == 'f':
		r.put('\f', aByte, next, out)
	case c == 'v':
		r.put('\v', aByte, next, out)
	case roles[c]&punctuation != 0:
		r.put(rune(c), aByte, next, out)
	}
}

// utf16 reads what follows \u: four digits, perhaps the first half of a
// surrogate pair, or any number of them in braces.
func (r *reader) utf16(p, depth int, out *readings) {
	if _, q, ok := r.pick(p, depth, braceOpen); ok {
		if v, q, ok := r.number(q, depth, hexDigit, maxDigits, false); ok {
			if _, next, ok := r.pick(q, depth, braceClose); ok {
				r.putRune(v, next, out)
			}
		}
		return
	}
	v, next, ok := r.number(p, depth, hexDigit, 4, true)
	if !ok {
		return
	}
	if v&^0x3ff != 0xd800 {
		r.putRune(v, next, out)
		return
	}
	if next >= len(r.text) {
		r.cut = true
		return
	}
	var found readings
	r.at(next, depth, &found)
	for _, f := range found.list[:found.n] {
		if f.kind != aByte || f.char != '\\' {
			continue
		}
		if c, q, ok := r.pick(f.next, depth, anyU); ok && c == 'u' {
			if low, q, ok := r.number(q, depth, hexDigit, 4, true); ok && low&^0x3ff == 0xdc00 {
				r.putRune(0x10000+(v&0x3ff)<<10+low&0x3ff, q, out)
			}
		}
	}
}

// maxDigits is the most digits of a numeric escape, leading zeros included.
const maxDigits = 12

// entity reads an HTML character reference. A numeric one needs no semicolon.
func (r *reader) entity(p, depth int, out *readings) {
	c, next, ok := r.pick(p, depth, number|nameChar)
	switch {
	case !ok:
	case c == '#':
		r.numeric(next, depth, out)
	default:
		var name [maxEntity + 1]byte
		n := 0
		for ok && c != ';' && n <= maxEntity {
			name[n] = c
			n++
			c, next, ok = r.pick(next, depth, nameChar|semicolon)
		}
		if char := entities[string(name[:n])]; ok && c == ';' && char != 0 {
			r.put(char, aByte, next, out)
		}
	}
}

func (r *reader) numeric(p, depth int, out *readings) {
	digits := decDigit
	if _, next, ok := r.pick(p, depth, anyX); ok {
		digits, p = hexDigit, next
	}
	v, next, ok := r.number(p, depth, digits, maxDigits, false)
	if !ok {
		return
	}
	if _, end, ok := r.pick(next, depth, semicolon); ok {
		next = end
	}
	r.putRune(v, next, out)
}
