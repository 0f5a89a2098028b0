package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"github.com/sallyport-host/sallyport/internal/privatedir"
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

// A log that was cut is not anchored again, however much is added to it; one
// that a crash tore is.
func TestAnchorDoesNotCoverUpACut(t *testing.T) {
	marks := memory.New()
	dir := t.TempDir()
	l := open(t, dir)
	for i := range 6 {
		l.mustAppend(t, event(i))
	}
	if err := l.Anchor(t.Context(), marks, "ann"); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, text := range map[string][]byte{
		"cut": bytes.Join(lines[:3], nil), "gone": nil, "torn in a remembered line": append(bytes.Join(lines[:5], nil), lines[5][:20]...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(l.Path(), text, 0o600); err != nil {
				t.Fatal(err)
			}
			next := open(t, dir) // another process
			if err := next.Anchored(t.Context(), marks, "ann"); !errors.Is(err, ErrTampered) {
				t.Errorf("Anchored: %v", err)
			}
			for i := range 10 {
				next.mustAppend(t, event(100+i))
			}
			if err := next.Anchor(t.Context(), marks, "ann"); !errors.Is(err, ErrTampered) {
				t.Errorf("Anchor: %v", err)
			}
		})
	}
	if err := os.WriteFile(l.Path(), append(whole, lines[0][:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	next := open(t, dir)
	if err := next.Anchored(t.Context(), marks, "ann"); err != nil {
		t.Errorf("torn after the remembered line: %v", err)
	}
	next.mustAppend(t, event(7), event(8))
	if err := next.Anchored(t.Context(), marks, "ann"); err != nil {
		t.Errorf("torn and sealed off after the remembered line: %v", err)
	}
	if err := next.Anchor(t.Context(), marks, "ann"); err != nil {
		t.Error(err)
	}
	if _, err := next.Rotate(t.Context(), marks, "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	next.mustAppend(t, event(9))
	if err := next.Anchor(t.Context(), marks, "ann"); err != nil {
		t.Errorf("after a rotation: %v", err)
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

// Another process that holds the log up does not hold up its closing.
func TestCloseWaitsForNoOtherProcess(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	l.mustAppend(t, event(1))
	other, err := privatedir.Open(dir) // a lock belongs to the opening of a file
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	unlock, err := other.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	begun := time.Now()
	if err := l.Close(); err != nil || time.Since(begun) > privatedir.LockWait/2 {
		t.Errorf("closed after %v: %v", time.Since(begun), err)
	}
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
