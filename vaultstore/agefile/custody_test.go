package agefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
	"github.com/sallyport-host/sallyport/vaultstore/storetest"
)

// keeper is a custody in memory that can be locked and counts how often it is
// asked.
type keeper struct {
	mu     sync.Mutex
	kept   map[custody.Ref]vaultstore.Secret
	asked  map[custody.Slot]int
	locked map[custody.Slot]bool
}

func newKeeper() *keeper {
	return &keeper{kept: map[custody.Ref]vaultstore.Secret{}, asked: map[custody.Slot]int{}, locked: map[custody.Slot]bool{}}
}

func (*keeper) Kind() custody.Kind { return custody.Keyring }

func (k *keeper) Make(_ context.Context, ref custody.Ref) (vaultstore.Secret, []byte, error) {
	id, err := generateIdentity()
	if err != nil {
		return vaultstore.Secret{}, nil, err
	}
	line := vaultstore.NewSecret([]byte(id.use().String()))
	k.kept[ref] = line.Clone()
	return line, []byte("note of " + ref.Slot), nil
}

func (k *keeper) Load(_ context.Context, ref custody.Ref, note []byte) (vaultstore.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[ref.Slot]++
	kept, ok := k.kept[ref]
	switch {
	case k.locked[ref.Slot]:
		return vaultstore.Secret{}, &custody.Error{Kind: custody.Keyring, Slot: ref.Slot, Err: custody.ErrLocked, Remedy: "unlock it"}
	case !ok || string(note) != "note of "+string(ref.Slot):
		return vaultstore.Secret{}, &custody.Error{Kind: custody.Keyring, Slot: ref.Slot, Err: custody.ErrAbsent}
	}
	return kept.Clone(), nil
}

// keptVault is a vault whose identities are k's.
func keptVault(t *testing.T, k *keeper) (*vault, Options) {
	t.Helper()
	home := scratch(t)
	v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
	if _, err := Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys, Keys: k, Passwords: k}); err != nil {
		t.Fatal(err)
	}
	o := v.options()
	o.Custodies = custody.NewSet(k)
	return v, o
}

func openWith(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	release, err := s.LoadPasswords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func TestConformanceWithPasswords(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vaultstore.Store {
		_, o := keptVault(t, newKeeper())
		s := openWith(t, o)
		hold(t, s)
		return s
	}, storetest.Listed(100))
}

func TestCustodyKeepsNoIdentityOnDisk(t *testing.T) {
	v, o := keptVault(t, newKeeper())
	s := openWith(t, o)
	hold(t, s)
	for _, e := range []vaultstore.Entry{entryOf(at("T"), token, "v"), entryOf(at("P"), abi.ClassPassword, "v")} {
		mustPut(t, s, e, vaultstore.CreateOnly)
	}
	keys := 0
	for _, root := range []string{v.dir, v.keys} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				if filepath.Ext(name) == keyExt {
					keys++
				}
				if strings.Contains(string(read(t, name)), "AGE-SECRET-KEY-") {
					t.Errorf("%s holds an identity", name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if keys < 4 { // host, token, password, its index
		t.Errorf("%d identities on disk: the test looks in the wrong place", keys)
	}
}

// Each way in which the custody fails is its own error, and nothing is made
// or changed by it.
func TestCustodyFails(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(k *keeper, v *vault, o *Options)
		want  error
	}{
		"locked":      {func(k *keeper, _ *vault, _ *Options) { k.locked[custody.Keys] = true }, custody.ErrLocked},
		"absent":      {func(k *keeper, _ *vault, _ *Options) { clear(k.kept) }, custody.ErrAbsent},
		"not offered": {func(_ *keeper, _ *vault, o *Options) { o.Custodies = nil }, custody.ErrUnavailable},
		"note lost": {func(_ *keeper, v *vault, _ *Options) {
			remove(v.t, filepath.Join(v.keys, "keys"+noteExt))
		}, custody.ErrAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper()
			v, o := keptVault(t, k)
			s := openWith(t, o)
			mustPut(t, s, entryOf(at("T"), token, "v"), vaultstore.CreateOnly)
			_ = s.Close()
			c.spoil(k, v, &o)
			before := v.bytes()
			_, err := Open(t.Context(), o)
			var typed *custody.Error
			if !errors.Is(err, c.want) || !errors.Is(err, vaultstore.ErrSealed) || !errors.As(err, &typed) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if string(before) != string(v.bytes()) {
				t.Error("a failed open changed something")
			}
		})
	}
}

