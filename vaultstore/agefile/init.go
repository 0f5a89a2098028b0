package agefile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
)

// InitOptions says how to make a store.
type InitOptions struct {
	// KeysDir is as in [Options].
	KeysDir string
	// RecoveryRecipient is an age X25519 recipient ("age1…") whose identity
	// the owner keeps elsewhere. Empty makes a new pair, and [Init] returns
	// its identity, once.
	RecoveryRecipient string
	// InsecurePermissions is as in [Options].
	InsecurePermissions bool
	// Keys keeps the identity that opens the others; nil leaves them as files.
	Keys custody.Custody
	// Passwords keeps the one that opens class 3; nil keeps no passwords. A
	// file is no custody for them.
	Passwords custody.Custody
}

// InitResult is what [Init] made.
type InitResult struct {
	StoreID string
	// RecoveryRecipient is what everything but class 3 is also sealed to.
	RecoveryRecipient string
	// RecoveryIdentity is the new pair's secret half, as the line that age -i
	// reads: the zero Secret when a recipient was given. It is kept nowhere;
	// write it where the owner wants it.
	RecoveryIdentity vaultstore.Secret
}

// Init makes an empty store in dir, and its keys. Identities of owners are
// made when they first store something. It wraps fs.ErrExist, and changes
// nothing, where there is a store already, or anything that could be the rest
// of one; after an Init that was cut short, a second one begins afresh.
func Init(ctx context.Context, dir string, o InitOptions) (InitResult, error) {
	r, err := initialise(ctx, dir, o, makeRoot)
	if err != nil {
		return InitResult{}, &vaultstore.Error{Op: "make vault", Err: err}
	}
	return r, nil
}

func initialise(ctx context.Context, dir string, o InitOptions, at opener) (InitResult, error) {
	if err := checkFolders(dir, o.KeysDir); err != nil {
		return InitResult{}, err
	}
	if o.Passwords != nil && o.Passwords.Kind() == custody.File {
		return InitResult{}, fmt.Errorf("%w: %s", vaultstore.ErrClass, refusePassword)
	}
	result, err := recovery(o)
	if err != nil {
		return InitResult{}, err
	}
	files, err := openDisk(at, dir, o.InsecurePermissions)
	if err != nil {
		return InitResult{}, err
	}
	defer files.close()
	if err := files.makeLocks(); err != nil {
		return InitResult{}, err
	}
	release, err := newLocker(filepath.Join(dir, locksDir), 0).acquire(ctx, initLock)
	if err != nil {
		return InitResult{}, err
	}
	defer release()
	keys, err := openDisk(at, o.KeysDir, o.InsecurePermissions)
	if err != nil {
		return InitResult{}, err
	}
	defer keys.close()
	releaseKeys, err := newLocker(o.KeysDir, 0).acquire(ctx, initLock)
	if err != nil {
		return InitResult{}, err
	}
	defer releaseKeys()
	result.StoreID = strings.ToLower(rand.Text())
	return result, populate(ctx, files, keys, result, o)
}

// recovery settles the recovery recipient, generating one when none is given.
func recovery(o InitOptions) (InitResult, error) {
	if o.RecoveryRecipient != "" {
		r, err := parseRecipient(o.RecoveryRecipient)
		if err != nil {
			return InitResult{}, fmt.Errorf("recovery recipient: %w", err)
		}
		return InitResult{RecoveryRecipient: r.String()}, nil
	}
	id, recipient, err := GenerateRecovery()
	return InitResult{RecoveryRecipient: recipient, RecoveryIdentity: id}, err
}

// populate fills two empty folders. The store's format file is what makes it
// a store; the keys know of it from before until after.
func populate(ctx context.Context, files, keys *disk, r InitResult, o InitOptions) error {
	if err := checkVirgin(files, keys); err != nil {
		return err
	}
	files.sweep(".")
	keys.sweep(".")
	if err := removeAll(keys, pendingFormatFile, hostKeyFile); err != nil { // of an Init that was cut short
		return err
	}
	if err := makeKeys(ctx, keys, r, o); err != nil {
		return err
	}
	f := newKeysFormat(r.StoreID, []string{r.RecoveryRecipient}, kindOf(o.Keys, custody.File), kindOf(o.Passwords, ""))
	err := writeFormat(keys, pendingFormatFile, f)
	if err != nil {
		return err
	}
	err = writeFormat(files, formatFile, storeFormat{Format: storeFormatName, Version: formatVersion, StoreID: r.StoreID})
	if err != nil {
		return err
	}
	return promoteFormat(keys)
}

// checkVirgin refuses folders that hold a store, or may hold what is left of
// one.
func checkVirgin(files, keys *disk) error {
	entries, err := files.readDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == locksDir || isTemp(name):
		case name == formatFile:
			return fmt.Errorf("%w: %s is a vault already", fs.ErrExist, files.path("."))
		default:
			return fmt.Errorf("%w: %s is not empty, it has %q; choose another folder", fs.ErrExist, files.path("."), name)
		}
	}
	used, err := keys.exists(formatFile)
	if err == nil && !used {
		used, err = keys.filled(ownersDir)
	}
	if err == nil && used {
		err = fmt.Errorf("%w: %s has the keys of another vault; restore that vault, or choose another folder", fs.ErrExist, keys.path("."))
	}
	return err
}

// makeKeys has the custodies make theirs, and makes the host's identity.
func makeKeys(ctx context.Context, keys *disk, r InitResult, o InitOptions) error {
	b, err := makeBox(ctx, keys, r.StoreID, custody.Keys, o.Keys)
	if err != nil {
		return err
	}
	if o.Passwords != nil {
		if _, err := makeBox(ctx, keys, r.StoreID, custody.Passwords, o.Passwords); err != nil {
			return err
		}
	}
	id, err := generateIdentity()
	if err != nil {
		return err
	}
	data, err := b.seal(id, "", hostKind)
	if err != nil {
		return err
	}
	return keys.createNew(hostKeyFile, data)
}

func removeAll(d *disk, names ...string) error {
	for _, name := range names {
		if err := d.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makeRoot makes a folder, if need be, and opens it.
func makeRoot(dir string, insecure bool) (fsys, error) {
	if err := os.MkdirAll(dir, privateDir); err != nil {
		return nil, err
	}
	// Best effort: this user may not be allowed to open the folder above.
	if above, err := os.Open(filepath.Dir(filepath.Clean(dir))); err == nil {
		_ = syncFolder(above)
		_ = above.Close()
	}
	return openRoot(dir, insecure)
}
