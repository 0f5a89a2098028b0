// Package turnfile makes those who share a vault take turns, among goroutines
// and processes, by lock files.
//
// # Promise
//
// One holder at a time: a lock is the operating system's, and goes with the
// process that has it, however that ends. A mark that [Store.SetMark] returned
// nil for is on disk.
//
// # Limits
//
// Locks are advisory, and of one machine: a folder that two machines share
// keeps none of them out. A mark is neither sealed nor signed, and no secret.
//
// # Files
//
// DIR/OWNER/CONNECTOR/INSTANCE/GRANT/NAME.lock, .holder and .mark, each part
// escaped by package pathname.
package turnfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/pathname"
	"github.com/sallyport-host/sallyport/internal/privatedir"
)

const (
	markExt      = ".mark"
	maxMarkBytes = 4 << 10
	// poll is how often a lock that another has is tried.
	poll = 10 * time.Millisecond
)

// Store is a folder of locks. It is safe for concurrent use, by several
// processes too.
type Store struct{ dir *privatedir.Dir }

var _ host.Turns = (*Store)(nil)

// Open opens the folder, and makes it when it is not there.
func Open(dir string) (*Store, error) {
	d, err := privatedir.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("locks: %w", err)
	}
	return &Store{d}, nil
}

// Close releases the folder.
func (s *Store) Close() error { return s.dir.Close() }

func fileName(scope capabilities.Scope, name string) string {
	return path.Join(pathname.Escape(scope.Owner), pathname.Escape(scope.Connector),
		pathname.Escape(scope.Instance), pathname.Escape(scope.Grant), pathname.Escape(name))
}

// Lock implements host.Turns.
func (s *Store) Lock(ctx context.Context, scope capabilities.Scope, name string) (unlock func(), err error) {
	note := fmt.Sprintf("process %d", os.Getpid())
	for {
		unlock, err = s.dir.Hold(ctx, fileName(scope, name), note)
		if !errors.Is(err, privatedir.ErrHeld) && !errors.Is(err, privatedir.ErrLocked) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the lock of %s: %w: %w", name, context.Cause(ctx), err)
		case <-time.After(poll):
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the lock of %s: %w", name, err)
	}
	return unlock, nil
}

// Mark implements host.Turns.
func (s *Store) Mark(_ context.Context, scope capabilities.Scope, name string) ([]byte, error) {
	text, err := s.dir.ReadFile(fileName(scope, name)+markExt, maxMarkBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the mark of %s: %w", name, err)
	}
	return text, nil
}

// SetMark implements host.Turns.
func (s *Store) SetMark(ctx context.Context, scope capabilities.Scope, name string, mark []byte) error {
	unlock, err := s.dir.Lock(ctx)
	if err != nil {
		return fmt.Errorf("the mark of %s: %w", name, err)
	}
	defer unlock()
	file := fileName(scope, name) + markExt
	if mark == nil {
		err = s.dir.Remove(file)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		err = s.dir.WriteFile(file, mark)
	}
	if err != nil {
		return fmt.Errorf("the mark of %s: %w", name, err)
	}
	return nil
}
