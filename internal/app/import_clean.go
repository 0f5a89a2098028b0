package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-host/sallyport/internal/dotenv"
	"github.com/sallyport-host/sallyport/internal/storagestate"
)

// notWiped is said whenever something was deleted.
const notWiped = "what is overwritten can still be on the disk, in a backup, a snapshot or an editor's copy: renew at its source what others may have seen"

// cleanUp says what holds secrets still that the vault has, and deletes it
// where the owner agrees.
func (a *App) cleanUp(ctx context.Context, sources []*importSource, rows []*ImportRow, o VaultImport) []string {
	said := []string{}
	deleted := false
	for _, s := range sources {
		c := newCleaning(s, rows)
		if len(c.gone) == 0 {
			continue
		}
		advice := c.advice()
		if !c.possible() || !a.agrees(ctx, o, c) {
			said = append(said, advice)
			continue
		}
		if err := c.do(); err != nil {
			said = append(said, fmt.Sprintf("%s; it was not done: %s", advice, reason(err)))
			continue
		}
		deleted = true
		said = append(said, c.done())
	}
	if deleted {
		said = append(said, notWiped)
	}
	return said
}

// agrees asks. --yes is about what is stored, and no answer here.
func (a *App) agrees(ctx context.Context, o VaultImport, c *cleaning) bool {
	if o.Delete {
		return true
	}
	if a.Terminal == nil {
		return false
	}
	yes, err := a.Terminal.Confirm(ctx, c.question())
	return err == nil && yes
}

// cleaning is what is to go from one source.
type cleaning struct {
	source *importSource
	gone   []*ImportRow
	kept   []*ImportRow
}

func newCleaning(s *importSource, rows []*ImportRow) *cleaning {
	c := &cleaning{source: s}
	gone := map[string]bool{}
	for _, r := range rows {
		if r.source == s && r.isKept() {
			gone[r.Key] = true
		}
	}
	for _, r := range rows {
		switch {
		case r.source != s:
		case r.isKept(), r.follows && gone[r.Key]:
			c.gone = append(c.gone, r)
		default:
			c.kept = append(c.kept, r)
		}
	}
	return c
}

// possible reports whether the source can be cleaned by a program: a browser
// has its profile for more, and a state of several sites would be another.
func (c *cleaning) possible() bool { return c.source.entries != nil || c.whole() && !c.source.profile }

// whole reports whether nothing is left in the file.
func (c *cleaning) whole() bool { return len(c.kept) == 0 }

func (c *cleaning) question() string {
	if c.whole() {
		return fmt.Sprintf("delete %s, which holds no other values?", c.source.path)
	}
	return fmt.Sprintf("delete %s from %s and leave the rest?", namesOf(c.gone), c.source.path)
}

func (c *cleaning) advice() string {
	switch {
	case c.source.profile:
		return fmt.Sprintf("%s still holds the session: log out there, or delete the profile in the browser, when you do not need it", c.source.path)
	case c.whole():
		return c.source.path + " still holds the values: delete it (or import again with --delete)"
	case c.source.state != nil:
		return c.source.path + " still holds the session, and cookies of other sites: delete it when you do not need those"
	}
	return fmt.Sprintf("%s still holds values that the vault has: delete %s from it (or import again with --delete)", c.source.path, namesOf(c.gone))
}

func (c *cleaning) done() string {
	if c.whole() {
		return "deleted " + c.source.path
	}
	return fmt.Sprintf("deleted %s from %s; it still holds %s", namesOf(c.gone), c.source.path, namesOf(c.kept))
}

var (
	errChanged = errors.New("the file has changed meanwhile")
	errLink    = errors.New("it is a link; delete what it leads to")
)

// do deletes. The file is put in place of the old one whole, then the old
// one's bytes are overwritten: at each moment there is one or the other.
func (c *cleaning) do() error {
	path := c.source.path
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errLink
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := readLimited(path, storagestate.MaxBytes)
	if err != nil {
		return err
	}
	same := bytes.Equal(text, c.source.text)
	clear(text)
	if now, err := f.Stat(); err != nil || !same || !os.SameFile(now, info) {
		return errors.Join(err, errChanged)
	}
	if !overwrites {
		_ = f.Close() // an open file cannot be replaced here
	}
	if c.whole() {
		err = os.Remove(path)
	} else {
		err = replaceFile(path, dotenv.Without(c.source.text, c.entries()), info.Mode().Perm()&0o600)
	}
	if err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil || !overwrites {
		return err
	}
	return overwrite(f, info.Size())
}

func (c *cleaning) entries() (list []dotenv.Entry) {
	for _, r := range c.gone {
		list = append(list, *r.entry)
	}
	return list
}

// replaceFile puts text, which holds nothing that goes, in the place of a
// file.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".sallyport-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// overwrite writes zeros over what f was. Where another name leads to the same
// file, that would be another's.
func overwrite(f *os.File, size int64) error {
	if linked(f) {
		return nil
	}
	_, err := f.WriteAt(make([]byte, size), 0)
	return errors.Join(err, f.Sync())
}

func reason(err error) string {
	var at *os.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return err.Error()
}
