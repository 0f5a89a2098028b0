package guard

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// writer writes a text in one way.
type writer struct {
	name  string
	write func(string) string
	// fits says what it can write; nil is anything.
	fits func(string) bool
}

func each(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}

func eachRune(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, format, r)
		}
		return b.String()
	}
}

// everyOther applies a writer to every other character.
func everyOther(write func(string) string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i, r := range s {
			if i%2 == 0 {
				b.WriteRune(r)
			} else {
				b.WriteString(write(string(r)))
			}
		}
		return b.String()
	}
}

// openEntities leaves out the semicolon where it may be.
func openEntities(s string) string {
	var b strings.Builder
	for i, r := range s {
		fmt.Fprintf(&b, "&#%d", r)
		if rest := s[i+utf8.RuneLen(r):]; rest == "" || i%2 == 0 {
			b.WriteByte(';')
		}
	}
	return b.String()
}

func jsonU(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, `\u%04x`, u)
	}
	return b.String()
}

func wide(s string, unit int, big bool) string {
	var b strings.Builder
	units := []rune(s)
	if unit == 2 {
		units = nil
		for _, u := range utf16.Encode([]rune(s)) {
			units = append(units, rune(u))
		}
	}
	for _, r := range units {
		for i := range unit {
			if big {
				i = unit - 1 - i
			}
			b.WriteByte(byte(r >> (8 * i)))
		}
	}
	return b.String()
}

func b64(prefix string, enc *base64.Encoding) func(string) string {
	return func(s string) string { return enc.EncodeToString([]byte(prefix + s + "~")) }
}

func wrap(n int, eol string, write func(string) string) func(string) string {
	return func(s string) string {
		s = write(s)
		var b strings.Builder
		for ; len(s) > n; s = s[n:] {
			b.WriteString(s[:n] + eol)
		}
		return b.String() + s
	}
}

func between(sep string) func(string) string {
	return func(s string) string {
		var parts []string
		for i := range len(s) {
			parts = append(parts, hex.EncodeToString([]byte{s[i]}))
		}
		return strings.Join(parts, sep)
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

func quoted(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `/`, `\/`, "\n", `\n`, "\r", `\r`).Replace(s)
}

func then(first, second func(string) string) func(string) string {
	return func(s string) string { return second(first(s)) }
}

func plain(s string) string { return s }

// escapeWriters are those that may be applied to any text.
var escapeWriters = []writer{
	{"percent", each("%%%02X"), nil},
	{"percent lower", each("%%%02x"), nil},
	{"percent some", everyOther(each("%%%02X")), utf8.ValidString},
	{"query", url.QueryEscape, nil},
	{"path", url.PathEscape, nil},
	{"json u", jsonU, utf8.ValidString},
	{"json u some", everyOther(jsonU), utf8.ValidString},
	{"json quoted", quoted, nil},
	{"js x", eachRune(`\x%02x`), isASCII},
	{"js braces", eachRune(`\u{%x}`), utf8.ValidString},
	{"html decimal", eachRune("&#%d;"), utf8.ValidString},
	{"html open", openEntities, utf8.ValidString},
	{"html hex", eachRune("&#x%X;"), utf8.ValidString},
	{"html zeros", eachRune("&#x000%x;"), utf8.ValidString},
	{"html named", strings.NewReplacer("&", "&amp;", "<", "&lt;", "=", "&equals;", "/", "&sol;", "+", "&plus;", "-", "-", "!", "&excl;", "_", "&lowbar;", ".", "&period;").Replace, nil},
	{"qp", each("=%02X"), nil},
	{"qp lower some", everyOther(each("=%02x")), utf8.ValidString},
	{"qp soft", wrap(3, "=\r\n", plain), nil},
	{"octal", each(`\%03o`), nil},
	{"wrapped", wrap(5, "\r\n", plain), nil},
	{"indented", wrap(5, "\n    ", plain), nil},
}

// formWriters are the forms that differ by more than escapes.
var formWriters = []writer{
	{"raw", plain, nil},
	{"upper", strings.ToUpper, utf8.ValidString},
	{"lower", strings.ToLower, utf8.ValidString},
	{"swapped", swapCase, utf8.ValidString},
	{"base64 0", b64("", base64.StdEncoding), nil},
	{"base64 1", b64("u", base64.StdEncoding), nil},
	{"base64 2", b64("u:", base64.StdEncoding), nil},
	{"base64url 0", b64("", base64.RawURLEncoding), nil},
	{"base64url 1", b64("u", base64.RawURLEncoding), nil},
	{"base64url 2", b64("u:", base64.RawURLEncoding), nil},
	{"base64 wrapped", wrap(7, "\r\n", b64("x", base64.StdEncoding)), nil},
	{"base64 folded", wrap(7, "\r\n ", b64("x", base64.StdEncoding)), nil},
	{"hex", each("%02x"), nil},
	{"hex upper", each("%02X"), nil},
	{"hex colon", between(":"), nil},
	{"hex space", between(" "), nil},
	{"hex dash", between("-"), nil},
	{"hex comma", between(","), nil},
	{"hex newline", between("\n"), nil},
	{"hex colon newline", wrap(18, "\n    ", between(":")), nil},
	{"hex 0x", between(", 0x"), nil},
	{"utf-16le", func(s string) string { return wide(s, 2, false) }, utf8.ValidString},
	{"utf-16be", func(s string) string { return wide(s, 2, true) }, utf8.ValidString},
	{"utf-32le", func(s string) string { return wide(s, 4, false) }, utf8.ValidString},
	{"utf-32be", func(s string) string { return wide(s, 4, true) }, utf8.ValidString},
	{"base64 of utf-16le", func(s string) string { return b64("", base64.StdEncoding)(wide(s, 2, false)) }, utf8.ValidString},
	{"base64 of utf-16le 1", func(s string) string { return b64("x", base64.StdEncoding)(wide(s, 2, false)) }, utf8.ValidString},
	{"base64 of utf-16be", func(s string) string { return b64("xy", base64.StdEncoding)(wide(s, 2, true)) }, utf8.ValidString},
	{"hex of utf-16", func(s string) string { return each("%02x")(wide(s, 2, false)) }, utf8.ValidString},
	{"base64 of base64", then(b64("a", base64.StdEncoding), b64("b", base64.StdEncoding)), nil},
	{"base64url of base64url", then(b64("", base64.RawURLEncoding), b64("bc", base64.RawURLEncoding)), nil},
	{"base64 of hex", then(each("%02X"), b64("", base64.StdEncoding)), nil},
	{"hex of base64", then(b64("", base64.StdEncoding), each("%02x")), nil},
	{"base64 of query", then(url.QueryEscape, b64("ab", base64.StdEncoding)), nil},
}

// spelling is a value written in one way.
type spelling struct{ name, text string }

// written returns a value in all forms, and these in all escapes, and in escapes
// of escapes, to a depth.
func written(value string, depth int) []spelling {
	all := spell([]spelling{{"", value}}, formWriters)
	layer := all
	for range depth {
		layer = spell(layer, escapeWriters)
		all = append(all, layer...)
	}
	return all
}

func spell(texts []spelling, writers []writer) []spelling {
	var out []spelling
	for _, t := range texts {
		for _, w := range writers {
			raw := w.name == "wrapped" || w.name == "indented"
			if raw && strings.Contains(t.name, "qp") {
				continue // a break after '=' is that of a line that goes on
			}
			if w.fits == nil || w.fits(t.text) {
				out = append(out, spelling{t.name + w.name + "; ", w.write(t.text)})
			}
		}
	}
	return out
}
