package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

var (
	testKey = []byte("a key of thirty-two bytes, a test's")
	noon    = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
)

func event(i int) host.Event {
	return host.Event{
		Time: noon.Add(time.Duration(i) * time.Minute), Kind: host.EventDecision,
		Scope: capabilities.Scope{Owner: "ann", Connector: "contacts", Instance: "default", Grant: "self"},
		RunID: fmt.Sprintf("run-%d", i%2), Role: abi.RoleCollector, Op: "send", Name: "APP_PASSWORD", Class: abi.ClassToken,
		Access: abi.AccessUse, Allowed: i%3 != 0, Rule: "allow", Version: uint64(i), Origin: "https://dav.example.com", Method: "GET",
	}
}

func open(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(dir, testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (l *Log) mustAppend(t testing.TB, events ...host.Event) {
	t.Helper()
	if err := l.Append(context.Background(), events...); err != nil {
		t.Fatal(err)
	}
}

// filled is a log of n events.
func filled(t testing.TB, n int) *Log {
	t.Helper()
	l := open(t, t.TempDir())
	events := make([]host.Event, n)
	for i := range events {
		events[i] = event(i + 1)
	}
	l.mustAppend(t, events...)
	return l
}

func (l *Log) text(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verify(t testing.TB, text []byte, anchor Anchor) Report {
	t.Helper()
	r, err := VerifyAnchored(bytes.NewReader(text), testKey, anchor)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAppendAndVerify(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if r := verify(t, nil, Anchor{}); !reflect.DeepEqual(r, Report{}) {
		t.Errorf("an empty log: %+v", r)
	}
	l.mustAppend(t, event(1))
	l.mustAppend(t)
	l.mustAppend(t, event(2), event(3))
	again := open(t, dir) // another process, as far as the file is concerned
	again.mustAppend(t, event(4))
	l.mustAppend(t, event(5))
	if r := verify(t, l.text(t), Anchor{}); r.Fault != nil || r.Events != 5 || r.Lines != 5 || r.Last != 5 || r.Tail != 0 || r.Torn != nil {
		t.Errorf("got %+v", r)
	}
	i := 0
	for line, err := range Read(bytes.NewReader(l.text(t)), Filter{}) {
		i++
		if err != nil || line.Number != int64(i) || line.Seq != uint64(i) || line.Event != event(i) {
			t.Errorf("got %+v, %v", line, err)
		}
	}
	if i != 5 {
		t.Errorf("%d lines", i)
	}
	if r, err := Verify(bytes.NewReader(l.text(t)), append([]byte("x"), testKey...)); err != nil || r.Fault == nil || r.Fault.Line != 1 {
		t.Errorf("with another key: %+v, %v", r, err)
	}
}

// TestVerifyNamesTheFirstBadLine does to a log what somebody might.
func TestVerifyNamesTheFirstBadLine(t *testing.T) {
	l := filled(t, 6)
	good := l.text(t)
	last := verify(t, good, Anchor{})
	anchor := anchorAt(last.Last, macOf(t, good, 6))
	other := filled(t, 7) // the same events, and one more
	edit := func(change func(lines []string) []string) []byte {
		return []byte(strings.Join(change(strings.SplitAfter(string(good), "\n")), ""))
	}
	tests := map[string]struct {
		text   []byte
		anchor Anchor
		line   int64 // 0 when nothing is to be found
		reason string
	}{
		"untouched":           {good, Anchor{}, 0, ""},
		"untouched, anchored": {good, anchor, 0, ""},
		"grown since":         {other.text(t), anchor, 0, ""},
		"a word changed":      {bytes.Replace(good, []byte("run-1"), []byte("run-9"), 1), Anchor{}, 1, "changed"},
		"a number changed":    {bytes.Replace(good, []byte(`"seq":3`), []byte(`"seq":4`), 1), Anchor{}, 3, "changed"},
		"a space added":       {bytes.Replace(good, []byte(`"seq":3`), []byte(`"seq": 3`), 1), Anchor{}, 3, "changed"},
		"the seal in capitals": {edit(func(l []string) []string {
			i := strings.LastIndex(l[1], macPrefix)
			l[1] = l[1][:i] + macPrefix + strings.ToUpper(l[1][i+len(macPrefix):])
			return l
		}), Anchor{}, 2, "changed"},
		"a line deleted":        {edit(func(l []string) []string { return append(l[:2:2], l[3:]...) }), Anchor{}, 3, "missing"},
		"the first deleted":     {edit(func(l []string) []string { return l[1:] }), Anchor{}, 1, "missing"},
		"lines swapped":         {edit(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }), Anchor{}, 3, "missing"},
		"a line twice":          {edit(func(l []string) []string { return append(l[:3:3], l[2:]...) }), Anchor{}, 4, "twice"},
		"rubbish added":         {edit(func(l []string) []string { return append([]string{l[0], "rubbish\n"}, l[1:]...) }), Anchor{}, 2, "changed"},
		"rubbish at the end":    {append(bytes.Clone(good), "rubbish\n"...), Anchor{}, 7, "changed"},
		"an empty line":         {edit(func(l []string) []string { return append([]string{l[0], "\n"}, l[1:]...) }), Anchor{}, 2, "changed"},
		"a huge line":           {append(bytes.Clone(good), strings.Repeat("x", 3*MaxLineBytes)+"\n"...), Anchor{}, 7, "changed"},
		"the end cut":           {edit(func(l []string) []string { return l[:4] }), Anchor{}, 0, ""},
		"the end cut, anchored": {edit(func(l []string) []string { return l[:4] }), anchor, 5, "missing"},
		"all deleted, anchored": {nil, anchor, 1, "missing"},
		"another log, anchored": {foreign(t, 6), anchor, 6, "not the one"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := verify(t, test.text, test.anchor)
			switch {
			case test.line == 0 && r.Fault != nil:
				t.Errorf("got %v", r.Fault)
			case test.line == 0:
			case r.Fault == nil || r.Fault.Line != test.line || !strings.Contains(r.Fault.Reason, test.reason):
				t.Errorf("got %+v, want line %d, %s", r.Fault, test.line, test.reason)
			case !errors.Is(r.Fault, ErrTampered):
				t.Errorf("%v is no ErrTampered", r.Fault)
			}
		})
	}
}

func macOf(t testing.TB, text []byte, line int) string {
	t.Helper()
	_, mac, ok := split(bytes.TrimSuffix(bytes.SplitAfter(text, []byte("\n"))[line-1], []byte("\n")))
	if !ok {
		t.Fatal("no line")
	}
	return mac
}

// foreign is another log with the same key and the same length.
func foreign(t testing.TB, n int) []byte {
	l := open(t, t.TempDir())
	for range n {
		l.mustAppend(t, event(99))
	}
	return l.text(t)
}

// TestEveryByteIsSealed flips each bit of a log in turn.
func TestEveryByteIsSealed(t *testing.T) {
	good := filled(t, 2).text(t)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		r := verify(t, bad, Anchor{})
		if r.Fault == nil && !(i == len(good)-1 && r.Tail > 0 || r.Tail > 0) {
			t.Errorf("byte %d of %d: %+v", i, len(good), r)
		}
	}
}

// TestTornLine cuts a log after each of its bytes, as a crash might, and goes
// on: nothing is lost that was whole, and what was not is sealed off.
func TestTornLine(t *testing.T) {
	whole := filled(t, 3).text(t)
	ends := []int{0}
	for i, c := range whole {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	for at := ends[2]; at <= len(whole); at += 7 {
		checkTorn(t, whole[:at], ends)
	}
	checkTorn(t, whole[:len(whole)-1], ends) // only the newline is missing
	checkTorn(t, whole[:1], ends)
	checkTorn(t, append(bytes.Clone(whole), make([]byte, 2*MaxLineBytes)...), ends) // zeros, as file systems leave them
}

func checkTorn(t *testing.T, text []byte, ends []int) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), text, 0o600); err != nil {
		t.Fatal(err)
	}
	kept, torn := 0, true
	for i, end := range ends {
		if len(text) >= end-1 && i > 0 || len(text) >= end && i == 0 {
			kept, torn = i, len(text) > end
		}
	}
	before := verify(t, text, Anchor{})
	if before.Fault != nil || before.Events != int64(kept) || (before.Tail > 0) != torn {
		t.Errorf("%d bytes, before: %+v", len(text), before)
	}
	l := open(t, dir)
	l.mustAppend(t, event(8))
	l.mustAppend(t, event(9))
	after := verify(t, l.text(t), Anchor{})
	if after.Fault != nil || after.Events != int64(kept+2) || (len(after.Torn) == 1) != torn || after.Tail != 0 {
		t.Errorf("%d bytes, after: %+v", len(text), after)
	}
	if torn && (after.Torn[0].Bytes != before.Tail || after.Torn[0].Line != int64(kept+1)) {
		t.Errorf("%d bytes: %+v", len(text), after.Torn)
	}
	if !bytes.HasPrefix(l.text(t), text) {
		t.Errorf("%d bytes: what was there is gone", len(text))
	}
	events, tears := 0, 0
	for line, err := range Read(bytes.NewReader(l.text(t)), Filter{}) {
		switch {
		case err != nil:
			t.Errorf("%d bytes: %v", len(text), err)
		case line.Torn != nil:
			tears++
		default:
			events++
		}
	}
	if events != kept+2 || tears == 1 != torn {
		t.Errorf("%d bytes: read %d events and %d tears", len(text), events, tears)
	}
	// What was sealed off is sealed: it cannot be changed any more.
	if torn {
		bad := bytes.Clone(l.text(t))
		bad[len(text)-1] ^= 1
		if r := verify(t, bad, Anchor{}); r.Fault == nil {
			t.Errorf("%d bytes: a torn line was changed unseen: %+v", len(text), r)
		}
	}
}

