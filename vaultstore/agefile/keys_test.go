package agefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

func (v *vault) key(owner, kind, ext string) string {
	return filepath.Join(v.keys, ownersDir, escape(owner), kind+ext)
}

// A lost identity seals what it opened, and nothing else; it is never made
// anew over what it had sealed.
func TestLostIdentity(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, v *vault){
		"gone":       func(t *testing.T, v *vault) { remove(t, v.key("alice", "session", keyExt)) },
		"recipients": func(t *testing.T, v *vault) { remove(t, v.key("alice", "session", recipientsExt)) },
		"another's": func(t *testing.T, v *vault) {
			write(t, v.key("alice", "session", keyExt), read(t, v.key("alice", "long_lived_token", keyExt)))
		},
		"all of the owner's": func(t *testing.T, v *vault) { remove(t, filepath.Dir(v.key("alice", "session", keyExt))) },
		"gone, index too": func(t *testing.T, v *vault) {
			remove(t, v.key("alice", "session", keyExt))
			remove(t, v.index("alice", session))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			s := v.open()
			mustPut(t, s, entryOf(at("S"), session, "session"), vaultstore.CreateOnly)
			mustPut(t, s, entryOf(at("T"), token, "token"), vaultstore.CreateOnly)
			lose(t, v)
			v.refused(at("S"), vaultstore.ErrSealed)
			v.refused(at("NEVER"), vaultstore.ErrSealed) // it might have been a session
			if name == "all of the owner's" {
				return
			}
			s = v.open()
			if value, _ := current(t, s, at("T")); value != "token" {
				t.Error("the tokens went with the sessions")
			}
			mustPut(t, s, entryOf(at("T"), token, "token 2"), vaultstore.AnyGeneration)
			before := v.bytes()
			if _, err := s.Put(t.Context(), entryOf(at("T"), session, "raised"), vaultstore.AnyGeneration); !errors.Is(err, vaultstore.ErrSealed) {
				t.Errorf("a raise into the sealed class: %v", err)
			}
			if !bytes.Equal(before, v.bytes()) {
				t.Error("a put that failed changed files")
			}
		})
	}
}

