package agefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// disk is one of a store's two folders, with the few things that are done
// there: read a file whole, put one in another's place, make a new one.
//
// Another process may have been killed between a change and its fsync. What it
// left can be read and can still be lost, so a folder that is there is not
// taken for durable until this process has seen to it.
type disk struct {
	fsys

	mu      sync.Mutex
	durable map[string]bool // folders known to outlive a loss of power
}

func newDisk(f fsys) *disk {
	return &disk{fsys: f, durable: map[string]bool{".": true}}
}

// read returns all of a file of at most limit bytes.
func (d *disk) read(name string, limit int64) ([]byte, error) {
	r, err := d.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", vaultstore.ErrTooLarge, d.path(name), limit)
	}
	return data, nil
}

// replace puts data in the place of name, whole and durable. An error that
// wraps ErrUnknownOutcome came after the rename; after any other the old file
// is still there.
func (d *disk) replace(name string, data []byte) error {
	dir := path.Dir(name)
	temp, err := d.writeTemp(dir, data)
	if err != nil {
		return err
	}
	if err := d.rename(temp, name); err != nil {
		if gone := d.remove(temp); errors.Is(gone, fs.ErrNotExist) {
			return unknown(err) // it was renamed all the same
		}
		return err
	}
	if err := d.syncDir(dir); err != nil {
		return unknown(err)
	}
	return nil
}

// createNew is replace for a file that must not exist yet: a second one of the
// same name fails with fs.ErrExist, whoever races for it.
func (d *disk) createNew(name string, data []byte) error {
	dir := path.Dir(name)
	temp, err := d.writeTemp(dir, data)
	if err != nil {
		return err
	}
	if err := errors.Join(d.link(temp, name), d.remove(temp)); err != nil {
		return err
	}
	return d.syncDir(dir)
}

// writeTemp writes a durable file of a random name into dir, which it makes if
// need be.
func (d *disk) writeTemp(dir string, data []byte) (name string, err error) {
	if err := d.mkdirAll(dir); err != nil {
		return "", err
	}
	name = path.Join(dir, tempPrefix+strings.ToLower(rand.Text()))
	w, err := d.create(name)
	if err != nil {
		return "", err
	}
	_, err = w.Write(data)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		_ = d.remove(name)
		return "", err
	}
	return name, nil
}

// mkdirAll makes the folders of name, those that are there already durable
// too.
func (d *disk) mkdirAll(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mkdirLocked(name)
}

func (d *disk) mkdirLocked(name string) error {
	if d.durable[name] {
		return nil
	}
	if err := d.mkdirLocked(path.Dir(name)); err != nil {
		return err
	}
	if err := d.mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.syncDir(path.Dir(name)); err != nil {
		return err
	}
	d.durable[name] = true
	return nil
}

// makeLocks makes the folder of locks, if need be: a restored backup may lack
// it, empty as it was.
func (d *disk) makeLocks() error {
	if err := d.mkdirAll(locksDir); err != nil {
		return err
	}
	return d.check(locksDir)
}

// sweep removes what killed writers left in a folder. Call it under the lock
// of those who write there.
func (d *disk) sweep(dir string) {
	entries, err := d.readDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isTemp(e.Name()) {
			_ = d.remove(path.Join(dir, e.Name()))
		}
	}
}

// exists says whether name is there; only fs.ErrNotExist means that it is not.
func (d *disk) exists(name string) (bool, error) {
	r, err := d.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}

// filled says whether the folder name holds anything but temporary files.
func (d *disk) filled(name string) (bool, error) {
	entries, err := d.readDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, e := range entries {
		if !isTemp(e.Name()) {
			return true, nil
		}
	}
	return false, err
}

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// unknown marks what went wrong after a rename.
func unknown(err error) error {
	if errors.Is(err, vaultstore.ErrUnknownOutcome) {
		return err
	}
	return fmt.Errorf("%w: %w", vaultstore.ErrUnknownOutcome, err)
}
