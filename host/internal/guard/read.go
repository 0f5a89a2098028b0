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
	steps  int
	memory []memory // nil until there is something to remember
	dirty  bool
}

const memories = 64

// memory is what was read at a position. Its p is one more; 0 is none.
type memory struct {
	readings readings
	p, depth int
	cut      bool
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
		r.remembered(p, depth, out)
	}
}

// remembered is at for a byte that introduces escapes. What is read there is
// read again from near places.
func (r *reader) remembered(p, depth int, out *readings) {
	if r.memory == nil {
		r.memory = make([]memory, memories)
	}
	r.dirty = true
	m := &r.memory[(p<<2|depth)%memories]
	if m.p != p+1 || m.depth != depth {
		var fresh memory
		cut := r.cut
		r.cut = false
		fresh.readings.add(aByte, rune(r.text[p]), p+1)
		r.escapes(depth, &fresh.readings)
		fresh.p, fresh.depth, fresh.cut = p+1, depth, r.cut
		r.cut = cut
		*m = fresh
	}
	r.cut = r.cut || m.cut
	out.n = m.readings.n
	copy(out.list[:out.n], m.readings.list[:out.n])
}

// reset begins another text.
func (r *reader) reset(text []byte) {
	r.text, r.cut, r.deep, r.steps = text, false, false, 0
	if r.dirty {
		r.dirty = false
		for i := range r.memory {
			r.memory[i].p = 0
		}
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
		if !r.softBreak(p, depth, out) {
			r.pair(p, depth, out)
		}
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

// pick reads one character that is wanted, in the longest way there is: that
// of who wrote the escape. Gaps before it are skipped.
func (r *reader) pick(p, depth int, wanted uint16) (c byte, next int, ok bool) {
	for gaps := 0; ; gaps++ {
		if p >= len(r.text) {
			r.cut = true
			return 0, p, false
		}
		if b := r.text[p]; class[b] == ordinary {
			return b, p + 1, roles[b]&wanted != 0
		}
		var found readings
		r.within(p, depth, &found)
		for _, f := range found.list[:found.n] {
			if f.kind == aByte && roles[byte(f.char)]&wanted != 0 && (!ok || f.next > next) {
				c, next, ok = byte(f.char), f.next, true
			}
		}
		if ok {
			return c, next, true
		}
		if p = r.over(&found, gaps > 0); p < 0 || gaps == maxWithin {
			return 0, p, false
		}
	}
}

// within is at for a character of an escape that is not the first.
func (r *reader) within(p, depth int, out *readings) {
	r.deep = r.deep || class[r.text[p]] != ordinary
	r.at(p, depth, out)
}

// over returns the end of the shortest gap among readings, with the blanks
// after it, or -1. After one, a blank is a gap too.
func (r *reader) over(rs *readings, indent bool) int {
	end := -1
	for _, f := range rs.list[:rs.n] {
		if (f.kind >= aGap || indent && isBlank(f.char)) && (end < 0 || f.next < end) {
			end = f.next
		}
	}
	if end < 0 {
		return -1
	}
	return r.gap(end, blank)
}

// number reads n digits.
func (r *reader) number(p, depth int, digits uint16, n int) (v rune, next int, ok bool) {
	for range n {
		c, q, ok := r.pick(p, depth, digits)
		if !ok {
			return 0, p, false
		}
		p = q
		v = v<<shiftOf(digits) | rune(unhex(c))
	}
	return v, p, true
}

func shiftOf(digits uint16) int {
	if digits == octDigit {
		return 3
	}
	return 4
}

// maxDigits is the most digits of a numeric escape, leading zeros included.
const maxDigits = 12

// closed reads digits up to a mark. An entity may do without it. What can be
// read as one more digit can be the mark or what follows, too, unless it is
// plain.
func (r *reader) closed(p, depth int, digits, mark uint16, out *readings) {
	base := rune(10)
	if digits == hexDigit {
		base = 16
	}
	v := rune(0)
	for n := range maxDigits + 1 {
		c, next, more := r.pick(p, depth, digits)
		if n > 0 && !(more && class[r.text[p]] == ordinary) {
			if _, end, ok := r.pick(p, depth, mark); ok {
				r.putRune(v, end, out)
			} else if mark == semicolon {
				r.putRune(v, p, out)
			}
		}
		if !more {
			return
		}
		v = min(v*base+rune(unhex(c)), 1<<24)
		p = next
	}
}

func (r *reader) pair(p, depth int, out *readings) {
	if v, next, ok := r.number(p, depth, hexDigit, 2); ok {
		r.put(v, aByte, next, out)
	}
}

// softBreak reads the end of a quoted-printable line (RFC 2045 section 6.7). It
// returns false if the '=' before may be the beginning of a pair all the same.
func (r *reader) softBreak(p, depth int, out *readings) (ok bool) {
	p = r.gap(p, blank|null)
	for gaps := 0; p >= 0 && gaps <= maxWithin; gaps++ {
		if p >= len(r.text) {
			r.cut = true
			return false
		}
		if class[r.text[p]] == ordinary {
			return false
		}
		var found readings
		r.within(p, depth, &found)
		for _, f := range found.list[:found.n] {
			if f.kind == aBreak {
				out.add(aGap, 0, f.next)
				ok = true
			}
		}
		if ok {
			return gaps == 0
		}
		p = r.over(&found, false)
	}
	return false
}

// backslash reads an escape of JSON, JavaScript, C or a quoted string, or the
// end of a line that is continued.
func (r *reader) backslash(p, depth int, out *readings) {
	for gaps := 0; p >= 0 && gaps <= maxWithin; gaps++ {
		if p >= len(r.text) {
			r.cut = true
			return
		}
		var found readings
		r.within(p, depth, &found)
		for _, f := range found.list[:found.n] {
			switch f.kind {
			case aByte:
				r.backslashed(byte(f.char), p, f.next, depth, out)
			case aBreak:
				out.add(aGap, 0, f.next)
			}
		}
		p = r.over(&found, gaps > 0)
	}
}

func (r *reader) backslashed(c byte, p, next, depth int, out *readings) {
	switch {
	case c == 'u':
		r.utf16(next, depth, out)
	case c == 'U':
		if v, next, ok := r.number(next, depth, hexDigit, 8); ok {
			r.putRune(v, next, out)
		}
	case c == 'x':
		if v, next, ok := r.number(next, depth, hexDigit, 2); ok {
			r.putRune(v, next, out)
		}
	case roles[c]&octDigit != 0:
		if v, next, ok := r.number(p, depth, octDigit, 3); ok && v < 0x100 {
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
		r.closed(q, depth, hexDigit, braceClose, out)
		return
	}
	v, next, ok := r.number(p, depth, hexDigit, 4)
	if !ok {
		return
	}
	if v&^0x3ff != 0xd800 {
		r.putRune(v, next, out)
		return
	}
	// The other half: a backslash has no other meaning here.
	if _, q, ok := r.pick(next, depth, slash); ok {
		if c, q, ok := r.pick(q, depth, anyU); ok && c == 'u' {
			if low, q, ok := r.number(q, depth, hexDigit, 4); ok && low&^0x3ff == 0xdc00 {
				r.putRune(0x10000+(v&0x3ff)<<10+low&0x3ff, q, out)
			}
		}
	}
}

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
	if _, next, ok := r.pick(p, depth, anyX); ok {
		r.closed(next, depth, hexDigit, semicolon, out)
		if class[r.text[p]] == ordinary {
			return
		}
	}
	r.closed(p, depth, decDigit, semicolon, out)
}
