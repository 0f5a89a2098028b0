package agefile

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Store is an open vault. It is safe for concurrent use by goroutines, and
// several processes may have the same one open.
type Store struct {
	id    string
	files *disk
	keys  *keyring
	// passwords is nil where class 3 is not kept.
	passwords *passwords
	locks     *locker
	now       func() time.Time

	life     context.Context // ends when Close begins
	end      context.CancelFunc
	closing  sync.Mutex
	closed   bool
	inFlight sync.WaitGroup

	mu      sync.Mutex
	indexes map[string]cachedIndex // by path
	settled map[string]bool        // identities that are known to be durable
}

// cachedIndex is an index by the digest of the file it was read from: the
// same bytes need no second opening.
type cachedIndex struct {
	digest  [sha256.Size]byte
	index   *index
	durable bool // it outlives a loss of power
}

var (
	_ vaultstore.Store = (*Store)(nil)
	_ vaultstore.Marks = (*Store)(nil)
)

func newStore(files *disk, keys *keyring, locks *locker) *Store {
	life, end := context.WithCancel(context.Background())
	return &Store{
		id: keys.storeID, files: files, keys: keys, locks: locks, now: time.Now,
		life: life, end: end,
		indexes: make(map[string]cachedIndex), settled: make(map[string]bool),
	}
}

// Refusals of the classes that identities in files do not protect.
const (
	refusePassword = "an identity file on the same disk does not protect a password: whoever has the disk has both; " +
		"an identity under a passphrase, the OS keyring or a TPM would, and this vault names none for passwords; until then it is asked for each time"
	refuseOneTime = "a one-time value is never stored anywhere"
)

// Capabilities implements vaultstore.Store.
func (s *Store) Capabilities() vaultstore.Capabilities {
	refusal := map[abi.Class]string{abi.ClassOneTime: refuseOneTime}
	if s.passwords == nil {
		refusal[abi.ClassPassword] = refusePassword
	}
	return vaultstore.Capabilities{
		Name:         "agefile",
		Classes:      s.classes(),
		Refusal:      refusal,
		MaxValue:     MaxValueBytes,
		CompareSwap:  true,
		Stages:       true,
		Durable:      true,
		Shared:       true,
		DetectsSwap:  true,
		DetectsRetro: true,
	}
}

// classes are those that have a tree, lowest first.
func (s *Store) classes() []abi.Class {
	kept := []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession}
	if s.passwords != nil {
		kept = append(kept, abi.ClassPassword)
	}
	return kept
}

// Close waits for the calls that go on, ends their waits for locks, and drops
// the identities.
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
	s.keys.forget()
	s.mu.Lock()
	clear(s.indexes)
	s.mu.Unlock()
	return errors.Join(s.files.close(), s.keys.fs.close())
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

// failure wraps what an operation on a returns.
func failure(op string, a vaultstore.Address) func(error) error {
	return func(err error) error { return &vaultstore.Error{Op: op, Address: a, Err: err} }
}
