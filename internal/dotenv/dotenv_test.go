package dotenv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ name, text, want, note string }{
		{"plain", "A=b", "A=b", ""},
		{"nothing", "", "", ""},
		{"no value", "A=\nB= \n", "A=|B=", ""},
		{"spaces", "  A = b c \t\n", "A=b c", ""},
		{"colon", "A: b\n", "A=b", ""},
		{"export", "export A=b\nexport\tB=c\nexport C\nexport=d", "A=b|B=c|export=d", ""},
		{"comments", "# x\n\n  # y\nA=b # z\nC=#d\n", "A=b|C=", ""},
		{"hash inside", "A=b#c", "A=b#c", NoteHash},
		{"hash in quotes", `A="b # c" # d`, "A=b # c", ""},
		{"single", `A='b \n $C "x"'`, `A=b \n $C "x"`, ""},
		{"double", `A="b\n\r\t\"\\\$c"`, "A=b\n\r\t\"\\$c", ""},
		{"backtick", "A=`it's \"b\"`", `A=it's "b"`, ""},
		{"unknown escape", `A="b\qc"`, `A=b\qc`, NoteEscape},
		{"plain backslash", `A=b\nc`, `A=b\nc`, NoteEscape},
		{"expansion", `A="b${C}"`, `A=b${C}`, NoteExpand},
		{"plain expansion", `A=b$C`, `A=b$C`, NoteExpand},
		{"a lone dollar", `A=b$`, `A=b$`, ""},
		{"lines", "A=\"b\nc\"\nD=e", "A=b\nc|D=e", ""},
		{"lines in single", "A='-----BEGIN\nc\n-----END'\n", "A=-----BEGIN\nc\n-----END", ""},
		{"crlf", "A=b\r\nC=\"d\r\ne\"\r\nF='g'\r\n", "A=b|C=d\ne|F=g", ""},
		{"mark", "\ufeffA=b", "A=b", ""},
		{"twice", "A=b\nA=c", "A=b|A=c", ""},
		{"equals in the value", "A=b=c==", "A=b=c==", ""},
		{"quote inside", `A=b"c'd`, `A=b"c'd`, ""},
		{"key", "a.b-c_1=d", "a.b-c_1=d", ""},
		{"quoted nothing", `A=""`, "A=", ""},
		{"json", `A={"b": "c"}`, `A={"b": "c"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			note := ""
			for _, e := range entries {
				got = append(got, e.Key+"="+string(e.Value.Reveal()))
				note += e.Note
			}
			if s := strings.Join(got, "|"); s != test.want || note != test.note {
				t.Errorf("%q, note %q; want %q, note %q", s, note, test.want, test.note)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	const canary = "canary-5b"
	for text, line := range map[string]int{
		"A=b\n" + canary:                  2,
		"A=\"" + canary + "\nb":           1,
		"A='" + canary + "' x":            1,
		"A=\"b\n" + canary + "\" x\n":     2,
		canary + " = b\n":                 0,
		"=" + canary:                      1,
		"9A=" + canary:                    1,
		"\n\nA b=" + canary:               3,
		"A:" + canary:                     1,
		"export " + canary + " b":         1,
		"A='" + canary + "'\nB=`c\n\n\nd": 2,
	} {
		_, err := Parse([]byte(text))
		var at *LineError
		if line == 0 {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if !errors.As(err, &at) || at.Line != line || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v, want an error of line %d that does not hold the value", text, err, line)
		}
	}
	for _, text := range []string{"A=\x00", "A=\xff"} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrNotText) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWithout(t *testing.T) {
	text := "# kept\nA=\"b\nc\"\nB=kept\nC=d"
	entries, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Without([]byte(text), []Entry{entries[0], entries[2]})); got != "# kept\nB=kept\n" {
		t.Errorf("%q", got)
	}
}

func FuzzQuote(f *testing.F) {
	for _, v := range []string{"", "a", "it's", `a"b`, "a\\n", "a\nb\r\nc", "$A", "`", "# x", " a ", "\ufeff", "a'b\\"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		entries, err := Parse([]byte("A=" + Quote(value) + "\nB=c\n"))
		if errors.Is(err, ErrNotText) {
			return
		}
		if err != nil || len(entries) != 2 {
			t.Fatalf("%d entries: %v", len(entries), err)
		}
		if got := string(entries[0].Value.Reveal()); got != value {
			t.Errorf("%q was read back as %q", value, got)
		}
	})
}

func TestPrintsNothing(t *testing.T) {
	entries, err := Parse([]byte("A=canary-5b"))
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v", entries, entries, entries); strings.Contains(s, "canary") {
		t.Error("an entry prints its value")
	}
}
