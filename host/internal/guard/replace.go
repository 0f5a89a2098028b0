package guard

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"sort"
)

// What takes a value's place is written as the value was, so that whoever
// decodes the text around it finds that unchanged. A form is written in layers,
// the innermost first.

type layerKind uint8

const (
	base64Layer layerKind = iota
	hexLayer
	wideLayer // UTF-16 and UTF-32
)

type layer struct {
	kind layerKind
	// n is how many bytes what stood there had in this layer, 0 for as many as
	// were found.
	n int

	// Of base64: where in a group of three it began, its first and last byte,
	// of which the characters before and behind keep some bits, and whether
	// these are base64 or hex in turn.
	offset      int
	first, last byte
	coded       bool

	between string // of hex

	// Of UTF-16 and UTF-32: the bytes of a character. As NULs count for
	// nothing, these may be one form; then chars is how many characters there
	// were, which tells one from the other.
	unit, chars int
	big         bool
}

// kept returns how many bits of the first and of the last byte stand in
// characters that are not replaced.
func (l *layer) kept() (lead, tail int) {
	end := 8 * (l.offset + l.n)
	return (6 - 8*l.offset%6) % 6, end % 6
}

// wide returns the bytes of a character, and how many what stood there had.
func (l *layer) wide(found int) (unit, n int) {
	switch {
	case l.n > 0:
		return l.unit, l.n
	case l.chars == 0:
		return l.unit, found
	case found > 3*l.chars:
		return 4, found
	}
	return 2, found
}

// write returns body in this layer. It is false if the text behind would be
// read otherwise than before.
func (l *layer) write(body []byte, found int) (out []byte, ok bool) {
	switch l.kind {
	case hexLayer:
		return hexSeparated(body, l.between), true
	case wideLayer:
		unit, found := l.wide(found)
		return spread(body, unit, found, l.big), true
	}
	if (len(body)-l.n)%3 != 0 || len(body) == 0 {
		return nil, false
	}
	padded := append(make([]byte, l.offset, l.offset+len(body)), body...)
	lead, tail := l.kept()
	if lead > 0 {
		padded[l.offset] = l.leading(lead)
	}
	if tail > 0 {
		padded[len(padded)-1] = l.trailing(tail)
	}
	text := base64.RawStdEncoding.AppendEncode(nil, padded)
	return text[(8*l.offset+5)/6 : 8*len(padded)/6], true
}

// leading returns a byte with the first bits of what was the first, that is as
// little of a letter as it can be.
func (l *layer) leading(bits int) byte {
	const any4, any2 = "\t\x1f-:@_`|", "-_"
	const coded4, coded2 = "\t\x1f+0APap", "0A"
	four, two := any4, any2
	if l.coded {
		four, two = coded4, coded2
	}
	kept := l.first &^ (0xff >> bits)
	switch at := int(l.first >> (8 - bits)); {
	case l.first >= 0x80:
		return kept
	case bits == 2:
		return two[at]
	case l.coded && l.first == '-':
		return '-'
	default:
		return four[at]
	}
}

// trailing is leading for the last bits of the last byte: a digit if it can be.
func (l *layer) trailing(bits int) byte {
	kept := l.last & (1<<bits - 1)
	if kept > 9 {
		return '@' | kept
	}
	return '0' | kept
}

// spread writes ASCII as characters of unit bytes, in the place of found bytes.
// Of those, the NULs before the first and behind the last were not part.
func spread(text []byte, unit, found int, big bool) []byte {
	out := make([]byte, 0, unit*(len(text)+1))
	zeros := make([]byte, unit)
	edge := zeros[:(found+unit-1)%unit]
	if big {
		out = append(out, edge...)
	}
	for i, c := range text {
		if i > 0 {
			out = append(out, zeros[1:]...)
		}
		out = append(out, c)
	}
	if !big {
		out = append(out, edge...)
	}
	return out
}

// plainFill pads what takes a value's place, where the length matters.
const (
	plainFill = '-'
	maxFill   = 36 // one of as many fits two layers of base64
)

// place appends to dst what takes the place of a hit in text.
func (s *Set) place(dst []byte, h *Hit, text, with []byte) []byte {
	if len(with) == 0 || h.pattern < 0 {
		return append(dst, with...)
	}
	w := s.writer(h, text)
	for n := range maxFill {
		if out, ok := w.write(with, n, plainFill); ok {
			return append(dst, out...)
		}
	}
	return append(dst, with...)
}

