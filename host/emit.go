package host

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/link"
	"github.com/sallyport-host/sallyport/host/internal/profile"
)

// emit takes messages. What passes before the first that is refused is taken;
// that one breaks the protocol, and the run with it. What is taken goes to the
// sink beside the guest; a STATE is taken once what came before it is durable.
func (r *run) emit(mod api.Module, stack []uint64) {
	text, s := view(mod, stack[0], stack[1], abi.MaxEmitBytes)
	if s == abi.StatusOK && !utf8.Valid(text) {
		s = abi.StatusInvalid
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	if s := r.checkOut(text, "a message of the connector's"); s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	text = r.redact(bytes.Clone(text)) // it outlives the call
	c := r.checkAll(text)
	err := r.pump.put(r, newParcel(c.batch, len(text)))
	if err == nil && c.state {
		err = r.pump.flush(r)
	}
	switch {
	case err != nil:
		r.sinkFailed(err)
		stack[0] = result(r.fail(abi.StatusUnavailable))
	case c.past != nil: // what came before is kept
		r.stop(c.past)
		stack[0] = result(r.fail(abi.StatusExhausted))
	default:
		stack[0] = uint64(c.taken)
	}
}

// checked is what came of the messages of one emit.
type checked struct {
	taken uint32
	batch []Message // what goes to the sink
	state bool      // a STATE was taken
	past  *overrun  // the limit that ended it
}

// checkAll reads messages up to the first that is refused.
func (r *run) checkAll(text []byte) (c checked) {
	for line := range bytes.Lines(text) {
		if r.Err() != nil {
			break // stopped: nothing more is taken
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		m, err := r.check(line)
		if errors.As(err, &c.past) {
			break
		}
		if err != nil {
			r.violate(err.Error())
			r.lastError = fmt.Sprintf("message %d: %s", c.taken+1, err)
			break
		}
		c.taken++
		c.state = c.state || m.Type == abi.TypeState
		if m.Line != nil {
			c.batch = append(c.batch, m)
		}
	}
	return c
}

// check reads one message and does what it asks, but for what goes to the
// sink: that it returns.
func (r *run) check(line []byte) (Message, error) {
	if r.violation != "" {
		return Message{}, fmt.Errorf("the run is broken already: %s", r.violation)
	}
	if r.done != nil {
		return Message{}, fmt.Errorf("a message after DONE")
	}
	m, err := r.checker.Check(line)
	if err != nil {
		return Message{}, err
	}
	switch m.Type {
	case abi.TypeState:
		r.staged[m.Stream] = m.Cursor
		return Message{Type: m.Type}, nil
	case abi.TypeProgress:
		r.opts.Observer.Progress(m.Progress)
	case abi.TypeDone:
		return Message{}, r.finish(m.Done)
	case abi.TypeRecord:
		if err := r.budget.use(limitRecords, 1); err != nil {
			return Message{}, err
		}
		r.mu.Lock()
		r.outcome.Records[m.Stream]++
		r.mu.Unlock()
		return Message{Type: m.Type, Stream: m.Stream, Line: m.Line, Key: m.Key, Data: m.Data, EmittedAt: m.EmittedAt, Delete: m.Delete}, nil
	default:
		return Message{Type: m.Type, Stream: m.Stream, Line: m.Line}, nil
	}
	return Message{}, nil
}

// finish takes DONE.
func (r *run) finish(d abi.Done) error {
	if n := r.count(); d.RecordsEmitted != n {
		return fmt.Errorf("DONE: records_emitted is %d, %d were taken", d.RecordsEmitted, n)
	}
	if d.Error != nil && d.Error.Message == "" {
		d.Error.Message = "the connector failed without a message"
	}
	r.done = &d
	r.caps &= link.Run | link.WASI // nothing is used or sent after DONE
	return nil
}

// violate notes what broke the protocol first. The run goes on to its end,
// and then fails: nothing that it staged is kept.
func (r *run) violate(what string) {
	if r.violation != "" {
		return
	}
	r.violation = profile.Clip(what, abi.MaxReasonBytes)
	if err := r.ledger.write(r, Event{Kind: EventViolation, Rule: abi.CodeProtocolViolation, Reason: oneLine(what)}); err != nil {
		_ = r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
}
