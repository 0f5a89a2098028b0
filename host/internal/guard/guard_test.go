package guard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// values are canaries of many shapes, all Strong.
var values = []string{
	"canary-Tok3n.9fQ2xZ",
	"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
	"abcd-efgh-ijkl-mnop",
	"correct horse battery staple",
	`q"uo\te%41=41&amp;+/x7`,
	"41abCD%2F9z!Q7pq",
	"=41=42=43zyXW99ab",
	`\u0041\x42&#67;Q9z7`,
	"pässwörd-Ünd-9Kß",
	"пароль-Тайна-77",
	"鍵は秘密です九八七六五",
	"🔑key🔑Zq9!x",
	"\xff\xfe\x80raw\x01bytes\x90Q7zz",
	"-----BEGIN KEY-----\nMIIabc/+9\r\nQQ==\n-----END KEY-----\n",
	"a7B+c9/D=e1F-g3_H==",
	"(a.*b)[c-d]+$9^Q{2}|",
	"aB3xY9kQ",
}

func secret(value string) []Secret { return []Secret{{Name: "CANARY", Value: []byte(value)}} }

func redact(h Hit) []byte { return []byte("[redacted:" + h.Name + "]") }

// streamed scrubs a text in chunks: cut says how long the next one is.
func streamed(s *Set, text string, put func(Hit) []byte, cut func(left int) int) (string, *Hit) {
	t := s.Stream(put)
	var out []byte
	for len(text) > 0 {
		n := min(len(text), max(1, cut(len(text))))
		var stop *Hit
		if out, stop = t.Next(out, []byte(text[:n])); stop != nil {
			return string(out), stop
		}
		text = text[n:]
	}
	out, stop := t.Rest(out)
	return string(out), stop
}

// scrubs checks that a value in text is found whole, and nothing else with it.
func scrubs(t *testing.T, set *Set, name, value, text string) {
	t.Helper()
	const before, after = "before {", "} after"
	out, hits, stop := set.Scrub(nil, []byte(before+text+after), func(Hit) []byte { return nil })
	switch got := strings.ReplaceAll(string(out), "\x00", ""); {
	case stop != nil && stop.Form == FormExcess && strings.Count(name, ";") > 3:
		// Lost in UTF-32, its NULs escaped, three deep and indented: but stopped.
	case hits == 0 || stop != nil:
		t.Errorf("%s: %d hits, stop %v", name, hits, stop != nil)
	case !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after):
		t.Errorf("%s: what is around it was taken too: %s", name, got)
	case !framed(name) && got != before+after:
		t.Errorf("%s: it was not taken whole", name)
	default:
		if _, again := set.Find(out); again {
			t.Errorf("%s: it is still there", name)
		}
	}
}

// framed tells of forms that begin and end with what is not the value's.
func framed(name string) bool { return strings.Contains(name, "64") || strings.Contains(name, "utf-") }

func TestEveryForm(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for i, v := range values {
		v = strings.TrimSpace(v)
		if Rate([]byte(v)) != Strong {
			t.Fatalf("value %d is not strong", i)
		}
		set := New(secret(v))
		all := written(v, 1)
		for _, w := range all {
			scrubs(t, set, fmt.Sprintf("value %d as %s", i, w.name), v, w.text)
		}
		for range 60 { // escapes of escapes, and again
			one := all[rnd.IntN(len(all)-len(formWriters))+len(formWriters)]
			for depth := 2; depth <= MaxDepth; depth++ {
				if more := spell([]spelling{one}, escapeWriters); len(more) > 0 {
					one = more[rnd.IntN(len(more))]
				}
				scrubs(t, set, fmt.Sprintf("value %d as %s", i, one.name), v, one.text)
			}
		}
	}
}

func TestChunks(t *testing.T) {
	for i, v := range values {
		v = strings.TrimSpace(v)
		set := New(secret(v))
		for j, w := range written(v, 1) {
			if len(w.text) > 400 || j >= len(formWriters) && j%5 != i%5 {
				continue
			}
			name := fmt.Sprintf("value %d as %s", i, w.name)
			text := "=a&" + w.text + "%4"
			want, _, _ := set.Scrub(nil, []byte(text), redact)
			got, _ := streamed(set, text, redact, func(int) int { return 1 })
			if got != string(want) {
				t.Errorf("%s: byte by byte it differs from the whole", name)
			}
			if len(w.text) > 120 || strings.Count(w.name, ";") > 1 && i > 4 {
				continue
			}
			for at := 1; at < len(text); at++ {
				got, _ := streamed(set, text, redact, func(left int) int {
					if left == len(text) {
						return at
					}
					return left
				})
				if got != string(want) {
					t.Errorf("%s: cut at %d it differs from the whole", name, at)
				}
			}
		}
	}
}

