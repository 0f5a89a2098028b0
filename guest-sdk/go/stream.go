package sallyport

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Stream emits the records of one of the manifest's streams. T is the
// record's data and marshals to a JSON object. Several goroutines may use one
// Stream.
type Stream[T any] struct {
	run    *Run
	name   string
	key    func(T) Key
	keep   []string
	scope  Scope
	wanted bool
}

// NewStream returns the stream of that name. key gives a record's primary
// key: its parts in the order of the manifest's primary_key, each the very
// string that stands in the data. keep names the members that stay in the
// data although the scope leaves them out: the primary key, and what the
// stream's schema requires.
func NewStream[T any](run *Run, name string, key func(T) Key, keep ...string) *Stream[T] {
	scope, wanted := run.Scope(name)
	return &Stream[T]{run: run, name: name, key: key, keep: keep, scope: scope, wanted: wanted}
}

// Name returns the stream's name.
func (s *Stream[T]) Name() string { return s.name }

// Wanted reports whether the stream is in scope. What is emitted on one that
// is not is dropped, so Wanted is there to leave out the work.
func (s *Stream[T]) Wanted() bool { return s.wanted }

// Scope returns what is wanted of the stream.
func (s *Stream[T]) Scope() Scope { return s.scope }

// wireRecord is a RECORD.
type wireRecord struct {
	Type      string `json:"type"`
	Stream    string `json:"stream"`
	Key       Key    `json:"key"`
	Data      any    `json:"data,omitempty"`
	EmittedAt string `json:"emitted_at"`
	Op        string `json:"op,omitempty"`
}

// Emit emits a record: it is inserted, or replaces the one of the same key.
// A record out of scope by its stream or key is dropped, and so are members
// of its data; time is the connector's to check, with [Scope.WantsTime].
//
// Records are handed to the host in batches, in the order of the calls, so
// the error may be about an earlier record: it names the one. A record that
// the host refuses ends the run.
func (s *Stream[T]) Emit(data T) error {
	if !s.wanted {
		return nil
	}
	key := s.key(data)
	if !s.scope.WantsKey(key...) {
		return nil
	}
	if len(s.scope.Fields) == 0 {
		return s.put(key, data, "")
	}
	whole, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("emit %s: %w", s.label(key), err)
	}
	narrowed, err := keepFields(whole, s.scope.Fields, s.keep)
	if err != nil {
		return fmt.Errorf("emit %s: %w", s.label(key), err)
	}
	return s.put(key, narrowed, "")
}

// Delete says that the source no longer has the record of that key.
func (s *Stream[T]) Delete(key ...string) error {
	if !s.wanted || !s.scope.WantsKey(key...) {
		return nil
	}
	return s.put(key, nil, abi.OpDelete)
}

func (s *Stream[T]) put(key Key, data any, op string) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("emit %s: %w", s.label(key), err)
	}
	return s.run.put(s.label(key), wireRecord{Type: abi.TypeRecord, Stream: s.name, Key: key, Data: data,
		EmittedAt: time.Now().UTC().Format(time.RFC3339Nano), Op: op}, false)
}

// label names a record in errors.
func (s *Stream[T]) label(key Key) string {
	const most = 100
	k := key.canonical()
	if len(k) > most {
		k = k[:most] + "…"
	}
	return s.name + " " + k
}

func checkKey(key Key) error {
	if len(key) == 0 {
		return errors.New("a key needs a part")
	}
	size := 0
	for _, part := range key {
		if part == "" {
			return errors.New("a part of a key may not be empty")
		}
		size += len(part)
	}
	if size > abi.MaxKeyBytes {
		return fmt.Errorf("a key of more than %d bytes", abi.MaxKeyBytes)
	}
	return nil
}

// Progress tells the owner how far the stream is. An empty message is the
// stream's name. total is negative when it is not known.
func (s *Stream[T]) Progress(message string, count, total int64) error {
	if message == "" {
		message = s.name
	}
	p := wireProgress{Type: abi.TypeProgress, Message: cut(message, abi.MaxReasonBytes), Stream: s.name, Count: &count}
	if total >= 0 {
		p.Total = &total
	}
	if !s.wanted {
		p.Stream = ""
	}
	return s.run.put("progress", p, true)
}

// SaveState stages the stream's cursor, which marshals to a JSON object of at
// most 1 MiB without secrets. All records emitted before are handed over
// first; when one of them is refused, the cursor is not saved. It is in force
// once the run has succeeded: the next incremental run finds it with
// [LoadState]. The last cursor counts.
func (s *Stream[T]) SaveState(cursor any) error {
	if !s.wanted {
		return nil
	}
	raw, err := json.Marshal(cursor)
	if err != nil {
		return fmt.Errorf("state of %s: %w", s.name, err)
	}
	if len(raw) > abi.MaxCursorBytes {
		return &Error{Op: "save state of", Name: s.name, Status: ErrTooLarge}
	}
	if err := s.run.Flush(); err != nil {
		return err
	}
	return s.run.put("state of "+s.name, wireState{abi.TypeState, s.name, raw}, true)
}

type wireState struct {
	Type   string          `json:"type"`
	Stream string          `json:"stream"`
	Cursor json.RawMessage `json:"cursor"`
}

// LoadState reads the cursor that the last successful run saved for a stream.
// ok is false when there is none: then everything is to be collected.
func LoadState[T any](run *Run, stream string) (cursor T, ok bool, err error) {
	raw, ok := run.start.State[stream]
	if !ok || len(raw) == 0 || string(raw) == "null" || !run.Incremental() {
		return cursor, false, nil
	}
	if err := json.Unmarshal(raw, &cursor); err != nil {
		return cursor, false, fmt.Errorf("state of %s: %w", stream, err)
	}
	return cursor, true, nil
}
