package guard

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sallyport-host/sallyport/host/internal/guard/slow"
)

// codec writes a text in one way, and reads it.
type codec struct {
	name  string
	write func(string) string
	read  func(string) (string, error)
}

func unspread(unit int, big bool) func(string) (string, error) {
	return func(s string) (string, error) {
		if len(s)%unit != 0 {
			return "", fmt.Errorf("%d bytes", len(s))
		}
		var runes []rune
		var units []uint16
		for i := 0; i < len(s); i += unit {
			v := rune(0)
			for j := range unit {
				at := unit - 1 - j
				if big {
					at = j
				}
				v = v<<8 | rune(s[i+at])
			}
			runes, units = append(runes, v), append(units, uint16(v))
		}
		if unit == 2 {
			runes = utf16.Decode(units)
		}
		return string(runes), nil
	}
}

func unbase64(enc *base64.Encoding) func(string) (string, error) {
	return func(s string) (string, error) {
		b, err := enc.DecodeString(strings.NewReplacer("\r", "", "\n", "", " ", "").Replace(s))
		return string(b), err
	}
}

func unhexed(s string) (string, error) {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "", "-", "", ",", "", "0x", "", "\n", "").Replace(s))
	return string(b), err
}

func same(undo func(string) string) func(string) (string, error) {
	return func(s string) (string, error) { return undo(s), nil }
}

var codecs = []codec{
	{"raw", plain, same(plain)},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, unbase64(base64.StdEncoding)},
	{"base64url", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }, unbase64(base64.RawURLEncoding)},
	{"base64 in lines", wrap(19, "\r\n", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }), unbase64(base64.StdEncoding)},
	{"base64 in folded lines", wrap(5, "\r\n ", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }), unbase64(base64.StdEncoding)},
	{"hex", each("%02X"), unhexed},
	{"hex with colons", between(":"), unhexed},
	{"hex with spaces", between(" "), unhexed},
	{"hex with commas", between(", 0x"), unhexed},
	{"percent", each("%%%02X"), same(slow.Percent)},
	{"quoted-printable", wrap(75, "=\r\n", each("=%02X")), same(slow.Quoted)},
	{"soft breaks", wrap(7, "=\r\n", plain), same(slow.Quoted)},
	{"json", jsonU, same(slow.Backslash)},
	{"html", eachRune("&#x%X;"), same(slow.HTML)},
	{"utf-16le", func(s string) string { return wide(s, 2, false) }, unspread(2, false)},
	{"utf-16be", func(s string) string { return wide(s, 2, true) }, unspread(2, true)},
	{"utf-32le", func(s string) string { return wide(s, 4, false) }, unspread(4, false)},
	{"utf-32be", func(s string) string { return wide(s, 4, true) }, unspread(4, true)},
}

// layered are codecs of codecs that are searched for.
func layered() []codec {
	all := codecs
	by := map[string]codec{}
	for _, c := range codecs {
		by[c.name] = c
	}
	for _, pair := range [][2]string{
		{"base64", "utf-16le"}, {"base64", "percent"}, {"base64", "quoted-printable"}, {"base64 in lines", "utf-16be"}, {"hex", "utf-32le"},
		{"base64", "base64"}, {"base64url", "base64url"}, {"base64url", "base64"}, {"hex", "base64"}, {"base64", "hex"},
		{"utf-16le", "base64"}, {"utf-16be", "base64"}, {"utf-16le", "hex"}, {"utf-16be", "hex"}, {"json", "html"},
	} {
		in, out := by[pair[0]], by[pair[1]]
		all = append(all[:len(all):len(all)], codec{
			in.name + " in " + out.name,
			func(s string) string { return out.write(in.write(s)) },
			func(s string) (string, error) {
				s, err := out.read(s)
				if err != nil {
					return "", err
				}
				return in.read(s)
			},
		})
	}
	return all
}

// What takes a value's place is written as the value was: the text around it
// decodes to what it was, whichever the form and wherever it began.
func TestWhatIsAroundStays(t *testing.T) {
	const token = "sp1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789ab"
	put := func(Hit) []byte { return []byte(token) }
	for i, v := range values {
		v = strings.TrimSpace(v)
		set := New(secret(v))
		for _, c := range layered() {
			if i > 7 && i < 14 && (strings.Contains(c.name, "utf") || c.name == "json" || strings.Contains(c.name, "html")) && i == 12 {
				continue // is no text
			}
			for before := range 7 {
				after := (before*3 + i) % 5
				lead, trail := "Kept, h?>~"[:3+before], "& n>?where~"[:6+after]
				name := fmt.Sprintf("value %d as %s behind %d, before %d", i, c.name, len(lead), len(trail))
				text := c.write(lead + v + trail)
				out, hits, stop := set.Scrub(nil, []byte(text), put)
				around(t, name, c, string(out), hits, stop, lead, token, trail)
				got := exactly(set, text, put)
				if len(got) != len(text) {
					t.Errorf("%s: of equal length: %d bytes for %d", name, len(got), len(text))
				}
				around(t, name+", of equal length", c, got, 1, nil, lead, "*", trail)
				if _, again := set.Find([]byte(got)); again {
					t.Errorf("%s, of equal length: it is still there", name)
				}
			}
		}
	}
}

func exactly(set *Set, text string, put func(Hit) []byte) string {
	st := set.Stream(put)
	st.KeepLength()
	out, _ := st.Next(nil, []byte(text[:len(text)/2]))
	out, _ = st.Next(out, []byte(text[len(text)/2:]))
	out, _ = st.Rest(out)
	return string(out)
}

func around(t *testing.T, name string, c codec, out string, hits int, stop *Hit, lead, token, trail string) {
	t.Helper()
	read, err := c.read(out)
	switch rest, ok := strings.CutPrefix(read, lead); {
	case hits != 1 || stop != nil:
		t.Errorf("%s: %d hits, stop %v", name, hits, stop != nil)
	case err != nil:
		t.Errorf("%s: what is left cannot be read: %v", name, err)
	case !ok || !strings.HasSuffix(rest, trail):
		t.Errorf("%s: what is around it was changed: %q", name, read)
	case !strings.Contains(rest, token):
		t.Errorf("%s: what was put there cannot be read: %q", name, read)
	}
}

// A text that is not the value's own is not taken for its layer.
func TestReplacedPlainly(t *testing.T) {
	v := values[0]
	for _, test := range []struct{ text, want string }{
		{v, "<X>"},
		{url.QueryEscape(v), "<X>"},
		{"a" + hex.EncodeToString([]byte(v)) + "z", "a" + hex.EncodeToString([]byte("<X>")) + "z"},
		{base64.StdEncoding.EncodeToString([]byte("u:" + v + ".")), base64.StdEncoding.EncodeToString([]byte("u:_<X>."))},
	} {
		out, _, _ := New(secret(v)).Scrub(nil, []byte(test.text), func(Hit) []byte { return []byte("<X>") })
		if string(out) != test.want {
			t.Errorf("%q became %q, not %q", test.text, out, test.want)
		}
	}
}
