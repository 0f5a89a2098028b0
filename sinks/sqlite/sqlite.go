// Package sqlite keeps what runs collect in a SQLite database: a table for
// each stream, for its owner to read with any tool that reads SQLite.
//
// # Promise
//
// A record replaces the one with its key, and a delete removes it. The
// cursors of a run become durable in one transaction with the records before
// them: whatever ends the process, or the machine, and whenever, the cursors
// there are those of records that are there. A batch is in the file whole or
// not at all; what cannot be written is an error, and nothing of that run is
// written after it. Each account (owner, connector, instance, grant) sees
// nothing of another's records or cursors. A file that is something else, or
// was made by a later version, is refused and left as it is. A new file is
// its owner's alone, mode 0600.
//
// # Limits
//
// Records are not sealed: whoever reads the file reads them. It has to be on a
// disk of this machine, as SQLite's write-ahead log does not work across a
// network. While a run goes on, others can read the file, and write to it when
// they wait for at most CommitDelay.
//
// # Concurrency
//
// A [Sink] serves one run at a time, and one Sink at a time, of all processes,
// writes to a file; the lock is on a file beside it, whose name ends in
// "-lock" and which stays.
//
// # Format
//
// PRAGMA application_id is ApplicationID and user_version FormatVersion. For a
// connector's stream there is the table CONNECTOR_STREAM:
//
//	account      INTEGER, see sallyport_accounts
//	…            TEXT, the parts of the key, named like the fields of the primary key
//	emitted_at   TEXT, RFC 3339
//	data         TEXT, the record as JSON
//
// sallyport_streams says which table is which stream's: where two would have
// one name, the later has a number behind it. sallyport_state has the
// cursors, sallyport_reports what the last run of each account reported
// beside records, and sallyport_meta what the file is.
package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// The bounds of a transaction. It ends at the first that is reached.
const (
	// BatchRecords is how many records, deletes and reports it has.
	BatchRecords = 4096
	// BatchBytes is how much text they have.
	BatchBytes = 8 << 20
	// CommitDelay is how long it waits for more.
	CommitDelay = time.Second
)

// The errors of a [Sink], beside the system's and SQLite's own.
var (
	// ErrLocked: another run writes to the file.
	ErrLocked = errors.New("another run is adding to it; wait until that has ended, or name another file")
	// ErrForeign: the file is there, and no database of ours.
	ErrForeign = errors.New("it is there, and was not made by sallyport; name another file")
	// ErrNewer: a later version made the file.
	ErrNewer = errors.New("a later version of sallyport made it; use that, or name another file")
	// ErrKeyChanged: the stream's table has other key columns.
	ErrKeyChanged = errors.New("the stream had another primary key when its table was made; name another file")
	// ErrConflict: another run committed since this one loaded.
	ErrConflict = errors.New("another run of it committed in the meantime; run it again, and one at a time")
	// ErrBusy: the Sink has a run already, or has none.
	ErrBusy = errors.New("the sink is for one run at a time")
	// ErrClosed: the Sink was closed.
	ErrClosed = errors.New("the sink is closed")

	errEnded = errors.New("the run has ended")
)

// Sink writes to one file. It is safe for concurrent use.
type Sink struct {
	path  string
	delay time.Duration // CommitDelay, but for tests

	mu     sync.Mutex
	closed bool
	file   *file // nil while it was not opened
	run    *run  // nil between runs

	transactions uint64 // how many there were
}

var (
	_ host.Sink      = (*Sink)(nil)
	_ host.RunSink   = (*Sink)(nil)
	_ host.StateSink = (*Sink)(nil)
)

// run is what a Sink knows of the run it serves.
type run struct {
	host.RunInfo
	account int64 // 0 while the file does not have it
	serial  int64 // of the account's cursors, as loaded
	loaded  bool
	tables  map[string]*table // by stream
	began   bool              // it has had its first transaction

	since   uint64      // which transaction is open, 0 when none is
	pending int         // messages in it
	bytes   int         // their text
	timer   *time.Timer // commits it
	broken  error       // nothing is written after it
}

// Open returns a sink that adds to the database at path. One that is there is
// opened and locked now; another is made once there is something to write, so
// that a run that is refused leaves nothing behind.
func Open(path string) (*Sink, error) {
	s := &Sink{path: path, delay: CommitDelay}
	switch there, err := exists(path); {
	case err != nil:
		return nil, err
	case there:
		if err := s.open(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// open opens the file, if that was not done.
func (s *Sink) open() (err error) {
	if s.file == nil {
		s.file, err = openFile(s.path)
	}
	return err
}

// Close rolls back what was not flushed and closes the file.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	s.closed = true
	if s.file == nil {
		return nil
	}
	err := s.file.close()
	s.file = nil
	return err
}

// Begin implements [host.RunSink].
func (s *Sink) Begin(_ context.Context, info host.RunInfo) (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.run != nil:
		return nil, ErrBusy
	}
	mine := &run{RunInfo: info, tables: map[string]*table{}}
	s.run = mine
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.run == mine {
			s.finish()
		}
	}, nil
}

