package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// partitions puts a value at addresses that differ in one part, or only in
// where a part ends.
func (s *suite) partitions() {
	base := vaultstore.Address{Owner: "o", Connector: "c", Instance: "i", Grant: "g", Name: "n"}
	all := []vaultstore.Address{base}
	for i := range 5 {
		other := base
		*[]*string{&other.Owner, &other.Connector, &other.Instance, &other.Grant, &other.Name}[i] = "other"
		all = append(all, other)
	}
	all = append(all,
		vaultstore.Address{Owner: "oc", Connector: "i", Instance: "g", Grant: "n", Name: "x"},
		vaultstore.Address{Owner: "o", Connector: "ci", Instance: "g", Grant: "n", Name: "x"},
		vaultstore.Address{Owner: "o", Connector: "c/i", Instance: "g", Grant: "n", Name: "x"},
		vaultstore.Address{Owner: "o", Connector: "c", Instance: "i/g", Grant: "n", Name: "x"},
	)
	for i, a := range all {
		s.fails(vaultstore.ErrNotFound, s.getErr(a))
		s.put(entry(a, s.class(), strconv.Itoa(i)), vaultstore.CreateOnly)
	}
	for i, a := range all {
		want := entry(a, s.class(), strconv.Itoa(i))
		want.Generation = 1
		s.same(s.get(a), want)
	}
	s.delete(all[0], 1)
	for _, a := range all[1:] {
		s.get(a)
	}
	if got := s.listed("oc"); len(got) != 1 || got[0].Address != all[6] {
		s.Errorf("owner oc has %s", names(got))
	}
}

func (s *suite) list() {
	var want []vaultstore.Address
	classes := s.classes()
	for i, name := range []string{"b", "a", "Z", "a-", "ab", "é"} {
		for _, connector := range []string{"yahoo", "github"} {
			a := address(name)
			a.Connector = connector
			e := entry(a, classes[i%len(classes)], "value")
			v := e.Stages[vaultstore.Current]
			v.ExpiresAt = day.Add(time.Hour)
			e.Stages[vaultstore.Current] = v
			s.put(e, vaultstore.CreateOnly)
			want = append(want, a)
		}
	}
	foreign := address("b")
	foreign.Owner = "alic"
	s.put(entry(foreign, s.class(), "value"), vaultstore.CreateOnly)
	slices.SortFunc(want, vaultstore.Address.Compare)

	got := s.listed("alice")
	if len(got) != len(want) {
		s.Fatalf("listed %s", names(got))
	}
	for i, info := range got {
		if info.Address != want[i] {
			s.Fatalf("place %d is %v, want %v", i, info.Address, want[i])
		}
		e := s.get(info.Address)
		if e.Class != info.Class || e.Generation != info.Generation {
			s.Errorf("%v: the list says class %q, generation %d", info.Address, info.Class, info.Generation)
		}
		v := info.Stages[vaultstore.Current]
		if !v.Value.IsZero() {
			s.Errorf("%v: a list holds no values", info.Address)
		}
		v.Value = e.Stages[vaultstore.Current].Value
		if d := differences(v, e.Stages[vaultstore.Current]); len(d) > 0 {
			s.Errorf("%v: list and get differ in %s", info.Address, strings.Join(d, ", "))
		}
	}
}

// listBody calls the store from the loop's body, and leaves the loop early.
func (s *suite) listBody() {
	for _, name := range []string{"a", "b", "c"} {
		s.put(entry(address(name), s.class(), "value"), vaultstore.CreateOnly)
	}
	seen := 0
	for info, err := range s.store.List(s.ctx, "alice") {
		if err != nil {
			s.Fatal(err)
		}
		seen++
		s.delete(info.Address, info.Generation)
	}
	if seen != 3 {
		s.Errorf("the list yielded %d, not the 3 that stood when it began", seen)
	}
	s.put(entry(address("a"), s.class(), "value"), vaultstore.CreateOnly)
	s.put(entry(address("b"), s.class(), "value"), vaultstore.CreateOnly)
	for range s.store.List(s.ctx, "alice") {
		break
	}
	s.put(entry(address("c"), s.class(), "value"), vaultstore.CreateOnly)
}

