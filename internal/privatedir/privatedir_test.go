package privatedir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/internal/pathname"
)

func open(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "own"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestWriteAndRead(t *testing.T) {
	d := open(t)
	if _, err := d.ReadFile("a/b/c", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("absent: %v", err)
	}
	for _, text := range []string{"one", "two"} {
		if err := d.WriteFile("a/b/c", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.ReadFile("a/b/c", 3); err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if _, err := d.ReadFile("a/b/c", 2); !errors.Is(err, ErrTooLarge) {
		t.Errorf("past the limit: %v", err)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{".": 0o700, "a": 0o700, "a/b": 0o700, "a/b/c": 0o600} {
			info, err := os.Stat(d.Path(name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
			}
		}
	}
	if err := d.Remove("a/b/c"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadFile("a/b/c", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

// TestCrashLeavesTheOldFile: what was staged and never committed is neither
// read nor listed, and swept.
func TestCrashLeavesTheOldFile(t *testing.T) {
	d := open(t)
	if err := d.WriteFile("a/c", []byte("old")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Stage("a/c", []byte("new")); err != nil { // and then the process ends
		t.Fatal(err)
	}
	if got, err := d.ReadFile("a/c", 10); err != nil || string(got) != "old" {
		t.Errorf("got %q, %v", got, err)
	}
	list, err := d.ReadDir("a")
	if err != nil || len(list) != 1 || list[0].Name() != "c" {
		t.Errorf("listed %v, %v", list, err)
	}
	if err := d.Sweep("a"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(d.Path("a")); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestDiscard(t *testing.T) {
	d := open(t)
	s, err := d.Stage("c", []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	s.Discard()
	s.Discard()
	if left, err := os.ReadDir(d.Path(".")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if err := s.Commit(); err == nil {
		t.Error("committed what was discarded")
	}
}

func TestNamesStayInside(t *testing.T) {
	d := open(t)
	outside := filepath.Join(filepath.Dir(d.Path(".")), "outside")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../outside", outside, "a/../../outside"} {
		if got, err := d.ReadFile(name, 10); err == nil {
			t.Errorf("read %q from %s", got, name)
		}
		if err := d.WriteFile(name, []byte("y")); err == nil {
			t.Errorf("wrote %s", name)
		}
	}
}

func TestUnsafe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs unix permissions")
	}
	tests := map[string]func(d *Dir) error{
		"file others write":   func(d *Dir) error { return os.Chmod(d.Path("a/c"), 0o620) },
		"folder others write": func(d *Dir) error { return os.Chmod(d.Path("a"), 0o702) },
		"link": func(d *Dir) error {
			return errors.Join(os.Rename(d.Path("a/c"), d.Path("a/d")), os.Symlink("d", d.Path("a/c")))
		},
		"link of a folder": func(d *Dir) error {
			return errors.Join(os.Rename(d.Path("a"), d.Path("b")), os.Symlink("b", d.Path("a")))
		},
		"folder": func(d *Dir) error {
			return errors.Join(os.Remove(d.Path("a/c")), os.Mkdir(d.Path("a/c"), 0o700))
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			if err := d.WriteFile("a/c", []byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := spoil(d); err != nil {
				t.Fatal(err)
			}
			if _, err := d.ReadFile("a/c", 10); !errors.Is(err, ErrUnsafe) {
				t.Errorf("read: %v", err)
			}
			if err := d.WriteFile("a/c", nil); !errors.Is(err, ErrUnsafe) {
				t.Errorf("write: %v", err)
			}
			if _, err := d.OpenAppend("a/c"); !errors.Is(err, ErrUnsafe) {
				t.Errorf("append: %v", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs unix permissions")
	}
	dir := t.TempDir()
	loose, link, file := filepath.Join(dir, "loose"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	err := errors.Join(os.Mkdir(loose, 0o700), os.Chmod(loose, 0o770), os.Symlink(loose, link), os.WriteFile(file, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{loose, link, file} {
		if d, err := Open(path); err == nil {
			_ = d.Close()
			t.Errorf("opened %s", filepath.Base(path))
		}
	}
	if _, err := Open(loose); !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("got %v", err)
	}
}

func TestOpenAppend(t *testing.T) {
	d := open(t)
	for range 2 {
		f, err := d.OpenAppend("a/log")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	if got, err := d.ReadFile("a/log", 100); err != nil || string(got) != "line\nline\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLock: two openings of a folder stand for two processes, as a lock
// belongs to the opening of a file.
func TestLock(t *testing.T) {
	d := open(t)
	other, err := Open(d.Path("."))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	unlock, err := d.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, waiter := range []*Dir{d, other} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := waiter.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("locked twice: %v", err)
		}
		cancel()
		waiter.wait = 20 * time.Millisecond
		_, err := waiter.Lock(context.Background())
		if !errors.Is(err, ErrLocked) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "locked by another process for more than 20ms") {
			t.Errorf("with a context that never ends: %v", err)
		}
		waiter.wait = LockWait
	}
	here, err := other.LockHere(t.Context())
	if err != nil {
		t.Fatalf("held up by another process: %v", err)
	}
	here()
	unlock()
	var inside, counted atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			unlock, err := []*Dir{d, other}[i%2].Lock(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) != 1 {
				t.Error("two hold the lock")
			}
			counted.Add(1)
			inside.Add(-1)
			unlock()
			unlock()
		})
	}
	all.Wait()
	if n := counted.Load(); n != 20 {
		t.Errorf("%d held the lock, not 20", n)
	}
	if list, err := d.ReadDir("."); err != nil || len(list) != 0 {
		t.Errorf("the lock is listed: %v, %v", list, err)
	}
}

// An owner may be called what a lock might be.
func TestLockIsNobodysName(t *testing.T) {
	d := open(t)
	for _, owner := range []string{"lock", ".lock"} {
		if err := d.WriteFile(pathname.Escape(owner)+"/c", []byte(owner)); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := d.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if list, err := d.ReadDir("."); err != nil || len(list) != 2 {
		t.Errorf("listed %v, %v", list, err)
	}
	if s, _, err := pathname.Unescape(lockName); err == nil {
		t.Errorf("%q has the lock's name", s)
	}
}

// A folder that was moved away is not written to: nobody would see it.
func TestFolderReplaced(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs a system that moves an open folder")
	}
	d := open(t)
	if err := d.InPlace(); err != nil {
		t.Fatal(err)
	}
	where := d.Path(".")
	if err := os.Rename(where, where+".old"); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"gone", "another one"} {
		if what != "gone" {
			if err := os.Mkdir(where, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.InPlace(); !errors.Is(err, ErrUnsafe) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := d.Lock(t.Context()); !errors.Is(err, ErrUnsafe) {
			t.Errorf("%s: locked, %v", what, err)
		}
	}
}