// finish ends the run, whose open transaction is rolled back.
func (s *Sink) finish() {
	if r := s.run; r != nil {
		if r.since > 0 {
			_ = s.abandon(errEnded)
		}
		for _, t := range r.tables {
			t.close()
		}
		s.run = nil
	}
}

// ready returns the run, when the file can be written to for it.
func (s *Sink) ready(ctx context.Context) (*run, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch r := s.run; {
	case s.closed:
		return nil, ErrClosed
	case r == nil:
		return nil, ErrBusy
	case r.broken != nil:
		return nil, r.broken
	default:
		return r, s.open()
	}
}

// Write implements [host.Sink].
func (s *Sink) Write(ctx context.Context, m host.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.ready(ctx)
	if err != nil {
		return err
	}
	if err := s.begin(r); err != nil {
		return s.abandon(err)
	}
	if err := s.put(r, m); err != nil {
		return s.abandon(err)
	}
	r.pending++
	r.bytes += len(m.Line)
	if r.pending >= BatchRecords || r.bytes >= BatchBytes {
		return s.commit(r)
	}
	return nil
}

// Flush implements [host.Sink].
func (s *Sink) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.ready(ctx) // a run that succeeded has a file, be it empty
	if err != nil || r.since == 0 {
		return err
	}
	return s.commit(r)
}

// Load implements [host.StateStore].
func (s *Sink) Load(ctx context.Context, scope capabilities.Scope) (map[string]json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed {
		return nil, ErrClosed
	}
	var (
		cursors map[string]json.RawMessage
		serial  int64
		err     error
	)
	if s.file != nil {
		if cursors, serial, err = s.file.cursors(scope); err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
	}
	if r := s.run; r != nil && r.Scope == scope {
		r.serial, r.loaded = serial, true
	}
	return cursors, nil
}

// Commit implements [host.StateStore], for the scope of the run: the cursors
// and the records before them become durable in one transaction.
func (s *Sink) Commit(ctx context.Context, scope capabilities.Scope, cursors map[string]json.RawMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.ready(ctx)
	if err != nil {
		return err
	}
	if r.Scope != scope {
		return ErrBusy
	}
	if err := s.begin(r); err != nil {
		return s.abandon(err)
	}
	if err := s.file.keep(r.account, cursors); err != nil {
		return s.abandon(err)
	}
	return s.commit(r)
}

// begin begins a transaction, when none is open.
func (s *Sink) begin(r *run) error {
	if r.since > 0 {
		return nil
	}
	if err := s.file.begin(); err != nil {
		return err
	}
	s.transactions++
	this := s.transactions
	r.since = this
	r.timer = time.AfterFunc(s.delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.run == r && r.since == this {
			_ = s.commit(r) // the next call returns the error
		}
	})
	if r.began {
		return nil
	}
	r.began = true
	return s.file.enter(r)
}

// commit makes the open transaction durable.
func (s *Sink) commit(r *run) error {
	if err := s.file.exec("COMMIT"); err != nil {
		return s.abandon(err)
	}
	r.settle()
	return nil
}

// abandon rolls the open transaction back and breaks the run off: a batch that
// was not written whole is not written.
func (s *Sink) abandon(err error) error {
	r := s.run
	if r.since > 0 {
		_ = s.file.exec("ROLLBACK") // SQLite may have done it itself
	}
	r.settle()
	r.broken = fmt.Errorf("%s: %w", s.path, err)
	return r.broken
}

// settle notes that no transaction is open.
func (r *run) settle() {
	if r.timer != nil {
		r.timer.Stop()
	}
	r.pending, r.bytes, r.since, r.timer = 0, 0, 0, nil
}

// put writes one message in the open transaction.
func (s *Sink) put(r *run, m host.Message) error {
	if m.Type != abi.TypeRecord {
		return s.file.report(r.account, m)
	}
	t, ok := r.tables[m.Stream]
	if !ok {
		stream, declared := r.Manifest.Stream(m.Stream)
		if !declared {
			return fmt.Errorf("stream %q is not in the manifest", m.Stream)
		}
		var err error
		if t, err = s.file.table(r.Scope.Connector, stream); err != nil {
			return err
		}
		r.tables[m.Stream] = t
	}
	return t.put(r.account, m)
}
