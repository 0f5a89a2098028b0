package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/storetest"
)

// shelves are a provider in memory. fault, if any, is asked before a write,
// and after it where late is set.
type shelves struct {
	mu    sync.Mutex
	items map[place]Item
	fault func() error
	late  bool
}

func newShelves() *shelves { return &shelves{items: make(map[place]Item)} }

func (s *shelves) Read(_ context.Context, shelf, name string) (Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.items[place{shelf, name}]
	if !ok {
		return Item{}, vaultstore.ErrNotFound
	}
	return item, nil
}

func (s *shelves) Write(_ context.Context, shelf, name string, data []byte, revision uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil && !s.late {
		return s.fault()
	}
	at := place{shelf, name}
	if s.items[at].Revision != revision {
		return vaultstore.ErrConflict
	}
	s.items[at] = Item{Name: name, Data: bytes.Clone(data), Revision: revision + 1}
	if s.fault != nil {
		return s.fault()
	}
	return nil
}

func (s *shelves) Forget(context.Context, string, string, uint64) error { return nil }

func (s *shelves) All(_ context.Context, shelf string) (all []Item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, item := range s.items {
		if at.shelf == shelf {
			all = append(all, item)
		}
	}
	return all, nil
}

func (s *shelves) Close() error { return nil }

func testKeys(t *testing.T, recovery ...string) Keys {
	t.Helper()
	keys, err := Derive(vaultstore.NewSecret(bytes.Repeat([]byte{7}, MinRootBytes)), recovery...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func openOver(t *testing.T, items Items, passwords bool) *Store {
	t.Helper()
	s, err := New(t.Context(), items, Options{
		Name: "shelves", MaxValue: 20 << 10, MaxItem: 64 << 10, Keys: testKeys(t), CompareSwap: true, Passwords: passwords,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vaultstore.Store { return openOver(t, newShelves(), false) }, storetest.Listed(500))
}

func TestConformanceWithPasswords(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vaultstore.Store { return openOver(t, newShelves(), true) }, storetest.Listed(10))
}

func TestReopen(t *testing.T) {
	items := newShelves()
	storetest.Reopen(t, func(t *testing.T) vaultstore.Store { return openOver(t, items, false) })
}

const canary = "canary-5b0c2d"

func at(name string) vaultstore.Address {
	return vaultstore.Address{Owner: "alice", Connector: "bank-of-canaries", Instance: "default", Grant: "self", Name: name}
}

func put(t *testing.T, s *Store, name, value string) {
	t.Helper()
	e := vaultstore.Entry{Address: at(name), Class: abi.ClassToken, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered, Account: "ada@example.org"},
	}}
	if _, err := s.Put(t.Context(), e, vaultstore.AnyGeneration); err != nil {
		t.Fatal(err)
	}
}

// What the provider holds tells neither values nor addresses, and no two
// writes of the same are alike.
func TestProviderSeesCiphertext(t *testing.T) {
	items := newShelves()
	put(t, openOver(t, items, false), "TOKEN", canary)
	held := func() (all string) {
		for at, item := range items.items {
			all += fmt.Sprint(at, item.Name) + string(item.Data)
		}
		return all
	}
	first := held()
	put(t, openOver(t, items, false), "TOKEN", canary)
	if held() == first {
		t.Error("two writes of the same are alike")
	}
	all := first + held()
	for _, word := range []string{canary, "alice", "canaries", "TOKEN", "ada@", "user_entered"} {
		if strings.Contains(all, word) {
			t.Errorf("the provider sees %q", word)
		}
	}
}

// Whatever the provider does to an item is an error of its own, and none of it
// is "not found".
func TestTampering(t *testing.T) {
	for what, tamper := range map[string]func(one, two *Item, old Item){
		"swapped":          func(one, two *Item, _ Item) { one.Data, two.Data = two.Data, one.Data },
		"renumbered":       func(one, _ *Item, _ Item) { one.Revision++ },
		"an older one":     func(one, _ *Item, old Item) { one.Data = old.Data },
		"emptied":          func(one, _ *Item, _ Item) { one.Data = nil },
		"cut":              func(one, _ *Item, _ Item) { one.Data = one.Data[:len(one.Data)-1] },
		"lengthened":       func(one, _ *Item, _ Item) { one.Data = append(one.Data, 0) },
		"of another class": func(one, _ *Item, _ Item) { one.Data[len(magic)] = 's' },
		"of no class":      func(one, _ *Item, _ Item) { one.Data[len(magic)] = 0 },
		"foreign":          func(one, _ *Item, _ Item) { one.Data = []byte("hunter2") },
	} {
		t.Run(what, func(t *testing.T) {
			items := newShelves()
			s := openOver(t, items, false)
			put(t, s, "ONE", "old")
			key1, key2 := s.place(at("ONE")), s.place(at("TWO"))
			old := items.items[key1]
			put(t, s, "ONE", "one")
			put(t, s, "TWO", "two")
			put(t, s, "TWO", "two")
			one, two := items.items[key1], items.items[key2]
			one.Data, two.Data = bytes.Clone(one.Data), bytes.Clone(two.Data)
			tamper(&one, &two, old)
			items.items[key1], items.items[key2] = one, two

			again := openOver(t, items, false)
			if _, err := again.Get(t.Context(), at("ONE")); !errors.Is(err, vaultstore.ErrTampered) {
				t.Errorf("got %v", err)
			}
			var err error
			for _, err = range again.List(t.Context(), "alice") {
			}
			if !errors.Is(err, vaultstore.ErrTampered) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the list ended with %v", err)
			}
			// The owner's word gives it up, and the address is of use again.
			if err := again.Delete(t.Context(), at("ONE"), vaultstore.AnyGeneration); err != nil {
				t.Fatal(err)
			}
			if _, err := again.Get(t.Context(), at("ONE")); !errors.Is(err, vaultstore.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			put(t, again, "ONE", "new")
		})
	}
}