// What cannot begin a value is given out at once: whoever waits for it may be
// whom the rest is waiting for.
func TestHoldsNothingElse(t *testing.T) {
	set := New(append(tenSecrets(), Secret{Name: "KEY", Value: []byte(values[13])}, Secret{Name: "PIN", Value: []byte("sunshine")}))
	st := set.Stream(redact)
	for _, text := range []string{"* OK ready.\r\n", "{\"a\":1}\n", "<p>x</p>", "A1 OK [x] done (\"\")\r\n", "\r\n", "\x00\x00\x00"} {
		out, stop := st.Next(nil, []byte(text))
		if string(out) != text || stop != nil {
			t.Errorf("%q came out as %q", text, out)
		}
	}
}

func TestNothingOfAStopPasses(t *testing.T) {
	for i, v := range values {
		v = strings.TrimSpace(v)
		set := New([]Secret{{Name: "CANARY", Value: []byte(v), Stop: true}})
		for j, w := range written(v, 1) {
			if j%7 != i%7 {
				continue
			}
			text := "<" + w.text + ">"
			for _, n := range []int{1, 7, len(text)} {
				out, stop := streamed(set, text, redact, func(int) int { return n })
				if stop == nil || !stop.Stop || stop.Name != "CANARY" {
					t.Fatalf("value %d as %s: no stop", i, w.name)
				}
				if !strings.HasPrefix(text, out) || len(out) > 1 && !framed(w.name) {
					t.Errorf("value %d as %s: %d bytes passed", i, w.name, len(out)-1)
				}
			}
		}
	}
}

func TestStreamIsOverAfterAStop(t *testing.T) {
	st := New(secret(values[0])).Stream(nil)
	out, first := st.Next(nil, []byte("ab: "+values[0]+" and more"))
	if string(out) != "ab: " || first == nil || first.Start != 4 || first.End != 4+len(values[0]) {
		t.Fatalf("got %d bytes, stop %+v", len(out), first)
	}
	if out, again := st.Next(nil, []byte("more")); len(out) != 0 || again != first {
		t.Error("it went on")
	}
	if out, again := st.Rest(nil); len(out) != 0 || again != first {
		t.Error("it went on at the end")
	}
}

func TestPositions(t *testing.T) {
	v := values[0]
	set := New(secret(v))
	for _, test := range []struct {
		text       string
		start, end int
		form       string
	}{
		{v, 0, 19, "raw"},
		{v + "z", 0, 19, "raw"},
		{"z" + strings.ToUpper(v), 1, 20, "raw"},
		{"=" + each("%%%02x")(v), 1, 58, "raw, escaped"},
		{"...." + each("%02X")(v), 4, 42, "hex"},
		{"=\n" + wide(v, 2, false), 2, 39, "raw, escaped"},
		{"Basic dTpjYW5hcnktVG9rM24uOWZRMnhafg==", 9, 34, "base64"},
	} {
		h, ok := set.Find([]byte(test.text))
		if !ok || h.Start != test.start || h.End != test.end || h.Form != test.form || h.Name != "CANARY" || h.Secret != 0 {
			t.Errorf("want %d to %d as %s, got %v %+v", test.start, test.end, test.form, ok, h)
		}
	}
	var at []int
	note := func(h Hit) []byte { at = append(at, h.Start, h.End); return nil }
	_, _ = streamed(set, v+"..."+v+v, note, func(int) int { return 3 })
	if fmt.Sprint(at) != "[0 19 22 41 41 60]" {
		t.Error("in a stream:", at)
	}
}

