package guard

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// form is one way to write a value, in canonical characters.
type form struct {
	name, text string
	layers     []layer
}

type layer struct{}

// forms returns the forms of a Strong value that differ by more than escapes,
// case and line breaks, the plainest first.
func forms(value []byte) []form {
	var out []form
	var buf []byte
	add := func(name string, text []byte) {
		buf = appendCanonical(buf[:0], text)
		out = append(out, form{name: name, text: string(buf)})
	}
	for _, v := range spellings(value) {
		add(v.name, []byte(v.text))
	}
	for _, part := range base64Of(value) {
		add("base64", part)
	}
	add("hex", hexOf(value))
	if len(value) > MaxDerived {
		return out
	}
	for _, between := range hexSeparators {
		add("hex", hexSeparated(value, between))
	}
	wide := wideOf(value)
	for _, w := range wide {
		add("hex of utf-16", hexOf(w))
		for _, part := range base64Of(w) {
			add("base64 of utf-16", part)
		}
	}
	for _, twice := range nested(value) {
		for _, part := range base64Of([]byte(twice.text)) {
			add("base64 of "+twice.name, part)
		}
	}
	for _, part := range base64Of(value) {
		add("hex of base64", hexOf(part))
	}
	return out
}

// spellings returns the raw form and, of a value beyond ASCII, its other cases
// and character sets. NULs count for nothing, so that UTF-16 and UTF-32 of
// ASCII are the raw form already.
func spellings(value []byte) []form {
	text := string(value)
	out := []form{{name: "raw", text: text}}
	if isASCII(text) || !utf8.ValidString(text) {
		return out
	}
	out = append(out, form{name: "raw", text: strings.ToLower(text)}, form{name: "raw", text: strings.ToUpper(text)})
	var narrow, little, big []byte
	for _, r := range text {
		if r > unicode.MaxLatin1 {
			narrow = nil
			break
		}
		narrow = append(narrow, byte(r))
	}
	for _, w := range wideOf(value) {
		out = append(out, form{name: "utf-16", text: string(w)})
	}
	for _, r := range text {
		little = append(little, byte(r), byte(r>>8), byte(r>>16))
		big = append(big, byte(r>>16), byte(r>>8), byte(r))
	}
	return append(out, form{name: "latin-1", text: string(narrow)}, form{name: "utf-32", text: string(little)}, form{name: "utf-32", text: string(big)})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wideOf returns UTF-16 of value. In ASCII both byte orders share all but the
// NUL at an end, and one will do.
func wideOf(value []byte) [][]byte {
	if !utf8.Valid(value) {
		return nil
	}
	var little, big []byte
	for _, u := range utf16.Encode([]rune(string(value))) {
		little = append(little, byte(u), byte(u>>8))
		big = append(big, byte(u>>8), byte(u))
	}
	if isASCII(string(value)) {
		return [][]byte{little[:len(little)-1]}
	}
	return [][]byte{little, big}
}

// base64Of returns, for each offset in a group of three, the characters that
// value alone determines.
func base64Of(value []byte) [][]byte {
	out := make([][]byte, 0, 3)
	for offset := range 3 {
		padded := append(make([]byte, offset, offset+len(value)), value...)
		text := base64.RawStdEncoding.AppendEncode(nil, padded)
		first := (8*offset + 5) / 6
		last := 8 * len(padded) / 6
		if first < last {
			out = append(out, text[first:last])
		}
	}
	return out
}

func hexOf(value []byte) []byte { return hex.AppendEncode(nil, value) }

// hexSeparators stand between the bytes of a hex form; space, '-' and '_' are
// one sign. Percent and \x are escapes and need none.
var hexSeparators = []string{":", " ", ",", ", ", ", 0x", ",0x", " 0x"}

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

// nested returns texts that are themselves encoded in base64: in most
// cases the value within a document of its own.
func nested(value []byte) []form {
	text := string(value)
	var out []form
	add := func(name, encoded string) {
		if encoded != text {
			out = append(out, form{name: name, text: encoded})
		}
	}
	for _, part := range base64Of(value) {
		std := string(part)
		add("base64", std)
		if urls := strings.NewReplacer("+", "-", "/", "_").Replace(std); urls != std {
			add("base64", urls)
		}
	}
	digits := string(hexOf(value))
	add("hex", digits)
	add("hex", strings.ToUpper(digits))
	add("percent", url.QueryEscape(text))
	if path := url.PathEscape(text); path != url.QueryEscape(text) {
		add("percent", path)
	}
	add("html", html.EscapeString(text))
	if quoted, err := json.Marshal(text); err == nil {
		add("json", strings.Trim(string(quoted[1:len(quoted)-1]), "\n"))
	}
	var plain strings.Builder
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if enc.Encode(text) == nil {
		if s := strings.TrimSuffix(plain.String(), "\n"); len(s) > 2 {
			add("json", s[1:len(s)-1])
		}
	}
	return out
}
