package pathname

import (
	"errors"
	"strings"
	"testing"
)

func TestEscape(t *testing.T) {
	for s, want := range map[string]string{
		"":                 "%",
		"default":          "default",
		"a-b_c9":           "a-b_c9",
		"-x":               "%2dx",
		"Ann":              "%41nn",
		"ann@example.com":  "ann%40example%2ecom",
		"..":               "%2e%2e",
		"a/b\\c":           "a%2fb%5cc",
		"%":                "%25",
		"con":              "%63on",
		"con1":             "con1",
		"com1":             "%63om1",
		"lpt0":             "%6cpt0",
		"com10":            "com10",
		"é":                "%c3%a9",
		"\x00":             "%00",
		"https://as/g?x=1": "https%3a%2f%2fas%2fg%3fx%3d1",
	} {
		if got := Escape(s); got != want {
			t.Errorf("Escape(%q) is %q, want %q", s, got, want)
		}
	}
}

func TestEscapeLong(t *testing.T) {
	fits, long := strings.Repeat("a", MaxBytes), strings.Repeat("a", MaxBytes+1)
	if got := Escape(fits); got != fits {
		t.Errorf("%d bytes became %q", len(fits), got)
	}
	name := Escape(long)
	if len(name) != 66 || Escape(long+"a") == name || Escape(name) == name {
		t.Errorf("%d bytes became %q", len(long), name)
	}
	if s, known, err := Unescape(name); s != "" || known || err != nil {
		t.Errorf("a digest reads as %q, %v, %v", s, known, err)
	}
}

func TestUnescapeRefuses(t *testing.T) {
	for _, name := range []string{"", "A", "a.b", "%2", "%2E", "%zz", "%61", "-", "con", "a/b", "é", "%hzz",
		"%h" + strings.Repeat("A", 64), "%h" + strings.Repeat("a", 63), "%63", strings.Repeat("a", MaxBytes+1), "%%"} {
		if s, _, err := Unescape(name); !errors.Is(err, ErrNotEscaped) {
			t.Errorf("Unescape(%q) is %q, %v", name, s, err)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "default", "Ann", "../x", "con", "COM1", "%2e", "\xff", strings.Repeat("é", 90)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := Escape(s)
		if len(name) > MaxBytes || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-%") != "" || name[0] == '-' {
			t.Fatalf("Escape(%q) is %q", s, name)
		}
		back, known, err := Unescape(name)
		if err != nil || known && back != s || !known && len(s) <= MaxBytes/3 {
			t.Fatalf("Unescape(%q) is %q, %v, %v; want %q", name, back, known, err, s)
		}
		if direct, known, err := Unescape(s); err == nil && known && Escape(direct) != s {
			t.Fatalf("Unescape(%q) is %q, which escapes to %q", s, direct, Escape(direct))
		}
	})
}
