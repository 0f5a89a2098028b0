package storetest

import (
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

func (s *suite) capabilities() {
	c := s.caps
	if c.Name == "" || c.MaxValue <= 0 {
		s.Errorf("a store has a name and a bound: %q, %d bytes", c.Name, c.MaxValue)
	}
	for _, class := range append(abi.Classes(), abi.ClassNone) {
		ok, why := c.Stores(class)
		if ok != slices.Contains(c.Classes, class) || ok == (why != "") {
			s.Errorf("class %q: stored %v, and the reason is %q", class, ok, why)
		}
	}
	if ok, _ := c.Stores(abi.ClassOneTime); ok {
		s.Error("a one-time value is never stored")
	}
	s.classes()
	if len(c.Classes) > 0 {
		c.Classes[0] = "changed"
	}
	for class := range c.Refusal {
		c.Refusal[class] = "changed"
	}
	if c = s.store.Capabilities(); slices.Contains(c.Classes, "changed") || c.Refusal[abi.ClassOneTime] == "changed" {
		s.Error("a caller can change what the store says of itself")
	}
}

func (s *suite) roundTrip() {
	full := vaultstore.Version{
		Value:      vaultstore.NewSecret([]byte("round trip")),
		Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Suspect, Reason: "the source said 401",
		ObtainedAt: day, ExpiresAt: day.Add(time.Hour), LastUsed: day.Add(time.Minute), LastVerified: day.Add(time.Second),
		RotatedAt: day.Add(2 * time.Second), Account: "ada@example.org",
	}
	bare := version("bare")
	bare.Status = ""
	bareStored := version("bare") // an empty status is Active
	for _, class := range append(s.classes(), abi.ClassNone) {
		if ok, _ := s.caps.Stores(class); !ok {
			continue
		}
		a := address("OF_CLASS_" + string(class))
		want := entry(a, class, "")
		want.Stages[vaultstore.Current] = full
		want.Generation = s.put(want, vaultstore.CreateOnly)
		s.same(s.get(a), want)

		want.Stages[vaultstore.Current] = bare
		want.Generation = s.put(want, want.Generation)
		want.Stages[vaultstore.Current] = bareStored
		s.same(s.get(a), want)
		if want.Generation != 2 {
			s.Errorf("the second write has generation %d, not 2", want.Generation)
		}
	}
}

func (s *suite) absent() {
	s.fails(vaultstore.ErrNotFound, s.getErr(address("NEVER")))
	s.fails(vaultstore.ErrNotFound, s.store.Delete(s.ctx, address("NEVER"), vaultstore.AnyGeneration))
	s.fails(vaultstore.ErrNotFound, s.store.Delete(s.ctx, address("NEVER"), vaultstore.CreateOnly))
	if got := s.listed("nobody"); len(got) != 0 {
		s.Errorf("an owner who stored nothing has %s", names(got))
	}
}

func (s *suite) compareAndSet() {
	if !s.caps.CompareSwap {
		s.Skip("the store does not compare generations")
	}
	a := address("CAS")
	s.fails(vaultstore.ErrConflict, s.putErr(entry(a, s.class(), "early"), 1))
	s.put(entry(a, s.class(), "first"), vaultstore.CreateOnly)
	s.fails(vaultstore.ErrConflict, s.putErr(entry(a, s.class(), "second"), vaultstore.CreateOnly))
	s.put(entry(a, s.class(), "second"), 1)
	for _, expect := range []uint64{1, 3, 1 << 40} {
		s.fails(vaultstore.ErrConflict, s.putErr(entry(a, s.class(), "stale"), expect))
		s.fails(vaultstore.ErrConflict, s.store.Delete(s.ctx, a, expect))
	}
	s.fails(vaultstore.ErrConflict, s.store.Delete(s.ctx, a, vaultstore.CreateOnly))
	want := entry(a, s.class(), "third")
	want.Generation = 99 // is not looked at
	if got := s.put(want, vaultstore.AnyGeneration); got != 3 {
		s.Errorf("generation %d, want 3", got)
	}
	want.Generation = 3
	s.same(s.get(a), want)
}

func (s *suite) deletes() {
	a := address("DELETED")
	s.put(entry(a, s.class(), "one"), vaultstore.CreateOnly)
	s.delete(a, 1)
	s.fails(vaultstore.ErrNotFound, s.getErr(a))
	s.fails(vaultstore.ErrNotFound, s.store.Delete(s.ctx, a, vaultstore.AnyGeneration))
	if got := s.listed(a.Owner); len(got) != 0 {
		s.Errorf("a deleted address is listed: %s", names(got))
	}
	if !s.caps.CompareSwap {
		return
	}
	// Whoever read generation 1 before the delete must not bring it back.
	s.fails(vaultstore.ErrConflict, s.putErr(entry(a, s.class(), "stale"), 1))
	if got := s.put(entry(a, s.class(), "two"), vaultstore.CreateOnly); got != 3 {
		s.Errorf("after put and delete the next generation is %d, want 3", got)
	}
	s.delete(a, vaultstore.AnyGeneration)
	if got := s.put(entry(a, s.class(), "three"), vaultstore.AnyGeneration); got != 5 {
		s.Errorf("generation %d, want 5", got)
	}
}

func (s *suite) stages() {
	a := address("STAGED")
	if !s.caps.Stages {
		e := entry(a, s.class(), "current")
		e.Stages[vaultstore.Pending] = version("pending")
		s.fails(vaultstore.ErrInvalid, s.putErr(e, vaultstore.CreateOnly))
		return
	}
	stages := func(versions map[vaultstore.Stage]vaultstore.Version) vaultstore.Entry {
		return vaultstore.Entry{Address: a, Class: s.class(), Stages: versions}
	}
	one, two, three, none := version("one"), version("two"), version("three"), vaultstore.Version{}
	for _, step := range []struct {
		put, want map[vaultstore.Stage]vaultstore.Version
	}{
		{ // a first value may be pending
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Pending: one},
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Pending: one}},
		{ // promoted in one write
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: one, vaultstore.Pending: none},
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: one}},
		{ // what is not named stays
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Pending: two},
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: one, vaultstore.Pending: two}},
		{ // all three
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: two, vaultstore.Previous: one, vaultstore.Pending: three},
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: two, vaultstore.Previous: one, vaultstore.Pending: three}},
		{ // removing what is not there is no fault
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Previous: none, vaultstore.Pending: none},
			map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: two}},
		{nil, map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: two}},
	} {
		want := stages(step.want)
		want.Generation = s.put(stages(step.put), vaultstore.AnyGeneration)
		s.same(s.get(a), want)
	}
	s.fails(vaultstore.ErrInvalid, s.putErr(stages(map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: none}), vaultstore.AnyGeneration))
	s.fails(vaultstore.ErrInvalid, s.putErr(vaultstore.Entry{Address: address("EMPTY"), Class: s.class()}, vaultstore.CreateOnly))
	if got := s.get(a); len(got.Stages) != 1 {
		s.Error("a put that was refused changed the entry")
	}
}
