// Package remote is the half of a vault that all providers share: it makes a
// vaultstore.Store out of [Items], the few things that a provider has to do.
//
// # Promise
//
// What leaves the process is ciphertext: an entry, with all of its stages and
// all that is known of them, is sealed with age to a key of its owner and
// class before it is handed to the provider. A MAC under a key of that
// identity binds it to its address, class and generation, so that an item that
// was swapped, copied, cut, forged or renumbered is [vaultstore.ErrTampered].
//
// The provider does not learn addresses either: an item is named by a keyed
// hash of its address, on a shelf named by a keyed hash of its owner. That
// somebody has a bank's password is worth knowing to others, hashes fit every
// provider's alphabet and bound, and no two addresses ever meet in one. A
// policy of the provider can still be written for one owner: see
// [Store.Shelf].
//
// One entry is one item and one write, so that a pending value becomes the
// current one in one step, whatever the provider calls a stage. A write
// compares generations where the provider can. One whose answer was lost is
// looked for before it is called [vaultstore.ErrUnknownOutcome]. A delete
// leaves a sealed tombstone: only what this store deleted is "not found", and
// what others took away is [vaultstore.ErrMissing].
//
// # Limits
//
// The provider sees how many items an owner has, their sizes to 256 bytes, and
// when they change. It can withhold them, or put all of them back to an
// earlier day; a process notices that only of what it has seen itself, as
// [vaultstore.ErrRollback]. A list is read item by item: each stands as it was
// at one moment, not all at the same. Older ciphertexts may outlive a delete
// with the provider.
//
// Class 3, the password, is refused unless [Options].Passwords says that its
// identity is kept better than in a file beside the provider's token.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Item is what a provider keeps under a name.
type Item struct {
	Name string
	Data []byte
	// Revision counts the writes of the item, from 1; 0 is an item that never
	// was. It is the entry's generation.
	Revision uint64
}

// Items is a provider: shelves of named items. Names of shelves and items are
// 52 characters of a–z and 2–7. Implementations are safe for concurrent use
// and copy nothing that they are handed only to read.
type Items interface {
	// Read returns an item. vaultstore.ErrNotFound says that it never was;
	// vaultstore.ErrMissing, with the item's revision where that is known, that
	// the provider says it was taken away.
	Read(ctx context.Context, shelf, name string) (Item, error)

	// Write stores data as the revision after the one given, which is 0 for an
	// item that never was. It is vaultstore.ErrConflict when the item is at
	// another revision, and wraps vaultstore.ErrUnknownOutcome when it may have
	// been written all the same.
	Write(ctx context.Context, shelf, name string, data []byte, revision uint64) error

	// Forget makes what the provider keeps of the revisions before this one
	// unreadable, as far as the provider can. It is called after a delete.
	Forget(ctx context.Context, shelf, name string, revision uint64) error

	// All returns the items of a shelf in any order: those that can be read
	// also when there is an error.
	All(ctx context.Context, shelf string) ([]Item, error)

	// Close releases what the provider's client holds. No call is under way.
	Close() error
}

// Options are what differs between the stores over one kind of provider.
type Options struct {
	Name     string // of the backend, as Capabilities has it
	MaxValue int    // bytes of one value, for three of which an item has room
	MaxItem  int    // bytes of one item
	Keys     Keys
	// CompareSwap says that Write compares revisions at the provider.
	CompareSwap bool
	// Passwords keeps class 3 too: for a program whose Keys keep the identity
	// of that class under a passphrase, an OS keyring or a TPM.
	Passwords bool
}

// Bounds of what a store does again by itself.
const (
	maxConflicts = 64                     // of a put that expects no generation
	pause        = 2 * time.Millisecond   // between two, at first
	maxPause     = 250 * time.Millisecond // and at most
	lookTimeout  = 5 * time.Second        // to find out how a write ended
)

// Store is a vault at a provider.
type Store struct {
	items Items
	seal  *sealer
	caps  vaultstore.Capabilities
	max   int

	life     context.Context // ends when Close begins
	end      context.CancelFunc
	closing  sync.Mutex
	closed   bool
	inFlight sync.WaitGroup

	mu   sync.Mutex
	seen map[place]uint64 // the highest generation met, by place
}

type place struct{ shelf, name string }

var _ vaultstore.Store = (*Store)(nil)

// New returns the store over items, which it closes.
func New(ctx context.Context, items Items, o Options) (*Store, error) {
	s := &Store{
		items: items, max: o.MaxItem, seen: make(map[place]uint64),
		caps: vaultstore.Capabilities{
			Name:    o.Name,
			Classes: []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession},
			Refusal: map[abi.Class]string{
				abi.ClassPassword: "the key of a password has to be under a passphrase, the OS keyring or a TPM; a program that keeps it so says Passwords; until then it is asked for each time",
				abi.ClassOneTime:  "a one-time value is never stored anywhere",
			},
			MaxValue: o.MaxValue, CompareSwap: o.CompareSwap,
			Stages: true, Durable: true, Shared: o.CompareSwap, DetectsSwap: true,
		},
	}
	if o.Passwords {
		s.caps.Classes = append(s.caps.Classes, abi.ClassPassword)
		delete(s.caps.Refusal, abi.ClassPassword)
	}
	var err error
	if s.seal, err = newSealer(ctx, o.Keys); err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Shelf is the name that the provider knows an owner by, for a policy there.
