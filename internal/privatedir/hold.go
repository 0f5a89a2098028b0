package privatedir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/gofrs/flock"
)

// ErrHeld: someone else holds the name, see [Dir.Hold].
var ErrHeld = errors.New("held by another")

const (
	// A held name has two files beside it: the lock, which is never deleted,
	// as deleting one lets two holders in, and what the holder says of itself.
	holdExt   = ".lock"
	holderExt = ".holder"
	// maxNoteBytes bounds what a holder says of itself.
	maxNoteBytes = 1 << 10
)

// Hold takes name for longer than one write, until release is called or the
// process ends, however it does. A name that is held, by another process or in
// this one, is [ErrHeld] at once, and the error quotes the note that its holder
// left. The note is written under the folder's lock. Holding keeps out other
// holders only, no reader or writer. Calling release again does nothing.
func (d *Dir) Hold(ctx context.Context, name, note string) (release func(), err error) {
	if err := d.InPlace(); err != nil {
		return nil, err
	}
	if err := d.makeFolders(path.Dir(name)); err != nil {
		return nil, err
	}
	if err := d.check(name + holdExt); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	lock := flock.New(d.Path(name+holdExt), flock.SetPermissions(fileMode))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock of %s: %w", d.Path(name), err)
	case !ok:
		return nil, fmt.Errorf("%w: %s", ErrHeld, d.holder(name))
	}
	if err := d.leaveNote(ctx, name, note); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = d.Remove(name + holderExt) // the next one overwrites what stays
		_ = lock.Close()
	}), nil
}

func (d *Dir) leaveNote(ctx context.Context, name, note string) error {
	unlock, err := d.Lock(ctx) // or a writer's sweep may take the new file for a dead one
	if err != nil {
		return err
	}
	defer unlock()
	return d.WriteFile(name+holderExt, []byte(note))
}

// holder is what the holder of name says of itself.
func (d *Dir) holder(name string) string {
	note, err := d.ReadFile(name+holderExt, maxNoteBytes)
	if err != nil {
		return "it does not say by whom" // it is about to, or just let go
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, string(note)), "\ufffd")
}
