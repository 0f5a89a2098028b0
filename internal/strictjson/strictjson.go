// Package strictjson decodes JSON that someone else wrote and a decision
// rests on.
//
// # Promise
//
// One text has one reading: a duplicate key, invalid UTF-8, a lone surrogate
// escape, trailing data, too many bytes, too deep a nesting or too long a path
// is an error with its offset, never a guess. An error never quotes the text. It is a leaf of
// the import graph: any package of the tree may use it.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits bound what [Parse] reads. Zero is no limit on bytes, and 64 levels.
type Limits struct {
	MaxBytes int
	MaxDepth int
}

// DefaultMaxDepth is the nesting that a zero [Limits] allows.
const DefaultMaxDepth = 64

// MaxPathBytes bounds the names on the way to a value, all together: whoever
// walks the value and says where it stands pays for them again at each item.
const MaxPathBytes = 2 << 10

// The kinds of error, beside a plain syntax error.
var (
	ErrSyntax    = errors.New("not valid JSON")
	ErrDuplicate = errors.New("duplicate key")
	ErrTooLarge  = errors.New("too large")
	ErrTooDeep   = errors.New("nested too deep")
)

// Error says where and why a text was refused. It wraps one of the errors
// above.
type Error struct {
	Offset  int    // bytes from the start
	Pointer string // RFC 6901, of the value being read
	Err     error
}

func (e *Error) Error() string {
	at := e.Pointer
	if at == "" {
		at = "the top level"
	}
	return fmt.Sprintf("%v at %s (byte %d)", e.Err, at, e.Offset)
}

// Unwrap returns the kind of error.
func (e *Error) Unwrap() error { return e.Err }

// Parse decodes one value: objects as map[string]any, arrays as []any,
// numbers as json.Number, and string, bool, nil.
func Parse(text []byte, l Limits) (any, error) {
	p := parser{text: text}
	return p.all(l)
}

// Names keeps the names of members, so that those that many texts share take
// memory once. The zero value is ready, for one goroutine at a time.
type Names struct{ known map[string]string }

// The bounds of [Names]: what is beyond them is not kept.
const (
	maxNames     = 1024
	maxNameBytes = 64
)

// Cut is [Parse] of an object, which also returns the text of one of its
// members as it stands there, nil when the value is no object or has none.
func (n *Names) Cut(text []byte, l Limits, member string) (v any, cut []byte, err error) {
	p := parser{text: text, want: member, kept: n}
	v, err = p.all(l)
	if err != nil {
		return nil, nil, err
	}
	return v, p.cut, nil
}

func (p *parser) all(l Limits) (any, error) {
	if l.MaxDepth == 0 {
		l.MaxDepth = DefaultMaxDepth
	}
	p.depth = l.MaxDepth
	if l.MaxBytes > 0 && len(p.text) > l.MaxBytes {
		return nil, p.fail(ErrTooLarge)
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at != len(p.text) {
		return nil, p.fail(ErrSyntax)
	}
	return v, nil
}

// Pointer appends one reference token to an RFC 6901 pointer.
func Pointer(base, token string) string {
	return base + "/" + strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}

type parser struct {
	text  []byte
	at    int
	depth int
	path  []step
	names int // bytes of the keys on path

	kept *Names // nil keeps none
	want string // the top level's member whose text is cut
	cut  []byte
}

// step is a key, or an index when key is "" and index > 0 (counted from 1).
type step struct {
	key   string
	index int
}

func (p *parser) fail(kind error) error {
	pointer := ""
	for _, s := range p.path {
		if s.index > 0 {
			pointer += fmt.Sprintf("/%d", s.index-1)
		} else {
			pointer = Pointer(pointer, s.key)
		}
	}
	return &Error{Offset: p.at, Pointer: pointer, Err: kind}
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) value() (any, error) {
	p.space()
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return p.str()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	switch rest := p.text[p.at:]; {
	case bytes.HasPrefix(rest, []byte("true")):
		p.at += 4
		return true, nil
	case bytes.HasPrefix(rest, []byte("false")):
		p.at += 5
		return false, nil
	case bytes.HasPrefix(rest, []byte("null")):
		p.at += 4
		return nil, nil
	}
	return nil, p.fail(ErrSyntax)
}

func (p *parser) enter() error {
	if p.depth == 0 {
		return p.fail(ErrTooDeep)
	}
	p.depth--
	p.at++
	p.space()
	return nil
}

func (p *parser) object() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth++ }()
	m := map[string]any{}
	if p.peek() == '}' {
		p.at++
		return m, nil
	}
	for {
		p.space()
		if p.peek() != '"' {
			return nil, p.fail(ErrSyntax)
		}
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		if p.names += len(key); p.names > MaxPathBytes {
			return nil, p.fail(ErrTooLarge)
		}
		p.path = append(p.path, step{key: key})
		if _, dup := m[key]; dup {
			return nil, p.fail(ErrDuplicate)
		}
		p.space()
		if p.peek() != ':' {
			return nil, p.fail(ErrSyntax)
		}
		p.at++
		p.space()
		from := p.at
		if m[key], err = p.value(); err != nil {
			return nil, err
		}
		if p.want != "" && len(p.path) == 1 && key == p.want {
			p.cut = p.text[from:p.at:p.at]
		}
		p.path = p.path[:len(p.path)-1]
		p.names -= len(key)
		if done, err := p.next('}'); done || err != nil {
			return m, err
		}
	}
}