func (s *Store) Shelf(owner string) string { return s.seal.shelf(owner) }

// Capabilities implements vaultstore.Store.
func (s *Store) Capabilities() vaultstore.Capabilities { return s.caps.Clone() }

// Get implements vaultstore.Store.
func (s *Store) Get(ctx context.Context, a vaultstore.Address) (vaultstore.Entry, error) {
	fail := failure("get", a)
	if err := a.Validate(); err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	defer done()
	e, _, err := s.read(ctx, a)
	if err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	if len(e.Stages) == 0 {
		return vaultstore.Entry{}, fail(vaultstore.ErrNotFound)
	}
	return e, nil
}

// read returns what stands at a, which is the zero entry where nothing ever
// was. The revision is known also of an item that cannot be opened.
func (s *Store) read(ctx context.Context, a vaultstore.Address) (e vaultstore.Entry, revision uint64, err error) {
	at := s.place(a)
	before := s.atLeast(at, 0) // others may write while the item is read
	item, err := s.items.Read(ctx, at.shelf, at.name)
	if errors.Is(err, vaultstore.ErrNotFound) {
		if before > 0 {
			return vaultstore.Entry{}, 0, vaultstore.ErrMissing
		}
		return vaultstore.Entry{}, 0, nil
	}
	if err != nil {
		return vaultstore.Entry{}, item.Revision, ended(ctx, err)
	}
	e, err = s.seal.open(ctx, a.Owner, item)
	if err == nil && e.Address != a {
		err = errElsewhere
	}
	if err == nil && e.Generation < before {
		err = vaultstore.ErrRollback
	}
	if err != nil {
		e.Zero()
		return vaultstore.Entry{}, item.Revision, err
	}
	s.atLeast(at, e.Generation)
	return e, item.Revision, nil
}

// atLeast notes a generation that was met and returns the highest.
func (s *Store) atLeast(at place, generation uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation > s.seen[at] {
		s.seen[at] = generation
	}
	return s.seen[at]
}

// met returns the highest generations met on a shelf, by the items' names.
func (s *Store) met(shelf string) map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]uint64)
	for at, generation := range s.seen {
		if at.shelf == shelf {
			all[at.name] = generation
		}
	}
	return all
}

func (s *Store) place(a vaultstore.Address) place {
	return place{s.seal.shelf(a.Owner), s.seal.name(a)}
}

// Put implements vaultstore.Store.
func (s *Store) Put(ctx context.Context, e vaultstore.Entry, expect uint64) (uint64, error) {
	fail := failure("put", e.Address)
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return 0, fail(err)
	}
	defer done()
	if err := vaultstore.CheckPut(s.caps, e); err != nil {
		return 0, fail(err)
	}
	generation, err := s.again(ctx, expect, func() (uint64, error) {
		stored, _, err := s.read(ctx, e.Address)
		if err != nil {
			return 0, err
		}
		defer stored.Zero()
		next, err := vaultstore.Apply(s.caps, stored, e, expect)
		if err != nil {
			return 0, err
		}
		defer next.Zero()
		return next.Generation, s.write(ctx, next)
	})
	if err != nil {
		return 0, fail(err)
	}
	return generation, nil
}

