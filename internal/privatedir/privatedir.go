// Package privatedir keeps files in a folder of the owner's own.
//
// # Promise
//
// A file is replaced whole or not at all, and when [Dir.WriteFile] or
// [Staged.Commit] returns nil it is on disk. Nothing outside the folder is
// reached, whatever a name says; a symbolic link, a file that others can write
// to (as ssh judges its own), or one that is no plain file is [ErrUnsafe].
// Only what is not there is fs.ErrNotExist. [Dir.Lock] keeps other processes
// and other users of the folder in this one out, and waits for them no longer
// than [LockWait].
//
// # Limits
//
// On Windows permissions are not looked at, and a folder is not flushed: a
// rename may be undone by a loss of power. A file system on a network may not
// lock. Whoever runs as the owner can do all that the owner can.
//
// A Dir is safe for concurrent use.
package privatedir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// The errors of a Dir, beside those of package fs.
var (
	// ErrUnsafe: it is not the owner's own, or not a plain file or folder.
	ErrUnsafe = errors.New("not safe to use")
	// ErrTooLarge: it has more bytes than the caller allows.
	ErrTooLarge = errors.New("too large")
	// ErrUnknownOutcome: it may have been written, or not.
	ErrUnknownOutcome = errors.New("outcome unknown: it may have been written")
	// ErrLocked: another process, or another user of the folder in this one,
	// has held the lock for too long.
	ErrLocked = errors.New("locked by another process")
)

// LockWait bounds the wait for a lock, where the context does not end sooner.
const LockWait = 5 * time.Second

const (
	folderMode = 0o700
	fileMode   = 0o600
	// lockName has a dot, as no name of package pathname has: no owner's
	// folder can be where the lock is.
	lockName = ".lock"
	// lockPoll is how often a lock that another process holds is tried.
	lockPoll = 2 * time.Millisecond
)

// Dir is an open folder. Names are slash-separated and relative to it.
type Dir struct {
	root *os.Root
	path string
	turn chan struct{} // holds one token: whose turn it is in this process
	wait time.Duration // LockWait
	// sync makes a file or folder durable. It is a seam for the tests, which
	// take away what was not made so.
	sync func(*os.File) error
}

// Open opens the folder at path, and makes it when it is not there.
func Open(path string) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, folderMode); err != nil {
		return nil, err
	}
	before, err := os.Lstat(abs)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(abs, before); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	if now, err := root.Stat("."); err != nil || !os.SameFile(before, now) {
		_ = root.Close()
		return nil, fmt.Errorf("%w: %s was exchanged while it was opened", ErrUnsafe, abs)
	}
	d := &Dir{root: root, path: abs, turn: make(chan struct{}, 1), wait: LockWait, sync: (*os.File).Sync}
	d.turn <- struct{}{}
	return d, nil
}

// Close releases the folder. Nothing else works afterwards.
func (d *Dir) Close() error { return d.root.Close() }

// InPlace reports whether the folder is still the one at its path: [ErrUnsafe]
// when it was moved away or deleted, with or without another in its place. What
// is read from it then is not what others see there, and what is written to it
// is lost to them.
func (d *Dir) InPlace() error {
	open, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	if there, err := os.Lstat(d.path); err != nil || !os.SameFile(open, there) {
		return fmt.Errorf("%w: %s is not the folder any more that was opened; start again", ErrUnsafe, d.path)
	}
	return nil
}

// Stat looks at name itself.
func (d *Dir) Stat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }

// Path is where name is, for messages.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

// Lock waits until no other process, and nobody else in this one, holds the
// folder's lock, at most until ctx is done or [LockWait] is over, which is
// [ErrLocked]. Reading needs no lock. Calling unlock again does nothing. A
// folder that is not in place ([Dir.InPlace]) is not locked.
func (d *Dir) Lock(ctx context.Context) (unlock func(), err error) {
	limited, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	leave, err := d.enter(ctx, limited)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			leave()
		}
	}()
	if err := d.InPlace(); err != nil { // or the lock would be another folder's
		return nil, err
	}
	if err := d.check(lockName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	lock := flock.New(d.Path(lockName), flock.SetPermissions(fileMode))
	switch ok, err := lock.TryLockContext(limited, lockPoll); {
	case ok:
	case limited.Err() != nil:
		return nil, d.gaveUp(ctx)
	default:
		return nil, fmt.Errorf("lock of %s: %w", d.path, err)
	}
	if err := d.InPlace(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = lock.Close() // closing the descriptor releases it, whatever else fails
		leave()
	}), nil
}

