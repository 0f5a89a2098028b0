package main

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// isEncoding reports whether a parameter of version 2.1 is an encoding that
// stands there without ENCODING=.
func isEncoding(param string) bool {
	switch strings.ToUpper(strings.TrimSpace(param)) {
	case "QUOTED-PRINTABLE", "BASE64", "7BIT", "8BIT":
		return true
	}
	return false
}

// encoding returns the property's ENCODING in upper case, "" when it has none;
// BASE64 for version 3's B.
func (p property) encoding() string {
	if e := strings.ToUpper(strings.TrimSpace(p.param("ENCODING"))); e != "B" {
		return e
	}
	return "BASE64"
}

// param returns the first value of a parameter, "" when there is none.
func (p property) param(name string) string {
	if values := p.params[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// isText reports whether a property is one that is collected as text.
func (p property) isText() bool {
	switch p.name {
	case "UID", "FN", "N", "ORG", "TITLE", "NOTE", "BDAY", "EMAIL", "TEL", "ADR", "REV", "CATEGORIES", "KIND", "MEMBER",
		"X-ABLABEL", "X-ADDRESSBOOKSERVER-KIND", "X-ADDRESSBOOKSERVER-MEMBER":
		return true
	}
	return false
}

// decoded returns a text property without the encodings of versions 2.1 and 3.
// whole is false when there is something in it that is not understood: then
// U+FFFD stands for that, or the value is as it came.
func (p property) decoded() (_ property, whole bool) {
	encoding := p.encoding()
	var raw string
	switch {
	case !p.isText():
		return p, true
	case encoding == "QUOTED-PRINTABLE":
		raw, whole = unquote(p.value)
	case encoding == "BASE64":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(p.value), ""))
		if err != nil {
			return p, false
		}
		raw, whole = string(data), true
	case encoding == "" || encoding == "7BIT" || encoding == "8BIT":
		return p, true // in XML it is Unicode, whatever CHARSET says
	default:
		return p, false
	}
	text, known := toUTF8(raw, p.param("CHARSET"))
	p.value = text
	return p, whole && known
}

// unquote decodes quoted-printable (RFC 2045, 6.7); what is no escape stays.
func unquote(s string) (raw string, whole bool) {
	var b strings.Builder
	whole = true
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 < len(s) {
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		b.WriteByte('=')
		whole = false
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), whole
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// windows1252 is where that charset differs from Latin 1: 0x80 to 0x9f, 0 for
// what is not assigned.
var windows1252 = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}

// toUTF8 converts from a charset. Of one that it does not know it takes what
// is UTF-8, as ASCII is in most.
func toUTF8(raw, charset string) (text string, known bool) {
	switch strings.ToUpper(charset) {
	case "ISO-8859-1", "LATIN1", "WINDOWS-1252", "CP1252": // as browsers do
		return fromWindows1252(raw)
	case "", "UTF-8", "UTF8", "US-ASCII", "ASCII":
		return strings.ToValidUTF8(raw, "\ufffd"), utf8.ValidString(raw)
	}
	for _, c := range []byte(raw) {
		known = known || c >= utf8.RuneSelf
	}
	return strings.ToValidUTF8(raw, "\ufffd"), !known
}

func fromWindows1252(raw string) (text string, known bool) {
	var b strings.Builder
	known = true
	for _, c := range []byte(raw) {
		r := rune(c)
		if 0x80 <= c && c < 0xa0 {
			if r = windows1252[c-0x80]; r == 0 {
				r, known = utf8.RuneError, false
			}
		}
		b.WriteRune(r)
	}
	return b.String(), known
}
