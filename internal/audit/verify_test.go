package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		"a line deleted":    {edit(func(l []string) []string { return append(l[:2:2], l[3:]...) }), Anchor{}, 3, "missing"},
		"the first deleted": {edit(func(l []string) []string { return l[1:] }), Anchor{}, 1, "missing"},
		"lines swapped":     {edit(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }), Anchor{}, 3, "missing"},
		"a line twice":      {edit(func(l []string) []string { return append(l[:3:3], l[2:]...) }), Anchor{}, 4, "twice"},
		"another log's end": {edit(func(l []string) []string {
			return append(l[:3:3], strings.SplitAfter(string(foreign(t, 6)), "\n")[3:]...)
		}), Anchor{}, 4, "does not follow"},
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
