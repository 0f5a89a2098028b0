// Package storetest is the conformance suite of vaultstore.Store: every
// backend runs it, and what a backend says in its Capabilities decides what is
// asked of it.
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) vaultstore.Store { return memory.New() })
//	}
//
// # Promise
//
// A backend that passes keeps the contract of vaultstore.Store as far as one
// process can see it. The suite writes only to the stores that it is given,
// and fails with addresses and names, never with a value.
//
// [Reopen] is for the backends that outlive a process. What is particular to
// one backend, such as damaged files, is tested beside it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// An Option changes what [Run] asks of a store.
type Option func(*suite)

// manyListed is how many addresses of one owner a store has to list.
const manyListed = 10_000

// Listed is the short form for a store where a write takes milliseconds: it
// has n addresses to list rather than 10,000.
func Listed(n int) Option { return func(s *suite) { s.many = n } }

// Run tests the stores that newStore returns: each call a new and empty one,
// which the suite closes.
func Run(t *testing.T, newStore func(t *testing.T) vaultstore.Store, options ...Option) {
	for _, c := range []struct {
		name string
		test func(s *suite)
	}{
		{"Capabilities", (*suite).capabilities},
		{"RoundTrip", (*suite).roundTrip},
		{"Absent", (*suite).absent},
		{"CompareAndSet", (*suite).compareAndSet},
		{"Delete", (*suite).deletes},
		{"Stages", (*suite).stages},
		{"ClassRaised", (*suite).classRaised},
		{"ClassLowered", (*suite).classLowered},
		{"ClassRefused", (*suite).classRefused},
		{"Invalid", (*suite).invalid},
		{"Bounds", (*suite).bounds},
		{"OddNames", (*suite).oddNames},
		{"LongNames", (*suite).longNames},
		{"OddValues", (*suite).oddValues},
		{"Sizes", (*suite).sizes},
		{"Partitions", (*suite).partitions},
		{"Collisions", (*suite).collisions},
		{"List", (*suite).list},
		{"ListMany", (*suite).listMany},
		{"ListBody", (*suite).listBody},
		{"Copies", (*suite).copies},
		{"Cancelled", (*suite).cancelled},
		{"Errors", (*suite).errors},
		{"CancelledMidway", (*suite).cancelledMidway},
		{"LostUpdates", (*suite).lostUpdates},
		{"PutsAndDeletes", (*suite).putsAndDeletes},
		{"Promotions", (*suite).promotions},
		{"Readers", (*suite).readers},
		{"Marks", (*suite).marks},
		{"Closed", (*suite).closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := newStore(t)
			t.Cleanup(func() { _ = store.Close() })
			s := &suite{T: t, store: store, caps: store.Capabilities(), ctx: t.Context(), many: manyListed}
			for _, option := range options {
				option(s)
			}
			c.test(s)
		})
	}
}

