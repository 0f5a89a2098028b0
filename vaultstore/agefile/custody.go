package agefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
)

// noteExt is of the file beside the format in which a custody's note is kept.
const noteExt = ".custody"

// loadBox asks the custody that the format names for slot, and no other.
func loadBox(ctx context.Context, keys *disk, f keysFormat, slot custody.Slot, offered custody.Set) (box, error) {
	kind := f.kind(slot)
	if kind == custody.File {
		return box{storeID: f.StoreID}, nil
	}
	keeper, err := offered.Find(kind, slot)
	if err != nil {
		return box{}, err
	}
	note, err := keys.read(string(slot)+noteExt, custody.MaxNoteBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return box{}, err
	}
	id, err := keeper.Load(ctx, custody.Ref{Store: f.StoreID, Slot: slot}, note)
	if err != nil {
		return box{}, err
	}
	defer id.Zero()
	return newBox(f.StoreID, slot, id)
}

// makeBox has a custody make the identity of a slot, and keeps its note. A nil
// custody is plain files.
func makeBox(ctx context.Context, keys *disk, storeID string, slot custody.Slot, keeper custody.Custody) (box, error) {
	if keeper == nil {
		return box{storeID: storeID}, nil
	}
	id, note, err := keeper.Make(ctx, custody.Ref{Store: storeID, Slot: slot})
	if err != nil {
		return box{}, err
	}
	defer id.Zero()
	if len(note) > custody.MaxNoteBytes {
		return box{}, fmt.Errorf("%w: the note of the custody of %s", vaultstore.ErrTooLarge, slot)
	}
	if len(note) > 0 {
		if err := keys.replace(string(slot)+noteExt, note); err != nil {
			return box{}, err
		}
	}
	return newBox(storeID, slot, id)
}

// kindOf is what the format calls a custody that an Init was given.
func kindOf(keeper custody.Custody, none custody.Kind) custody.Kind {
	if keeper == nil {
		return none
	}
	return keeper.Kind()
}

// Custody says who keeps the identities of the store in o: of passwords ""
// when none are kept. It needs no custody to be open, and is for what wants to
// say what to unlock. note is what to show a custody.
func Custody(ctx context.Context, o Options, slot custody.Slot) (kind custody.Kind, ref custody.Ref, note []byte, err error) {
	fail := func(err error) (custody.Kind, custody.Ref, []byte, error) {
		return "", custody.Ref{}, nil, &vaultstore.Error{Op: "open vault", Err: err}
	}
	files, keys, f, err := openFolders(ctx, o, openRoot)
	if err != nil {
		return fail(err)
	}
	defer closeAll(files, keys)
	kind = f.kind(slot)
	if kind != custody.File && kind != "" {
		note, err = keys.read(string(slot)+noteExt, custody.MaxNoteBytes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(err)
		}
	}
	return kind, custody.Ref{Store: f.StoreID, Slot: slot}, note, nil
}

// AddPasswords gives a store that keeps no passwords a custody for them, so
// that class 3 can be stored from now on. It is fs.ErrExist when there is one.
// Stores that are open meanwhile do not learn of it.
func AddPasswords(ctx context.Context, o Options, keeper custody.Custody) error {
	if err := addPasswords(ctx, o, keeper); err != nil {
		return &vaultstore.Error{Op: "keep passwords", Err: err}
	}
	return nil
}

func addPasswords(ctx context.Context, o Options, keeper custody.Custody) error {
	if keeper == nil || keeper.Kind() == custody.File {
		return fmt.Errorf("%w: %s", vaultstore.ErrClass, refusePassword)
	}
	files, keys, _, err := openFolders(ctx, o, openRoot)
	if err != nil {
		return err
	}
	defer closeAll(files, keys)
	release, err := newLocker(o.KeysDir, o.LockWait).acquire(ctx, initLock)
	if err != nil {
		return err
	}
	defer release()
	f, _, err := readKeysFormat(keys) // again, under the lock
	if err != nil {
		return err
	}
	if kind := f.kind(custody.Passwords); kind != "" {
		return fmt.Errorf("%w: passwords are kept under the %s already", fs.ErrExist, kind)
	}
	if _, err := makeBox(ctx, keys, f.StoreID, custody.Passwords, keeper); err != nil {
		return err
	}
	next := newKeysFormat(f.StoreID, f.Recovery, f.kind(custody.Keys), keeper.Kind())
	return replaceFormat(keys, next)
}