// LockHere is [Dir.Lock] against this process alone: for what is the process's
// own, such as an open file. No other process can hold it up.
func (d *Dir) LockHere(ctx context.Context) (unlock func(), err error) {
	limited, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	leave, err := d.enter(ctx, limited)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(leave), nil
}

// enter waits for this process's turn.
func (d *Dir) enter(ctx, limited context.Context) (leave func(), err error) {
	select {
	case <-d.turn:
		return func() { d.turn <- struct{}{} }, nil
	case <-limited.Done():
		return nil, d.gaveUp(ctx)
	}
}

func (d *Dir) gaveUp(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", d.path, ErrLocked, err)
	}
	return fmt.Errorf("%s: %w for more than %v; wait for it, or end it, and try again", d.path, ErrLocked, d.wait)
}

// ReadFile returns what name holds, at most limit bytes.
func (d *Dir) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", d.Path(name), err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", d.Path(name), ErrTooLarge, limit)
	}
	return raw, nil
}

// OpenAppend opens name to read it and to add to it, and makes it when it is
// not there.
func (d *Dir) OpenAppend(name string) (*os.File, error) {
	f, err := d.open(name, os.O_RDWR|os.O_APPEND)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := d.makeFolders(path.Dir(name)); err != nil {
		return nil, err
	}
	f, err = d.root.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return d.open(name, os.O_RDWR|os.O_APPEND)
	}
	if err != nil {
		return nil, err
	}
	if err := d.flush(path.Dir(name)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// open opens a file that is there, after looking at what it is: opening a
// pipe would wait, and a link leads elsewhere.
func (d *Dir) open(name string, flag int) (*os.File, error) {
	if err := d.check(name); err != nil {
		return nil, err
	}
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(before, now) {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s was exchanged while it was opened", ErrUnsafe, d.Path(name))
	}
	return f, nil
}

// check looks at name and at each folder on the way to it.
func (d *Dir) check(name string) error {
	if err := d.checkFolders(path.Dir(name)); err != nil {
		return err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a plain file", ErrUnsafe, d.Path(name))
	}
	return Private(d.Path(name), info)
}

func (d *Dir) checkFolders(dir string) error {
	for _, at := range ancestors(dir) {
		info, err := d.root.Lstat(at)
		if err != nil {
			return err
		}
		if err := checkFolder(d.Path(at), info); err != nil {
			return err
		}
	}
	return nil
}

func checkFolder(path string, info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a folder", ErrUnsafe, path)
	}
	return Private(path, info)
}

// ancestors lists the folders from the first below the root down to dir.
func ancestors(dir string) []string {
	if dir == "." {
		return nil
	}
	var all []string
	for i := range len(dir) {
		if dir[i] == '/' {
			all = append(all, dir[:i])
		}
	}
	return append(all, dir)
}

// ReadDir lists the folder name, ordered, without what [Dir.Stage] has not
// committed and without the lock. A folder that is not there is fs.ErrNotExist.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.checkFolders(name); err != nil {
		return nil, err
	}
	all, err := fs.ReadDir(d.root.FS(), name)
	if err != nil {
		return nil, err
	}
	kept := all[:0]
	for _, e := range all {
		if !strings.HasPrefix(e.Name(), tempPrefix) && !(name == "." && e.Name() == lockName) {
			kept = append(kept, e)
		}
	}
	return kept, nil
}

// Rename moves a file of the folder to a new name, in the same folder or
// another of its own, and makes that durable.
func (d *Dir) Rename(from, to string) error {
	if err := d.root.Rename(filepath.FromSlash(from), filepath.FromSlash(to)); err != nil {
		return err
	}
	return d.flush(filepath.Dir(filepath.FromSlash(to)))
}

// Remove removes a file. That is on disk with the next file that is written to
// the same folder.
func (d *Dir) Remove(name string) error {
	if err := d.checkFolders(path.Dir(name)); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// flush makes the names in a folder durable.
func (d *Dir) flush(dir string) error {
	if runtime.GOOS == "windows" { // it has no such call
		return nil
	}
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.sync(f)
}