// Whoever can write to the keys cannot bring an identity of theirs.
func TestCustodyRefusesForeignIdentities(t *testing.T) {
	k := newKeeper()
	v, o := keptVault(t, k)
	s := openWith(t, o)
	mustPut(t, s, entryOf(at("T"), token, "v"), vaultstore.CreateOnly)
	bob := at("T")
	bob.Owner = "bob"
	mustPut(t, s, entryOf(bob, token, "v"), vaultstore.CreateOnly)
	_ = s.Close()
	mine, theirs := v.key("alice", "long_lived_token", keyExt), v.key("bob", "long_lived_token", keyExt)
	good := read(t, mine)
	plain, err := generateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"plain": plain.file("mine"), "another owner's": read(t, theirs), "cut": good[:len(good)-1]} {
		write(t, mine, data)
		if _, err := openWith(t, o).Get(t.Context(), at("T")); !errors.Is(err, vaultstore.ErrTampered) {
			t.Errorf("%s: %v, want %v", what, err, vaultstore.ErrTampered)
		}
	}
	write(t, mine, good)
	current(t, openWith(t, o), at("T"))
}

// The identity of passwords is loaded while someone holds it, and everything
// else works without it.
func TestPasswordsAreSealedUntilHeld(t *testing.T) {
	k := newKeeper()
	_, o := keptVault(t, k)
	s := openWith(t, o)
	p := entryOf(at("P"), abi.ClassPassword, "hunter2-hunter2")
	if _, err := s.Put(t.Context(), p, vaultstore.CreateOnly); !errors.Is(err, vaultstore.ErrPasswordsSealed) {
		t.Fatalf("put: %v", err)
	}
	if k.asked[custody.Passwords] != 0 {
		t.Error("the custody was asked for the passwords' identity")
	}
	one, two := hold(t, s), hold(t, s)
	mustPut(t, s, p, vaultstore.CreateOnly)
	raised := entryOf(at("RAISED"), token, "was a token")
	mustPut(t, s, raised, vaultstore.CreateOnly)
	mustPut(t, s, vaultstore.Entry{Address: at("RAISED"), Class: abi.ClassPassword}, 1)
	mustPut(t, s, entryOf(at("GONE"), abi.ClassPassword, "x"), vaultstore.CreateOnly)
	if err := s.Delete(t.Context(), at("GONE"), 1); err != nil {
		t.Fatal(err)
	}
	one()
	one() // a second release is none
	current(t, s, at("P"))
	two()
	if k.asked[custody.Passwords] != 1 {
		t.Errorf("the custody was asked %d times", k.asked[custody.Passwords])
	}
	k.locked[custody.Passwords] = true
	withoutPasswords(t, s)
	withoutPasswords(t, openWith(t, o))
	if _, err := s.LoadPasswords(t.Context()); !errors.Is(err, custody.ErrLocked) {
		t.Errorf("load: %v", err)
	}
	k.locked[custody.Passwords] = false
	hold(t, s)
	if value, _ := current(t, s, at("RAISED")); value != "was a token" {
		t.Error("another value")
	}
}

func withoutPasswords(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	for _, a := range []vaultstore.Address{at("P"), at("RAISED")} {
		if _, err := s.Get(ctx, a); !errors.Is(err, vaultstore.ErrPasswordsSealed) {
			t.Errorf("get %v: %v", a, err)
		}
		if err := s.Delete(ctx, a, vaultstore.AnyGeneration); !errors.Is(err, vaultstore.ErrPasswordsSealed) {
			t.Errorf("delete %v: %v", a, err)
		}
		if _, err := s.Put(ctx, entryOf(a, token, "lower"), vaultstore.AnyGeneration); !errors.Is(err, vaultstore.ErrPasswordsSealed) {
			t.Errorf("put %v: %v", a, err)
		}
	}
	if _, err := s.Get(ctx, at("NEVER")); !errors.Is(err, vaultstore.ErrNotFound) {
		t.Errorf("an address that nothing is at: %v", err)
	}
	// One that was a password and was deleted is of use again.
	generation := mustPut(t, s, entryOf(at("GONE"), token, "again"), vaultstore.CreateOnly)
	if err := s.Delete(ctx, at("GONE"), generation); err != nil {
		t.Error(err)
	}
	mustPut(t, s, entryOf(at("OTHER"), session, "v"), vaultstore.AnyGeneration)
	listed := ""
	for info, err := range s.List(ctx, "alice") {
		if err != nil {
			t.Fatal(err)
		}
		listed += fmt.Sprintf("%s %s %d, ", info.Address.Name, info.Class, len(info.Stages))
	}
	if want := "OTHER session 1, P password 0, RAISED password 0, "; listed != want {
		t.Errorf("listed %q, want %q", listed, want)
	}
}