// TestAppendRefusesWhatWasTamperedWith: a writer does not go on after a line
// that is not its own.
func TestAppendRefusesWhatWasTamperedWith(t *testing.T) {
	good := filled(t, 3)
	tests := map[string]func(path string) error{
		"the last line changed": func(path string) error {
			return os.WriteFile(path, bytes.Replace(good.text(t), []byte(`"seq":3`), []byte(`"seq":9`), 1), 0o600)
		},
		"rubbish added": func(path string) error {
			return os.WriteFile(path, append(good.text(t), "rubbish\n"...), 0o600)
		},
		"the end cut": func(path string) error {
			return os.Truncate(path, int64(bytes.IndexByte(good.text(t), '\n')+1))
		},
		"all cut":  func(path string) error { return os.Truncate(path, 0) },
		"deleted":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			l := filled(t, 3)
			if err := spoil(l.Path()); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(l.Path())
			if err := l.Append(t.Context(), event(4)); !errors.Is(err, ErrTampered) {
				t.Errorf("got %v", err)
			}
			if after, _ := os.ReadFile(l.Path()); !bytes.Equal(before, after) {
				t.Error("something was written")
			}
		})
	}
}

func TestAnchor(t *testing.T) {
	marks := memory.New()
	l := open(t, t.TempDir())
	if err := l.Anchor(t.Context(), marks, "ann"); err != nil {
		t.Fatal(err)
	}
	for want := uint64(1); want < 4; want++ {
		l.mustAppend(t, event(int(want)))
		if err := l.Anchor(t.Context(), marks, "ann"); err != nil {
			t.Fatal(err)
		}
		mark, err := marks.Mark(t.Context(), "ann", MarkName)
		anchor := AnchorOf(mark)
		if err != nil || anchor.Seq != want || anchor.Mark() != mark {
			t.Errorf("got %+v, %v", anchor, err)
		}
		if r := verify(t, l.text(t), anchor); r.Fault != nil {
			t.Errorf("got %+v", r)
		}
	}
	if a := (Anchor{Seq: 1 << 40, MAC: 0xffff}); AnchorOf(a.Mark()) != a {
		t.Errorf("got %+v", AnchorOf(a.Mark()))
	}
}

