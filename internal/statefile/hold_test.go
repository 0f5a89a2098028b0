package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/capabilities"
)

// A second run of a scope is refused at its start, in this process and in
// another, and told whom it waits for; another scope's is not.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	release, err := s.Hold(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	for name, second := range map[string]*Store{"here": s, "elsewhere": other} {
		_, err := second.Hold(t.Context(), scope)
		if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), fmt.Sprintf("process %d, since ", os.Getpid())) {
			t.Errorf("%s: %v", name, err)
		}
	}
	neighbour := scope
	neighbour.Grant = "another"
	if release, err := other.Hold(t.Context(), neighbour); err != nil {
		t.Errorf("another scope: %v", err)
	} else {
		release()
	}
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`1`)})
	release()
	release()
	again, err := other.Hold(t.Context(), scope)
	if err != nil {
		t.Fatalf("after the first run: %v", err)
	}
	again()
	if got := s.mustLoad(t, scope); string(got["a"]) != "1" {
		t.Errorf("got %s", got)
	}
}

// A run that was killed holds nothing up.
func TestKilledHolder(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir())
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envDir+"="+s.dir.Path("."), envStream+"="+holdStream)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), scope); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), fmt.Sprintf("process %d,", cmd.Process.Pid)) {
		t.Errorf("while it runs: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	release, err := s.Hold(t.Context(), scope)
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	release()
}

// A state that cannot be added to is told at the start of a run, also of one
// that does not load it, and does not leave the scope held.
func TestHoldTellsOfCorruptState(t *testing.T) {
	s := open(t, t.TempDir())
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`1`)})
	path := s.dir.Path(fileName(scope))
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Hold(t.Context(), scope); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Fatalf("got %v", err)
		}
	}
	if err := os.Remove(path); err != nil { // the remedy
		t.Fatal(err)
	}
	release, err := s.Hold(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	release()
}

// Of two runs that loaded the same cursors, the second to commit is refused,
// and loses nothing of the first; a new run goes on.
func TestCommitOverAnothers(t *testing.T) {
	dir := t.TempDir()
	for name, before := range map[string]cursors{"of none": nil, "of some": {"a": json.RawMessage(`0`)}} {
		t.Run(name, func(t *testing.T) {
			at := scope
			at.Grant = name
			one, two := open(t, dir), open(t, dir)
			one.mustCommit(t, at, before)
			one.mustLoad(t, at)
			two.mustLoad(t, at)
			one.mustCommit(t, at, cursors{"a": json.RawMessage(`1`)})
			if err := two.Commit(t.Context(), at, cursors{"a": json.RawMessage(`2`), "b": json.RawMessage(`2`)}); !errors.Is(err, ErrConflict) {
				t.Errorf("committed: %v", err)
			}
			if got := two.mustLoad(t, at); len(got) != 1 || string(got["a"]) != "1" {
				t.Errorf("got %s", got)
			}
			two.mustCommit(t, at, cursors{"a": json.RawMessage(`2`)})
		})
	}
}

// The files of a hold meet no other scope's, whatever that is called.
func TestHoldHasNamesOfItsOwn(t *testing.T) {
	s := open(t, t.TempDir())
	for _, grant := range []string{"self.lock", "self.holder", "self"} {
		at := capabilities.Scope{Owner: "lock", Connector: ".lock", Instance: "default", Grant: grant}
		release, err := s.Hold(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		s.mustCommit(t, at, cursors{"a": json.RawMessage(`1`)})
	}
	all, err := filepath.Glob(filepath.Join(filepath.Dir(s.dir.Path(fileName(scope))), "..", "..", "..", "lock", "*", "default", "*"))
	if err != nil || len(all) != 9 {
		t.Errorf("%v, %v", all, err)
	}
}
