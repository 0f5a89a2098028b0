package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/link"
	"github.com/sallyport-host/sallyport/host/internal/profile"
)

// emit takes messages. What passes before the first that is refused is taken;
// that one breaks the protocol, and the run with it.
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
	text = r.redact(bytes.Clone(text)) // a sink may outlive the call when the run is stopped
	var taken uint32
	var batch []Message
	var past *overrun
	for line := range bytes.Lines(text) {
		if r.Err() != nil {
			break // stopped: nothing more is taken
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		m, err := r.check(line)
		if errors.As(err, &past) {
			break
		}
		if err != nil {
			r.violate(err.Error())
			r.lastError = fmt.Sprintf("message %d: %s", taken+1, err)
			break
		}
		taken++
		if m.Line != nil {
			batch = append(batch, m)
		}
	}
	if err := r.deliverBatch(batch); err != nil {
		if r.Err() == nil {
			// They were counted: a run that lost records must not succeed.
			r.stop(fmt.Errorf("%w: %w", errSink, err))
		}
		stack[0] = result(r.fail(abi.StatusUnavailable))
		return
	}
	if past != nil { // what came before is kept
		r.stop(past)
		stack[0] = result(r.fail(abi.StatusExhausted))
		return
	}
	stack[0] = uint64(taken)
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
		return Message{Type: m.Type, Stream: m.Stream, Line: m.Line}, nil
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

// deliverBatch writes to the sink, which no stopped run waits for.
func (r *run) deliverBatch(batch []Message) error {
	if len(batch) == 0 {
		return nil
	}
	_, err := await(r.Context, func() (struct{}, error) {
		for _, m := range batch {
			if r.Err() != nil {
				return struct{}{}, context.Cause(r)
			}
			if err := r.sink.Write(r, m); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
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
