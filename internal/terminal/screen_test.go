package terminal

import (
	"fmt"
	"strings"
	"testing"
)

func newScreen(width int) (*Screen, *buffer) {
	out := &buffer{}
	return &Screen{w: out, width: func() int { return width }}, out
}

func TestStatusLine(t *testing.T) {
	s, out := newScreen(10)
	s.Status("one")
	fmt.Fprintln(s, "log")
	s.Status("a long status")
	s.Status("a long status") // the same again draws nothing
	s.hold()
	s.Status("unseen")
	s.release()
	s.Status("")
	want := "one" + clearLine + "log\none" + clearLine + "a long s…" + clearLine + "unseen" + clearLine
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDumbScreen(t *testing.T) {
	s, out := newScreen(80)
	s.plain = true
	s.Status("one")
	fmt.Fprintln(s, "log")
	if on, off := s.alternate(); on != "" || strings.Contains(off, "\x1b") {
		t.Error("escape sequences on a dumb terminal")
	}
	if got := out.String(); got != "log\n" {
		t.Errorf("got %q", got)
	}
}

func TestClean(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":            {"Ünïted 語", "Ünïted 語"},
		"escape sequences": {"a\x1b[2Jb\x9bc", "a[2Jbc"},
		"ends of line":     {"a\r\nb\n\n c\td", "a b c d"},
		"bidi":             {"a\u202eb\u2066c\u200fd\u061ce", "abcde"},
		"separators":       {"a\u2028b\u2029c", "abc"},
		"invisible":        {"a\u200bb\ufeffc\u00add\u3164e\u2800f", "abcdef"},
		"tag characters":   {"a\U000e0041b", "ab"},
		"private use":      {"a\ue000b", "ab"},
		"bad utf-8":        {"a\xffb", "ab"},
		"marks":            {"e\u0301" + strings.Repeat("\u0301", 50), "e" + strings.Repeat("\u0301", 4)},
		"long":             {strings.Repeat("x", 50), strings.Repeat("x", 19) + "…"},
		"nothing":          {" \n\t ", ""},
	}
	for name, tt := range tests {
		if got := Clean(tt.in, 20); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	if got := CleanLines("a\r\n  b\x1b[m \n\u202ec"); got != "a\n  b[m\nc" {
		t.Errorf("lines: got %q", got)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	err := Table(&b, []string{"NAME", "CLASS"}, [][]string{{"KEY", "long\n\x1b[mtoken"}, {"LONGER", ""}})
	want := "NAME    CLASS\nKEY     long [mtoken\nLONGER  -\n"
	if err != nil || b.String() != want {
		t.Errorf("got %q, %v; want %q", b.String(), err, want)
	}
	b.Reset()
	if err := Table(&b, []string{"NAME"}, nil); err != nil || b.Len() != 0 {
		t.Errorf("an empty table wrote %q", b.String())
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31m\u202eb\n", 8)
	f.Add("e\u0301\u0301\u0301\u0301\u0301\u0301", 3)
	f.Fuzz(func(t *testing.T, s string, max int) {
		got := Clean(s, max)
		if strings.ContainsAny(got, "\x1b\n\r\u202e\u2066") {
			t.Errorf("%q holds a control character", got)
		}
		if n := len([]rune(got)); max > 0 && n > max {
			t.Errorf("%d runes, at most %d were allowed", n, max)
		}
	})
}
