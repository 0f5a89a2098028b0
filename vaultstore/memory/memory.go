// Package memory is a vault that lives as long as the process: for tests, and
// for embedders who bring their credentials each time.
//
// # Promise
//
// It keeps the whole contract of vaultstore.Store and vaultstore.Marks, except
// that nothing outlives the process and no other process sees it. It passes
// the same conformance suite as the backends on disk.
//
// # Limits
//
// Values stand in the process's memory as they are. Class 3, the password, is
// refused unless [WithPasswords] says otherwise, so that a program that moves
// from here to another store meets no surprise.
package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// MaxValueBytes bounds one value.
const MaxValueBytes = 1 << 20

// Store is a vault in memory. The zero Store is not of use: see [New].
type Store struct {
	caps vaultstore.Capabilities

	mu      sync.RWMutex
	closed  bool
	entries map[vaultstore.Address]vaultstore.Entry // tombstones have no Stages
	marks   map[mark]uint64
}

type mark struct{ owner, name string }

var (
	_ vaultstore.Store = (*Store)(nil)
	_ vaultstore.Marks = (*Store)(nil)
)

// Option changes what [New] makes.
type Option func(*Store)

// WithPasswords keeps class 3 too. The values are then as safe as the
// process's memory, and no safer.
func WithPasswords() Option {
	return func(s *Store) {
		s.caps.Classes = append(s.caps.Classes, abi.ClassPassword)
		delete(s.caps.Refusal, abi.ClassPassword)
	}
}

// New returns an empty store.
func New(options ...Option) *Store {
	s := &Store{
		caps: vaultstore.Capabilities{
			Name:    "memory",
			Classes: []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession},
			Refusal: map[abi.Class]string{
				abi.ClassPassword: "a password is asked for each time rather than left in memory; a program that wants it kept says memory.WithPasswords",
				abi.ClassOneTime:  "a one-time value is never stored anywhere",
			},
			MaxValue:     MaxValueBytes,
			CompareSwap:  true,
			Stages:       true,
			DetectsSwap:  true,
			DetectsRetro: true,
		},
		entries: make(map[vaultstore.Address]vaultstore.Entry),
		marks:   make(map[mark]uint64),
	}
	for _, option := range options {
		option(s)
	}
	return s
}

// Capabilities implements vaultstore.Store.
func (s *Store) Capabilities() vaultstore.Capabilities { return s.caps.Clone() }

// Get implements vaultstore.Store.
func (s *Store) Get(ctx context.Context, a vaultstore.Address) (vaultstore.Entry, error) {
	fail := failure("get", a)
	if err := a.Validate(); err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	e := s.entries[a]
	if len(e.Stages) == 0 {
		return vaultstore.Entry{}, fail(vaultstore.ErrNotFound)
	}
	return e.Clone(), nil
}

// Put implements vaultstore.Store.
func (s *Store) Put(ctx context.Context, e vaultstore.Entry, expect uint64) (uint64, error) {
	fail := failure("put", e.Address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, fail(err)
	}
	next, err := vaultstore.Apply(s.caps, s.entries[e.Address], e, expect)
	if err != nil {
		return 0, fail(err)
	}
	s.replace(next)
	return next.Generation, nil
}

// Delete implements vaultstore.Store.
func (s *Store) Delete(ctx context.Context, a vaultstore.Address, expect uint64) error {
	fail := failure("delete", a)
	if err := a.Validate(); err != nil {
		return fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return fail(err)
	}
	tombstone, err := vaultstore.ApplyDelete(s.entries[a], expect)
	if err != nil {
		return fail(err)
	}
	s.replace(tombstone)
	return nil
}

// replace swaps an entry for its successor. Nobody else holds the old values:
// Put and Get copy.
func (s *Store) replace(next vaultstore.Entry) {
	s.entries[next.Address].Zero()
	s.entries[next.Address] = next
}

// List implements vaultstore.Store.
func (s *Store) List(ctx context.Context, owner string) iter.Seq2[vaultstore.Info, error] {
	return func(yield func(vaultstore.Info, error) bool) {
		infos, err := s.snapshot(ctx, owner)
		for _, info := range infos {
			if err = ctx.Err(); err != nil {
				break
			}
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(vaultstore.Info{}, failure("list", vaultstore.Address{Owner: owner})(err))
		}
	}
}

func (s *Store) snapshot(ctx context.Context, owner string) ([]vaultstore.Info, error) {
	if err := vaultstore.ValidatePart("owner", owner); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var infos []vaultstore.Info
	for a, e := range s.entries {
		if a.Owner == owner && len(e.Stages) > 0 {
			infos = append(infos, e.Info())
		}
	}
	slices.SortFunc(infos, func(x, y vaultstore.Info) int { return x.Address.Compare(y.Address) })
	return infos, nil
}

// Mark implements vaultstore.Marks.
func (s *Store) Mark(ctx context.Context, owner, name string) (uint64, error) {
	fail := failure("mark", vaultstore.Address{Owner: owner})
	if err := validMark(owner, name); err != nil {
		return 0, fail(err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return 0, fail(err)
	}
	return s.marks[mark{owner, name}], nil
}

// RaiseMark implements vaultstore.Marks.
func (s *Store) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	fail := failure("raise mark", vaultstore.Address{Owner: owner})
	if err := validMark(owner, name); err != nil {
		return fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return fail(err)
	}
	m := mark{owner, name}
	s.marks[m] = max(s.marks[m], to)
	return nil
}

// Close overwrites the values and forgets everything.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, e := range s.entries {
		e.Zero()
	}
	clear(s.entries)
	clear(s.marks)
	return nil
}

// usable says whether a method may go on.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed {
		return fmt.Errorf("memory: %w", vaultstore.ErrClosed)
	}
	return nil
}

func validMark(owner, name string) error {
	if err := vaultstore.ValidatePart("owner", owner); err != nil {
		return err
	}
	return vaultstore.ValidatePart("name of the mark", name)
}

func failure(op string, a vaultstore.Address) func(error) error {
	return func(err error) error { return &vaultstore.Error{Op: op, Address: a, Err: err} }
}
