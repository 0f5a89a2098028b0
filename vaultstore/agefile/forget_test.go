package agefile

import (
	"errors"
	"os"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// What cannot be read can be given up, on the owner's word alone, and the
// address is of use again; its neighbours are not touched, and what was lost
// does not live again when its file is put back.
func TestWhatIsDamagedCanBeGivenUp(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string, old []byte){
		"lost": func(t *testing.T, path string, _ []byte) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"garbled": func(t *testing.T, path string, _ []byte) {
			if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"an old one put back": func(t *testing.T, path string, old []byte) {
			if err := os.WriteFile(path, old, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			s := v.open()
			path := v.file(at("TOKEN"), abi.ClassToken)
			mustPut(t, s, entryOf(at("TOKEN"), abi.ClassToken, "one"), vaultstore.CreateOnly)
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, entryOf(at("TOKEN"), abi.ClassToken, "two"), 1)
			last, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, entryOf(at("OTHER"), abi.ClassToken, "other"), vaultstore.CreateOnly)
			damage(t, path, old)
			_, err = s.Get(t.Context(), at("TOKEN"))
			if !damaged(err) {
				t.Fatalf("Get: %v", err)
			}
			if err := s.Delete(t.Context(), at("TOKEN"), 2); !damaged(err) {
				t.Errorf("Delete at a generation: %v", err)
			}
			if err := s.Delete(t.Context(), at("TOKEN"), vaultstore.AnyGeneration); err != nil {
				t.Fatalf("Delete at any generation: %v", err)
			}
			s = v.open()
			if _, err := s.Get(t.Context(), at("TOKEN")); !errors.Is(err, vaultstore.ErrNotFound) {
				t.Errorf("afterwards: %v", err)
			}
			for _, err := range s.List(t.Context(), "alice") {
				if err != nil {
					t.Errorf("List: %v", err)
				}
			}
			if g := mustPut(t, s, entryOf(at("TOKEN"), abi.ClassToken, "three"), vaultstore.CreateOnly); g <= 3 {
				t.Errorf("generation %d may have been used before", g)
			}
			if value, _ := current(t, s, at("TOKEN")); value != "three" {
				t.Errorf("got %q", value)
			}
			if value, _ := current(t, s, at("OTHER")); value != "other" {
				t.Errorf("its neighbour is %q", value)
			}
			if err := os.WriteFile(path, last, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), at("TOKEN")); !errors.Is(err, vaultstore.ErrRollback) {
				t.Errorf("what was given up is put back: %v", err)
			}
		})
	}
}