// copies changes what was passed in and what came back.
func (s *suite) copies() {
	a := address("COPIED")
	value := vaultstore.NewSecret([]byte("value"))
	e := entry(a, s.class(), "")
	v := e.Stages[vaultstore.Current]
	v.Value = value
	e.Stages[vaultstore.Current] = v
	s.put(e, vaultstore.CreateOnly)
	value.Zero()
	delete(e.Stages, vaultstore.Current)

	want := entry(a, s.class(), "value")
	want.Generation = 1
	got := s.get(a)
	s.same(got, want)
	got.Zero()
	delete(got.Stages, vaultstore.Current)
	s.same(s.get(a), want)
	for _, info := range s.listed("alice") {
		delete(info.Stages, vaultstore.Current)
	}
	s.same(s.get(a), want)
	kept := s.get(a)
	s.put(entry(a, s.class(), "other"), 1)
	s.same(kept, want)
}

func (s *suite) cancelled() {
	a := address("CANCELLED")
	s.put(entry(a, s.class(), "value"), vaultstore.CreateOnly)
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(errors.New("a cause of its own"))
	late, stop := context.WithDeadline(s.ctx, time.Unix(0, 0))
	defer stop()
	for want, ctx := range map[error]context.Context{context.Canceled: ctx, context.DeadlineExceeded: late} {
		_, err := s.store.Get(ctx, a)
		s.fails(want, err)
		_, err = s.store.Put(ctx, entry(a, s.class(), "late"), vaultstore.AnyGeneration)
		s.fails(want, err)
		s.fails(want, s.store.Delete(ctx, a, vaultstore.AnyGeneration))
		seen := 0
		for _, err := range s.store.List(ctx, "alice") {
			seen++
			s.fails(want, err)
		}
		if seen != 1 {
			s.Errorf("a cancelled list yielded %d times", seen)
		}
		if m, ok := s.store.(vaultstore.Marks); ok {
			_, err := m.Mark(ctx, "alice", "m")
			s.fails(want, err)
			s.fails(want, m.RaiseMark(ctx, "alice", "m", 1))
		}
	}
	e := entry(a, s.class(), "value")
	e.Generation = 1
	s.same(s.get(a), e)
	s.mark("m", 0)
}

// errors checks that errors name the address and never the value, on one line.
func (s *suite) errors() {
	const canary = "canary-81c7e1"
	a := address("NAMED_IN_ERRORS")
	s.put(entry(a, s.class(), canary), vaultstore.CreateOnly)
	bad := entry(a, s.class(), canary)
	v := bad.Stages[vaultstore.Current]
	v.Reason = "it was " + canary
	bad.Stages[vaultstore.Current] = v
	odd := address("two\nlines")
	for _, err := range []error{
		s.putErr(entry(a, s.class(), canary), vaultstore.CreateOnly),
		s.putErr(bad, vaultstore.AnyGeneration),
		s.getErr(odd),
		s.putErr(entry(a, s.class(), canary+strings.Repeat("x", s.caps.MaxValue)), vaultstore.AnyGeneration),
		s.store.Delete(s.ctx, a, 77),
	} {
		var typed *vaultstore.Error
		if !errors.As(err, &typed) {
			s.Fatalf("%v is no *vaultstore.Error", err)
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", typed)} {
			if strings.Contains(text, canary) {
				s.Error("an error holds the value")
			}
		}
		if strings.Contains(err.Error(), "\n") {
			s.Errorf("an error has more than one line: %q", err)
		}
		if typed.Address == a && !strings.Contains(err.Error(), "alice/github/default/self/NAMED_IN_ERRORS") {
			s.Errorf("the error does not name the address: %v", err)
		}
	}
}

// lostUpdates has many writers count one value up.
func (s *suite) lostUpdates() {
	if !s.caps.CompareSwap {
		s.Skip("the store does not compare generations")
	}
	const writers, rounds = 8, 5
	a := address("COUNTED")
	s.put(entry(a, s.class(), "0"), vaultstore.CreateOnly)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				if err := Increment(s.ctx, s.store, a); err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := entry(a, s.class(), strconv.Itoa(writers*rounds))
	want.Generation = 1 + writers*rounds
	s.same(s.get(a), want)
}

// Increment adds one to the decimal number at a, however often another writer
// comes before it. It is exported for the tests of stores that several
// processes share.
func Increment(ctx context.Context, store vaultstore.Store, a vaultstore.Address) error {
	for {
		e, err := store.Get(ctx, a)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(e.Stages[vaultstore.Current].Value.Reveal()))
		if err != nil {
			return errors.New("the value is not a number")
		}
		_, err = store.Put(ctx, entry(a, e.Class, strconv.Itoa(n+1)), e.Generation)
		if !errors.Is(err, vaultstore.ErrConflict) {
			return err
		}
	}
}