// TestClean: an event tells no more than it should, whoever worded it.
func TestClean(t *testing.T) {
	const canary = "canary-52aa"
	e := event(1)
	e.Origin = "https://ann:" + canary + "@dav.example.com:8443/" + canary + "?k=" + canary + "#" + canary
	e.Reason = "line\none\r\x1b[31m\u202e" + strings.Repeat("é", maxText)
	e.Name = "\xff\x00"
	e.Time = e.Time.In(time.FixedZone("x", 3600))
	l := open(t, t.TempDir())
	l.mustAppend(t, e)
	text := string(l.text(t))
	if strings.Contains(text, canary) || strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\x1b\r\u202e") {
		t.Errorf("got %q", text)
	}
	for line := range Read(strings.NewReader(text), Filter{}) {
		got := line.Event
		if got.Origin != "https://dav.example.com:8443" || got.Name != "\ufffd\ufffd" || len(got.Reason) > maxText ||
			!strings.HasPrefix(got.Reason, "line\ufffdone\ufffd\ufffd[31m\ufffdé") || !strings.HasSuffix(got.Reason, cut) || got.Time.Location() != time.UTC {
			t.Errorf("got %+v", got)
		}
	}
	for in, want := range map[string]string{
		"https://a.example": "https://a.example", "imaps://m.example:993": "imaps://m.example:993", "": "",
		"a.example/x": "a.example", "https://[::1]:8/p": "https://[::1]:8", "https://u@v@h/": "https://h", `https://h\x`: "https://h",
	} {
		if got := origin(in); got != want {
			t.Errorf("origin(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestLargestEventFits(t *testing.T) {
	huge := strings.Repeat(`"\<`, MaxLineBytes)
	e := host.Event{
		Kind: host.EventKind(huge), Scope: capabilities.Scope{Owner: huge, Connector: huge, Instance: huge, Grant: huge}, RunID: huge,
		Role: abi.Role(huge), Op: huge, Name: huge, Class: abi.Class(huge), Access: abi.Access(huge), Rule: huge, Reason: huge, Remedy: huge,
		Origin: huge, Method: huge, Version: 1<<64 - 1, Serial: 1<<64 - 1, Count: -1 << 63,
	}
	l := open(t, t.TempDir())
	l.mustAppend(t, e, e)
	if n := len(l.text(t)); n > MaxLineBytes {
		t.Errorf("two lines have %d bytes", n)
	}
	if r := verify(t, l.text(t), Anchor{}); r.Events != 2 {
		t.Errorf("got %+v", r)
	}
}

func TestReadFilters(t *testing.T) {
	l := filled(t, 9)
	text := l.text(t)
	tests := map[string]struct {
		filter Filter
		want   []uint64
	}{
		"all":        {Filter{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"run":        {Filter{RunID: "run-1"}, []uint64{1, 3, 5, 7, 9}},
		"refused":    {Filter{Refused: true}, []uint64{3, 6, 9}},
		"last":       {Filter{Last: 2}, []uint64{8, 9}},
		"last of":    {Filter{Last: 2, RunID: "run-0"}, []uint64{6, 8}},
		"since":      {Filter{Since: noon.Add(8 * time.Minute)}, []uint64{8, 9}},
		"until":      {Filter{Until: noon.Add(3 * time.Minute)}, []uint64{1, 2}},
		"owner":      {Filter{Owner: "bob"}, nil},
		"connector":  {Filter{Connector: "mail"}, nil},
		"instance":   {Filter{Instance: "work"}, nil},
		"grant":      {Filter{Grant: "g"}, nil},
		"name":       {Filter{Name: "OTHER"}, nil},
		"kind":       {Filter{Kind: host.EventEgress}, nil},
		"everything": {Filter{Owner: "ann", Connector: "contacts", Instance: "default", Grant: "self", Kind: host.EventDecision, Name: "APP_PASSWORD", Last: 1}, []uint64{9}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []uint64
			for line, err := range Read(bytes.NewReader(text), test.filter) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, line.Seq)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	for range Read(bytes.NewReader(text), Filter{Last: 3}) {
		break // and no panic
	}
}

// TestReadGoesOn: a line that makes no sense is said, and so is what follows.
func TestReadGoesOn(t *testing.T) {
	text := bytes.Replace(filled(t, 3).text(t), []byte(`{"seq":2`), []byte(`{"seq"`), 1)
	text = append(text, `{"seq":4`...)
	var events, faults []int64
	for line, err := range Read(bytes.NewReader(text), Filter{}) {
		if err == nil {
			events = append(events, line.Number)
		} else if errors.Is(err, ErrTampered) {
			faults = append(faults, line.Number)
		}
	}
	if !reflect.DeepEqual(events, []int64{1, 3}) || !reflect.DeepEqual(faults, []int64{2, 4}) {
		t.Errorf("events %v, faults %v", events, faults)
	}
	broken := errors.New("the disk is broken")
	var last error
	for _, err := range Read(io.MultiReader(bytes.NewReader(text[:10]), failing{broken}), Filter{}) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("got %v", last)
	}
	if _, err := Verify(failing{broken}, testKey); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestManyAppendAtOnce(t *testing.T) {
	dir := t.TempDir()
	logs := []*Log{open(t, dir), open(t, dir)}
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			if err := logs[i%2].Append(t.Context(), event(i), event(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r := verify(t, logs[0].text(t), Anchor{}); r.Fault != nil || r.Events != 20 {
		t.Errorf("got %+v", r)
	}
}

func TestSnapshot(t *testing.T) {
	l := filled(t, 2)
	r, err := l.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l.mustAppend(t, event(3))
	if got, err := Verify(r, testKey); err != nil || got.Fault != nil || got.Events != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	empty, err := open(t, t.TempDir()).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if got, err := Verify(empty, testKey); err != nil || got.Lines != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(t.TempDir(), testKey[:KeyBytes-1]); err == nil {
		t.Error("a short key is taken")
	}
	l := filled(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ctx, event(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := l.Append(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, and nothing to do: %v", err)
	}
	if r := verify(t, l.text(t), Anchor{}); r.Events != 1 {
		t.Errorf("got %+v", r)
	}
}

func FuzzVerify(f *testing.F) {
	good := filled(f, 3).text(f)
	f.Add(good)
	f.Add(good[:len(good)-10])
	f.Add([]byte("\n\n"))
	f.Add([]byte(`{"seq":1,"prev":"` + genesis + `","event":{},"mac":"` + genesis + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := VerifyAnchored(bytes.NewReader(text), testKey, Anchor{Seq: 3, MAC: 7})
		if err != nil {
			t.Fatal(err)
		}
		// Nothing but what the log held can be found to be good.
		if r.Fault == nil || r.Events > 3 || r.Fault.Line < 1 || r.Fault.Line > r.Lines+1 {
			t.Fatalf("got %+v", r)
		}
		n := 0
		for line, err := range Read(bytes.NewReader(text), Filter{}) {
			if n++; err != nil && !errors.Is(err, ErrTampered) {
				t.Fatal(err)
			}
			if line.Event.Reason != text1(line.Event.Reason) {
				t.Fatalf("%q is not clean", line.Event.Reason)
			}
		}
		if lines := bytes.Count(text, []byte("\n")) + 1; n > lines {
			t.Fatalf("%d lines of %d", n, lines)
		}
	})
}

func text1(s string) string { return text(s, maxText) }

// FuzzHeal: whatever a crash left, a writer goes on or refuses, and loses
// nothing.
func FuzzHeal(f *testing.F) {
	good := filled(f, 2).text(f)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:len(good)-9])
	f.Add([]byte("x"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir, testKey)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		before := verify(t, text, Anchor{})
		err = l.Append(t.Context(), event(1))
		after := l.text(t)
		if !bytes.HasPrefix(after, text) {
			t.Fatal("what was there is gone")
		}
		report := verify(t, after, Anchor{})
		switch {
		case err != nil && (!errors.Is(err, ErrTampered) || len(after) != len(text) || before.Fault == nil):
			t.Fatalf("refused: %v; before %+v", err, before)
		case err == nil && before.Fault == nil && (report.Fault != nil || report.Events != before.Events+1):
			t.Fatalf("before %+v, after %+v", before, report)
		case before.Fault != nil && report.Fault == nil:
			t.Fatalf("mended: before %+v, after %+v", before, report)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, b.TempDir())
	e := event(1)
	for b.Loop() {
		l.mustAppend(b, e)
	}
}

func BenchmarkSync(b *testing.B) { // what an Append cannot do without
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	line := make([]byte, 600)
	for b.Loop() {
		if _, err := f.Write(line); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	text := filled(b, 1000).text(b)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if r := verify(b, text, Anchor{}); r.Events != 1000 {
			b.Fatal(r)
		}
	}
}
