// Package statefile keeps what connectors remember between runs in files.
//
// # Promise
//
// A commit happens whole or not at all, and what [Store.Commit] returned nil
// for is on disk. A file that is there and cannot be read, or is not what was
// written for that scope, is [ErrCorrupt] or the system's own error, and never
// an empty state: a connector would collect everything again, and nobody would
// know why. Only a scope that never committed has none.
//
// # Limits
//
// Cursors are the connector's, and no secrets: they are neither sealed nor
// signed.
//
// # Concurrency
//
// Two runs of one scope must not go on at once: each would go by cursors that
// the other replaces. [Store.Hold], for the length of a run, refuses the second
// one at its start. A commit over what somebody else committed since this
// process loaded it is refused all the same, as [ErrConflict].
//
// # Files
//
// DIR/OWNER/CONNECTOR/INSTANCE/GRANT.json, each part escaped by package
// pathname, and beside it, while a run holds the scope, GRANT.lock and
// GRANT.holder:
//
//	{"version":1,"scope":{…},"state":{"STREAM":{…}}}
package statefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/pathname"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// The bounds of a scope's state, beside abi.MaxCursorBytes of each cursor.
const (
	MaxBytes   = 32 << 20
	MaxStreams = 1024
	// wrapping is how deep a cursor stands in its file.
	wrapping = 2
)

const version = 1

// The errors of a [Store], beside those of its folder and its context.
var (
	// ErrCorrupt: the file is not what was written for this scope.
	ErrCorrupt = errors.New("state is corrupt")
	// ErrInvalid: a cursor that is not JSON, or a name that is none.
	ErrInvalid = errors.New("not a cursor")
	// ErrRunning: another run holds the scope.
	ErrRunning = errors.New("another run of it goes on")
	// ErrConflict: another run committed since this one loaded.
	ErrConflict = errors.New("another run of it committed in the meantime")
)

// Store keeps cursors in files. It is safe for concurrent use, by several
// processes too.
type Store struct {
	dir *privatedir.Dir

	mu     sync.Mutex
	loaded map[capabilities.Scope]digest // what a commit goes by, until there is one
}

// digest tells a file from another; the zero digest is that of none.
type digest [sha256.Size]byte

var _ host.StateStore = (*Store)(nil)

// Open opens the state in dir, which is made when it is not there.
func Open(dir string) (*Store, error) {
	d, err := privatedir.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return &Store{dir: d, loaded: map[capabilities.Scope]digest{}}, nil
}

// Close releases the folder.
func (s *Store) Close() error { return s.dir.Close() }

// document is what a file holds.
type document struct {
	Version int                        `json:"version"`
	Scope   capabilities.Scope         `json:"scope"`
	State   map[string]json.RawMessage `json:"state"`
}

func fileName(scope capabilities.Scope) string { return baseName(scope) + ".json" }

func baseName(scope capabilities.Scope) string {
	return path.Join(pathname.Escape(scope.Owner), pathname.Escape(scope.Connector),
		pathname.Escape(scope.Instance), pathname.Escape(scope.Grant))
}

// Hold takes scope for a run, until release is called or the process ends.
// [ErrRunning], at once, when another run has it, here or in another process;
// the error names it. [ErrCorrupt] when there is a state that this run could
// not add to in the end: better told before anything is collected, and also to
// a run that does not load it.
func (s *Store) Hold(ctx context.Context, scope capabilities.Scope) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	note := fmt.Sprintf("process %d, since %s", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	release, err = s.dir.Hold(ctx, baseName(scope), note)
	switch {
	case errors.Is(err, privatedir.ErrHeld):
		return nil, fmt.Errorf("state of %s: %w: %w; wait for it, or end it", scope.Connector, ErrRunning, err)
	case err != nil:
		return nil, fmt.Errorf("state: %w", err)
	}
	_, found, err := s.read(scope)
	if err != nil {
		release()
		return nil, fmt.Errorf("state: %w", err)
	}
	s.remember(scope, found)
	return release, nil
}

func (s *Store) remember(scope capabilities.Scope, found digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded[scope] = found
}

