package agefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// halfRaised is a vault in which TOKEN was raised to a session by a writer
// that was stopped before it came to the old entry.
func halfRaised(t *testing.T) *vault {
	t.Helper()
	v := newVault(t)
	s := v.open()
	mustPut(t, s, entryOf(at("OTHER"), session, "other"), vaultstore.CreateOnly)
	mustPut(t, s, entryOf(at("TOKEN"), token, "old"), vaultstore.CreateOnly)
	file, index := read(t, v.file(at("TOKEN"), token)), read(t, v.index("alice", token))
	mustPut(t, s, entryOf(at("TOKEN"), session, "new"), 1)
	write(t, v.file(at("TOKEN"), token), file)
	write(t, v.index("alice", token), index)
	if value, generation := current(t, v.open(), at("TOKEN")); value != "new" || generation != 2 {
		t.Fatalf("half raised: generation %d", generation)
	}
	return v
}

// The old half of a raise is not served while the new one cannot be read; what
// was never raised is.
func TestUnreadableTreeMayHideARaise(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, v *vault){
		"index garbled": func(t *testing.T, v *vault) { write(t, v.index("alice", session), []byte("garbage")) },
		"index gone":    func(t *testing.T, v *vault) { remove(t, v.index("alice", session)) },
		"identity gone": func(t *testing.T, v *vault) { remove(t, v.key("alice", "session", keyExt)) },
		"secrets gone": func(t *testing.T, v *vault) {
			remove(t, v.index("alice", session))
			remove(t, filepath.Join(v.dir, classDir("alice", session), secretsDir))
		},
		"all gone": func(t *testing.T, v *vault) { remove(t, filepath.Join(v.dir, classDir("alice", session))) },
	} {
		t.Run(name, func(t *testing.T) {
			v := halfRaised(t)
			mustPut(t, v.open(), entryOf(at("PLAIN"), token, "plain"), vaultstore.CreateOnly)
			lose(t, v)
			s := v.open()
			e, err := s.Get(t.Context(), at("TOKEN"))
			if err == nil || len(e.Stages) > 0 || errors.Is(err, vaultstore.ErrNotFound) {
				t.Errorf("get: generation %d, %v", e.Generation, err)
			} else if !strings.Contains(err.Error(), "may have been raised") || !strings.Contains(err.Error(), "backup") {
				t.Errorf("it does not say why, and how to go on: %v", err)
			}
			if _, err := s.Put(t.Context(), entryOf(at("TOKEN"), token, "over"), vaultstore.AnyGeneration); err == nil {
				t.Error("it was written over")
			}
			var last error
			for info, err := range s.List(t.Context(), "alice") {
				if last = err; info.Address == at("TOKEN") {
					t.Error("its old half is listed")
				}
			}
			if last == nil {
				t.Error("the list says nothing")
			}
			_, err = s.Get(t.Context(), at("PLAIN"))
			if folder := filepath.Join(v.dir, classDir("alice", session), secretsDir); !exists(folder) {
				if err == nil {
					t.Error("with all files of the class gone, any of them may have been this one's")
				}
			} else if err != nil {
				t.Errorf("what was never raised: %v", err)
			}
		})
	}
	// A lower class has nothing to say of what stands in a higher one.
	v := halfRaised(t)
	mustPut(t, v.open(), entryOf(at("TOKEN"), session, "newer"), 2)
	write(t, v.index("alice", token), nil)
	if value, _ := current(t, v.open(), at("TOKEN")); value != "newer" {
		t.Errorf("got %q", value)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
