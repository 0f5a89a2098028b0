package vaultstore

import (
	"errors"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

var one = Capabilities{Classes: []abi.Class{abi.ClassToken, abi.ClassSession}, MaxValue: 8, Stages: true}

func stored(generation uint64, class abi.Class, stages ...Stage) Entry {
	e := Entry{Address: Address{"o", "c", "i", "g", "n"}, Class: class, Generation: generation, Stages: map[Stage]Version{}}
	for _, s := range stages {
		e.Stages[s] = Version{Value: NewSecret([]byte(s)), Provenance: UserEntered}
	}
	return e
}

// The rules of generations, over what is stored and what is expected.
func TestApplyGenerations(t *testing.T) {
	never, live, gone := stored(0, abi.ClassToken), stored(4, abi.ClassToken, Current), stored(5, abi.ClassToken)
	for _, c := range []struct {
		stored      Entry
		expect      uint64
		put, delete error
	}{
		{never, CreateOnly, nil, ErrNotFound}, {never, AnyGeneration, nil, ErrNotFound}, {never, 1, ErrConflict, ErrNotFound},
		{live, CreateOnly, ErrConflict, ErrConflict}, {live, AnyGeneration, nil, nil}, {live, 4, nil, nil},
		{live, 3, ErrConflict, ErrConflict}, {live, 5, ErrConflict, ErrConflict},
		{gone, CreateOnly, nil, ErrNotFound}, {gone, AnyGeneration, nil, ErrNotFound}, {gone, 5, nil, ErrNotFound}, {gone, 4, ErrConflict, ErrNotFound},
	} {
		next, err := Apply(one, c.stored, stored(99, abi.ClassToken, Current), c.expect)
		if !errors.Is(err, c.put) || err == nil && next.Generation != c.stored.Generation+1 {
			t.Errorf("put over generation %d, expecting %d: %v, generation %d", c.stored.Generation, c.expect, err, next.Generation)
		}
		tomb, err := ApplyDelete(c.stored, c.expect)
		if !errors.Is(err, c.delete) || err == nil && (tomb.Generation != c.stored.Generation+1 || len(tomb.Stages) > 0) {
			t.Errorf("delete of generation %d, expecting %d: %v, generation %d", c.stored.Generation, c.expect, err, tomb.Generation)
		}
	}
}

func TestApplyCopies(t *testing.T) {
	was, put := stored(1, abi.ClassToken, Current, Previous), stored(0, abi.ClassSession, Pending)
	next, err := Apply(one, was, put, 1)
	if err != nil || next.Class != abi.ClassSession || len(next.Stages) != 3 || len(was.Stages) != 2 || len(put.Stages) != 1 {
		t.Fatalf("%v: class %q, %d stages", err, next.Class, len(next.Stages))
	}
	was.Zero()
	put.Zero()
	for stage, v := range next.Stages {
		if string(v.Value.Reveal()) != string(stage) {
			t.Errorf("%s is shared with what it came from", stage)
		}
	}
	if next.Stages[Pending].Status != Active {
		t.Errorf("an empty status became %q", next.Stages[Pending].Status)
	}
	if _, err := Apply(one, next, stored(0, abi.ClassToken, Current), AnyGeneration); !errors.Is(err, ErrClass) {
		t.Errorf("a class was lowered: %v", err)
	}
}

func TestCapabilitiesStores(t *testing.T) {
	c := Capabilities{Classes: []abi.Class{abi.ClassToken}, Refusal: map[abi.Class]string{abi.ClassPassword: "why"}}
	for class, want := range map[abi.Class]string{abi.ClassToken: "", abi.ClassPassword: "why", abi.ClassSession: "this store does not keep it"} {
		if ok, why := c.Stores(class); why != want || ok != (want == "") {
			t.Errorf("%q: %v, %q", class, ok, why)
		}
	}
}