// recall returns what was loaded of scope, once.
func (s *Store) recall(scope capabilities.Scope) (found digest, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok = s.loaded[scope]
	delete(s.loaded, scope)
	return found, ok
}

// Load implements host.StateStore.
func (s *Store) Load(ctx context.Context, scope capabilities.Scope) (map[string]json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	state, found, err := s.read(scope)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	s.remember(scope, found)
	return state, nil
}

// Commit implements host.StateStore. The error wraps [ErrInvalid] or
// privatedir.ErrTooLarge when a cursor is not what a file can hold, [ErrConflict]
// when somebody else committed since the last Load here; nothing was written
// then.
func (s *Store) Commit(ctx context.Context, scope capabilities.Scope, cursors map[string]json.RawMessage) error {
	for stream, cursor := range cursors {
		if err := checkCursor(stream, cursor); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	unlock, err := s.dir.Lock(ctx)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer unlock()
	if err := s.merge(scope, cursors); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

func (s *Store) merge(scope capabilities.Scope, cursors map[string]json.RawMessage) error {
	state, found, err := s.read(scope)
	if err != nil || len(cursors) == 0 {
		return err
	}
	if before, ok := s.recall(scope); ok && before != found {
		return fmt.Errorf("%w: %s; run it again, and one at a time", ErrConflict, s.dir.Path(fileName(scope)))
	}
	if state == nil {
		state = map[string]json.RawMessage{}
	}
	maps.Copy(state, cursors)
	if len(state) > MaxStreams {
		return fmt.Errorf("%w: more than %d streams", privatedir.ErrTooLarge, MaxStreams)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document{version, scope, state}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if text.Len() > MaxBytes {
		return fmt.Errorf("%w: more than %d bytes", privatedir.ErrTooLarge, MaxBytes)
	}
	name := fileName(scope)
	if err := s.dir.Sweep(path.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.dir.WriteFile(name, text.Bytes())
}

// read returns nil, and no digest, when there is no file.
func (s *Store) read(scope capabilities.Scope) (map[string]json.RawMessage, digest, error) {
	name := fileName(scope)
	text, err := s.dir.ReadFile(name, MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, digest{}, nil
	}
	if err != nil {
		return nil, digest{}, err
	}
	d, err := parse(text)
	if err == nil && d.Scope != scope {
		err = errors.New("it is another scope's")
	}
	if err != nil {
		return nil, digest{}, fmt.Errorf("%w: %s: %w; to collect everything again, move the file away", ErrCorrupt, s.dir.Path(name), err)
	}
	return d.State, sha256.Sum256(text), nil
}

// parse reads a file strictly.
func parse(text []byte) (document, error) {
	tree, err := strictjson.Parse(text, strictjson.Limits{MaxBytes: MaxBytes, MaxDepth: abi.MaxMessageDepth + wrapping})
	if err != nil {
		return document{}, err
	}
	top, _ := tree.(map[string]any)
	scope, _ := top["scope"].(map[string]any)
	state, _ := top["state"].(map[string]any)
	if len(top) != 3 || len(scope) != 4 || state == nil || len(state) > MaxStreams {
		return document{}, errors.New("it is not made as it should be")
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return document{}, errors.New("it is not made as it should be")
	}
	// A name in another case is not counted as one of ours above: it leaves
	// something out here.
	if d.Version != version || len(d.State) != len(state) {
		return document{}, errors.New("it is not made as it should be")
	}
	return d, nil
}

func checkCursor(stream string, cursor json.RawMessage) error {
	if stream == "" {
		return fmt.Errorf("%w: a stream has no name", ErrInvalid)
	}
	if len(cursor) > abi.MaxCursorBytes {
		return fmt.Errorf("cursor of stream %q: %w: more than %d bytes", stream, privatedir.ErrTooLarge, abi.MaxCursorBytes)
	}
	if _, err := strictjson.Parse(cursor, strictjson.Limits{MaxDepth: abi.MaxMessageDepth}); err != nil {
		return fmt.Errorf("cursor of stream %q: %w: %w", stream, ErrInvalid, err)
	}
	return nil
}
