package main

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// maxListed bounds the addresses and the references of one message.
const maxListed = 1000

// words decodes encoded words (RFC 2047) in any charset.
var words = mime.WordDecoder{CharsetReader: func(name string, r io.Reader) (io.Reader, error) { return charset.Reader(name, r) }}

// header is what is read of a message's header. It comes from whoever wrote the
// message: nothing in it is sure to be there, or to be well formed.
type header map[string]string

// readHeader reads the fields of a header, unfolded; of several with one name
// the first. What is no field is passed over.
func readHeader(raw []byte) header {
	h := header{}
	name := ""
	for line := range bytes.Lines(raw) {
		line := strings.TrimRight(eightBit(line), "\r\n")
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			if name != "" {
				h[name] += " " + strings.TrimLeft(line, " \t")
			}
			continue
		}
		before, value, ok := strings.Cut(line, ":")
		key := strings.ToLower(strings.TrimSpace(before))
		if _, had := h[key]; !ok || had {
			name = ""
			continue
		}
		name, h[key] = key, strings.TrimSpace(value)
	}
	return h
}

// eightBit reads a line that should be ASCII and may be UTF-8: what is neither
// is most often Latin-1.
func eightBit(line []byte) string {
	if utf8.Valid(line) {
		return string(line)
	}
	runes := make([]rune, len(line))
	for i, b := range line {
		runes[i] = rune(b)
	}
	return string(runes)
}

// text returns a field, decoded; nil where there is none.
func (h header) text(name string) *string {
	value, ok := h[name]
	if !ok {
		return nil
	}
	decoded := decodeWords(value)
	return &decoded
}

// decodeWords decodes what can be: a word of an unknown charset stays as it is.
func decodeWords(s string) string {
	decoded, err := words.DecodeHeader(s)
	if err != nil {
		decoded = s
	}
	return clean(decoded)
}

// clean makes a text one that JSON and a reader can do with.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

// date returns the Date field; nil where it cannot be read.
func (h header) date() *string {
	t, err := mail.ParseDate(h["date"])
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	s := t.UTC().Format(time.RFC3339)
	return &s
}

// address is one of a message's addresses.
type address struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
}

// addresses returns the addresses in a field. One that is not well formed is
// taken apart at its commas and angle brackets.
func (h header) addresses(name string) []address {
	value := h[name]
	if value == "" {
		return []address{}
	}
	parser := mail.AddressParser{WordDecoder: &words}
	if list, err := parser.ParseList(value); err == nil {
		all := make([]address, 0, len(list))
		for _, a := range list[:min(len(list), maxListed)] {
			all = append(all, address{orNull(clean(a.Name)), orNull(clean(a.Address))})
		}
		return all
	}
	all := []address{}
	for part := range strings.SplitSeq(value, ",") {
		if a, ok := roughAddress(part); ok && len(all) < maxListed {
			all = append(all, a)
		}
	}
	return all
}

func roughAddress(part string) (address, bool) {
	name, email := "", strings.TrimSpace(part)
	if i := strings.LastIndexByte(part, '<'); i >= 0 {
		name = part[:i]
		email, _, _ = strings.Cut(part[i+1:], ">")
	}
	name = decodeWords(strings.Trim(strings.TrimSpace(name), `"`))
	email = clean(strings.TrimSpace(email))
	if name == "" && !strings.Contains(email, "@") {
		name, email = decodeWords(email), "" // a name, or a group of nobody
	}
	return address{orNull(name), orNull(email)}, name != "" || email != ""
}

// ids returns the message ids in a field, without their brackets.
func (h header) ids(name string) []string {
	ids := []string{}
	for word := range strings.FieldsSeq(h[name]) {
		for id := range strings.SplitSeq(strings.Trim(word, "<>,;"), "><") {
			if id = clean(id); id != "" && len(ids) < maxListed {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// orNull returns nil for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// first returns the first of a list, nil when it is empty.
func first(list []string) *string {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}
