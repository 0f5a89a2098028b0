package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// maxCursor is how large an inventory's cursor may be, in bytes: a host keeps
// 1 MiB for a stream.
const maxCursor = 1_000_000

const cursorVersion = 1

// ReasonDeletionsUnknown is the reason of the SKIP_RESULT of a list that is too
// large for its cursor.
const ReasonDeletionsUnknown = "deletions_unknown"

// cursor is an inventory's STATE: what was there.
type cursor struct {
	Version int               `json:"version"`
	ETag    string            `json:"etag,omitempty"`
	Seen    map[string]string `json:"seen"` // key to a digest of the record
	// Forgot says that there was too much to keep.
	Forgot bool `json:"forgot,omitempty"`
}

// Inventory makes changes of a list that is read whole in each run: what is
// new or different is emitted, what is gone is deleted.
type Inventory[T any] struct {
	run           *sallyport.Run
	stream        *sallyport.Stream[T]
	key           func(T) string
	when          func(T) time.Time
	before, after cursor
}

// NewInventory begins an inventory of a stream whose primary key is one
// member, given by key. when gives a record's consent time, for the scope; it
// may be nil. keep is as for [sallyport.NewStream].
func NewInventory[T any](run *sallyport.Run, stream string, key func(T) string, when func(T) time.Time, keep ...string) (*Inventory[T], error) {
	i := &Inventory[T]{run: run, key: key, when: when, after: cursor{Version: cursorVersion, Seen: map[string]string{}},
		stream: sallyport.NewStream(run, stream, func(t T) sallyport.Key { return sallyport.Key{key(t)} }, keep...)}
	before, ok, err := sallyport.LoadState[cursor](run, stream)
	if err != nil {
		return nil, err
	}
	if ok && before.Version == cursorVersion {
		i.before = before
	}
	return i, nil
}

// Wanted reports whether the stream is in scope.
func (i *Inventory[T]) Wanted() bool { return i.stream.Wanted() }

// Name returns the stream's name.
func (i *Inventory[T]) Name() string { return i.stream.Name() }

// ETag returns the one that the list had in the last run, "" when it is not
// known.
func (i *Inventory[T]) ETag() string { return i.before.ETag }

// Take takes a record of the list, and emits it unless it is what it was.
func (i *Inventory[T]) Take(record T) error {
	if i.when != nil {
		if at := i.when(record); !at.IsZero() && !i.stream.Scope().WantsTime(at) {
			return nil
		}
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("%s: %w", i.stream.Name(), err)
	}
	key, now := i.key(record), digest(raw)
	again := i.after.Seen[key] == now // it moved to another page meanwhile
	i.after.Seen[key] = now
	if again || i.before.Seen[key] == now {
		return nil
	}
	return i.stream.Emit(record)
}

// Finish deletes what was not taken and saves the cursor. etag is the whole
// list's, "" when it has none.
func (i *Inventory[T]) Finish(etag string) error {
	i.after.ETag = etag
	for _, key := range slices.Sorted(maps.Keys(i.before.Seen)) {
		if _, ok := i.after.Seen[key]; ok {
			continue
		}
		if err := i.stream.Delete(key); err != nil {
			return err
		}
	}
	if i.before.Forgot {
		if err := i.run.Skip(sallyport.Skip{Stream: i.stream.Name(), Reason: ReasonDeletionsUnknown,
			Message: "there are more records than the connector can remember: all of them are collected again, " +
				"and those that were deleted since the last run are not reported"}); err != nil {
			return err
		}
	}
	raw, err := i.encode(maxCursor)
	if err != nil {
		return err
	}
	if old, err := json.Marshal(i.before); err == nil && string(old) == string(raw) {
		return nil
	}
	return i.stream.SaveState(json.RawMessage(raw))
}

// encode writes the cursor within a size in bytes.
func (i *Inventory[T]) encode(most int) ([]byte, error) {
	raw, err := json.Marshal(i.after)
	if err != nil || len(raw) <= most {
		return raw, err
	}
	return json.Marshal(cursor{Version: cursorVersion, Seen: map[string]string{}, Forgot: true})
}

// digest shortens a record, to tell it from another.
func digest(raw []byte) string {
	h := fnv.New64a()
	h.Write(withoutSurrogates(raw))
	return strconv.FormatUint(h.Sum64(), 36)
}

// withoutSurrogates blots out what looks like a surrogate: a source that
// repeats the credential is read with another one in each run, and has not
// changed for that.
func withoutSurrogates(raw []byte) []byte {
	out, cloned := raw, false
	for i := 0; i+abi.SurrogateLen <= len(out); i++ {
		token := out[i : i+abi.SurrogateLen]
		if string(token[:len(abi.SurrogatePrefix)]) != abi.SurrogatePrefix || len(bytes.Trim(token, abi.SurrogateAlphabet)) > 0 {
			continue
		}
		if !cloned {
			out, cloned = bytes.Clone(raw), true
		}
		copy(out[i:], bytes.Repeat([]byte("*"), abi.SurrogateLen))
	}
	return out
}

// Time reads a time as APIs write it, zero when there is none.
func Time(text *string) time.Time {
	if text == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		return time.Time{}
	}
	return at
}