func TestLostMarks(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(t *testing.T, v *vault)
		want error
	}{
		"file":     {func(t *testing.T, v *vault) { remove(t, filepath.Join(v.dir, marksPath("alice"))) }, vaultstore.ErrMissing},
		"identity": {func(t *testing.T, v *vault) { remove(t, v.key("alice", marksKind, keyExt)) }, vaultstore.ErrSealed},
		"cut":      {func(t *testing.T, v *vault) { write(t, filepath.Join(v.dir, marksPath("alice")), nil) }, vaultstore.ErrTampered},
		"forged": {func(t *testing.T, v *vault) {
			body := []byte(`{"fmt":1,"store_id":"` + v.open().id + `","owner":"alice","generation":9,"marks":[{"name":"m","value":1}]}`)
			list := read(t, v.key("alice", marksKind, recipientsExt))
			write(t, filepath.Join(v.dir, marksPath("alice")), v.forgeTo(list, make([]byte, tagSize), body))
		}, vaultstore.ErrTampered},
		"another owner's": {func(t *testing.T, v *vault) {
			write(t, filepath.Join(v.dir, marksPath("alice")), read(t, filepath.Join(v.dir, marksPath("bob"))))
		}, vaultstore.ErrTampered},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			s := v.open()
			for _, owner := range []string{"alice", "bob"} {
				if err := s.RaiseMark(t.Context(), owner, "m", 7); err != nil {
					t.Fatal(err)
				}
			}
			c.lose(t, v)
			before, s := v.bytes(), v.open()
			if got, err := s.Mark(t.Context(), "alice", "m"); !errors.Is(err, c.want) || got != 0 {
				t.Errorf("mark: %d, %v; want %v", got, err, c.want)
			}
			if err := s.RaiseMark(t.Context(), "alice", "m", 8); !errors.Is(err, c.want) {
				t.Errorf("raise: %v, want %v", err, c.want)
			}
			if !bytes.Equal(before, v.bytes()) {
				t.Error("a method that failed changed files")
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, v *vault)
		want   error
		says   string
	}{
		"nothing at all": {func(t *testing.T, v *vault) { remove(t, v.dir); remove(t, v.keys) }, vaultstore.ErrNotInitialised, "sallyport init"},
		"no keys":        {func(t *testing.T, v *vault) { remove(t, v.keys) }, vaultstore.ErrSealed, "restore"},
		"empty keys":     {func(t *testing.T, v *vault) { remove(t, v.keys); os.Mkdir(v.keys, privateDir) }, vaultstore.ErrSealed, "restore"},
		"no store":       {func(t *testing.T, v *vault) { remove(t, v.dir) }, vaultstore.ErrMissing, "restore"},
		"empty store":    {func(t *testing.T, v *vault) { remove(t, v.dir); os.Mkdir(v.dir, privateDir) }, vaultstore.ErrMissing, "restore"},
		"no host key":    {func(t *testing.T, v *vault) { remove(t, filepath.Join(v.keys, hostKeyFile)) }, vaultstore.ErrSealed, "restore"},
		"bad host key": {func(t *testing.T, v *vault) {
			write(t, filepath.Join(v.keys, hostKeyFile), []byte("AGE-SECRET-KEY-1NOTREALLY"))
		}, vaultstore.ErrTampered, "host.key"},
		"another's keys": {func(t *testing.T, v *vault) {
			remove(t, v.keys)
			copyTree(t, newVault(t).keys, v.keys)
		}, vaultstore.ErrSealed, "another vault"},
		"newer": {func(t *testing.T, v *vault) {
			name := filepath.Join(v.dir, formatFile)
			write(t, name, bytes.Replace(read(t, name), []byte(`"version":1`), []byte(`"version":2`), 1))
		}, vaultstore.ErrInvalid, "newer sallyport"},
		"an odd member": {func(t *testing.T, v *vault) {
			name := filepath.Join(v.dir, formatFile)
			write(t, name, bytes.Replace(read(t, name), []byte(`"version":1`), []byte(`"version":1,"x":1`), 1))
		}, vaultstore.ErrTampered, formatFile},
		"keys inside": {func(t *testing.T, v *vault) { v.keys = filepath.Join(v.dir, "keys") }, vaultstore.ErrInvalid, "another folder"},
		"no folder":   {func(t *testing.T, v *vault) { v.keys = "" }, vaultstore.ErrInvalid, "named"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			c.change(t, v)
			s, err := Open(t.Context(), v.options())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || s != nil {
				t.Fatalf("got %v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

func TestInitRefusesWhatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		dir, keys func(v *vault) string
	}{
		"both":         {func(v *vault) string { return v.dir }, func(v *vault) string { return v.keys }},
		"other keys":   {func(v *vault) string { return v.dir }, func(v *vault) string { return v.keys + "2" }},
		"other store":  {func(v *vault) string { return v.dir + "2" }, func(v *vault) string { return v.keys }},
		"other things": {func(v *vault) string { return filepath.Dir(v.dir) }, func(v *vault) string { return filepath.Dir(v.dir) + "-keys" }},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			before := v.bytes()
			keys := c.keys(v)
			t.Cleanup(func() { os.RemoveAll(keys) })
			_, err := Init(t.Context(), c.dir(v), InitOptions{KeysDir: keys})
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("got %v, want %v", err, fs.ErrExist)
			}
			if !bytes.Equal(before, v.bytes()) {
				t.Error("what was there changed")
			}
			v.open()
		})
	}
}

// Of many who make the same vault one comes through, and its keys fit.
func TestInitRaces(t *testing.T) {
	home := scratch(t)
	v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 8 {
		wg.Go(func() {
			_, err := Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d made the vault", made)
	}
	mustPut(t, v.open(), entryOf(at("A"), token, "value"), vaultstore.CreateOnly)
}

func TestExists(t *testing.T) {
	v := newVault(t)
	if !Exists(v.dir) {
		t.Error("a vault does not exist")
	}
	if Exists(v.keys+"2") || Exists(filepath.Dir(v.dir)) {
		t.Error("a vault exists where none is")
	}
}

// The recovery identity opens classes 1 and 2 of every owner, whenever they
// came, and nothing of the host's; the store keeps no trace of it.
func TestRecovery(t *testing.T) {
	id, recipient, err := GenerateRecovery()
	if err != nil {
		t.Fatal(err)
	}
	home := scratch(t)
	v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys"), recovery: id}
	made, err := Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys, RecoveryRecipient: recipient})
	if err != nil {
		t.Fatal(err)
	}
	if !made.RecoveryIdentity.IsZero() || made.RecoveryRecipient != recipient {
		t.Error("a recipient was given, and another pair made")
	}
	bob := at("B")
	bob.Owner = "bob"
	want := map[string]vaultstore.Entry{}
	s := v.open()
	for _, e := range []vaultstore.Entry{entryOf(at("T"), token, "one"), entryOf(at("S"), session, "two"), entryOf(bob, token, "three")} {
		e.Stages[vaultstore.Pending] = e.Stages[vaultstore.Current]
		mustPut(t, s, e, vaultstore.CreateOnly)
		want[v.file(e.Address, e.Class)] = e
	}
	if bytes.Contains(v.bytes(), id.Reveal()) {
		t.Error("the store keeps the recovery identity")
	}
	remove(t, v.keys)
	for name, e := range want {
		got, err := Recover(read(t, name), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.Address != e.Address || got.Class != e.Class || len(got.Stages) != 2 ||
			!got.Stages[vaultstore.Pending].Value.Equal(e.Stages[vaultstore.Current].Value) {
			t.Errorf("recovered %v of class %q", got.Address, got.Class)
		}
		// The shell's way: age -d -i recovery.txt FILE | tail -c +33
		if json := v.plain(name)[32:]; json[0] != '{' || !bytes.Contains(json, []byte(`"name":"`+e.Address.Name+`"`)) {
			t.Error("after 32 bytes there is no JSON")
		}
	}
	other, _, err := GenerateRecovery()
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if _, err := Recover(read(t, name), other); !errors.Is(err, vaultstore.ErrSealed) {
			t.Errorf("another identity: %v", err)
		}
	}
	if _, err := Recover(nil, vaultstore.NewSecret([]byte("junk"))); err == nil {
		t.Error("junk is an identity")
	}
}

