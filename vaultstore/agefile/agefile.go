package agefile

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Options says what store to open.
type Options struct {
	// Dir is the store: sealed files only, fit for a backup or a
	// synchronised folder.
	Dir string
	// KeysDir holds the identities. It lies outside Dir, so that a copy of
	// the one is not a copy of the other.
	KeysDir string
	// InsecurePermissions skips the check that the two folders and all in
	// them belong to this user and are closed to others. On systems other
	// than Unix only symbolic links are refused in the first place.
	InsecurePermissions bool
	// LockWait bounds the wait for another process, where the context does
	// not end sooner. The default is DefaultLockWait.
	LockWait time.Duration
}

// Store is an open vault. It is safe for concurrent use by goroutines, and
// several processes may have the same one open.
type Store struct {
	id    string
	files fsys
	keys  *keyring
	locks *locker
	now   func() time.Time

	life     context.Context // ends when Close begins
	end      context.CancelFunc
	closing  sync.Mutex
	closed   bool
	inFlight sync.WaitGroup

	mu      sync.Mutex
	indexes map[string]cachedIndex // by path
	tidied  map[string]bool        // kinds of which leftovers were removed
}

// cachedIndex is an index by the digest of the file it was read from: the
// same bytes need no second opening.
type cachedIndex struct {
	digest [sha256.Size]byte
	index  *index
}

var (
	_ vaultstore.Store = (*Store)(nil)
	_ vaultstore.Marks = (*Store)(nil)
)

// Exists reports whether dir is a store, or looks like one: it has a format
// file, readable or not. Only a file that is not there counts as absent.
func Exists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, formatFile))
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// Open opens a store that [Init] made. It is ErrNotInitialised when there is
// none, ErrSealed when its keys are not there or are another store's,
// ErrMissing when the keys are there but the store is not, and ErrPermissions
// when others can reach either.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, &vaultstore.Error{Op: "open vault", Err: err}
	}
	return s, nil
}

func open(ctx context.Context, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkFolders(o.Dir, o.KeysDir); err != nil {
		return nil, err
	}
	files, err := openRoot(o.Dir, o.InsecurePermissions)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	keys, kerr := openRoot(o.KeysDir, o.InsecurePermissions)
	if kerr != nil && !errors.Is(kerr, fs.ErrNotExist) {
		return nil, errors.Join(kerr, closeAll(files))
	}
	format, err := match(o, files, keys)
	if err != nil {
		_ = closeAll(files, keys)
		return nil, err
	}
	return newStore(files, keys, format, newLocker(filepath.Join(o.Dir, locksDir), o.LockWait)), nil
}

// match reads the formats of a store and its keys, either of which may be nil,
// and tells the ways apart in which one or both can be missing.
func match(o Options, files, keys fsys) (kf keysFormat, err error) {
	store, sf, err := have(files, readStoreFormat)
	if err != nil {
		return kf, err
	}
	pending := false
	ring, kf, err := have(keys, func(f fsys) (v keysFormat, err error) {
		v, pending, err = readKeysFormat(f)
		return v, err
	})
	if err != nil {
		return kf, err
	}
	switch {
	case !store && (!ring || pending):
		return kf, fmt.Errorf("%w: %s; make one with sallyport init", vaultstore.ErrNotInitialised, o.Dir)
	case !store:
		return kf, fmt.Errorf("%w: %s has the keys of a vault, but %s has no vault; restore it from a backup, or move the keys away to start anew",
			vaultstore.ErrMissing, o.KeysDir, o.Dir)
	case !ring:
		return kf, fmt.Errorf("%w: the keys of %s are not in %s; restore them from a backup, or recover the values with the recovery identity",
			vaultstore.ErrSealed, o.Dir, o.KeysDir)
	case kf.StoreID != sf.StoreID:
		return kf, fmt.Errorf("%w: the keys in %s are those of another vault than %s", vaultstore.ErrSealed, o.KeysDir, o.Dir)
	case pending:
		if err := promoteFormat(keys); err != nil {
			return kf, err
		}
	}
	_, err = readHostIdentity(keys)
	return kf, err
}

// have reads a format; only fs.ErrNotExist means that there is none.
func have[T any](f fsys, read func(fsys) (T, error)) (found bool, v T, err error) {
	if f == nil {
		return false, v, nil
	}
	v, err = read(f)
	if errors.Is(err, fs.ErrNotExist) {
		return false, v, nil
	}
	return err == nil, v, err
}

func closeAll(all ...fsys) error {
	var errs []error
	for _, f := range all {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	return errors.Join(errs...)
}

func newStore(files, keys fsys, f keysFormat, locks *locker) *Store {
	life, end := context.WithCancel(context.Background())
	return &Store{
		id: f.StoreID, files: files, keys: newKeyring(keys, f), locks: locks, now: time.Now,
		life: life, end: end,
		indexes: make(map[string]cachedIndex), tidied: make(map[string]bool),
	}
}

// openRoot opens a folder that is this user's alone.
func openRoot(dir string, insecure bool) (fsys, error) {
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !insecure {
		if err := checkPrivate(dir, fi); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &rootFS{root: root, insecure: insecure}, nil
}

// checkFolders refuses folders that are not named, or keys inside the store.
func checkFolders(dir, keysDir string) error {
	if dir == "" || keysDir == "" {
		return fmt.Errorf("%w: both the folder of the store and that of its keys have to be named", vaultstore.ErrInvalid)
	}
	d, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	k, err := filepath.Abs(keysDir)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(d, k); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("%w: the keys would lie in the store, so that a copy of it opens itself; keep them in another folder than %s",
			vaultstore.ErrInvalid, dir)
	}
	return nil
}

// Refusals of the classes that identities in files do not protect.
const (
	refusePassword = "an identity file on the same disk does not protect a password: whoever has the disk has both; " +
		"what would is an identity under a passphrase, the OS keyring or a TPM, which come with a later version; until then it is asked for each time"
	refuseOneTime = "a one-time value is never stored anywhere"
)

// Capabilities implements vaultstore.Store.
func (s *Store) Capabilities() vaultstore.Capabilities {
	return vaultstore.Capabilities{
		Name:    "agefile",
		Classes: storedClasses(),
		Refusal: map[abi.Class]string{
			abi.ClassPassword: refusePassword,
			abi.ClassOneTime:  refuseOneTime,
		},
		MaxValue:     MaxValueBytes,
		CompareSwap:  true,
		Stages:       true,
		Durable:      true,
		Shared:       true,
		DetectsSwap:  true,
		DetectsRetro: true,
	}
}

// storedClasses are the classes that have a tree, lowest first.
func storedClasses() []abi.Class {
	return []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession}
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
