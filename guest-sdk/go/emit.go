package sallyport

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// batchBytes is how much is gathered before it is handed to the host: enough
// that a host call is nothing beside the records in it, little enough that a
// crash loses few.
const batchBytes = 16 << 10

// keepBytes is the largest buffer that is kept for the next batch.
const keepBytes = 256 << 10

// waiting is a message that was not handed over yet.
type waiting struct {
	name   string // for errors
	record bool
}

// put appends a message, and hands over what has gathered when now is set or
// it is enough.
func (r *Run) put(name string, message any, now bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return ErrEnded
	case r.broken != nil:
		return r.broken
	}
	return r.putLocked(name, message, now)
}

func (r *Run) putLocked(name string, message any, now bool) error {
	before := r.out.Len()
	if err := r.enc.Encode(message); err != nil { // ends in a newline
		r.out.Truncate(before)
		return fmt.Errorf("emit %s: %w", name, err)
	}
	if r.out.Len()-before > abi.MaxEmitBytes {
		r.out.Truncate(before)
		return &Error{Op: "emit", Name: name, Status: ErrTooLarge}
	}
	if r.out.Len() > abi.MaxEmitBytes {
		if err := r.handOver(before); err != nil {
			r.out.Reset()
			return err
		}
	}
	_, record := message.(wireRecord)
	r.waiting = append(r.waiting, waiting{name, record})
	if now || r.out.Len() >= batchBytes {
		return r.handOver(r.out.Len())
	}
	return nil
}

// Flush hands over what was emitted and has not been yet. There is seldom a
// need: a batch that is full, SaveState, Interact and the end of the run do
// it. It is for a connector that wants to know now whether a record was
// taken.
func (r *Run) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return ErrEnded
	}
	if r.broken != nil {
		return r.broken
	}
	return r.handOver(r.out.Len())
}

// handOver gives the host the first n bytes of out, which hold all messages
// in waiting. What the host refuses is dropped.
func (r *Run) handOver(n int) error {
	if len(r.waiting) == 0 {
		return nil
	}
	res := r.host.Emit(r.out.Next(n))
	given := r.waiting
	r.waiting = r.waiting[:0]
	if r.out.Len() == 0 {
		r.out.Reset()
		if r.out.Cap() > keepBytes {
			r.out = bytes.Buffer{} // r.enc writes to its address
		}
	}
	if st := res.Status(); st != abi.StatusOK { // nothing was taken
		err := r.refused("emit", batchName(given), st)
		if slices.ContainsFunc(given, func(w waiting) bool { return w.record }) {
			// Records are lost: whatever the connector makes of the error, the
			// run must not succeed, nor a cursor move past them.
			r.broken = err
			r.stop(err)
		}
		return err
	}
	taken := min(int(res.Len()), len(given))
	for _, w := range given[:taken] {
		if w.record {
			r.records++
		}
	}
	if taken < len(given) {
		r.broken = r.refusedMessage(given[taken].name)
		r.stop(r.broken)
		return r.broken
	}
	return nil
}

// refusedMessage makes the error of a message that the host did not take.
// That is a violation of the protocol, from which a run does not recover.
func (r *Run) refusedMessage(name string) error {
	text := r.errorText()
	st := abi.StatusTexted(text)
	return &Error{Op: "emit", Name: name, Status: Status(st), Text: text}
}

func batchName(given []waiting) string {
	if len(given) == 1 {
		return given[0].name
	}
	return fmt.Sprintf("%s and %d more", given[0].name, len(given)-1)
}
