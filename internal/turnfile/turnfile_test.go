package turnfile_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/turnfile"
)

var scope = capabilities.Scope{Owner: "ada", Connector: "spotify", Instance: "default", Grant: "self"}

func open(t *testing.T, dir string) *turnfile.Store {
	t.Helper()
	s, err := turnfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOneHolderAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	stores := []*turnfile.Store{open(t, dir), open(t, dir)}
	inside, most := 0, 0
	var mu sync.Mutex
	count := func(d int) { mu.Lock(); inside += d; most = max(most, inside); mu.Unlock() }
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			unlock, err := stores[i%2].Lock(t.Context(), scope, "TOKEN")
			if err != nil {
				t.Error(err)
				return
			}
			count(1)
			count(-1)
			unlock()
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once", most)
	}
}

func TestLockGivesUpWithItsContext(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "locks"))
	unlock, err := s.Lock(t.Context(), scope, "TOKEN")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, scope, "TOKEN"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a held lock: %v", err)
	}
	other, err := s.Lock(t.Context(), scope, "OTHER")
	if err != nil {
		t.Fatalf("another name: %v", err)
	}
	other()
}

func TestMarks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	s := open(t, dir)
	if mark, err := s.Mark(t.Context(), scope, "TOKEN"); mark != nil || err != nil {
		t.Fatalf("no mark yet: %q, %v", mark, err)
	}
	if err := s.SetMark(t.Context(), scope, "TOKEN", []byte("in flight")); err != nil {
		t.Fatal(err)
	}
	if mark, err := open(t, dir).Mark(t.Context(), scope, "TOKEN"); string(mark) != "in flight" || err != nil {
		t.Errorf("another process reads %q, %v", mark, err)
	}
	for range 2 {
		if err := s.SetMark(t.Context(), scope, "TOKEN", nil); err != nil {
			t.Fatal(err)
		}
	}
	if mark, err := s.Mark(t.Context(), scope, "TOKEN"); mark != nil || err != nil {
		t.Errorf("a removed mark: %q, %v", mark, err)
	}
}
