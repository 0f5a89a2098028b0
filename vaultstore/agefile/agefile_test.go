package agefile

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vaultstore.Store { return newVault(t).open() }, storetest.Listed(100))
}

func TestReopen(t *testing.T) {
	v := vaultIn(t, t.TempDir())
	storetest.Reopen(t, func(*testing.T) vaultstore.Store { return v.open() })
}

// vault is a store on disk, for tests.
type vault struct {
	t         *testing.T
	dir, keys string
	recovery  vaultstore.Secret
}

func newVault(t *testing.T) *vault {
	t.Helper()
	return vaultIn(t, scratch(t))
}

func vaultIn(t *testing.T, home string) *vault {
	t.Helper()
	v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
	made, err := Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys})
	if err != nil {
		t.Fatal(err)
	}
	v.recovery = made.RecoveryIdentity
	return v
}

func (v *vault) options() Options { return Options{Dir: v.dir, KeysDir: v.keys} }

func (v *vault) open() *Store {
	v.t.Helper()
	s, err := Open(v.t.Context(), v.options())
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = s.Close() })
	return s
}

// file is where an address of class is on disk.
func (v *vault) file(a vaultstore.Address, class abi.Class) string {
	return filepath.Join(v.dir, filepath.FromSlash(secretPath(a, class)))
}

func (v *vault) index(owner string, class abi.Class) string {
	return filepath.Join(v.dir, filepath.FromSlash(indexPath(owner, class)))
}

var when = time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)

func at(name string) vaultstore.Address {
	return vaultstore.Address{Owner: "alice", Connector: "github", Instance: "default", Grant: "self", Name: name}
}

func entryOf(a vaultstore.Address, class abi.Class, value string) vaultstore.Entry {
	return vaultstore.Entry{Address: a, Class: class, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered,
			Status: vaultstore.Active, ObtainedAt: when,
		},
	}}
}

func mustPut(t *testing.T, s *Store, e vaultstore.Entry, expect uint64) uint64 {
	t.Helper()
	generation, err := s.Put(t.Context(), e, expect)
	if err != nil {
		t.Fatal(err)
	}
	return generation
}

// current returns the current value at a.
func current(t *testing.T, s *Store, a vaultstore.Address) (value string, generation uint64) {
	t.Helper()
	e, err := s.Get(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Stages[vaultstore.Current].Value.Reveal()), e.Generation
}
