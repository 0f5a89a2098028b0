package agefile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const token, session = abi.ClassToken, abi.ClassSession

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), privateDir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, privateFile); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// refused checks that no method reports a value, or that there is none, at a;
// and that a put does not write over what is there.
func (v *vault) refused(a vaultstore.Address, want error) {
	v.t.Helper()
	before := v.bytes()
	s := v.open()
	e, err := s.Get(v.t.Context(), a)
	if !errors.Is(err, want) || len(e.Stages) > 0 {
		v.t.Errorf("get: %v, want %v", err, want)
	}
	if _, err := s.Put(v.t.Context(), entryOf(a, token, "fresh"), vaultstore.AnyGeneration); !errors.Is(err, want) {
		v.t.Errorf("put: %v, want %v", err, want)
	}
	if err := s.Delete(v.t.Context(), a, 1); !errors.Is(err, want) {
		v.t.Errorf("delete: %v, want %v", err, want)
	}
	var last error
	for info, err := range s.List(v.t.Context(), a.Owner) {
		if last != nil {
			v.t.Error("list goes on after an error")
		}
		if last = err; err == nil && info.Address == a {
			v.t.Error("it is listed")
		}
	}
	if !errors.Is(last, want) {
		v.t.Errorf("list: %v, want %v", last, want)
	}
	if !bytes.Equal(before, v.bytes()) {
		v.t.Error("a method that failed changed files")
	}
}

