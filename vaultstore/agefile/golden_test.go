package agefile

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// goldenDir is a vault that the first version of this package wrote. Every
// later version opens it: it is never written anew. Its identities open
// nothing else.
const goldenDir = "testdata/golden-v1"

const goldenHostKey = "bb6055cbb0db95b56d82bba70b012e3b5d7a547a072d839cc0284c70f28cf504"

// goldenEntries are what it holds, in the order of List.
func goldenEntries() []vaultstore.Entry {
	full := entryOf(at("API_TOKEN"), token, "golden-current")
	full.Generation = 2
	full.Stages = map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte("golden-current")), Provenance: vaultstore.AutoBootstrapped,
			Status: vaultstore.Suspect, Reason: "the source said 401 <&>", ObtainedAt: when, ExpiresAt: when.Add(time.Hour),
			LastUsed: when.Add(time.Minute), LastVerified: when.Add(time.Second),
		},
		vaultstore.Previous: entryOf(at(""), token, "golden-previous").Stages[vaultstore.Current],
		vaultstore.Pending:  entryOf(at(""), token, "\x00\xff").Stages[vaultstore.Current],
	}
	odd := entryOf(vaultstore.Address{Owner: "alice", Connector: "GitHub/ü", Instance: "con", Grant: "-", Name: "%\u2028"}, token, "")
	odd.Generation = 1
	account := entryOf(at("ACCOUNT"), abi.ClassNone, "alice@example.org")
	account.Generation = 1
	raised := entryOf(at("COOKIE"), session, "golden-session")
	raised.Generation = 2
	return []vaultstore.Entry{odd, account, full, raised}
}

func TestGolden(t *testing.T) {
	if os.Getenv("SALLYPORT_WRITE_GOLDEN") == "1" {
		writeGolden(t)
	}
	home := scratch(t)
	copyTree(t, filepath.FromSlash(goldenDir), home)
	v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
	v.recovery = vaultstore.NewSecret(read(t, filepath.Join(home, "recovery.txt")))
	s := v.open()
	i, want := 0, goldenEntries()
	for info, err := range s.List(t.Context(), "alice") {
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(want) || info.Address != want[i].Address {
			t.Fatalf("place %d is %v", i, info.Address)
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d of %d are listed", i, len(want))
	}
	for _, w := range want {
		checkGolden(t, v, s, w)
	}
	if _, generation := putAgain(t, s, at("DELETED")); generation != 3 {
		t.Errorf("the deleted one went on at generation %d", generation)
	}
	if got, err := s.Mark(t.Context(), "alice", "approvals"); got != 42 || err != nil {
		t.Errorf("the mark is %d, %v", got, err)
	}
	if key, err := s.HostKey(t.Context(), "golden/v1"); hex.EncodeToString(key) != goldenHostKey {
		t.Errorf("the host key is %x, %v", key, err)
	}
}

// checkGolden reads an entry, by the store and by the recovery identity, and
// writes it once more.
func checkGolden(t *testing.T, v *vault, s *Store, want vaultstore.Entry) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Address)
	if err != nil {
		t.Fatal(err)
	}
	recovered, err := Recover(read(t, v.file(want.Address, want.Class)), v.recovery)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []vaultstore.Entry{got, recovered} {
		if e.Address != want.Address || e.Class != want.Class || e.Generation != want.Generation || len(e.Stages) != len(want.Stages) {
			t.Fatalf("%v: class %q, generation %d, %d stages", e.Address, e.Class, e.Generation, len(e.Stages))
		}
		for stage, w := range want.Stages {
			g := e.Stages[stage]
			if !g.Value.Equal(w.Value) {
				t.Errorf("%v, %s: another value", e.Address, stage)
			}
			if g.Reason != w.Reason || g.Provenance != w.Provenance || g.Status != w.Status || !g.ObtainedAt.Equal(w.ObtainedAt) ||
				!g.ExpiresAt.Equal(w.ExpiresAt) || !g.LastUsed.Equal(w.LastUsed) || !g.LastVerified.Equal(w.LastVerified) {
				t.Errorf("%v, %s: other metadata", e.Address, stage)
			}
		}
	}
	mustPut(t, s, got, got.Generation)
}

func putAgain(t *testing.T, s *Store, a vaultstore.Address) (string, uint64) {
	t.Helper()
	mustPut(t, s, entryOf(a, token, "again"), vaultstore.CreateOnly)
	return current(t, s, a)
}

// writeGolden is how the vault was made, once.
func writeGolden(t *testing.T) {
	if _, err := os.Stat(goldenDir); err == nil {
		t.Fatal("the golden vault is there; it is never written anew")
	}
	v := &vault{t: t, dir: goldenDir + "/vault", keys: goldenDir + "/keys"}
	made, err := Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys})
	if err != nil {
		t.Fatal(err)
	}
	write(t, goldenDir+"/recovery.txt", append(made.RecoveryIdentity.Reveal(), '\n'))
	s := v.open()
	defer s.Close()
	mustPut(t, s, entryOf(at("API_TOKEN"), token, "first"), vaultstore.CreateOnly)
	mustPut(t, s, entryOf(at("COOKIE"), token, "first"), vaultstore.CreateOnly)
	for _, e := range goldenEntries() {
		mustPut(t, s, e, vaultstore.AnyGeneration)
	}
	mustPut(t, s, entryOf(at("DELETED"), token, "deleted"), vaultstore.CreateOnly)
	if err := s.Delete(t.Context(), at("DELETED"), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.RaiseMark(t.Context(), "alice", "approvals", 42); err != nil {
		t.Fatal(err)
	}
}