func TestSeveralValues(t *testing.T) {
	const long, short, tail = "canary-Tok3n.9fQ2xZ", "Tok3n.9fQ2x", "9fQ2xZ-and-M0re"
	secrets := []Secret{
		{Name: "SHORT", Value: []byte(short)}, {Name: "LONG", Value: []byte(long)}, {Name: "TWIN", Value: []byte(long)},
		{Name: "TAIL", Value: []byte(tail)}, {Name: "NONE", Value: []byte("12")}, {Name: "EMPTY"},
	}
	for _, test := range []struct{ name, text, want string }{
		{"one within another", "x " + long + " y", "x [redacted:LONG] y"},
		{"the inner one alone", "x " + short + " y", "x [redacted:SHORT] y"},
		{"overlapping", "x canary-Tok3n.9fQ2xZ-and-M0re y", "x [redacted:LONG] y"},
		{"side by side", long + short, "[redacted:LONG][redacted:SHORT]"},
		{"too short", "12 12", "12 12"},
	} {
		set := New(secrets)
		for n := 1; n < len(test.text); n++ {
			if got, _ := streamed(set, test.text, redact, func(int) int { return n }); got != test.want {
				t.Errorf("%s, by %d: %s", test.name, n, got)
			}
		}
	}
	secrets[2].Stop = true
	if _, _, stop := New(secrets).Scrub(nil, []byte(long), redact); stop == nil {
		t.Error("a value that stops in one of two credentials did not stop")
	}
	secrets[2].Stop, secrets[3].Stop = false, true
	if out, _, stop := New(secrets).Scrub(nil, []byte("x canary-Tok3n.9fQ2xZ-and-M0re y"), redact); stop == nil || string(out) != "x " {
		t.Error("an overlapping value that stops did not stop")
	}
}

func TestWeak(t *testing.T) {
	set := New([]Secret{{Name: "WORD", Value: []byte("sunshine")}, {Name: "SIGNS", Value: []byte("!a1?")}})
	for _, test := range []struct {
		text string
		hit  bool
	}{
		{"sunshine", true}, {"a sunshine day", true}, {"/sunshine/", true}, {"\"sunshine\"", true},
		{"sunshines", false}, {"asunshine", false}, {"sunshine9", false}, {"ésunshine", false}, {"Sunshine", false},
		{"sunshin", false}, {"%73unshine", false}, {"sunshinesunshine sunshine", true}, {"x!a1?x", true}, {"a sunshin e", false},
	} {
		if _, ok := set.Find([]byte(test.text)); ok != test.hit {
			t.Errorf("%q: %v", test.text, ok)
		}
		for n := 1; n <= len(test.text); n++ {
			out, stop := streamed(set, test.text, redact, func(int) int { return n })
			if (stop != nil) != test.hit || stop != nil && !stop.Stop {
				t.Errorf("%q by %d: stop %v", test.text, n, stop)
			}
			if stop == nil && out != test.text || stop != nil && out != test.text[:stop.Start] {
				t.Errorf("%q by %d: came out as %q", test.text, n, out)
			}
		}
	}
}

func TestRate(t *testing.T) {
	for _, test := range []struct {
		value string
		want  Strength
	}{
		{"", None}, {"abc", None}, {"\r\n\x00 ab \n", None}, {"1234", None}, {"12345", None}, {"aaaaaaaaaaaaaaaa", None}, {"=%\\&=%\\", None},
		{strings.Repeat("ab", 100), None}, {strings.Repeat("=", 1<<20), None},
		{"a1b2", Weak}, {"123456", Weak}, {"20240131", Weak}, {"sunshine", Weak}, {"Sunshine1!", Weak}, {"password123", Weak},
		{"abababababababababab", Weak}, {"abcabcabcabcabcabcabc", Weak}, {"geheimniskram", Weak},
		{"aB3xY9kQ", Strong}, {"abcdefghijklmnop", Strong}, {"abcd-efgh-ijkl-mnop", Strong}, {"correct horse battery staple", Strong},
		{"d41d8cd98f00b204e9800998ecf8427e", Strong}, {"4539578763621486", Strong}, {"%41%42%43%5a%7a", Strong},
	} {
		if got := Rate([]byte(test.value)); got != test.want {
			t.Errorf("%.20q: %v, not %v", test.value, got, test.want)
		}
	}
}

func TestRenew(t *testing.T) {
	one, both := New(secret(values[0])), New([]Secret{{Name: "OTHER", Value: []byte(values[1])}, {Name: "CANARY", Value: []byte(values[0])}})
	st := one.Stream(redact)
	out, _ := st.Next(nil, []byte(values[1]+" "+values[0][:9]))
	st.Renew(both)
	out, _ = st.Next(out, []byte(values[0][9:]+" "+values[1]+" "+values[0][:4]))
	st.Renew(nil)
	out, stop := st.Next(out, []byte("..."))
	out, _ = st.Rest(out)
	if want := values[1] + " [redacted:CANARY] [redacted:OTHER] " + values[0][:4] + "..."; string(out) != want || stop != nil {
		t.Errorf("got %q", out)
	}
}