// People paste the wrong half: it must not come back in an error.
func TestRecoveryRecipientIsChecked(t *testing.T) {
	id, _, err := GenerateRecovery()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	home := scratch(t)
	for what, r := range map[string]string{
		"identity": string(id.Reveal()), "lower case": strings.ToLower(string(id.Reveal())),
		"junk": "hunter2", "hybrid": hybrid.Recipient().String(), "cut": "age1qqqq",
	} {
		dir := filepath.Join(home, "vault")
		_, err := Init(t.Context(), dir, InitOptions{KeysDir: filepath.Join(home, "keys"), RecoveryRecipient: r})
		if !errors.Is(err, vaultstore.ErrInvalid) {
			t.Errorf("%s: %v, want %v", what, err, vaultstore.ErrInvalid)
		} else if strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(r)) {
			t.Errorf("%s: the error repeats it", what)
		}
		if Exists(dir) {
			t.Errorf("%s: a vault was made", what)
		}
	}
}

func TestHostKey(t *testing.T) {
	v := newVault(t)
	key := func(s *Store, label string) string {
		t.Helper()
		k, err := s.HostKey(t.Context(), label)
		if err != nil || len(k) != 32 {
			t.Fatalf("%d bytes, %v", len(k), err)
		}
		return string(k)
	}
	s := v.open()
	approvals := key(s, "approvals/v1")
	if approvals != key(v.open(), "approvals/v1") {
		t.Error("the key changed on reopening")
	}
	if approvals == key(s, "audit/v1") {
		t.Error("two labels have one key")
	}
	if approvals == key(newVault(t).open(), "approvals/v1") {
		t.Error("two stores have one key")
	}
	for _, label := range []string{"", "a\n"} {
		if _, err := s.HostKey(t.Context(), label); !errors.Is(err, vaultstore.ErrInvalid) {
			t.Errorf("label %q: %v", label, err)
		}
	}
	s.Close()
	if _, err := s.HostKey(t.Context(), "approvals/v1"); !errors.Is(err, vaultstore.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Each owner and class has an identity of its own.
func TestIdentitiesAreApart(t *testing.T) {
	v := newVault(t)
	s := v.open()
	bob := at("B")
	bob.Owner = "bob"
	for _, e := range []vaultstore.Entry{
		entryOf(at("T"), token, "v"), entryOf(at("S"), session, "v"), entryOf(at("I"), abi.ClassNone, "v"), entryOf(bob, token, "v"),
	} {
		mustPut(t, s, e, vaultstore.CreateOnly)
	}
	if err := s.RaiseMark(t.Context(), "alice", "m", 1); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, name := range []string{
		v.key("alice", "long_lived_token", keyExt), v.key("alice", "session", keyExt), v.key("alice", "identity", keyExt),
		v.key("alice", "marks", keyExt), v.key("bob", "long_lived_token", keyExt), filepath.Join(v.keys, hostKeyFile),
	} {
		id := contentLines(read(t, name))[0]
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s are one", name, other)
		}
		seen[id] = name
	}
}

// The refusal of a password says what would protect it.
func TestPasswordRefusal(t *testing.T) {
	s := newVault(t).open()
	_, err := s.Put(t.Context(), entryOf(at("P"), abi.ClassPassword, "hunter2"), vaultstore.CreateOnly)
	if !errors.Is(err, vaultstore.ErrClass) {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"passphrase", "keyring", "TPM"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the refusal does not name the %s: %v", word, err)
		}
	}
}
