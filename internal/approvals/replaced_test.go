package approvals

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// TestReplacedFolder: a folder that is moved away, with a likeness of it in its
// place, is a change that a watcher is told of in time; and where it was the
// whole store's, nothing of the old one is in force or written any more.
func TestReplacedFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs a system that moves an open folder")
	}
	for name, which := range map[string]func(s *Store) string{
		"scope": func(s *Store) string { return s.dir.Path(folder(scope)) },
		"owner": func(s *Store) string { return filepath.Dir(filepath.Dir(filepath.Dir(s.dir.Path(folder(scope))))) },
		"store": func(s *Store) string { return s.dir.Path(".") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, filepath.Join(t.TempDir(), "approvals"), memory.New())
			s.mustApprove(t, scope)
			ctx, cancel := context.WithCancel(t.Context())
			changes, ended := make(chan struct{}, 10), make(chan struct{})
			go func() {
				defer close(ended)
				s.Watch(ctx, scope, func() { changes <- struct{}{} })
			}()
			<-changes
			at := which(s)
			likeness(t, at, at+".new")
			if err := errors.Join(os.Rename(at, at+".old"), os.Rename(at+".new", at)); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			select {
			case <-changes:
				if took := time.Since(begun); took > abi.RevocationDelay+500*time.Millisecond { // the slack is the scheduler's
					t.Errorf("told after %v", took)
				}
			case <-time.After(5 * time.Second):
				t.Error("not told")
			}
			cancel()
			<-ended
			if name != "store" {
				return
			}
			if got, err := s.Standing(t.Context(), scope); !errors.Is(err, privatedir.ErrUnsafe) {
				t.Errorf("standing: %+v, %v", got, err)
			}
			if _, err := s.Revoke(t.Context(), scope); !errors.Is(err, privatedir.ErrUnsafe) {
				t.Errorf("revoked where nobody looks: %v", err)
			}
		})
	}
}

// likeness copies a folder so that names, sizes, modes and times agree.
func likeness(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.Walk(from, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), info.Mode())
		}
		raw, err := os.ReadFile(name)
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), raw, info.Mode()),
			os.Chtimes(filepath.Join(to, rel), info.ModTime(), info.ModTime()))
	})
	if err != nil {
		t.Fatal(err)
	}
}