func TestEveryFlippedByteIsNoticed(t *testing.T) {
	items := newShelves()
	s := openOver(t, items, false)
	put(t, s, "ONE", "one")
	key := s.place(at("ONE"))
	good := items.items[key]
	for i := range good.Data {
		bad := good
		bad.Data = bytes.Clone(good.Data)
		bad.Data[i] ^= 1
		items.items[key] = bad
		if _, err := s.Get(t.Context(), at("ONE")); !errors.Is(err, vaultstore.ErrTampered) {
			t.Fatalf("byte %d: got %v", i, err)
		}
	}
}

// Within a process also what is whole, but older than what was seen.
func TestRollbackAndLossAreNoticed(t *testing.T) {
	items := newShelves()
	s := openOver(t, items, false)
	put(t, s, "ONE", "old")
	old := items.items[s.place(at("ONE"))]
	put(t, s, "ONE", "new")
	items.items[s.place(at("ONE"))] = old
	if _, err := s.Get(t.Context(), at("ONE")); !errors.Is(err, vaultstore.ErrRollback) {
		t.Errorf("got %v", err)
	}
	delete(items.items, s.place(at("ONE")))
	if _, err := s.Get(t.Context(), at("ONE")); !errors.Is(err, vaultstore.ErrMissing) {
		t.Errorf("got %v", err)
	}
}

// A write whose answer was lost, or that was sent twice, is looked for.
func TestLostAnswers(t *testing.T) {
	for what, c := range map[string]struct {
		fault error
		late  bool
		want  error
	}{
		"arrived":           {vaultstore.ErrUnknownOutcome, true, nil},
		"arrived, repeated": {vaultstore.ErrConflict, true, nil},
		"did not arrive":    {vaultstore.ErrUnknownOutcome, false, vaultstore.ErrUnknownOutcome},
	} {
		t.Run(what, func(t *testing.T) {
			items := newShelves()
			s := openOver(t, items, false)
			put(t, s, "ONE", "old")
			items.fault, items.late = func() error { return c.fault }, c.late
			e := vaultstore.Entry{Address: at("ONE"), Class: abi.ClassToken, Stages: map[vaultstore.Stage]vaultstore.Version{
				vaultstore.Current: {Value: vaultstore.NewSecret([]byte("new")), Provenance: vaultstore.UserEntered},
			}}
			if _, err := s.Put(t.Context(), e, 1); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// The keys of owners and classes differ; a recovery identity opens an item as
// the package says, and an item of one root is closed to another.
func TestKeys(t *testing.T) {
	recovery, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keys := testKeys(t, recovery.Recipient().String())
	seen := map[string]bool{}
	for _, owner := range []string{"alice", "bob"} {
		for _, class := range []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession, abi.ClassPassword} {
			id, _, err := keys.Identity(t.Context(), owner, class)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := age.ParseX25519Identity(string(id.Reveal())); err != nil {
				t.Error("age does not read the identity")
			}
			seen[string(id.Reveal())] = true
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d different identities, not 8", len(seen))
	}
	seals, err := newSealer(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	item := Item{Name: seals.name(at("ONE")), Revision: 1}
	item.Data, err = seals.seal(t.Context(), vaultstore.Entry{Address: at("ONE"), Class: abi.ClassToken, Generation: 1,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {Value: vaultstore.NewSecret([]byte(canary)), Provenance: vaultstore.UserEntered}}})
	if err != nil {
		t.Fatal(err)
	}
	box, err := newBox(vaultstore.NewSecret([]byte(recovery.String())), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := box.decrypt(item.Data[6:]); err != nil || !bytes.Contains(plain, []byte(canary)) {
		t.Errorf("the recovery identity does not open it: %v", err)
	}
	other, err := Derive(vaultstore.NewSecret(bytes.Repeat([]byte{8}, MinRootBytes)))
	if err != nil {
		t.Fatal(err)
	}
	if seals, err = newSealer(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := seals.open(t.Context(), "alice", item); !errors.Is(err, vaultstore.ErrTampered) {
		t.Errorf("another root opened it: %v", err)
	}
	if _, err := Derive(vaultstore.NewSecret([]byte("short"))); !errors.Is(err, vaultstore.ErrInvalid) {
		t.Errorf("a short root: %v", err)
	}
	if _, err := Derive(vaultstore.NewSecret(make([]byte, 32)), recovery.String()); !errors.Is(err, vaultstore.ErrInvalid) || strings.Contains(err.Error(), recovery.String()) {
		t.Error("an identity passed for a recipient, or was quoted")
	}
}

// A body that ends early, or has what it should not, is refused without a panic.
func FuzzDecode(f *testing.F) {
	body, err := encode(vaultstore.Entry{Address: at("ONE"), Class: abi.ClassToken, Generation: 3, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {Value: vaultstore.NewSecret([]byte("x")), Provenance: vaultstore.UserEntered}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(slices.Concat(body, []byte{0, 0}))
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := decode(body); err == nil {
			if _, err := encode(e); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			}
		}
	})
}
