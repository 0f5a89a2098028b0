package privatedir

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// synced records what is made durable, and what was in it then.
func (d *Dir) synced(t *testing.T) *[]string {
	t.Helper()
	var all []string
	d.sync = func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		what := "file"
		if info.IsDir() {
			names, err := f.Readdirnames(-1)
			if err != nil {
				return err
			}
			slices.Sort(names)
			what = filepath.Base(f.Name())
			for _, name := range names {
				what += " " + name
			}
		} else if info.Size() > 0 {
			what = "filled file"
		}
		all = append(all, what)
		return f.Sync()
	}
	return &all
}

// What returned is on disk: the file's content before its name, and its name,
// with those of the folders on the way.
func TestDurable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs a system that flushes folders")
	}
	d := open(t)
	all := d.synced(t)
	expect := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(*all, want) {
			t.Errorf("%s: made durable %q, want %q", what, *all, want)
		}
		*all = nil
	}
	if err := d.WriteFile("a/b/c", []byte("one")); err != nil {
		t.Fatal(err)
	}
	expect("write", ". a", "a b", "filled file", "b c")
	if err := d.WriteFile("a/b/c", []byte("two")); err != nil {
		t.Fatal(err)
	}
	expect("write again", "filled file", "b c")
	if err := d.Rename("a/b/c", "a/d"); err != nil {
		t.Fatal(err)
	}
	expect("rename", "a b d")
	f, err := d.OpenAppend("a/log")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	expect("a new log", "a b d log")
}