// Delete implements vaultstore.Store.
func (s *Store) Delete(ctx context.Context, a vaultstore.Address, expect uint64) error {
	fail := failure("delete", a)
	if err := a.Validate(); err != nil {
		return fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	generation, err := s.again(ctx, expect, func() (uint64, error) {
		stored, revision, err := s.read(ctx, a)
		if err != nil && expect == vaultstore.AnyGeneration && givenUp(err) {
			tombstone := vaultstore.Entry{Address: a, Generation: max(revision, s.atLeast(s.place(a), 0)) + 1}
			if tombstone.Generation != revision+1 {
				return 0, err // the provider went back: it alone can mend that
			}
			return tombstone.Generation, s.write(ctx, tombstone)
		}
		if err != nil {
			return 0, err
		}
		defer stored.Zero()
		tombstone, err := vaultstore.ApplyDelete(stored, expect)
		if err != nil {
			return 0, err
		}
		return tombstone.Generation, s.write(ctx, tombstone)
	})
	if err != nil {
		return fail(err)
	}
	at := s.place(a)
	if err := s.items.Forget(ctx, at.shelf, at.name, generation); err != nil {
		return fail(fmt.Errorf("it is deleted, but what was there before may still be kept, sealed: %w", ended(ctx, err)))
	}
	return nil
}

// givenUp are the errors over which an owner's word deletes.
func givenUp(err error) bool {
	for _, damage := range []error{vaultstore.ErrTampered, vaultstore.ErrMissing, vaultstore.ErrRollback} {
		if errors.Is(err, damage) {
			return true
		}
	}
	return false
}

// again does a read and a write until nobody came between, if the caller
// expects no generation.
func (s *Store) again(ctx context.Context, expect uint64, try func() (uint64, error)) (generation uint64, err error) {
	wait := pause
	for range maxConflicts {
		generation, err = try()
		if err == nil || expect != vaultstore.AnyGeneration || !errors.Is(err, vaultstore.ErrConflict) {
			return generation, err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return 0, context.Cause(ctx)
		case <-timer.C:
		}
		wait = min(2*wait, maxPause)
	}
	return 0, err
}

// write seals e and stores it as the revision of its generation.
func (s *Store) write(ctx context.Context, e vaultstore.Entry) error {
	data, err := s.seal.seal(ctx, e)
	if err != nil {
		return err
	}
	if len(data) > s.max {
		return fmt.Errorf("%w: all stages together have %d bytes when sealed, and %d are kept here", vaultstore.ErrTooLarge, len(data), s.max)
	}
	if err := ended(ctx, nil); err != nil {
		return err
	}
	at := s.place(e.Address)
	err = s.items.Write(ctx, at.shelf, at.name, data, e.Generation-1)
	if errors.Is(err, vaultstore.ErrConflict) || errors.Is(err, vaultstore.ErrUnknownOutcome) {
		if s.landed(ctx, at, data, e.Generation) {
			err = nil
		}
	}
	if err != nil {
		return ended(ctx, err)
	}
	s.atLeast(at, e.Generation)
	return nil
}

// landed looks whether a write that was not acknowledged, or was sent twice
// and refused the second time, is what stands there. No two sealings are
// alike, so equal bytes are ours.
func (s *Store) landed(ctx context.Context, at place, data []byte, revision uint64) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	stop := context.AfterFunc(s.life, cancel)
	defer stop()
	item, err := s.items.Read(ctx, at.shelf, at.name)
	return err == nil && item.Revision == revision && bytes.Equal(item.Data, data)
}

// List implements vaultstore.Store.
func (s *Store) List(ctx context.Context, owner string) iter.Seq2[vaultstore.Info, error] {
	return func(yield func(vaultstore.Info, error) bool) {
		infos, err := s.list(ctx, owner)
		for _, info := range infos {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
				break
			}
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(vaultstore.Info{}, failure("list", vaultstore.Address{Owner: owner})(ended(ctx, err)))
		}
	}
}

func (s *Store) list(ctx context.Context, owner string) ([]vaultstore.Info, error) {
	if err := vaultstore.ValidatePart("owner", owner); err != nil {
		return nil, err
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	shelf := s.seal.shelf(owner)
	before := s.met(shelf)
	items, err := s.items.All(ctx, shelf)
	faults := []error{err}
	live := make(map[string]vaultstore.Info)
	for _, item := range items {
		e, err := s.seal.open(ctx, owner, item)
		if err == nil && s.seal.name(e.Address) != item.Name {
			err = errElsewhere
		}
		if err == nil && e.Generation < before[item.Name] {
			err = vaultstore.ErrRollback
		}
		if err != nil {
			e.Zero()
			faults = append(faults, fmt.Errorf("item %s of the owner's: %w", item.Name, err))
			continue
		}
		s.atLeast(place{shelf, item.Name}, e.Generation)
		if len(e.Stages) > 0 {
			live[item.Name] = e.Info()
		}
		e.Zero()
	}
	infos := slices.SortedFunc(maps.Values(live), func(x, y vaultstore.Info) int { return x.Address.Compare(y.Address) })
	return infos, oneLine(faults)
}

// oneLine joins errors as one line.
func oneLine(faults []error) error {
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if len(faults) < 2 {
		return errors.Join(faults...)
	}
	return fmt.Errorf("%w (and %d more)", faults[0], len(faults)-1)
}

// Close waits for the calls that go on and closes the provider's client.
func (s *Store) Close() error {
	s.closing.Lock()
	again := s.closed
	s.closed = true
	s.closing.Unlock()
	if again {
		return nil
	}
	s.end()
	s.inFlight.Wait()
	s.seal.forget()
	return s.items.Close()
}

// begin enters a method: done leaves it. The context also ends with the store.
func (s *Store) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil, nil, vaultstore.ErrClosed
	}
	s.inFlight.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(vaultstore.ErrClosed) })
	return ctx, func() { stop(); cancel(nil); s.inFlight.Done() }, nil
}

// ended makes err also say that the context is done, where it is: clients
// word that in ways of their own.
func ended(ctx context.Context, err error) error {
	why := ctx.Err()
	if cause := context.Cause(ctx); errors.Is(cause, vaultstore.ErrClosed) {
		why = cause
	}
	switch {
	case why == nil:
		return err
	case errors.Is(err, vaultstore.ErrUnknownOutcome):
		return fmt.Errorf("%w: %w", vaultstore.ErrUnknownOutcome, why)
	}
	return why
}

func failure(op string, a vaultstore.Address) func(error) error {
	return func(err error) error { return &vaultstore.Error{Op: op, Address: a, Err: err} }
}
