// Package audit keeps the audit log: who did what, by which rule.
//
// # Promise
//
// What [Log.Append] returned for is on disk. Each line is bound to the one
// before it and sealed with a key, so that [Verify] names the first line that
// was changed, moved, inserted, or follows one that was deleted. A line that a
// crash tore is never taken for one, and never dropped either: the next writer
// seals it off by a line that says so. No line holds a value, an address or a
// query: an event has no place for one, and what its texts hold is stripped of
// control characters and cut.
//
// # Limits
//
// Lines cut off the end leave a log that is whole: only an [Anchor], kept where
// the log's writer cannot be rolled back, tells. Whoever has the key can write
// another log. A line that a crash tore is told from one that somebody cut by
// the anchor only, too.
//
// # File
//
// DIR/audit.jsonl, one line a record:
//
//	{"seq":2,"prev":"MAC of line 1","event":{…},"mac":"HMAC-SHA256 of what precedes"}
//
// The seal is over the bytes as they stand from "{" up to the comma before
// "mac": there is no canonical form to disagree about. A line that seals off a
// torn one has "torn":{"bytes":…,"sha256":…,"at":…} in place of an event.
package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/privatedir"
)

// The bounds of a log.
const (
	// KeyBytes is the least length of a key.
	KeyBytes = 32
	// MaxLineBytes bounds a line, its newline included. Events are cut so that
	// theirs stay well below.
	MaxLineBytes = 64 << 10
)

const fileName = "audit.jsonl"

// ErrTampered says that the log is not what this package wrote, or that it was
// written with another key. Nothing is added to such a log.
var ErrTampered = errors.New("audit log is not what was written")

// Log is an open audit log. It is safe for concurrent use, by several
// processes too.
type Log struct {
	dir  *privatedir.Dir
	seal *seal

	open func() (file, error)

	// What follows is touched under dir's lock only.
	file file
	seq  uint64 // of the last line that this process wrote
}

// file is every operation that a log makes on its file. It is a seam for the
// tests, which take from it what a loss of power would.
type file interface {
	io.ReaderAt
	io.WriteCloser
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

var _ file = (*os.File)(nil)

var _ host.Auditor = (*Log)(nil)

// tail is where a log ends.
type tail struct {
	size int64  // of the file up to the end of the last line
	seq  uint64 // of the last line, 0 when there is none
	mac  string // of the last line
	open bool   // the last line is whole, but a crash took its newline
	torn int64  // bytes after the last line, which are none
}

// Open opens the log in dir, which is made when it is not there. The key is
// used for nothing else; at least [KeyBytes] bytes.
func Open(dir string, key []byte) (*Log, error) {
	if len(key) < KeyBytes {
		return nil, fmt.Errorf("audit log: the key has %d bytes, fewer than %d", len(key), KeyBytes)
	}
	d, err := privatedir.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	open := func() (file, error) { return d.OpenAppend(fileName) }
	return &Log{dir: d, seal: newSeal(key), open: open}, nil
}

// Path is where the log is.
func (l *Log) Path() string { return l.dir.Path(fileName) }

// Close releases the log. It waits for an Append of this process that goes on,
// no longer than privatedir.LockWait; never for another process.
func (l *Log) Close() error {
	unlock, err := l.dir.LockHere(context.Background())
	if err != nil {
		return fmt.Errorf("audit log: close: %w", err)
	}
	defer unlock()
	if l.file != nil {
		err = l.file.Close()
		l.file = nil
	}
	return errors.Join(err, l.dir.Close())
}

// Append implements host.Auditor: all events in one write and one flush to
// disk. An error leaves none of them in the log as far as that can be undone;
// one that is there all the same is a whole line.
func (l *Log) Append(ctx context.Context, events ...host.Event) error {
	if len(events) == 0 {
		return ctx.Err()
	}
	unlock, err := l.dir.Lock(ctx)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	defer unlock()
	at, err := l.end()
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if err := l.write(at, events); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// write adds the lines after at, the seal of a torn one first.
func (l *Log) write(at tail, events []host.Event) error {
	before := at.size + at.torn
	var text []byte
	if at.open || at.torn > 0 {
		text = append(text, '\n')
	}
	if at.torn > 0 {
		t, err := l.tear(at)
		if err != nil {
			return err
		}
		if text, err = l.seal.line(text, &at, record{Torn: &t}); err != nil {
			return err
		}
	}
	for i := range events {
		e := clean(events[i])
		var err error
		if text, err = l.seal.line(text, &at, record{Event: &e}); err != nil {
			return err
		}
	}
	if _, err := l.file.Write(text); err != nil {
		return errors.Join(err, l.file.Truncate(before))
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.seq = at.seq
	return nil
}

// seal makes and checks the last member of a line.
type seal struct{ key []byte }

const domain = "sallyport/audit/v1"

func newSeal(key []byte) *seal {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(domain)) // a hash takes everything
	return &seal{h.Sum(nil)}
}

func (s *seal) sum(body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	_, _ = h.Write(body)
	return h.Sum(nil)
}
