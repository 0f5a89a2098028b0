package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	for _, c := range []struct {
		name, text string
		kind       error
		pointer    string
	}{
		{"empty", "", ErrSyntax, ""},
		{"trailing", "{} {}", ErrSyntax, ""},
		{"duplicate", `{"a":{"b":1,"b":2}}`, ErrDuplicate, "/a/b"},
		{"duplicate by escape", `{"a":1,"\u0061":2}`, ErrDuplicate, "/a"},
		{"pointer escapes", `{"a/b~":[1,{"x":tru}]}`, ErrSyntax, "/a~1b~0/1/x"},
		{"deep", deep, ErrTooDeep, strings.Repeat("/0", 64)},
		{"long names on the way", `{"` + strings.Repeat("a", 1100) + `":{"` + strings.Repeat("b", 1100) + `":1}}`, ErrTooLarge, "/" + strings.Repeat("a", 1100)},
		{"invalid utf-8", "\"\xff\"", ErrSyntax, ""},
		{"lone surrogate", `"\ud800"`, ErrSyntax, ""},
		{"control", "\"\x01\"", ErrSyntax, ""},
		{"leading zero", "01", ErrSyntax, ""},
		{"bare point", "1.", ErrSyntax, ""},
		{"large", strings.Repeat(" ", 101), ErrTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text), Limits{MaxBytes: 5000})
			if c.name == "large" {
				_, err = Parse([]byte(c.text), Limits{MaxBytes: 100})
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, c.kind) || e.Pointer != c.pointer {
				t.Fatalf("Parse(%q) = %v, want %v at %q", c.text, err, c.kind, c.pointer)
			}
		})
	}
}

// FuzzParse holds Parse to encoding/json, but for what encoding/json lets
// pass: duplicate keys, invalid UTF-8 and lone surrogates.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+3,"x\n\u00e9\ud83d\ude00",true,false,null]}`, `"\u0000"`, `{"a":1,"a":2}`, "[[[", "-", "1e", "tru", "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(text, Limits{MaxDepth: 1000})
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var want any
		if err != nil {
			if errors.Is(err, ErrSyntax) && json.Valid(text) && bytes.IndexByte(text, '\\') < 0 && bytes.Equal(text, bytes.ToValidUTF8(text, nil)) {
				t.Fatalf("Parse(%q) = %v, encoding/json accepts it", text, err)
			}
			return
		}
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("Parse(%q) = %#v, encoding/json says %#v, %v", text, got, want, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"type":"RECORD","stream":"contacts","key":"a1","data":{"id":"a1","name":"Ada Lovelace","emails":["ada@example.org"]},"emitted_at":"2026-01-01T00:00:00Z"}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCut(t *testing.T) {
	var names Names
	for text, want := range map[string]string{
		`{"data": {"a": 1} ,"b":2}`:         `{"a": 1}`,
		`{"b":{"data":7},"data":"x\u0041"}`: `"x\u0041"`,
		`{"b":{"data":7}}`:                  "",
		`{"d\u0061ta":[ ]}`:                 `[ ]`,
		`[{"data":1}]`:                      "",
		`{"data":null}`:                     "null",
	} {
		_, cut, err := names.Cut([]byte(text), Limits{}, "data")
		if err != nil || string(cut) != want || (want == "") != (cut == nil) {
			t.Errorf("%s: %q, %v; want %q", text, cut, err, want)
		}
	}
	if _, cut, err := names.Cut([]byte(`{"data":1,"data":2}`), Limits{}, "data"); err == nil || cut != nil {
		t.Errorf("a duplicate: %q, %v", cut, err)
	}
}

// Names that were kept make no difference to what is read.
func TestNamesChangeNothing(t *testing.T) {
	var names Names
	long := strings.Repeat("n", maxNameBytes+1)
	texts := []string{
		`{"a":1,"b":{"a":2}}`, `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"\"":1}`, `{"a\"":1}`, `{"a\\":1}`, `{"":{"":1}}`, `{"a`, `{"`, `{"a":1,"a":2}`, "{\"\xff\":1}", "{\"a\n\":1}",
		`{"` + long + `":{"` + long + `":1}}`, `{"` + long[1:] + `":1}`, `{"größe":1,"größ":2}`,
	}
	for range 2 * maxNames {
		texts = append(texts, fmt.Sprintf(`{"name%d":%[1]d}`, len(texts)))
	}
	for range 2 {
		for _, text := range texts {
			want, wantErr := Parse([]byte(text), Limits{})
			got, _, err := names.Cut([]byte(text), Limits{}, "a")
			if !reflect.DeepEqual(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s: %v, %v; want %v, %v", text, got, err, want, wantErr)
			}
		}
	}
	if n := len(names.known); n != maxNames {
		t.Errorf("%d names are kept", n)
	}
}