// Reopen tests that what was put is there when the store is opened again. open
// opens the same store each time.
func Reopen(t *testing.T, open func(t *testing.T) vaultstore.Store) {
	s := &suite{T: t, store: open(t), ctx: t.Context()}
	s.caps = s.store.Capabilities()
	a, gone := address("KEPT"), address("GONE")
	want := entry(a, s.class(), "kept")
	s.put(want, vaultstore.CreateOnly)
	s.put(entry(gone, s.class(), "gone"), vaultstore.CreateOnly)
	s.delete(gone, 1)
	raised := s.raiseMark("approvals", 7)
	for range 2 {
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		s.store = open(t)
		want.Generation = 1
		s.same(s.get(a), want)
		s.fails(vaultstore.ErrNotFound, s.getErr(gone))
		if raised {
			s.mark("approvals", 7)
		}
	}
	if got := s.put(entry(gone, s.class(), "again"), vaultstore.CreateOnly); got != 3 {
		t.Errorf("a deleted address went on at generation %d after reopening, not 3", got)
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// suite is one store under test.
type suite struct {
	*testing.T
	store vaultstore.Store
	caps  vaultstore.Capabilities
	ctx   context.Context
	many  int // addresses to list
}

// class is the lowest class with values to keep secret that the store keeps.
func (s *suite) class() abi.Class { return s.classes()[0] }

// classes are the ranked classes that the store keeps, lowest first.
func (s *suite) classes() []abi.Class {
	s.Helper()
	var have []abi.Class
	for _, c := range abi.Classes() {
		if ok, _ := s.caps.Stores(c); ok && c.Rank() > 0 {
			have = append(have, c)
		}
	}
	if len(have) == 0 {
		s.Fatal("the store keeps no class at all")
	}
	return have
}

func address(name string) vaultstore.Address {
	return vaultstore.Address{
		Owner: "alice", Connector: "github",
		Instance: vaultstore.DefaultInstance, Grant: vaultstore.SelfGrant, Name: name,
	}
}

// day is a time with nanoseconds, in a zone of its own.
var day = time.Date(2026, 2, 3, 4, 5, 6, 789, time.FixedZone("east", 3600))

// entry has one current version of value.
func entry(a vaultstore.Address, class abi.Class, value string) vaultstore.Entry {
	return vaultstore.Entry{Address: a, Class: class, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: version(value),
	}}
}

func version(value string) vaultstore.Version {
	return vaultstore.Version{
		Value:      vaultstore.NewSecret([]byte(value)),
		Provenance: vaultstore.UserEntered,
		Status:     vaultstore.Active,
		ObtainedAt: day,
	}
}

func (s *suite) put(e vaultstore.Entry, expect uint64) uint64 {
	s.Helper()
	generation, err := s.store.Put(s.ctx, e, expect)
	if err != nil {
		s.Fatalf("put: %v", err)
	}
	return generation
}

func (s *suite) putErr(e vaultstore.Entry, expect uint64) error {
	s.Helper()
	generation, err := s.store.Put(s.ctx, e, expect)
	if err != nil && generation != 0 {
		s.Errorf("put failed and still returned generation %d", generation)
	}
	return err
}

func (s *suite) get(a vaultstore.Address) vaultstore.Entry {
	s.Helper()
	e, err := s.store.Get(s.ctx, a)
	if err != nil {
		s.Fatalf("get: %v", err)
	}
	return e
}

func (s *suite) getErr(a vaultstore.Address) error {
	s.Helper()
	e, err := s.store.Get(s.ctx, a)
	if err != nil && (len(e.Stages) != 0 || e.Generation != 0) {
		s.Error("get failed and still returned an entry")
	}
	return err
}

func (s *suite) delete(a vaultstore.Address, expect uint64) {
	s.Helper()
	if err := s.store.Delete(s.ctx, a, expect); err != nil {
		s.Fatalf("delete: %v", err)
	}
}

func (s *suite) fails(want, err error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got error %v, want %v", err, want)
	}
}

// listed collects a List that has to succeed.
func (s *suite) listed(owner string) []vaultstore.Info {
	s.Helper()
	var all []vaultstore.Info
	for info, err := range s.store.List(s.ctx, owner) {
		if err != nil {
			s.Fatalf("list: %v", err)
		}
		all = append(all, info)
	}
	return all
}

// same compares all of two entries. It says which member differs, never a
// value.
func (s *suite) same(got, want vaultstore.Entry) {
	s.Helper()
	if got.Address != want.Address || got.Class != want.Class || got.Generation != want.Generation {
		s.Fatalf("got %v, class %q, generation %d; want %v, class %q, generation %d",
			got.Address, got.Class, got.Generation, want.Address, want.Class, want.Generation)
	}
	if len(got.Stages) != len(want.Stages) {
		s.Fatalf("got %d stages, want %d", len(got.Stages), len(want.Stages))
	}
	for stage, w := range want.Stages {
		g, ok := got.Stages[stage]
		if !ok {
			s.Fatalf("no stage %s", stage)
		}
		if d := differences(g, w); len(d) > 0 {
			s.Fatalf("stage %s differs in %s", stage, strings.Join(d, ", "))
		}
	}
}

func differences(g, w vaultstore.Version) (members []string) {
	for member, same := range map[string]bool{
		"Value":        g.Value.Equal(w.Value),
		"Provenance":   g.Provenance == w.Provenance,
		"Status":       g.Status == w.Status,
		"Reason":       g.Reason == w.Reason,
		"ObtainedAt":   g.ObtainedAt.Equal(w.ObtainedAt),
		"ExpiresAt":    g.ExpiresAt.Equal(w.ExpiresAt),
		"LastUsed":     g.LastUsed.Equal(w.LastUsed),
		"LastVerified": g.LastVerified.Equal(w.LastVerified),
		"RotatedAt":    g.RotatedAt.Equal(w.RotatedAt),
		"Account":      g.Account == w.Account,
		"the zone":     g.ObtainedAt.Location() == time.UTC,
	} {
		if !same {
			members = append(members, member)
		}
	}
	slices.Sort(members)
	return members
}

// names lists what infos are of.
func names(infos []vaultstore.Info) string {
	var b strings.Builder
	for _, info := range infos {
		fmt.Fprintf(&b, "%v ", info.Address)
	}
	return b.String()
}