// mask is place when what takes its place must have the length of text: with is
// filled up, or left out if it is too long.
func (s *Set) mask(dst []byte, h *Hit, text, with []byte) []byte {
	const fill = '*'
	if h.pattern < 0 {
		return append(dst, bytes.Repeat([]byte{fill}, len(text))...)
	}
	w := s.writer(h, text)
	gaps := breaks(text, w.unit)
	want := len(text) - len(gaps)
	for _, with := range [][]byte{with, nil} {
		n := sort.Search(len(text)+1, func(n int) bool { return w.size(len(with)+n) > want })
		for least := max(0, n-maxFill); n > least; n-- {
			out, ok := w.write(with, n-1, fill)
			if !ok {
				continue
			}
			out = append(out, bytes.Repeat([]byte{' '}, want-len(out))...) // in base64 that was escaped as well
			return append(append(dst, out...), gaps...)
		}
	}
	return append(dst, bytes.Repeat([]byte{fill}, len(text))...)
}

// breaks returns the line breaks of a text of characters of unit bytes, with the
// blanks behind and the sign of quoted-printable before them.
func breaks(text []byte, unit int) (out []byte) {
	within := false
	for i := 0; i < len(text); i += unit {
		c := text[i]
		soft := c == '=' && i+unit < len(text) && class[text[i+unit]]&newline != 0
		within = class[c]&newline != 0 || soft || within && gaps[c]&blank != 0
		if within {
			out = append(append(out, make([]byte, unit-1)...), c)
		}
	}
	return out
}

// writing is how one hit was written.
type writing struct {
	layers []layer
	found  int // bytes
	front  int // fill before and behind, for layers to spoil
	back   int
	unit   int // bytes of a character
}

func (s *Set) writer(h *Hit, text []byte) writing {
	p := &s.patterns[h.pattern]
	w := writing{layers: p.layers, found: len(text), unit: 1}
	for i, l := range p.layers {
		if l.kind != base64Layer {
			continue
		}
		lead, tail := l.kept()
		if lead > 0 || i > 0 {
			w.front++
		}
		if tail > 0 || i > 0 {
			w.back++
		}
	}
	escapes := func(c byte) bool { return class[c] == introduce }
	escaped := countOf(text, escapes) > countOf([]byte(p.text), escapes)
	switch {
	case len(w.layers) > 0 && w.layers[0].kind == wideLayer && w.layers[0].n == 0:
		if escaped {
			w.layers = nil
		}
	case !escaped:
		if unit := unitOf(text); unit > 1 {
			w.unit = unit
			w.layers = append(slices.Clip(w.layers), layer{kind: wideLayer, unit: unit})
		}
	}
	return w
}

func countOf(text []byte, is func(byte) bool) (n int) {
	for _, c := range text {
		if is(c) {
			n++
		}
	}
	return n
}

// unitOf returns the bytes of a character in a text that begins and ends with
// one in ASCII.
func unitOf(text []byte) int {
	for _, unit := range []int{2, 4} {
		if len(text) > unit && len(text)%unit == 1 && text[unit] != 0 && bytes.Count(text[1:unit], []byte{0}) == unit-1 {
			return unit
		}
	}
	return 1
}

// write returns with, filled up by n, in all layers.
func (w *writing) write(with []byte, n int, fill byte) (out []byte, ok bool) {
	out = append(bytes.Repeat([]byte{fill}, w.front), with...)
	out = append(out, bytes.Repeat([]byte{fill}, n+w.back)...)
	for i := range w.layers {
		if out, ok = w.layers[i].write(out, w.found); !ok {
			return nil, false
		}
	}
	return out, true
}

// size is how long n bytes are in all layers, if they fit.
func (w *writing) size(n int) int {
	n += w.front + w.back
	for i := range w.layers {
		switch l := &w.layers[i]; l.kind {
		case base64Layer:
			n = 8*(l.offset+n)/6 - (8*l.offset+5)/6
		case hexLayer:
			n = 2*n + max(n-1, 0)*len(l.between)
		case wideLayer:
			unit, found := l.wide(w.found)
			n = n*unit - unit + 1 + (found+unit-1)%unit
		}
	}
	return n
}

// hexSeparated writes hex with something between its bytes.
func hexSeparated(value []byte, between string) []byte {
	out := make([]byte, 0, len(value)*(2+len(between)))
	for i := range value {
		if i > 0 {
			out = append(out, between...)
		}
		out = hex.AppendEncode(out, value[i:i+1])
	}
	return out
}