func (p *parser) array() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth++ }()
	list := []any{}
	if p.peek() == ']' {
		p.at++
		return list, nil
	}
	for {
		p.path = append(p.path, step{index: len(list) + 1})
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
		list = append(list, v)
		if done, err := p.next(']'); done || err != nil {
			return list, err
		}
	}
}

// next reads the comma before another element, or the end.
func (p *parser) next(end byte) (done bool, err error) {
	p.space()
	switch p.peek() {
	case ',':
		p.at++
		return false, nil
	case end:
		p.at++
		return true, nil
	}
	return false, p.fail(ErrSyntax)
}

func (p *parser) number() (any, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++
	} else if p.digits() == 0 {
		return nil, p.fail(ErrSyntax)
	}
	if p.peek() == '.' {
		p.at++
		if p.digits() == 0 {
			return nil, p.fail(ErrSyntax)
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if p.digits() == 0 {
			return nil, p.fail(ErrSyntax)
		}
	}
	return json.Number(p.text[start:p.at]), nil
}

func (p *parser) digits() (n int) {
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.at++
		n++
	}
	return n
}

// str reads a string; plain runs, the common case, are taken at once.
func (p *parser) str() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			if !utf8.Valid(s) {
				return "", p.fail(ErrSyntax)
			}
			p.at++
			return string(s), nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.fail(ErrSyntax)
		}
		p.at++
	}
	return "", p.fail(ErrSyntax)
}

// key reads a member's name.
func (p *parser) key() (string, error) {
	if p.kept == nil {
		return p.str()
	}
	rest := p.text[p.at+1:]
	if n := bytes.IndexByte(rest[:min(len(rest), maxNameBytes+1)], '"'); n >= 0 {
		// As it stands: one with an escape is not known.
		if name, ok := p.kept.known[string(rest[:n])]; ok {
			p.at += n + 2
			return name, nil
		}
	}
	from := p.at
	name, err := p.str()
	if err == nil && len(name) == p.at-from-2 && len(name) <= maxNameBytes && len(p.kept.known) < maxNames {
		if p.kept.known == nil {
			p.kept.known = map[string]string{}
		}
		p.kept.known[name] = name
	}
	return name, err
}

// plainEscape returns what a one-letter escape stands for, 0 when it is none.
func plainEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// escaped reads on where str met the first backslash.
func (p *parser) escaped(start int) (string, error) {
	out := append([]byte(nil), p.text[start:p.at]...)
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", p.fail(ErrSyntax)
			}
			p.at++
			return string(out), nil
		case c < 0x20:
			return "", p.fail(ErrSyntax)
		case c != '\\':
			out = append(out, c)
			p.at++
			continue
		}
		p.at++
		if plain := plainEscape(p.peek()); plain != 0 {
			out = append(out, plain)
			p.at++
			continue
		}
		r, ok := p.unicode()
		if !ok {
			return "", p.fail(ErrSyntax)
		}
		out = utf8.AppendRune(out, r)
	}
	return "", p.fail(ErrSyntax)
}

// unicode reads uXXXX, and its low half when it is a high surrogate.
func (p *parser) unicode() (rune, bool) {
	high, ok := p.hex4()
	if !ok {
		return 0, false
	}
	if !utf16.IsSurrogate(high) {
		return high, true
	}
	if p.peek() != '\\' {
		return 0, false
	}
	p.at++
	low, ok := p.hex4()
	if !ok {
		return 0, false
	}
	r := utf16.DecodeRune(high, low)
	return r, r != utf8.RuneError
}

func (p *parser) hex4() (r rune, ok bool) {
	if p.peek() != 'u' || p.at+5 > len(p.text) {
		return 0, false
	}
	for _, c := range p.text[p.at+1 : p.at+5] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	p.at += 5
	return r, true
}
