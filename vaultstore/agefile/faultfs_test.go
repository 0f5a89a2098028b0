package agefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// faults is a plan for the file operations of one store, over both of its
// folders. Operations that change something are counted; at the one chosen,
// the plan goes wrong.
type faults struct {
	at    int // which operation, from 1; 0 for none
	how   faultKind
	count int
	dead  bool // every later operation fails too: the process was killed
	moot  bool // the fault was no other than that of another kind
	undo  []effect
	dirty map[string]bool // files whose bytes were not synced, by full path
}

type faultKind int

const (
	failOnce   faultKind = iota // the operation fails, and the process lives on
	killAfter                   // killed right after the operation
	killTorn                    // killed half-way through a write
	powerLoss                   // as killAfter, and what was not synced is gone
	powerData                   // as killAfter, and bytes not synced are gone, names are not
	powerMixed                  // as powerLoss, but removals outlive it
)

var allFaults = map[faultKind]string{
	failOnce: "fail", killAfter: "kill", killTorn: "torn", powerLoss: "power loss",
	powerData: "data loss", powerMixed: "power loss but for removals",
}

var errFault = errors.New("injected fault")

// effect is a change to a folder that was not synced yet.
type effect struct {
	dir       string
	removal   bool
	temp      bool // of a temporary file: nobody reads those
	inherited bool // of a process before this one
	revert    func()
}

// inherit takes over what a killed process had not synced.
func (c *faults) inherit(dead *faults) {
	c.undo, c.dirty = dead.undo, dead.dirty
	for i := range c.undo {
		c.undo[i].inherited = !c.undo[i].temp && !c.undo[i].removal
	}
}

// heir says whether something that was inherited, and that matters, is still
// not synced.
func (c *faults) heir() bool {
	return slices.ContainsFunc(c.undo, func(e effect) bool { return e.inherited })
}

// step runs one operation as the plan wants it. torn, if any, is what half of
// it does.
func (c *faults) step(do func() error, torn func()) error {
	if c.dead {
		return errFault
	}
	c.count++
	if c.count != c.at {
		return do()
	}
	c.dead = c.how != failOnce
	switch c.how {
	case killAfter, powerLoss, powerData, powerMixed:
		_ = do()
	case killTorn:
		if c.moot = torn == nil; !c.moot {
			torn()
		}
	}
	c.lose()
	return errFault
}

// lose forgets what a power loss would.
func (c *faults) lose() {
	names := c.how == powerLoss || c.how == powerMixed
	removals := slices.ContainsFunc(c.undo, func(e effect) bool { return e.removal })
	c.moot = c.moot || c.how == powerData && len(c.dirty) == 0 || names && len(c.undo) == 0 || c.how == powerMixed && !removals
	for _, e := range slices.Backward(c.undo) {
		if names && !(c.how == powerMixed && e.removal) {
			e.revert()
		}
	}
	if names || c.how == powerData {
		for name := range c.dirty {
			if _, err := os.Lstat(name); err == nil {
				_ = os.Truncate(name, 0)
			}
		}
	}
}

func (c *faults) wrap(open opener) opener {
	return func(dir string, insecure bool) (fsys, error) {
		if c.dead {
			return nil, errFault
		}
		f, err := open(dir, insecure)
		if err != nil {
			return nil, err
		}
		return &faultFS{fsys: f, c: c}, nil
	}
}

// faultFS counts and breaks operations. It leaves out the real syncs: it
// knows itself what would be lost, and the tests stay quick.
type faultFS struct {
	fsys
	c *faults
}

func (f *faultFS) done(name string, removal bool, revert func()) {
	f.c.undo = append(f.c.undo, effect{
		dir: f.path(path.Dir(name)), removal: removal, temp: isTemp(path.Base(name)), revert: revert,
	})
}

func (f *faultFS) open(name string) (io.ReadCloser, error) {
	if f.c.dead {
		return nil, errFault
	}
	return f.fsys.open(name)
}

func (f *faultFS) create(name string) (w writeFile, err error) {
	err = f.c.step(func() error {
		if w, err = f.fsys.create(name); err == nil {
			f.c.setDirty(f.path(name), true)
			f.done(name, false, func() { _ = os.Remove(f.path(name)) })
		}
		return err
	}, nil)
	if err != nil {
		if w != nil {
			w.Close()
		}
		return nil, err
	}
	return &faultFile{writeFile: w, fs: f, name: name}, nil
}

func (f *faultFS) rename(from, to string) error {
	return f.c.step(func() error {
		restore := keep(f.path(to))
		err := f.fsys.rename(from, to)
		if err == nil {
			f.c.setDirty(f.path(to), f.c.dirty[f.path(from)])
			f.c.setDirty(f.path(from), false)
			f.done(to, false, restore)
		}
		return err
	}, nil)
}

func (f *faultFS) link(from, to string) error {
	return f.c.step(func() error {
		err := f.fsys.link(from, to)
		if err == nil {
			f.c.setDirty(f.path(to), f.c.dirty[f.path(from)])
			f.done(to, false, func() { _ = os.Remove(f.path(to)) })
		}
		return err
	}, nil)
}

func (f *faultFS) remove(name string) error {
	return f.c.step(func() error {
		restore := keep(f.path(name))
		err := f.fsys.remove(name)
		if err == nil {
			f.done(name, true, restore)
		}
		return err
	}, nil)
}

func (f *faultFS) mkdir(name string) error {
	return f.c.step(func() error {
		err := f.fsys.mkdir(name)
		if err == nil {
			f.done(name, false, func() { _ = os.RemoveAll(f.path(name)) })
		}
		return err
	}, nil)
}

func (f *faultFS) syncDir(name string) error {
	return f.c.step(func() error {
		f.c.undo = slices.DeleteFunc(f.c.undo, func(e effect) bool { return e.dir == f.path(name) })
		return nil
	}, nil)
}

func (f *faultFS) readDir(name string) ([]fs.DirEntry, error) {
	if f.c.dead {
		return nil, errFault
	}
	return f.fsys.readDir(name)
}

func (c *faults) setDirty(name string, dirty bool) {
	if c.dirty == nil {
		c.dirty = make(map[string]bool)
	}
	c.dirty[name] = dirty
	if !dirty {
		delete(c.dirty, name)
	}
}

// keep returns what puts a file back as it is now.
func keep(name string) (restore func()) {
	data, err := os.ReadFile(name)
	if err != nil {
		return func() { _ = os.Remove(name) }
	}
	return func() {
		if os.MkdirAll(filepath.Dir(name), privateDir) == nil {
			_ = os.WriteFile(name, data, privateFile)
		}
	}
}

type faultFile struct {
	writeFile
	fs   *faultFS
	name string
}

func (w *faultFile) Write(data []byte) (n int, err error) {
	err = w.fs.c.step(func() error { n, err = w.writeFile.Write(data); return err },
		func() { _, _ = w.writeFile.Write(data[:len(data)/2]) })
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (w *faultFile) Sync() error {
	return w.fs.c.step(func() error { w.fs.c.setDirty(w.fs.path(w.name), false); return nil }, nil)
}

func (w *faultFile) Close() error {
	return errors.Join(w.fs.c.step(func() error { return nil }, nil), w.writeFile.Close())
}
