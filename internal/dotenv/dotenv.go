// Package dotenv reads and writes environment files such as .env.local.
//
// # Promise
//
// A value is read as the usual readers (of Node, Python, Ruby, Docker and the
// shell) read it. Where they differ, what is written down stays whole: a
// secret that lost its end would be worse than one that is refused. Such
// places are noted. A line that is none is an error that names its number. No
// error and no note holds a word of the file.
//
// What [Quote] writes, [Parse] and the usual readers read back as it was.
//
// # Limits
//
// Nothing is expanded: $NAME in a value is those characters.
package dotenv

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// MaxBytes bounds a file.
const MaxBytes = 1 << 20

// usualBytes is what nearly every value has room in.
const usualBytes = 4 << 10

// ErrNotText is what a file is that holds NUL or is not UTF-8.
var ErrNotText = errors.New("it is not a text file in UTF-8")

// LineError is a line that is no assignment.
type LineError struct {
	Line    int
	Problem string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// Entry is one assignment.
type Entry struct {
	Key      string
	Value    vaultstore.Secret
	Line     int // where it begins, from 1
	LastLine int // where it ends
	Note     string
}

// The notes on an entry.
const (
	NoteHash   = "its value has a # and no quotes: the # was taken as part of it"
	NoteExpand = "its value has a $ that some readers expand: it was taken as it stands"
	NoteEscape = "its value has a \\ that readers take differently: it was taken as it stands"
)

// Parse reads a file. The entries are in its order, one for each assignment,
// duplicates too.
func Parse(text []byte) ([]Entry, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
		return nil, ErrNotText
	}
	r := &reader{text: text, line: 1}
	var list []Entry
	for r.skipBlank(); r.at < len(r.text); r.skipBlank() {
		e, err := r.entry()
		if err != nil {
			for _, e := range list {
				e.Value.Zero()
			}
			return nil, err
		}
		if e.Key != "" {
			list = append(list, e)
		}
	}
	return list, nil
}

type reader struct {
	text []byte
	at   int
	line int
}

func (r *reader) fault(problem string) error { return &LineError{r.line, problem} }

// skipBlank leaves empty lines and comments behind.
func (r *reader) skipBlank() {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '\n':
			r.line++
			r.at++
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			r.at++
		case c == '#':
			r.at += len(r.rest())
		default:
			return
		}
	}
}

// rest is what is left of the line, without its end.
func (r *reader) rest() []byte {
	if n := bytes.IndexByte(r.text[r.at:], '\n'); n >= 0 {
		return r.text[r.at : r.at+n]
	}
	return r.text[r.at:]
}

func (r *reader) skipSpaces() {
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t') {
		r.at++
	}
}

// entry reads "export KEY = value". A shell's "export KEY" alone has no value
// and is left out.
func (r *reader) entry() (Entry, error) {
	e := Entry{Line: r.line}
	key := r.key()
	exported := false
	if key == "export" && r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t') {
		before := r.at
		r.skipSpaces()
		if next := r.key(); next != "" {
			key, exported = next, true
		} else {
			r.at = before
		}
	}
	if key == "" {
		return e, r.fault("it is no assignment; write NAME=value, or begin it with #")
	}
	r.skipSpaces()
	switch rest := bytes.TrimRight(r.rest(), "\r"); {
	case len(rest) > 0 && rest[0] == '=':
		r.at++
	case len(rest) > 1 && rest[0] == ':' && (rest[1] == ' ' || rest[1] == '\t'):
		r.at++
	case exported && (len(rest) == 0 || rest[0] == '#'):
		r.at += len(r.rest())
		return Entry{}, nil
	default:
		return e, r.fault("it is no assignment; write NAME=value, or begin it with #")
	}
	e.Key = key
	r.skipSpaces()
	value, note, err := r.value()
	if err != nil {
		return e, err
	}
	e.Value, e.Note, e.LastLine = vaultstore.NewSecret(value), note, r.line
	clear(value)
	return e, nil
}

