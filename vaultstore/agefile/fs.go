package agefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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

func symlinkRefused(name string) error {
	return fmt.Errorf("%w: %s is a symbolic link; put the real thing in its place", vaultstore.ErrPermissions, name)
}
