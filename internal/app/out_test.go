package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/host"
)

func TestATornLineIsEndedBeforeMoreIsAppended(t *testing.T) {
	for before, want := range map[string]string{"": "", "{}\n": "{}\n", "{}\n{\"ty": "{}\n{\"ty\n"} {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := newOutFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != before {
			t.Errorf("%q became %q, %v before there was anything to add", before, got, err)
		}
		if err := errors.Join(out.Write(t.Context(), host.Message{Line: []byte("{}")}), out.Flush(t.Context()), out.Close()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want+"{}\n" {
			t.Errorf("%q became %q, %v; want %q", before, got, err, want+"{}\n")
		}
	}
}

// Two runs do not add to one file at a time, and a file is not there before
// there is something to add.
func TestOneRunAddsToAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	first, err := newOutFile(path)
	if err != nil {
		t.Fatal(err)
	}
	late, err := newOutFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before anything was written")
	}
	record := host.Message{Line: []byte("{}")}
	if err := first.Write(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := late.Write(t.Context(), record); !errors.Is(err, errOutLocked) || Exit(err) != Internal {
		t.Errorf("the other run wrote too: %v", err)
	}
	if _, err := newOutFile(path); !errors.Is(err, errOutLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a third was not refused: %v", err)
	}
	if err := errors.Join(first.Flush(t.Context()), first.Close(), late.Close()); err != nil {
		t.Fatal(err)
	}
	third, err := newOutFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}

func TestOutThatIsNoFile(t *testing.T) {
	for range 2 { // nothing is locked
		out, err := newOutFile(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if err := out.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := newOutFile("-"); Exit(err) != Usage {
		t.Errorf("a dash: %v", err)
	}
}
