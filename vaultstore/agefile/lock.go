package agefile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// locker hands out the locks of one store. A lock is a file that is never
// deleted: deleting one lets two holders in. Goroutines queue up in process
// first, so that only one of them polls the file.
type locker struct {
	dir  string
	wait time.Duration

	mu    sync.Mutex
	turns map[string]chan struct{}
}

func newLocker(dir string, wait time.Duration) *locker {
	if wait <= 0 {
		wait = DefaultLockWait
	}
	return &locker{dir: dir, wait: wait, turns: make(map[string]chan struct{})}
}

// acquire waits for the lock until ctx is done or the store's own limit is
// over.
func (l *locker) acquire(ctx context.Context, name string) (release func(), err error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	turn := l.turn(name)
	select {
	case turn <- struct{}{}:
	case <-limited.Done():
		return nil, l.gaveUp(ctx)
	}
	file := flock.New(filepath.Join(l.dir, name))
	ok, err := file.TryLockContext(limited, lockPoll)
	switch {
	case ok:
		return func() { _ = file.Unlock(); <-turn }, nil
	case limited.Err() != nil:
		err = l.gaveUp(ctx)
	default:
		err = fmt.Errorf("lock: %w", err)
	}
	<-turn
	return nil, err
}

func (l *locker) turn(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns[name] == nil {
		l.turns[name] = make(chan struct{}, 1)
	}
	return l.turns[name]
}

func (l *locker) gaveUp(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return fmt.Errorf("%w: %w", vaultstore.ErrLocked, err)
	}
	return fmt.Errorf("%w for more than %v; try again", vaultstore.ErrLocked, l.wait)
}

// ended returns the context's error, or ErrClosed when it was the store that
// ended it.
func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), vaultstore.ErrClosed) {
		return vaultstore.ErrClosed
	}
	return ctx.Err()
}