func TestEmpty(t *testing.T) {
	for _, set := range []*Set{nil, {}, New(nil), New(secret("")), New(secret("abc"))} {
		if !set.Empty() {
			t.Error("not empty")
		}
		if _, ok := set.Find([]byte("abc")); ok {
			t.Error("found something")
		}
		if out, hits, stop := set.Scrub([]byte("x"), []byte("abc"), nil); string(out) != "xabc" || hits != 0 || stop != nil {
			t.Error("took something out")
		}
		if out, stop := streamed(set, "abc", nil, func(int) int { return 2 }); out != "abc" || stop != nil {
			t.Error("streamed something else")
		}
	}
	if New(secret("sunshine")).Empty() || New(secret(values[0])).Empty() {
		t.Error("empty")
	}
}

// Values and texts that are awkward, small and large.
func TestAwkward(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte(rnd.Uint32())
	}
	odd := []string{
		"", "=", strings.Repeat("=", 40), strings.Repeat("%", 40), strings.Repeat(`\`, 40), strings.Repeat("%25", 20), strings.Repeat("\x00\r\n", 9) + "x",
		"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7", "%%25%%25=\\\\&&#a", `\\\"\\\'&&&%%%===`, "\ud7ff\U0010ffff\u0080abcdefgh", "[redacted:NAME]", string(large),
	}
	for i, v := range odd {
		set := New(secret(v))
		for j, text := range odd {
			whole, _, stop := set.Scrub(nil, []byte(text+v), redact)
			got, stopped := streamed(set, text+v, redact, func(int) int { return 1 << 12 })
			if got != string(whole) || (stop == nil) != (stopped == nil) {
				t.Errorf("value %d in text %d: the stream differs from the whole", i, j)
			}
			if Rate([]byte(v)) == Strong && (stop != nil || string(whole) == text+v) {
				t.Errorf("value %d in text %d: not replaced", i, j)
			}
		}
	}
}

// A search that was made endless ends, as a hit.
func TestExcess(t *testing.T) {
	block := "aB3xY9kQ"
	long := strings.Repeat(block, 1<<13) + "!"
	set := New(secret(long))
	text := strings.Repeat(long[:len(long)-1]+"?", 4)
	h, ok := set.Find([]byte(text))
	if !ok || h.Form != FormExcess || !h.Stop || h.Start != 0 {
		t.Errorf("found %v: %.20s, stop %v", ok, h.Form, h.Stop)
	}
	out, stop := streamed(set, text, redact, func(int) int { return 1 << 10 })
	if stop == nil || stop.Form != FormExcess || out != "" {
		t.Errorf("streamed: %d bytes, stop %v", len(out), stop != nil)
	}
}

// What is no trap is far from being taken for one.
func TestEffort(t *testing.T) {
	var all []Secret
	for _, v := range values {
		all = append(all, Secret{Name: "CANARY", Value: []byte(v)})
	}
	set := New(all)
	for name, text := range texts() {
		sc := set.borrow(text)
		sc.run()
		if sc.excess || len(sc.found) > 0 || sc.read.steps > effort*len(text)/8 {
			t.Errorf("%s: %d steps for %d bytes, %d hits", name, sc.read.steps, len(text), len(sc.found))
		}
	}
}

// A long value is held in memory once, and not searched again with each byte
// of it.
func TestLongValueInSmallChunks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	long := randomValue(rnd, 200<<10)
	set := New(secret(long))
	got, stop := streamed(set, "<"+long+">"+long[:len(long)-1], redact, func(int) int { return 16 })
	if stop != nil || got != "<[redacted:CANARY]>"+long[:len(long)-1] {
		t.Errorf("%d bytes came out, stop %v", len(got), stop != nil)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	set := New(append(tenSecrets(), Secret{Name: "PIN", Value: []byte("sunshine")}))
	for name, text := range texts() {
		st := set.Stream(nil)
		dst := make([]byte, 0, 64<<10)
		at := 0
		next := func() {
			chunk := text[at : at+16<<10]
			at = (at + 16<<10) % (len(text) - 16<<10)
			out, stop := st.Next(dst[:0], chunk)
			if stop != nil {
				t.Fatalf("%s: a hit as %s", name, stop.Form)
			}
			dst = out
		}
		for range 8 {
			next()
		}
		if n := testing.AllocsPerRun(20, next); n > 0 {
			t.Errorf("%s: %v allocations for a chunk", name, n)
		}
	}
}

func TestSetIsShared(t *testing.T) {
	set := New(secret(values[0]))
	text := bytes.Repeat([]byte("some "+values[0]+"\r\n text "), 50)
	want, _, _ := set.Scrub(nil, text, redact)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if got, _, _ := set.Scrub(nil, text, redact); !bytes.Equal(got, want) {
					t.Error("it differs")
				}
			}
		})
	}
	wg.Wait()
}
