package audit

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// volatile is a log's file on a disk that loses what was not synced.
type volatile struct {
	file
	synced int64 // how much of it outlives a loss of power
	broken error // what Sync answers
}

func (v *volatile) Sync() error {
	if v.broken != nil {
		return v.broken
	}
	info, err := v.Stat()
	if err == nil {
		v.synced = info.Size()
	}
	return err
}

// volatileLog is a log on such a disk.
func volatileLog(t *testing.T) (*Log, *volatile) {
	t.Helper()
	l := open(t, t.TempDir())
	v, real := &volatile{}, l.open
	l.open = func() (file, error) {
		f, err := real()
		v.file = f
		return v, err
	}
	return l, v
}

// lose cuts off what a loss of power would.
func (v *volatile) lose(t *testing.T, l *Log) {
	t.Helper()
	if err := os.Truncate(l.Path(), v.synced); err != nil {
		t.Fatal(err)
	}
}

// What Append returned for outlives a loss of power, each time, and the log is
// whole.
func TestAppendIsDurable(t *testing.T) {
	l, disk := volatileLog(t)
	for i := range 3 {
		l.mustAppend(t, event(2*i+1), event(2*i+2))
		told := l.text(t)
		disk.lose(t, l)
		if !bytes.Equal(l.text(t), told) {
			t.Fatalf("append %d was lost: %d bytes of %d outlive it", i+1, len(l.text(t)), len(told))
		}
	}
	if r := verify(t, l.text(t), Anchor{}); r.Fault != nil || r.Events != 6 {
		t.Errorf("got %+v", r)
	}
}

// A disk that does not take it is an error, and not a line that was promised.
func TestAppendSaysWhatIsNotDurable(t *testing.T) {
	l, disk := volatileLog(t)
	l.mustAppend(t, event(1))
	disk.broken = errors.New("the disk is broken")
	if err := l.Append(t.Context(), event(2)); !errors.Is(err, disk.broken) {
		t.Errorf("append: %v", err)
	}
	disk.broken = nil
	disk.lose(t, l)
	l.mustAppend(t, event(3)) // goes on where the disk is, not where it was told to be
	disk.lose(t, l)
	if r := verify(t, l.text(t), Anchor{}); r.Fault != nil || r.Events != 2 || r.Last != 2 {
		t.Errorf("got %+v", r)
	}
}

// The seal of a line that was torn is durable with what follows it, and a
// reader is told of it as a verifier is.
func TestTornLineIsTold(t *testing.T) {
	l, disk := volatileLog(t)
	l.mustAppend(t, event(1))
	torn := []byte(`{"seq":2,"prev":"half a li`)
	if err := os.WriteFile(l.Path(), append(l.text(t), torn...), 0o600); err != nil {
		t.Fatal(err)
	}
	l.mustAppend(t, event(2))
	disk.lose(t, l)
	report := verify(t, l.text(t), Anchor{})
	var told []TornLine
	for line, err := range Read(bytes.NewReader(l.text(t)), Filter{Owner: "nobody"}) {
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := line.TornLine(); ok {
			told = append(told, at)
		}
	}
	if report.Fault != nil || len(told) != 1 || len(report.Torn) != 1 || told[0] != report.Torn[0] || told[0].Line != 2 || told[0].Bytes != int64(len(torn)) {
		t.Fatalf("told %v, verified %+v", told, report)
	}
	if text := told[0].String(); !bytes.Contains([]byte(text), []byte("line 2 was torn by a crash: 26 bytes")) {
		t.Errorf("it says %q", text)
	}
}
