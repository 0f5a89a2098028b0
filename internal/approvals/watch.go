package approvals

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
)

// pollInterval is how often a folder is looked at while someone watches it:
// three times within abi.RevocationDelay.
const pollInterval = 75 * time.Millisecond

// Watch implements host.Approvals. It looks at the folder of the scope every
// 75 ms, as long as it lasts, and calls changed once at the start, so that
// what changed between the caller's last look and this call is not missed.
func (s *Store) Watch(ctx context.Context, scope capabilities.Scope, changed func()) {
	wake := s.subscribe(scope)
	defer s.unsubscribe(scope, wake)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	last := s.signature(scope)
	for first := true; ; first = false {
		if !first {
			select {
			case <-ctx.Done():
				return
			case <-wake:
				last = s.signature(scope)
			case <-tick.C:
				now := s.signature(scope)
				if now.same(last) {
					continue
				}
				last = now
			}
		}
		if ctx.Err() != nil {
			return
		}
		changed()
	}
}

// signature differs when what is in the folder of a scope may differ: each
// envelope is written once, under a name of its own, and by renaming. A folder
// that was put in the place of another is another one, whatever it holds; one
// that cannot be read, or lies in a store that was moved away, has a signature
// too.
type signature struct {
	sum    uint64
	folder fs.FileInfo // nil when it is not there
}

func (a signature) same(b signature) bool {
	if a.folder == nil || b.folder == nil {
		return a.sum == b.sum && a.folder == b.folder
	}
	return a.sum == b.sum && os.SameFile(a.folder, b.folder)
}

func (s *Store) signature(scope capabilities.Scope) (sig signature) {
	h := fnv.New64a()
	defer func() { sig.sum = h.Sum64() }()
	if err := s.dir.InPlace(); err != nil {
		_, _ = h.Write([]byte("moved: " + err.Error()))
	}
	if info, err := s.dir.Stat(folder(scope)); err == nil {
		sig.folder = info
	}
	list, err := s.dir.ReadDir(folder(scope))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			_, _ = h.Write([]byte("unreadable: " + err.Error()))
		}
		return sig
	}
	for _, e := range list {
		line := e.Name()
		if info, err := e.Info(); err == nil {
			line += fmt.Sprint(info.ModTime().UnixNano(), info.Mode(), info.Size())
		}
		_, _ = h.Write([]byte(line + "\x00"))
	}
	return sig
}

func (s *Store) subscribe(scope capabilities.Scope) chan struct{} {
	wake := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers[scope] == nil {
		s.watchers[scope] = map[chan struct{}]struct{}{}
	}
	s.watchers[scope][wake] = struct{}{}
	return wake
}

func (s *Store) unsubscribe(scope capabilities.Scope, wake chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers[scope], wake)
	if len(s.watchers[scope]) == 0 {
		delete(s.watchers, scope)
	}
}

// notify tells those of this process that watch scope.
func (s *Store) notify(scope capabilities.Scope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for wake := range s.watchers[scope] {
		select {
		case wake <- struct{}{}:
		default: // it has been told already and has not looked yet
		}
	}
}
