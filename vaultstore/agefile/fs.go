package agefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// fsys is every file operation that a store makes, below one folder. It is a
// seam for the tests, which stop a store after each operation in turn.
type fsys interface {
	open(name string) (io.ReadCloser, error) // checks that the file is the owner's alone
	create(name string) (writeFile, error)   // fails when it exists
	rename(from, to string) error
	link(from, to string) error // fails when it exists
	remove(name string) error
	mkdir(name string) error
	syncDir(name string) error
	readDir(name string) ([]fs.DirEntry, error)
	check(name string) error // that a folder is the owner's alone
	// path is how a person would find the file.
	path(name string) string
	close() error
}

type writeFile interface {
	io.WriteCloser
	Sync() error
}

const (
	privateFile = 0o600
	privateDir  = 0o700
)

// rootFS is the real file system, held below one folder by os.Root.
type rootFS struct {
	root     *os.Root
	insecure bool // do not check permissions
}

var _ fsys = (*rootFS)(nil)

func (r *rootFS) path(name string) string {
	return filepath.Join(r.root.Name(), filepath.FromSlash(name))
}

func (r *rootFS) open(name string) (io.ReadCloser, error) {
	if err := r.checkPath(name); err != nil {
		return nil, err
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is not a regular file", vaultstore.ErrTampered, r.path(name))
	}
	if err == nil && !r.insecure {
		err = checkPrivate(r.path(name), fi)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkPath refuses a symbolic link anywhere in name, and a folder on the way
// that is open to others. os.Root would follow a link that stays inside.
func (r *rootFS) checkPath(name string) error {
	if r.insecure {
		return nil
	}
	for i, c := range name {
		if c != '/' {
			continue
		}
		if err := r.check(name[:i]); err != nil {
			return err
		}
	}
	fi, err := r.root.Lstat(name)
	if err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return symlinkRefused(r.path(name))
	}
	return err
}

func (r *rootFS) check(name string) error {
	fi, err := r.root.Lstat(name)
	if err != nil || r.insecure {
		return err
	}
	return checkPrivate(r.path(name), fi)
}

func (r *rootFS) create(name string) (writeFile, error) {
	return r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, privateFile)
}

func (r *rootFS) rename(from, to string) error { return r.root.Rename(from, to) }
func (r *rootFS) link(from, to string) error   { return r.root.Link(from, to) }
func (r *rootFS) remove(name string) error     { return r.root.Remove(name) }
func (r *rootFS) mkdir(name string) error      { return r.root.Mkdir(name, privateDir) }
func (r *rootFS) close() error                 { return r.root.Close() }

func (r *rootFS) readDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(r.root.FS(), name)
}

func (r *rootFS) syncDir(name string) error {
	d, err := r.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(d), d.Close())
}

// readFile reads all of a file of at most limit bytes.
func readFile(f fsys, name string, limit int64) ([]byte, error) {
	r, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", vaultstore.ErrTooLarge, f.path(name), limit)
	}
	return data, nil
}

// replaceFile puts data in the place of name, whole and durable. An error
// that wraps ErrUnknownOutcome came after the rename; after any other the old
// file is still there.
func replaceFile(f fsys, name string, data []byte) error {
	dir := path.Dir(name)
	if err := mkdirAll(f, dir); err != nil {
		return err
	}
	temp, err := writeTemp(f, dir, data)
	if err != nil {
		return err
	}
	if err := f.rename(temp, name); err != nil {
		if gone := f.remove(temp); errors.Is(gone, fs.ErrNotExist) {
			return unknown(err) // it was renamed all the same
		}
		return err
	}
	if err := f.syncDir(dir); err != nil {
		return unknown(err)
	}
	return nil
}

// createFile is replaceFile for a file that must not exist yet: a second one
// of the same name fails with fs.ErrExist, whoever races for it.
func createFile(f fsys, name string, data []byte) error {
	dir := path.Dir(name)
	if err := mkdirAll(f, dir); err != nil {
		return err
	}
	temp, err := writeTemp(f, dir, data)
	if err != nil {
		return err
	}
	if err := errors.Join(f.link(temp, name), f.remove(temp)); err != nil {
		return err
	}
	return f.syncDir(dir)
}

// writeTemp writes a durable file of a random name into dir.
func writeTemp(f fsys, dir string, data []byte) (name string, err error) {
	name = path.Join(dir, tempPrefix+strings.ToLower(rand.Text()))
	w, err := f.create(name)
	if err != nil {
		return "", err
	}
	_, err = w.Write(data)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		_ = f.remove(name)
		return "", err
	}
	return name, nil
}

// mkdirAll makes the folders of name that are missing, each of them durable.
func mkdirAll(f fsys, name string) error {
	if name == "." {
		return nil
	}
	err := f.mkdir(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mkdirAll(f, path.Dir(name)); err != nil {
			return err
		}
		err = f.mkdir(name)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.syncDir(path.Dir(name))
}

// makeLocks makes the folder of locks, if need be: a restored backup may lack
// it, empty as it was.
func makeLocks(f fsys) error {
	if err := mkdirAll(f, locksDir); err != nil {
		return err
	}
	return f.check(locksDir)
}

// sweep removes what killed writers left in a folder. Call it under the lock
// of those who write there.
func sweep(f fsys, dir string) {
	entries, err := f.readDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isTemp(e.Name()) {
			_ = f.remove(path.Join(dir, e.Name()))
		}
	}
}

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// unknown marks what went wrong after a rename.
func unknown(err error) error {
	if errors.Is(err, vaultstore.ErrUnknownOutcome) {
		return err
	}
	return fmt.Errorf("%w: %w", vaultstore.ErrUnknownOutcome, err)
}

func symlinkRefused(name string) error {
	return fmt.Errorf("%w: %s is a symbolic link; put the real thing in its place", vaultstore.ErrPermissions, name)
}