// bytes is the content of all files but locks, with their names.
func (v *vault) bytes() []byte {
	v.t.Helper()
	var b bytes.Buffer
	for _, dir := range []string{v.dir, v.keys} {
		err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(name, lockExt) {
				return err
			}
			data, err := os.ReadFile(name)
			b.WriteString(name)
			b.Write(data)
			return err
		})
		if err != nil {
			v.t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestTampering(t *testing.T) {
	a, b := at("A"), at("B")
	bob := a
	bob.Owner = "bob"
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, v *vault, older *vault)
		want   error
	}{
		{"swapped with another name", func(t *testing.T, v, _ *vault) {
			x, y := read(t, v.file(a, token)), read(t, v.file(b, token))
			write(t, v.file(a, token), y)
			write(t, v.file(b, token), x)
		}, vaultstore.ErrTampered},
		{"another owner's", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), read(t, v.file(bob, token)))
		}, vaultstore.ErrTampered},
		{"another class's", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), read(t, v.file(at("S"), session)))
		}, vaultstore.ErrTampered},
		{"copied into a second class", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, session), read(t, v.file(a, token)))
		}, vaultstore.ErrTampered},
		{"an index instead", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), read(t, v.index("alice", token)))
		}, vaultstore.ErrTampered},
		{"forged with the public recipient", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), v.forge(token, bytes.Repeat([]byte{0}, tagSize), envelopeOf(t, v, a)))
		}, vaultstore.ErrTampered},
		{"forged as the next write", func(t *testing.T, v, _ *vault) {
			body := bytes.Replace(envelopeOf(t, v, a), []byte(`"generation":3`), []byte(`"generation":4`), 1)
			write(t, v.file(a, token), v.forge(token, make([]byte, tagSize), body))
		}, vaultstore.ErrTampered},
		{"forged, with its index", func(t *testing.T, v, _ *vault) {
			data := v.forge(token, make([]byte, tagSize), envelopeOf(t, v, a))
			write(t, v.file(a, token), data)
			s := v.open()
			tr, err := s.tree("alice", token)
			if err != nil {
				t.Fatal(err)
			}
			body, err := encodeIndex(s.id, tr.index.with(a, record{generation: 3, state: stateLive, digest: sha256.Sum256(data)}))
			if err != nil {
				t.Fatal(err)
			}
			write(t, v.index("alice", token), v.forge(token, make([]byte, tagSize), body))
		}, vaultstore.ErrTampered},
		{"forged with the tag of another file", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), v.forge(token, v.tagOf(v.file(b, token)), envelopeOf(t, v, a)))
		}, vaultstore.ErrTampered},
		{"forged without a tag", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), v.forge(token, nil, []byte("{}")))
		}, vaultstore.ErrTampered},
		{"empty", func(t *testing.T, v, _ *vault) { write(t, v.file(a, token), nil) }, vaultstore.ErrTampered},
		{"plain text", func(t *testing.T, v, _ *vault) { write(t, v.file(a, token), []byte("secret")) }, vaultstore.ErrTampered},
		{"something after it", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), append(read(t, v.file(a, token)), 0))
		}, vaultstore.ErrTampered},
		{"sealed again, the same content", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), v.reseal(v.file(a, token)))
		}, vaultstore.ErrTampered},
		{"too large", func(t *testing.T, v, _ *vault) {
			write(t, v.file(a, token), bytes.Repeat([]byte{'x'}, maxSecretFile+1))
		}, vaultstore.ErrTooLarge},
		{"an older file", func(t *testing.T, v, older *vault) {
			write(t, v.file(a, token), read(t, older.file(a, token)))
		}, vaultstore.ErrRollback},
		{"a deleted one put back", func(t *testing.T, v, _ *vault) {
			file := read(t, v.file(a, token))
			s := v.open()
			if err := s.Delete(t.Context(), a, vaultstore.AnyGeneration); err != nil {
				t.Fatal(err)
			}
			write(t, v.file(a, token), file)
		}, vaultstore.ErrRollback},
		{"a raised one put back", func(t *testing.T, v, _ *vault) {
			file := read(t, v.file(a, token))
			mustPut(t, v.open(), entryOf(a, session, "raised"), vaultstore.AnyGeneration)
			write(t, v.file(a, token), file)
		}, vaultstore.ErrRollback},
		{"a raised one taken away", func(t *testing.T, v, _ *vault) {
			mustPut(t, v.open(), entryOf(a, session, "raised"), vaultstore.AnyGeneration)
			remove(t, v.file(a, session))
		}, vaultstore.ErrMissing},
		{"an older index", func(t *testing.T, v, older *vault) {
			write(t, v.index("alice", token), read(t, older.index("alice", token)))
		}, vaultstore.ErrTampered},
		{"a missing file", func(t *testing.T, v, _ *vault) { remove(t, v.file(a, token)) }, vaultstore.ErrMissing},
		{"a folder in its place", func(t *testing.T, v, _ *vault) {
			remove(t, v.file(a, token))
			if err := os.Mkdir(v.file(a, token), privateDir); err != nil {
				t.Fatal(err)
			}
		}, vaultstore.ErrTampered},
		{"missing secrets", func(t *testing.T, v, _ *vault) {
			remove(t, filepath.Join(v.dir, classDir("alice", token), secretsDir))
		}, vaultstore.ErrMissing},
		{"a missing index", func(t *testing.T, v, _ *vault) { remove(t, v.index("alice", token)) }, vaultstore.ErrMissing},
		{"a missing tree", func(t *testing.T, v, _ *vault) {
			remove(t, filepath.Join(v.dir, classDir("alice", token)))
		}, vaultstore.ErrMissing},
		{"another owner's index", func(t *testing.T, v, _ *vault) {
			write(t, v.index("alice", token), read(t, v.index("bob", token)))
		}, vaultstore.ErrTampered},
		{"a forged index", func(t *testing.T, v, _ *vault) {
			body, err := encodeIndex(v.open().id, newIndex("alice", token, 99))
			if err != nil {
				t.Fatal(err)
			}
			write(t, v.index("alice", token), v.forge(token, make([]byte, tagSize), body))
		}, vaultstore.ErrTampered},
		{"an empty index", func(t *testing.T, v, _ *vault) { write(t, v.index("alice", token), nil) }, vaultstore.ErrTampered},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVault(t)
			s := v.open()
			mustPut(t, s, entryOf(a, token, "one"), vaultstore.CreateOnly)
			older := v.copy(t)
			for _, e := range []vaultstore.Entry{
				entryOf(a, token, "two"), entryOf(a, token, "three"), entryOf(b, token, "other"),
				entryOf(at("S"), session, "session"), entryOf(bob, token, "bob's"),
			} {
				mustPut(t, s, e, vaultstore.AnyGeneration)
			}
			c.tamper(t, v, older)
			v.refused(a, c.want)
		})
	}
}

// Where nothing was ever written, a forger finds no index that knows better.
func TestForgedWhereNothingWas(t *testing.T) {
	v := newVault(t)
	mustPut(t, v.open(), entryOf(at("B"), token, "value"), vaultstore.CreateOnly)
	first := bytes.Replace(envelopeOf(t, v, at("A")), []byte(`"generation":3`), []byte(`"generation":1`), 1)
	write(t, v.file(at("A"), token), v.forge(token, make([]byte, tagSize), first))
	v.refused(at("A"), vaultstore.ErrTampered)
}

