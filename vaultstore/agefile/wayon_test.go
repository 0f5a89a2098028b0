package agefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// What the error on a damaged index says to do works: the class is lost, as
// it says, the others are not, and the class is of use again.
func TestTheWayOnFromADamagedIndex(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, v *vault){
		"garbled": func(t *testing.T, v *vault) { write(t, v.index("alice", session), []byte("garbage")) },
		"gone":    func(t *testing.T, v *vault) { remove(t, v.index("alice", session)) },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			s := v.open()
			mustPut(t, s, entryOf(at("SESSION"), session, "session"), vaultstore.CreateOnly)
			mustPut(t, s, entryOf(at("KEPT"), token, "kept"), vaultstore.CreateOnly)
			mustPut(t, s, entryOf(at("RAISED"), token, "token"), vaultstore.CreateOnly)
			mustPut(t, s, entryOf(at("RAISED"), session, "raised"), 1)
			damage(t, v)
			_, err := v.open().Put(t.Context(), entryOf(at("NEW"), token, "new"), vaultstore.CreateOnly)
			tree, key := filepath.Join(v.dir, classDir("alice", session)), v.key("alice", "session", keyExt)
			if err == nil || !strings.Contains(err.Error(), "move both "+tree+" and "+key+" away") || !strings.Contains(err.Error(), "class session and nothing else") {
				t.Fatalf("put: %v", err)
			}
			away := scratch(t)
			rename(t, tree, filepath.Join(away, "tree"))
			rename(t, key, filepath.Join(away, "key"))
			s = v.open()
			mustPut(t, s, entryOf(at("NEW"), token, "new"), vaultstore.CreateOnly)
			if value, _ := current(t, s, at("KEPT")); value != "kept" {
				t.Errorf("got %q", value)
			}
			if _, err := s.Get(t.Context(), at("SESSION")); !errors.Is(err, vaultstore.ErrNotFound) {
				t.Errorf("what was given up: %v", err)
			}
			// What was raised into the class is missed, until it is given up too.
			if _, err := s.Get(t.Context(), at("RAISED")); !errors.Is(err, vaultstore.ErrMissing) {
				t.Errorf("what was raised: %v", err)
			}
			if err := s.Delete(t.Context(), at("RAISED"), vaultstore.AnyGeneration); err != nil {
				t.Error(err)
			}
			for _, name := range []string{"SESSION", "RAISED"} {
				mustPut(t, s, entryOf(at(name), session, "again"), vaultstore.CreateOnly)
				if value, _ := current(t, v.open(), at(name)); value != "again" {
					t.Errorf("%s is %q", name, value)
				}
			}
			for _, err := range s.List(t.Context(), "alice") {
				if err != nil {
					t.Errorf("list: %v", err)
				}
			}
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