// readers read while a writer writes: what they see is whole, and never goes
// back.
func (s *suite) readers() {
	const rounds = 30
	a := address("WATCHED")
	s.put(entry(a, s.class(), "1"), vaultstore.CreateOnly)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := uint64(0)
			for !stop.Load() {
				e, err := s.store.Get(s.ctx, a)
				if err != nil {
					s.Error(err)
					return
				}
				value := string(e.Stages[vaultstore.Current].Value.Reveal())
				if value != strconv.FormatUint(e.Generation, 10) || e.Generation < last {
					s.Errorf("generation %d after %d, or not its value", e.Generation, last)
					return
				}
				last = e.Generation
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			for _, err := range s.store.List(s.ctx, "alice") {
				if err != nil {
					s.Error(err)
					return
				}
			}
		}
	})
	for i := uint64(1); i < rounds; i++ {
		if _, err := s.store.Put(s.ctx, entry(a, s.class(), strconv.FormatUint(i+1, 10)), i); err != nil {
			s.Error(err)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

func (s *suite) raiseMark(name string, to uint64) (implemented bool) {
	s.Helper()
	m, ok := s.store.(vaultstore.Marks)
	if !ok {
		return false
	}
	if err := m.RaiseMark(s.ctx, "alice", name, to); err != nil {
		s.Fatal(err)
	}
	return true
}

// mark checks a mark, if the store keeps any.
func (s *suite) mark(name string, want uint64) {
	s.Helper()
	m, ok := s.store.(vaultstore.Marks)
	if !ok {
		return
	}
	got, err := m.Mark(s.ctx, "alice", name)
	if err != nil || got != want {
		s.Fatalf("mark %q is %d, %v; want %d", name, got, err, want)
	}
}

func (s *suite) marks() {
	m, ok := s.store.(vaultstore.Marks)
	if !ok {
		s.Skip("the store keeps no marks")
	}
	for _, step := range []struct {
		name      string
		to, want  uint64
		unchanged string
	}{
		{"a", 0, 0, "b"}, {"a", 5, 5, "b"}, {"a", 3, 5, "b"}, {"a", 5, 5, "b"}, {"a", 6, 6, "b"}, {"a", 1<<64 - 1, 1<<64 - 1, "b"},
		{"ä/%", 9, 9, "b"}, {"A", 1, 1, "b"},
	} {
		s.raiseMark(step.name, step.to)
		s.mark(step.name, step.want)
		s.mark(step.unchanged, 0)
	}
	s.mark("a", 1<<64-1)
	if got, err := m.Mark(s.ctx, "bob", "a"); got != 0 || err != nil {
		s.Errorf("another owner's mark is %d, %v", got, err)
	}
	for _, name := range []string{"", "a\n", "\xff", strings.Repeat("m", vaultstore.MaxPartBytes+1)} {
		s.fails(vaultstore.ErrInvalid, m.RaiseMark(s.ctx, "alice", name, 1))
		s.fails(vaultstore.ErrInvalid, m.RaiseMark(s.ctx, name, "a", 1))
		_, err := m.Mark(s.ctx, "alice", name)
		s.fails(vaultstore.ErrInvalid, err)
	}
	var wg sync.WaitGroup
	for to := uint64(1); to <= 20; to++ {
		wg.Go(func() {
			if err := m.RaiseMark(s.ctx, "alice", "race", to); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	s.mark("race", 20)
}

func (s *suite) closed() {
	a := address("CLOSED")
	s.put(entry(a, s.class(), "value"), vaultstore.CreateOnly)
	for range 2 {
		if err := s.store.Close(); err != nil {
			s.Fatalf("close: %v", err)
		}
	}
	s.fails(vaultstore.ErrClosed, s.getErr(a))
	s.fails(vaultstore.ErrClosed, s.putErr(entry(a, s.class(), "late"), vaultstore.AnyGeneration))
	s.fails(vaultstore.ErrClosed, s.store.Delete(s.ctx, a, vaultstore.AnyGeneration))
	for _, err := range s.store.List(s.ctx, "alice") {
		s.fails(vaultstore.ErrClosed, err)
	}
	if m, ok := s.store.(vaultstore.Marks); ok {
		_, err := m.Mark(s.ctx, "alice", "m")
		s.fails(vaultstore.ErrClosed, err)
		s.fails(vaultstore.ErrClosed, m.RaiseMark(s.ctx, "alice", "m", 1))
	}
	if s.store.Capabilities().Name != s.caps.Name {
		s.Error("capabilities changed on close")
	}
}
