package privatedir

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// What a holder says of itself is quoted without what could mislead, and that
// it says nothing, or too much, is no way in.
func TestHeld(t *testing.T) {
	d := open(t)
	release, err := d.Hold(t.Context(), "a/run", "line\n\x1b[31mone")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, want string) {
		t.Helper()
		_, err := d.Hold(t.Context(), "a/run", "another")
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("held", "[31mone")
	if err := os.WriteFile(d.Path("a/run"+holderExt), make([]byte, maxNoteBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a large note", "does not say")
	if err := d.Remove("a/run" + holderExt); err != nil {
		t.Fatal(err)
	}
	refused("no note", "does not say")
	release()
	again, err := d.Hold(t.Context(), "a/run", "another")
	if err != nil {
		t.Fatal(err)
	}
	again()
}