func (r *reader) key() string {
	begin := r.at
	for r.at < len(r.text) && isKeyByte(r.text[r.at], r.at > begin) {
		r.at++
	}
	return string(r.text[begin:r.at])
}

func isKeyByte(c byte, later bool) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || later && (c >= '0' && c <= '9' || c == '.' || c == '-')
}

func (r *reader) value() (value []byte, note string, err error) {
	if r.at < len(r.text) {
		switch quote := r.text[r.at]; quote {
		case '"', '\'', '`':
			return r.quoted(quote)
		}
	}
	line := bytes.TrimRight(r.rest(), "\r")
	r.at += len(r.rest())
	end := len(line)
	for i, c := range line {
		if c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			end = i
			break
		}
	}
	value = bytes.Clone(bytes.TrimSpace(line[:end]))
	switch {
	case bytes.IndexByte(value, '#') >= 0:
		note = NoteHash
	case hasExpansion(value):
		note = NoteExpand
	case bytes.IndexByte(value, '\\') >= 0:
		note = NoteEscape
	}
	return value, note, nil
}

// hasExpansion reports whether a reader that expands would find a variable.
func hasExpansion(value []byte) bool {
	for i := 0; i+1 < len(value); i++ {
		if next := value[i+1]; value[i] == '$' && (next == '{' || next == '(' || isKeyByte(next, false)) {
			return true
		}
	}
	return false
}

// quoted reads up to the closing quote, on a later line too.
func (r *reader) quoted(quote byte) (value []byte, note string, err error) {
	begun := r.line
	r.at++
	value = make([]byte, 0, min(len(r.text)-r.at, usualBytes)) // rarely moved, so that no part of it stays behind
	fail := func(e error) ([]byte, string, error) {
		clear(value)
		return nil, "", e
	}
	for {
		if r.at >= len(r.text) {
			return fail(&LineError{begun, "the quote that opens here is never closed"})
		}
		c := r.text[r.at]
		r.at++
		switch {
		case c == quote:
			return value, note, r.afterQuote(value)
		case c == '\r' && r.at < len(r.text) && r.text[r.at] == '\n':
			continue // a line ends with \n, whatever the file's lines end with
		case c == '\n':
			r.line++
		case c == '\\' && quote == '"' && r.at < len(r.text):
			if escaped, ok := unescape(r.text[r.at]); ok {
				r.at++
				value = append(value, escaped)
				continue
			}
			note = NoteEscape
		case quote == '"' && hasExpansion(r.text[r.at-1:min(r.at+1, len(r.text))]):
			note = NoteExpand
		}
		value = append(value, c)
	}
}

// afterQuote demands that nothing but a comment follows.
func (r *reader) afterQuote(value []byte) error {
	rest := bytes.TrimSpace(r.rest())
	if len(rest) > 0 && rest[0] != '#' {
		clear(value)
		return r.fault("something stands after the closing quote")
	}
	r.at += len(r.rest())
	return nil
}

// unescape is what a backslash and c are between double quotes.
func unescape(c byte) (byte, bool) {
	switch c {
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case '"', '\\', '$', '`':
		return c, true
	}
	return 0, false
}

// Without returns text without the lines of the entries given; the rest stays
// as it is.
func Without(text []byte, drop []Entry) []byte {
	gone := map[int]bool{}
	for _, e := range drop {
		for n := e.Line; n <= e.LastLine; n++ {
			gone[n] = true
		}
	}
	var kept []byte
	n := 0
	for line := range bytes.Lines(text) {
		if n++; !gone[n] {
			kept = append(kept, line...)
		}
	}
	return kept
}

// Quote writes a value so that it is read back as it is.
func Quote(value string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	switch {
	case value != "" && strings.TrimFunc(value, plain) == "":
		return value
	case !strings.ContainsAny(value, "'\n\r\\"):
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`).Replace(value) + `"`
}
