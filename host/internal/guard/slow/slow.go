// Package slow finds a credential's value in a text the slow and obvious way,
// for tests: package guard is held to it.
//
// # Promise
//
// Every escape in the whole text is undone, one kind after another, in all
// orders, and the value is looked for in what comes out. Nothing is shared with
// package guard but what its package comment says.
//
// # Limits
//
// It takes a millisecond or more for a kilobyte. It knows no UTF-16 beyond
// ASCII, and of the twice-encoded forms none that stands in base64 or hex.
//
// # Concurrency
//
// All of it is safe for concurrent use.
package slow

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

var (
	percentEscape = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	quotedEscape  = regexp.MustCompile(`=[0-9a-fA-F]{2}|=[ \t]{0,9}\r?\n`)
	backslash     = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]{1,6}\}|\\x[0-9a-fA-F]{2}|\\[0-3][0-7]{2}|\\[nrt!-/:-@\[-` + "`" + `{-~]`)
	reference     = regexp.MustCompile(`&#[xX][0-9a-fA-F]{1,9};?|&#[0-9]{1,9};?|&[A-Za-z]{1,16};`)
	lineBreak     = regexp.MustCompile("[\r\n]{1,20}[ \t]{0,60}")
	base64Run     = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)
	// hexRuns are hex without separators, and with one after each byte.
	hexRuns    = hexForms()
	hexBetween = regexp.MustCompile(`(?i)[:, -]|0x`)
)

func hexForms() []*regexp.Regexp {
	all := []*regexp.Regexp{regexp.MustCompile(`(?i)(?:[0-9a-f]{2}){8,}[0-9a-f]?`)}
	for _, between := range []string{":", "[ -]", ",", ", ", ", 0x", ",0x", " 0x"} {
		all = append(all, regexp.MustCompile(`(?i)[0-9a-f]{2}(?:`+between+`[0-9a-f]{2}){7,}`))
	}
	return all
}

// Percent undoes percent-encoding, wherever an escape stands.
func Percent(s string) string {
	return percentEscape.ReplaceAllStringFunc(s, func(m string) string {
		out, _ := url.PathUnescape(m)
		return out
	})
}

// Quoted undoes the escapes of quoted-printable.
func Quoted(s string) string {
	return quotedEscape.ReplaceAllStringFunc(s, func(m string) string {
		b, err := hex.DecodeString(m[1:])
		if err != nil {
			return ""
		}
		return string(b)
	})
}

// Backslash undoes the escapes of JSON and of C-like strings.
func Backslash(s string) string {
	return backslash.ReplaceAllStringFunc(s, func(m string) string {
		code := func(digits string, base int) rune {
			v, _ := strconv.ParseUint(digits, base, 32)
			return rune(v)
		}
		switch c := m[1]; {
		case len(m) == 12:
			return string(utf16.DecodeRune(code(m[2:6], 16), code(m[8:], 16)))
		case c == 'u':
			return string(code(strings.Trim(m[2:], "{}"), 16))
		case c == 'x':
			return string(code(m[2:], 16))
		case '0' <= c && c <= '9':
			return string([]byte{byte(code(m[1:], 8))})
		case c == 'n' || c == 'r':
			return "\n"
		case c == 't':
			return "\t"
		}
		return m[1:]
	})
}

// HTML undoes character references.
func HTML(s string) string {
	return reference.ReplaceAllStringFunc(s, func(m string) string {
		out := html.UnescapeString(m)
		if m[1] != '#' && !(len(out) == 1 || out == "\u00a0") { // named, and none of ASCII
			return m
		}
		return out
	})
}

var undo = []func(string) string{Percent, Quoted, Backslash, HTML}

// readAll returns the text and what it stands for, to a depth.
func readAll(text string, depth int) map[string]bool {
	seen := map[string]bool{text: true}
	layer := []string{text}
	for range depth {
		var next []string
		for _, t := range layer {
			for _, u := range undo {
				if out := u(t); !seen[out] {
					seen[out] = true
					next = append(next, out)
				}
			}
		}
		layer = next
	}
	return seen
}

func unwrap(s string) string { return lineBreak.ReplaceAllString(s, "") }

// decoded returns what the base64 and hex in a text stand for.
func decoded(text string) []string {
	text = strings.ReplaceAll(unwrap(text), "\x00", "")
	var out []string
	for _, run := range base64Run.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for offset := range 4 {
			part := run[offset:]
			if len(part)%4 == 1 {
				part = part[:len(part)-1]
			}
			b, _ := base64.RawStdEncoding.DecodeString(part)
			out = append(out, string(b))
		}
	}
	for _, form := range hexRuns {
		for _, run := range form.FindAllString(text, -1) {
			digits := hexBetween.ReplaceAllString(run, "")
			for offset := range 2 {
				b, _ := hex.DecodeString(digits[offset : offset+(len(digits)-offset)/2*2])
				out = append(out, string(b))
			}
		}
	}
	return out
}

// signs are the five that base64url, forms and slugs exchange.
var signs = strings.NewReplacer("\r", "", "\n", "", "\x00", "", "-", "+", "/", "+", "_", "+", " ", "+")

// canonical leaves out what counts for nothing, and writes alike what counts as
// the same: the cases of ASCII letters, and the five signs.
func canonical(s string) string {
	lower := []byte(signs.Replace(s))
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// depth is how many escapes deep a character may be spelled.
const depth = 3

// Finds reports whether value is in text in some form. Case, signs and gaps
// are ways to spell a value; within base64 or hex it is the value itself, as
// one that was spelled otherwise first is another text.
func Finds(value, text string) bool {
	exact := strings.Trim(value, " \t\r\n\x00")
	value = canonical(exact)
	has := func(t string) bool {
		return strings.Contains(canonical(t), value) || strings.Contains(canonical(unwrap(t)), value)
	}
	for t := range readAll(text, depth) {
		if has(t) {
			return true
		}
		for _, d := range decoded(t) {
			if strings.Contains(d, exact) {
				return true
			}
		}
	}
	return false
}
