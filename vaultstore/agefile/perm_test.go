//go:build unix

package agefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// What others can reach is refused, by name, whatever it is.
func TestPermissions(t *testing.T) {
	a := at("A")
	inStore := func(rel string) func(v *vault) string {
		return func(v *vault) string { return filepath.Join(v.dir, filepath.FromSlash(rel)) }
	}
	inKeys := func(rel string) func(v *vault) string {
		return func(v *vault) string { return filepath.Join(v.keys, filepath.FromSlash(rel)) }
	}
	all := map[string]func(v *vault) string{
		"store":         inStore("."),
		"format":        inStore(formatFile),
		"owners":        inStore(ownersDir),
		"owner":         inStore(ownerDir("alice")),
		"class":         inStore(classDir("alice", token)),
		"index":         inStore(indexPath("alice", token)),
		"secrets":       inStore(classDir("alice", token) + "/" + secretsDir),
		"grant":         inStore(filepath.Dir(secretPath(a, token))),
		"secret":        inStore(secretPath(a, token)),
		"keys":          inKeys("."),
		"keys' format":  inKeys(formatFile),
		"host key":      inKeys(hostKeyFile),
		"keys' owners":  inKeys(ownersDir),
		"owner's keys":  inKeys(ownersDir + "/alice"),
		"identity":      inKeys(ownersDir + "/alice/long_lived_token" + keyExt),
		"recipients":    inKeys(ownersDir + "/alice/long_lived_token" + recipientsExt),
		"marks":         inStore(marksPath("alice")),
		"marks' key":    inKeys(ownersDir + "/alice/" + marksKind + keyExt),
		"locks' folder": inStore(locksDir),
	}
	changes := map[string]func(t *testing.T, name string){
		"group may read":   chmod(0o040),
		"others may write": chmod(0o002),
		"a symbolic link": func(t *testing.T, name string) {
			if err := os.Rename(name, name+".real"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Base(name)+".real", name); err != nil {
				t.Fatal(err)
			}
		},
		"another user's": func(t *testing.T, name string) {
			if os.Geteuid() != 0 {
				t.Skip("skip: needs root, to give a file away")
			}
			if err := os.Lchown(name, 65533, -1); err != nil {
				t.Fatal(err)
			}
		},
	}
	for what, name := range all {
		for how, change := range changes {
			t.Run(what+", "+how, func(t *testing.T) {
				v := newVault(t)
				s := v.open()
				mustPut(t, s, entryOf(a, token, "value"), vaultstore.CreateOnly)
				if err := s.RaiseMark(t.Context(), "alice", "m", 1); err != nil {
					t.Fatal(err)
				}
				change(t, name(v))
				if err := v.use(t); !errors.Is(err, vaultstore.ErrPermissions) {
					t.Fatalf("got %v, want %v", err, vaultstore.ErrPermissions)
				}
				options := v.options()
				options.InsecurePermissions = true
				s, err := Open(t.Context(), options)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if value, _ := current(t, s, a); value != "value" {
					t.Error("insecure permissions were allowed, and the value is not read")
				}
			})
		}
	}
}

// use opens v and reads everything.
func (v *vault) use(t *testing.T) error {
	s, err := Open(t.Context(), v.options())
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Get(t.Context(), at("A")); err != nil {
		return err
	}
	_, err = s.Mark(t.Context(), "alice", "m")
	return err
}

func chmod(add os.FileMode) func(t *testing.T, name string) {
	return func(t *testing.T, name string) {
		fi, err := os.Stat(name)
		if err == nil {
			err = os.Chmod(name, fi.Mode().Perm()|add)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Everything that a store makes is its user's alone, whatever the umask.
func TestModes(t *testing.T) {
	v := newVault(t)
	s := v.open()
	mustPut(t, s, entryOf(at("A"), token, "value"), vaultstore.CreateOnly)
	mustPut(t, s, entryOf(at("A"), session, "value"), 1)
	if err := s.RaiseMark(t.Context(), "alice", "m", 1); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{v.dir, v.keys} {
		err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := e.Info()
			if err == nil && fi.Mode().Perm() != map[bool]os.FileMode{true: privateDir, false: privateFile}[e.IsDir()] {
				t.Errorf("%s has mode %v", name, fi.Mode())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestInitRefusesOpenFolders(t *testing.T) {
	home := scratch(t)
	dir, keys := filepath.Join(home, "vault"), filepath.Join(home, "keys")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(t.Context(), dir, InitOptions{KeysDir: keys}); !errors.Is(err, vaultstore.ErrPermissions) {
		t.Errorf("got %v, want %v", err, vaultstore.ErrPermissions)
	}
	if _, err := Init(t.Context(), dir, InitOptions{KeysDir: keys, InsecurePermissions: true}); err != nil {
		t.Error(err)
	}
}
