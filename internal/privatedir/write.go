package privatedir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// tempPrefix begins the name of what is not committed yet, or never was.
const tempPrefix = ".tmp-"

// Staged is a file that is on disk under another name.
type Staged struct {
	dir        *Dir
	temp, name string
}

// WriteFile replaces name by data, durably. An error that wraps
// [ErrUnknownOutcome] says that it may have happened all the same.
func (d *Dir) WriteFile(name string, data []byte) error {
	s, err := d.Stage(name, data)
	if err != nil {
		return err
	}
	defer s.Discard()
	return s.Commit()
}

// Stage writes data durably, so that all that is left to do is one rename. It
// makes the folders on the way to name.
func (d *Dir) Stage(name string, data []byte) (*Staged, error) {
	dir := path.Dir(name)
	if err := d.makeFolders(dir); err != nil {
		return nil, err
	}
	if err := d.check(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s := &Staged{dir: d, temp: path.Join(dir, tempPrefix+strings.ToLower(rand.Text())), name: name}
	if err := d.writeTemp(s.temp, data); err != nil {
		s.Discard()
		return nil, fmt.Errorf("write %s: %w", d.Path(name), err)
	}
	return s, nil
}

func (d *Dir) writeTemp(name string, data []byte) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = d.sync(f)
	}
	return errors.Join(err, f.Close())
}

// Commit puts the file in place.
func (s *Staged) Commit() error {
	if err := s.dir.root.Rename(s.temp, s.name); err != nil {
		return fmt.Errorf("write %s: %w", s.dir.Path(s.name), err)
	}
	s.temp = ""
	if err := s.dir.flush(path.Dir(s.name)); err != nil {
		return fmt.Errorf("write %s: %w: %w", s.dir.Path(s.name), ErrUnknownOutcome, err)
	}
	return nil
}

// Discard removes the file when it was not committed, and does nothing when
// it was.
func (s *Staged) Discard() {
	if s.temp != "" {
		_ = s.dir.root.Remove(s.temp) // what stays is swept later
		s.temp = ""
	}
}

// Sweep removes from the folder name what was staged and never committed, by
// a process that is gone. Call it under the lock only.
func (d *Dir) Sweep(name string) error {
	if err := d.checkFolders(name); err != nil {
		return err
	}
	all, err := fs.ReadDir(d.root.FS(), name)
	if err != nil {
		return err
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name(), tempPrefix) && e.Type().IsRegular() {
			err = errors.Join(err, d.root.Remove(path.Join(name, e.Name())))
		}
	}
	return err
}

// makeFolders makes dir and the folders on the way to it, durably.
func (d *Dir) makeFolders(dir string) error {
	for _, at := range ancestors(dir) {
		err := d.root.Mkdir(at, folderMode)
		switch {
		case err == nil:
			if err := d.flush(path.Dir(at)); err != nil {
				return err
			}
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return d.checkFolders(dir)
}
