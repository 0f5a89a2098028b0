package agefile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

var errNotEscaped = errors.New("not an escaped name")

// unescape is the inverse of escape; ok is false for what is named by its
// digest, and the error says that escape makes no such name.
func unescape(name string) (s string, ok bool, err error) {
	if name == emptyComponent {
		return "", true, nil
	}
	if digest, found := strings.CutPrefix(name, digestPrefix); found {
		sum, err := hex.DecodeString(digest)
		if err != nil || len(sum) != sha256.Size {
			return "", false, errNotEscaped
		}
		return "", false, nil
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false, errNotEscaped
		}
		c, err := hex.DecodeString(name[i+1 : i+3])
		if err != nil {
			return "", false, errNotEscaped
		}
		b.Write(c)
		i += 2
	}
	return b.String(), true, nil
}

// The names are part of the format: a change here loses every file.
func TestEscape(t *testing.T) {
	for s, want := range map[string]string{
		"":           "%",
		"github":     "github",
		"API_TOKEN":  "%41%50%49_%54%4f%4b%45%4e",
		"a-b_c0":     "a-b_c0",
		"-rf":        "%2drf",
		".":          "%2e",
		"..":         "%2e%2e",
		"a.age":      "a%2eage",
		"%":          "%25",
		"%h":         "%25h",
		"a/b":        "a%2fb",
		"a\\b":       "a%5cb",
		"ä":          "%c3%a4",
		"con":        "%63on",
		"con0":       "con0",
		"com1":       "%63om1",
		"com":        "com",
		"lpt9":       "%6cpt9",
		"nul":        "%6eul",
		"nul.txt":    "nul%2etxt",
		"a b":        "a%20b",
		"\x00\n":     "%00%0a",
		"index.age":  "index%2eage",
		"\xff":       "%ff",
		"alice@home": "alice%40home",

		strings.Repeat("a", 120): strings.Repeat("a", 120),
		strings.Repeat("a", 121): "%he9615320128cc7a3d6078e9af05603188e5ccbf0d07d8b735d3df5e8e0c1281f",
	} {
		got := escape(s)
		if got != want {
			t.Errorf("escape(%q) = %q, want %q", s, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", "A", "%", "%h", "-", ".", "con", "COM1", "ä", "a\u0308", strings.Repeat("A", 41), "\xff\x00"} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, s, other string) {
		name := escape(s)
		if name == "" || len(name) > maxComponent || strings.ContainsFunc(name, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_-%", r)
		}) || name[0] == '-' || isReserved(name) {
			t.Fatalf("%q is no safe name", name)
		}
		back, ok, err := unescape(name)
		if err != nil || ok && back != s || !ok && len(s) <= maxComponent/3 {
			t.Fatalf("%q came back as %q, %v, %v", s, back, ok, err)
		}
		if s != other && name == escape(other) {
			t.Fatalf("%q and %q have one name", s, other)
		}
	})
}
