package guard

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
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

// forms returns the forms of a Strong value that differ by more than escapes,
// case and line breaks, the plainest first.
func forms(value []byte) []form {
	var out []form
	var buf []byte
	add := func(name string, text []byte, layers ...layer) {
		buf = appendCanonical(buf[:0], text)
		out = append(out, form{name, string(buf), layers})
	}
	for _, v := range spellings(value) {
		add(v.name, []byte(v.text), v.layers...)
	}
	for _, part := range base64Of(value, false) {
		add("base64", part.text, part.layer)
	}
	digits := layer{kind: hexLayer}
	add("hex", hexOf(value), digits)
	if len(value) > MaxDerived {
		return out
	}
	for _, between := range hexSeparators {
		add("hex", hexSeparated(value, between), layer{kind: hexLayer, between: between})
	}
	for i, w := range wideOf(value) {
		wide := layer{kind: wideLayer, unit: 2, big: i == 1, n: len(w)}
		add("hex of utf-16", hexOf(w), wide, digits)
		for _, part := range base64Of(w, false) {
			add("base64 of utf-16", part.text, wide, part.layer)
		}
	}
	for _, twice := range nested(value) {
		for _, part := range base64Of([]byte(twice.text), len(twice.layers) > 0) {
			add("base64 of "+twice.name, part.text, append(slices.Clip(twice.layers), part.layer)...)
		}
	}
	for _, part := range base64Of(value, false) {
		add("hex of base64", hexOf(part.text), part.layer, digits)
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
	if narrow, ok := latin1(text); ok { // and UTF-16 of that is NULs between
		return append(out, form{name: "latin-1", text: string(narrow)})
	}
	for i, w := range wideOf(value) {
		out = append(out, form{"utf-16", string(w), []layer{{kind: wideLayer, chars: len(w) / 2, big: i == 1}}})
	}
	var little, big []byte
	for _, r := range text {
		little = append(little, byte(r), byte(r>>8), byte(r>>16))
		big = append(big, byte(r>>16), byte(r>>8), byte(r))
	}
	wide := layer{kind: wideLayer, chars: utf8.RuneCountInString(text)}
	out = append(out, form{"utf-32", string(little), []layer{wide}})
	wide.big = true
	return append(out, form{"utf-32", string(big), []layer{wide}})
}

// latin1 returns text in ISO 8859-1, if it is of that.
func latin1(text string) (narrow []byte, ok bool) {
	for _, r := range text {
		if r > unicode.MaxLatin1 {
			return nil, false
		}
		narrow = append(narrow, byte(r))
	}
	return narrow, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wideOf returns UTF-16 of value. In Latin-1 both byte orders share all but the
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
	if _, ok := latin1(string(value)); ok {
		return [][]byte{little[:len(little)-1]}
	}
	return [][]byte{little, big}
}

// part is what base64 a value alone determines.
type part struct {
	text  []byte
	layer layer
}

// base64Of returns, for each offset in a group of three, the characters that
// value alone determines. coded says that it is base64 or hex already.
func base64Of(value []byte, coded bool) []part {
	out := make([]part, 0, 3)
	for offset := range 3 {
		padded := append(make([]byte, offset, offset+len(value)), value...)
		text := base64.RawStdEncoding.AppendEncode(nil, padded)
		first := (8*offset + 5) / 6
		last := 8 * len(padded) / 6
		if first < last {
			out = append(out, part{text[first:last], layer{
				kind: base64Layer, n: len(value), offset: offset, first: value[0], last: value[len(value)-1], coded: coded,
			}})
		}
	}
	return out
}

func hexOf(value []byte) []byte { return hex.AppendEncode(nil, value) }

// hexSeparators stand between the bytes of a hex form; space, '-' and '_' are
// one sign. Percent and \x are escapes and need none.
var hexSeparators = []string{":", " ", ",", ", ", ", 0x", ",0x", " 0x"}

// nested returns texts that are themselves encoded in base64: in most
// cases the value within a document of its own.
func nested(value []byte) []form {
	text := string(value)
	var out []form
	add := func(name, encoded string, layers ...layer) {
		if encoded != text {
			out = append(out, form{name, encoded, layers})
		}
	}
	for _, part := range base64Of(value, false) {
		std := string(part.text)
		add("base64", std, part.layer)
		if urls := strings.NewReplacer("+", "-", "/", "_").Replace(std); urls != std {
			add("base64", urls, part.layer)
		}
	}
	digits := string(hexOf(value))
	add("hex", digits, layer{kind: hexLayer})
	add("hex", strings.ToUpper(digits), layer{kind: hexLayer})
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