// What was put in a password's place is noticed, its identity loaded or not.
func TestSealedPasswordsAreStillChecked(t *testing.T) {
	k := newKeeper()
	v, o := keptVault(t, k)
	s := openWith(t, o)
	release := hold(t, s)
	mustPut(t, s, entryOf(at("P"), abi.ClassPassword, "first"), vaultstore.CreateOnly)
	name := v.file(at("P"), abi.ClassPassword)
	old := read(t, name)
	mustPut(t, s, entryOf(at("P"), abi.ClassPassword, "second"), 1)
	release()
	write(t, name, old)
	if _, err := s.Get(t.Context(), at("P")); !errors.Is(err, vaultstore.ErrSealed) {
		t.Errorf("sealed: %v", err)
	}
	hold(t, s)
	if _, err := s.Get(t.Context(), at("P")); !errors.Is(err, vaultstore.ErrRollback) {
		t.Errorf("loaded: %v, want %v", err, vaultstore.ErrRollback)
	}
	remove(t, name)
	if _, err := s.Get(t.Context(), at("P")); !errors.Is(err, vaultstore.ErrMissing) {
		t.Errorf("taken away: %v, want %v", err, vaultstore.ErrMissing)
	}
}

// The recovery identity does not open passwords.
func TestRecoveryDoesNotOpenPasswords(t *testing.T) {
	k := newKeeper()
	home := scratch(t)
	v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
	made, err := Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys, Passwords: k})
	if err != nil {
		t.Fatal(err)
	}
	o := v.options()
	o.Custodies = custody.NewSet(k)
	s := openWith(t, o)
	hold(t, s)
	mustPut(t, s, entryOf(at("P"), abi.ClassPassword, "v"), vaultstore.CreateOnly)
	if _, err := Recover(read(t, v.file(at("P"), abi.ClassPassword)), made.RecoveryIdentity); !errors.Is(err, vaultstore.ErrSealed) {
		t.Errorf("recovered: %v", err)
	}
}

// A vault of version 1 can be given a custody for passwords, once.
func TestAddPasswords(t *testing.T) {
	v := newVault(t)
	mustPut(t, v.open(), entryOf(at("T"), token, "v"), vaultstore.CreateOnly)
	if err := AddPasswords(t.Context(), v.options(), nil); !errors.Is(err, vaultstore.ErrClass) {
		t.Errorf("files: %v", err)
	}
	k := newKeeper()
	if err := AddPasswords(t.Context(), v.options(), k); err != nil {
		t.Fatal(err)
	}
	if err := AddPasswords(t.Context(), v.options(), k); !errors.Is(err, fs.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	o := v.options()
	o.Custodies = custody.NewSet(k)
	for slot, want := range map[custody.Slot]custody.Kind{custody.Keys: custody.File, custody.Passwords: custody.Keyring} {
		if kind, _, _, err := Custody(t.Context(), o, slot); kind != want || err != nil {
			t.Errorf("%s are kept by %q, %v", slot, kind, err)
		}
	}
	s := openWith(t, o)
	hold(t, s)
	mustPut(t, s, entryOf(at("P"), abi.ClassPassword, "v"), vaultstore.CreateOnly)
	current(t, s, at("T"))
}

// Keys from before passwords could be kept do not make them absent.
func TestOlderKeysThanPasswords(t *testing.T) {
	v := newVault(t)
	old := read(t, filepath.Join(v.keys, formatFile))
	k := newKeeper()
	if err := AddPasswords(t.Context(), v.options(), k); err != nil {
		t.Fatal(err)
	}
	o := v.options()
	o.Custodies = custody.NewSet(k)
	s := openWith(t, o)
	hold(t, s)
	mustPut(t, s, entryOf(at("P"), abi.ClassPassword, "v"), vaultstore.CreateOnly)
	write(t, filepath.Join(v.keys, formatFile), old)
	if _, err := v.open().Get(t.Context(), at("P")); !errors.Is(err, vaultstore.ErrSealed) {
		t.Errorf("got %v, want %v", err, vaultstore.ErrSealed)
	}
}

// A passwords' identity that was taken away is not made anew.
func TestLostPasswordIdentity(t *testing.T) {
	k := newKeeper()
	v, o := keptVault(t, k)
	s := openWith(t, o)
	hold(t, s)
	mustPut(t, s, entryOf(at("P"), abi.ClassPassword, "v"), vaultstore.CreateOnly)
	mustPut(t, s, entryOf(at("T"), token, "v"), vaultstore.CreateOnly)
	_ = s.Close()
	remove(t, v.key("alice", passwordKind, keyExt))
	s = openWith(t, o)
	hold(t, s)
	for _, name := range []string{"P", "Q"} {
		_, err := s.Put(t.Context(), entryOf(at(name), abi.ClassPassword, "w"), vaultstore.AnyGeneration)
		if !errors.Is(err, vaultstore.ErrSealed) {
			t.Errorf("put %s: %v, want %v", name, err, vaultstore.ErrSealed)
		}
	}
	current(t, s, at("T"))
	if _, err := os.Stat(v.key("alice", passwordKind, keyExt)); err == nil {
		t.Error("an identity was made anew")
	}
}