// An index one write behind is what a crash leaves, and is healed.
func TestIndexOneBehindHeals(t *testing.T) {
	v := newVault(t)
	s := v.open()
	mustPut(t, s, entryOf(at("A"), token, "one"), vaultstore.CreateOnly)
	behind := read(t, v.index("alice", token))
	mustPut(t, s, entryOf(at("A"), token, "two"), 1)
	write(t, v.index("alice", token), behind)
	if value, generation := current(t, v.open(), at("A")); value != "two" || generation != 2 {
		t.Fatalf("got generation %d", generation)
	}
	mustPut(t, v.open(), entryOf(at("A"), token, "three"), 2)
	if value, generation := current(t, v.open(), at("A")); value != "three" || generation != 3 {
		t.Fatalf("got generation %d", generation)
	}
	write(t, v.index("alice", token), behind)
	v.refused(at("A"), vaultstore.ErrTampered)
}

// A file that lies where no index has it is told by List too.
func TestStrayFiles(t *testing.T) {
	v := newVault(t)
	s := v.open()
	mustPut(t, s, entryOf(at("A"), token, "value"), vaultstore.CreateOnly)
	stray := v.file(at("STRAY"), token)
	write(t, filepath.Join(filepath.Dir(stray), "DS_Store"), []byte("a file manager's"))
	count := func() (n int, last error) {
		for _, err := range s.List(t.Context(), "alice") {
			if last = err; err == nil {
				n++
			}
		}
		return n, last
	}
	if n, err := count(); n != 1 || err != nil {
		t.Fatalf("listed %d, %v", n, err)
	}
	for what, data := range map[string][]byte{
		"a copy": read(t, v.file(at("A"), token)), "junk": []byte("junk"),
		"forged": v.forge(token, make([]byte, tagSize), envelopeOf(t, v, at("STRAY"))),
	} {
		write(t, stray, data)
		if n, err := count(); n != 1 || !errors.Is(err, vaultstore.ErrTampered) {
			t.Errorf("%s: listed %d, %v; want 1 and then %v", what, n, err, vaultstore.ErrTampered)
		}
	}
}

// Every byte of a file, and of its index, matters; so does every length.
func TestEveryByteAndLength(t *testing.T) {
	v := newVault(t)
	s := v.open()
	a := at("A")
	mustPut(t, s, entryOf(a, token, "value"), vaultstore.CreateOnly)
	for _, name := range []string{v.file(a, token), v.index("alice", token)} {
		whole := read(t, name)
		check := func(what string, i int, data []byte) {
			t.Helper()
			write(t, name, data)
			if _, err := s.Get(t.Context(), a); !errors.Is(err, vaultstore.ErrTampered) {
				t.Fatalf("%s %d of %d: %v, want %v", what, i, len(whole), err, vaultstore.ErrTampered)
			}
		}
		for i := 0; i < len(whole); i += crashStride {
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << (i % 8)
			check("flipped byte", i, flipped)
			check("cut to", i, whole[:i])
		}
		write(t, name, whole)
		if value, _ := current(t, s, a); value != "value" {
			t.Fatal("the whole file is not read any more")
		}
	}
}

// forge seals tag and body to the public recipients of alice's class.
func (v *vault) forge(class abi.Class, tag, body []byte) []byte {
	v.t.Helper()
	return v.forgeTo(read(v.t, v.key("alice", classComponent(class), recipientsExt)), tag, body)
}

func (v *vault) forgeTo(list, tag, body []byte) []byte {
	v.t.Helper()
	recipients, err := age.ParseRecipients(bytes.NewReader(list))
	if err != nil {
		v.t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := w.Write(append(tag, body...)); err != nil {
		v.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		v.t.Fatal(err)
	}
	return out.Bytes()
}

// plain opens a file as the recovery identity can.
func (v *vault) plain(name string) []byte {
	v.t.Helper()
	ids, err := age.ParseIdentities(bytes.NewReader(v.recovery.Reveal()))
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(read(v.t, name)), ids...)
	if err != nil {
		v.t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		v.t.Fatal(err)
	}
	return b.Bytes()
}

func (v *vault) tagOf(name string) []byte { return v.plain(name)[:tagSize] }

// reseal encrypts the same plaintext, tag included, anew.
func (v *vault) reseal(name string) []byte {
	plain := v.plain(name)
	return v.forge(token, bytes.Clone(plain[:tagSize]), plain[tagSize:])
}

// envelopeOf is what a forger would have a read at a.
func envelopeOf(t *testing.T, v *vault, a vaultstore.Address) []byte {
	t.Helper()
	e := entryOf(a, token, "forged")
	e.Generation = 3
	body, err := encodeEnvelope(v.open().id, e, stateLive, when)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
