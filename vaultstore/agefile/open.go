package agefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
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
	// Custodies are those that the program offers. The store's own
	// configuration names which of them it needs; files need none.
	Custodies custody.Set
	// LockWait bounds the wait for another process, where the context does
	// not end sooner. The default is DefaultLockWait.
	LockWait time.Duration
}

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
	s, err := open(ctx, o, openRoot)
	if err != nil {
		return nil, &vaultstore.Error{Op: "open vault", Err: err}
	}
	return s, nil
}

// opener opens a folder below which a store works: openRoot, makeRoot, or a
// test's.
type opener func(dir string, insecure bool) (fsys, error)

func openDisk(at opener, dir string, insecure bool) (*disk, error) {
	f, err := at(dir, insecure)
	if err != nil {
		return nil, err
	}
	return newDisk(f), nil
}

func open(ctx context.Context, o Options, at opener) (*Store, error) {
	files, keys, format, err := openFolders(ctx, o, at)
	if err != nil {
		return nil, err
	}
	ring, err := openRing(ctx, keys, format, o.Custodies)
	if err == nil {
		err = files.makeLocks()
	}
	if err != nil {
		_ = closeAll(files, keys)
		return nil, err
	}
	s := newStore(files, ring, newLocker(filepath.Join(o.Dir, locksDir), o.LockWait))
	if format.kind(custody.Passwords) != "" {
		s.passwords = &passwords{fs: keys, format: format, offered: o.Custodies}
	}
	return s, nil
}

// openRing has the identities opened that all but passwords need.
func openRing(ctx context.Context, keys *disk, f keysFormat, offered custody.Set) (*keyring, error) {
	b, err := loadBox(ctx, keys, f, custody.Keys, offered)
	if err != nil {
		return nil, err
	}
	ring := newKeyring(keys, f.StoreID, f.Recovery, b)
	_, err = ring.hostIdentity()
	return ring, err
}

// openFolders opens the two folders of a store whose formats match.
func openFolders(ctx context.Context, o Options, at opener) (files, keys *disk, f keysFormat, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, f, err
	}
	if err := checkFolders(o.Dir, o.KeysDir); err != nil {
		return nil, nil, f, err
	}
	files, err = openDisk(at, o.Dir, o.InsecurePermissions)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, f, err
	}
	keys, kerr := openDisk(at, o.KeysDir, o.InsecurePermissions)
	if kerr != nil && !errors.Is(kerr, fs.ErrNotExist) {
		return nil, nil, f, errors.Join(kerr, closeAll(files))
	}
	if f, err = match(o, files, keys); err != nil {
		_ = closeAll(files, keys)
		return nil, nil, f, err
	}
	return files, keys, f, nil
}

// match reads the formats of a store and its keys, either of which may be nil,
// and tells the ways apart in which one or both can be missing.
func match(o Options, files, keys *disk) (kf keysFormat, err error) {
	store, sf, err := have(files, readStoreFormat)
	if err != nil {
		return kf, err
	}
	pending := false
	ring, kf, err := have(keys, func(d *disk) (v keysFormat, err error) {
		v, pending, err = readKeysFormat(d)
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
		// The Init that was cut short may not have made the store's format
		// durable, and the keys' must not be so before it.
		if err := errors.Join(files.syncDir("."), promoteFormat(keys)); err != nil {
			return kf, err
		}
	}
	return kf, nil
}

// have reads a format; only fs.ErrNotExist means that there is none.
func have[T any](d *disk, read func(*disk) (T, error)) (found bool, v T, err error) {
	if d == nil {
		return false, v, nil
	}
	v, err = read(d)
	if errors.Is(err, fs.ErrNotExist) {
		return false, v, nil
	}
	return err == nil, v, err
}

func closeAll(all ...*disk) error {
	var errs []error
	for _, d := range all {
		if d != nil {
			errs = append(errs, d.close())
		}
	}
	return errors.Join(errs...)
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
