package surrogate

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/manifests"
)

// maxJSONDepth is how deep a value can be put in.
const maxJSONDepth = 64

// jsonBody is a JSON text, a string at a time. It keeps track of where it is
// and does not otherwise check the text: whoever receives it will.
type jsonBody struct {
	f       *filler
	outside *outside
	seed    maphash.Seed
	levels  []jsonLevel
	deeper  int // levels below maxJSONDepth

	inString bool
	escaped  bool   // the last byte of the string was a backslash
	text     []byte // of the string, its opening quote included
	large    *outside
	isKey    bool
}

// jsonLevel is an object or array that is open.
type jsonLevel struct {
	array bool
	index int
	key   string
	value bool // the next string is a member's value
	names memberNames
}

func (b *jsonBody) next(dst, chunk []byte) (out []byte, err error) {
	for len(chunk) > 0 {
		if b.inString {
			dst, chunk, err = b.inside(dst, chunk)
		} else {
			dst, chunk, err = b.between(dst, chunk)
		}
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// between takes what is no string, up to the next one.
func (b *jsonBody) between(dst, chunk []byte) (out, rest []byte, err error) {
	n := bytes.IndexByte(chunk, '"')
	if n < 0 {
		n = len(chunk)
	}
	for _, c := range chunk[:n] {
		b.structure(c)
	}
	if dst, err = b.outside.next(dst, chunk[:n]); err != nil || n == len(chunk) {
		return dst, nil, err
	}
	if dst, err = b.outside.rest(dst); err != nil { // no surrogate has a quote in it
		return nil, nil, err
	}
	b.inString, b.escaped, b.text = true, false, append(b.text[:0], '"')
	top := b.top()
	b.isKey = top != nil && !top.array && !top.value && b.deeper == 0
	return dst, chunk[n+1:], nil
}

func (b *jsonBody) top() *jsonLevel {
	if len(b.levels) == 0 {
		return nil
	}
	return &b.levels[len(b.levels)-1]
}

// structure follows a byte between strings.
func (b *jsonBody) structure(c byte) {
	top := b.top()
	switch c {
	case '{', '[':
		if len(b.levels) >= maxJSONDepth {
			b.deeper++
			return
		}
		b.levels = append(b.levels, jsonLevel{array: c == '['})
	case '}', ']':
		if b.deeper > 0 {
			b.deeper--
		} else if top != nil {
			b.levels = b.levels[:len(b.levels)-1]
		}
	case ':':
		if top != nil && b.deeper == 0 {
			top.value = true
		}
	case ',':
		if top != nil && b.deeper == 0 {
			top.index++
			top.value = false
		}
	}
}

// inside takes bytes of a string, up to its end.
func (b *jsonBody) inside(dst, chunk []byte) (out, rest []byte, err error) {
	for i, c := range chunk {
		b.text = append(b.text, c)
		switch {
		case b.escaped:
			b.escaped = false
		case c == '\\':
			b.escaped = true
		case c == '"':
			b.inString = false
			dst, err = b.endString(dst)
			return dst, chunk[i+1:], err
		}
		if len(b.text) >= MaxHeldBytes {
			if b.large == nil {
				b.large = outsider(b.f, "a JSON string of more than 64 KiB")
			}
			if dst, err = b.large.next(dst, b.text); err != nil {
				return nil, nil, err
			}
			b.text = b.text[:0]
		}
	}
	return dst, nil, nil
}

// endString passes on a string that is whole.
func (b *jsonBody) endString(dst []byte) (out []byte, err error) {
	if b.large != nil {
		if dst, err = b.large.next(dst, b.text); err == nil {
			dst, err = b.large.rest(dst)
		}
		b.large = nil
		if b.isKey {
			b.top().names.unknown()
		}
		return dst, err
	}
	var plain string
	if json.Unmarshal(b.text, &plain) != nil {
		plain = string(b.text)
	}
	if b.isKey {
		return append(dst, b.text...), b.member(plain)
	}
	if _, found := In(plain, b.f.live); !found {
		return append(dst, b.text...), nil
	}
	if err := b.f.spelled(string(b.text), plain, "a JSON string"); err != nil {
		return nil, err
	}
	at, ok := position(manifests.AsJSON, b.pointer())
	if !ok || b.deeper > 0 || len(b.levels) == 0 {
		return nil, b.f.refuse(plain, "a place in a JSON body that send_to cannot name", "")
	}
	if err := b.alone(plain); err != nil {
		return nil, err
	}
	filled, err := b.f.all(b.text, at, encodeJSON)
	return append(dst, filled...), err
}

// member takes the name of the member that follows.
func (b *jsonBody) member(name string) error {
	top := b.top()
	top.key = name
	switch {
	case len(b.levels) == 1 && namesMethod(name):
		return ErrMethod
	case top.names.add(b.hash(name)):
		return ErrRepeated
	}
	return b.f.refuse(name, "the name of a JSON member", "")
}

// hash takes names that differ in case alone for one, as some readers do.
func (b *jsonBody) hash(name string) uint64 { return maphash.String(b.seed, strings.ToLower(name)) }

// alone refuses a value at a place that the text names more than once: who
// decides would see one of the two, and who receives it the other.
func (b *jsonBody) alone(plain string) error {
	for i := range b.levels {
		if level := &b.levels[i]; !level.array && !level.names.fill(b.hash(level.key)) {
			return b.f.refuse(plain, "a JSON member whose name is there twice, or cannot be told apart", "name each member once")
		}
	}
	return nil
}

// pointer is the JSON pointer of the value at hand (RFC 6901).
func (b *jsonBody) pointer() string {
	var p strings.Builder
	for _, level := range b.levels {
		p.WriteByte('/')
		if level.array {
			p.WriteString(strconv.Itoa(level.index))
		} else {
			p.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(level.key))
		}
	}
	return p.String()
}

func encodeJSON(dst, value []byte) ([]byte, string) {
	if !utf8.Valid(value) {
		return nil, "it is not UTF-8, which JSON has to be"
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(string(value)); err != nil || !json.Valid(text.Bytes()) {
		return nil, "it cannot be written as JSON"
	}
	quoted := bytes.TrimSpace(text.Bytes())
	return append(dst, quoted[1:len(quoted)-1]...), ""
}

func (b *jsonBody) rest(dst []byte) (out []byte, err error) {
	if !b.inString {
		return b.outside.rest(dst)
	}
	// A string without an end is no JSON; no value goes into it.
	last := b.large
	if last == nil {
		last = outsider(b.f, "a JSON string without an end")
	}
	if dst, err = last.next(dst, b.text); err != nil {
		return nil, err
	}
	return last.rest(dst)
}
