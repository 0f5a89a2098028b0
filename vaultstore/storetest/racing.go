package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// cancelledMidway ends the context of puts while they go on: each happened
// whole or not at all, and one that returned nil happened.
func (s *suite) cancelledMidway() {
	const rounds = 20
	a := address("CUT_SHORT")
	generation := s.put(entry(a, s.class(), "1"), vaultstore.CreateOnly)
	for i := range rounds {
		ctx, cancel := context.WithCancel(s.ctx)
		started := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			<-started
			for range i * i * 20 { // a little later each round
				if ctx.Err() != nil {
					break
				}
			}
			cancel()
		})
		close(started)
		_, err := s.store.Put(ctx, entry(a, s.class(), strconv.FormatUint(generation+1, 10)), generation)
		wg.Wait()
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, vaultstore.ErrUnknownOutcome) {
			s.Fatalf("round %d: %v", i, err)
		}
		got := s.get(a)
		if got.Generation != generation && got.Generation != generation+1 || err == nil && got.Generation == generation {
			s.Fatalf("round %d: from generation %d to %d, and the put returned %v", i, generation, got.Generation, err)
		}
		generation = got.Generation
		want := entry(a, s.class(), strconv.FormatUint(generation, 10))
		want.Generation = generation
		s.same(got, want)
	}
}

// putsAndDeletes has writers create, replace and delete one address. Each
// success is one generation, none is lost and none is had by two.
func (s *suite) putsAndDeletes() {
	if !s.caps.CompareSwap {
		s.Skip("the store does not compare generations")
	}
	const writers, rounds = 4, 6
	a := address("CONTENDED")
	var wrote atomic.Uint64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range rounds {
				if err := s.putOrDelete(a, w%2 == 0); err == nil {
					wrote.Add(1)
				} else if !errors.Is(err, vaultstore.ErrConflict) && !errors.Is(err, vaultstore.ErrNotFound) {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := s.put(entry(a, s.class(), "last"), vaultstore.AnyGeneration)
	if last != wrote.Load()+1 {
		s.Errorf("%d writes succeeded and the next is generation %d", wrote.Load(), last)
	}
}

// putOrDelete replaces what is at a, or deletes it, as it stood a moment ago.
func (s *suite) putOrDelete(a vaultstore.Address, put bool) error {
	e, err := s.store.Get(s.ctx, a)
	switch {
	case errors.Is(err, vaultstore.ErrNotFound) && put:
		e.Generation = vaultstore.CreateOnly
	case err != nil:
		return err
	}
	if put {
		_, err = s.store.Put(s.ctx, entry(a, s.class(), "value"), e.Generation)
		return err
	}
	return s.store.Delete(s.ctx, a, e.Generation)
}

// promotions has several processes, as it were, promote one pending value: one
// of them does, and nobody ever sees it in two stages, or in none.
func (s *suite) promotions() {
	if !s.caps.CompareSwap || !s.caps.Stages {
		s.Skip("the store does not compare generations, or keeps no stages")
	}
	const promoters = 4
	a := address("PROMOTED")
	e := entry(a, s.class(), "old")
	e.Stages[vaultstore.Pending] = version("new")
	generation := s.put(e, vaultstore.CreateOnly)
	promoted := vaultstore.Entry{Address: a, Class: s.class(), Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: version("new"), vaultstore.Previous: version("old"), vaultstore.Pending: {},
	}}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range promoters {
		wg.Go(func() {
			switch _, err := s.store.Put(s.ctx, promoted, generation); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, vaultstore.ErrConflict):
				s.Error(err)
			}
		})
		wg.Go(func() {
			got, err := s.store.Get(s.ctx, a)
			if err != nil {
				s.Error(err)
			} else if state := fmt.Sprint(stageNames(got)); state != "[current pending]" && state != "[current previous]" {
				s.Errorf("seen with stages %s", state)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		s.Errorf("%d promoted it", won.Load())
	}
	delete(promoted.Stages, vaultstore.Pending)
	promoted.Generation = generation + 1
	s.same(s.get(a), promoted)
}

// stageNames are the stages of e in the order of their names.
func stageNames(e vaultstore.Entry) (stages []vaultstore.Stage) {
	for _, stage := range []vaultstore.Stage{vaultstore.Current, vaultstore.Pending, vaultstore.Previous} {
		if _, ok := e.Stages[stage]; ok {
			stages = append(stages, stage)
		}
	}
	return stages
}
