package audit

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/sallyport-host/sallyport/host"
)

// Filter chooses events. What is left at its zero value chooses all.
type Filter struct {
	Owner, Connector, Instance, Grant string
	RunID                             string
	Kind                              host.EventKind
	Name                              string    // of the credential
	Since                             time.Time // inclusive
	Until                             time.Time // exclusive
	Refused                           bool      // only what was not allowed
	Last                              int       // only the last so many of those chosen
}

// Line is one line of a log: an event, or the seal of a torn line.
type Line struct {
	Number int64 // from 1
	Seq    uint64
	Event  host.Event
	Torn   *Tear // nil for an event
}

// TornLine tells of the line that l seals off, the one before it, as [Report]
// does; ok is false for an event.
func (l Line) TornLine() (torn TornLine, ok bool) {
	if l.Torn == nil {
		return TornLine{}, false
	}
	return TornLine{Line: l.Number - 1, Tear: *l.Torn}, true
}

// Read yields the lines that f chooses, and those that seal off a torn line,
// oldest first. A line that makes no sense is an error that wraps
// [ErrTampered], and the sequence goes on after it; the reader's own error ends
// it. Read has no key: what it yields may have been changed, which [Verify]
// finds out.
func Read(r io.Reader, f Filter) iter.Seq2[Line, error] {
	all := func(yield func(Line, error) bool) { read(r, f, yield) }
	if f.Last <= 0 {
		return all
	}
	return func(yield func(Line, error) bool) {
		type pair struct {
			line Line
			err  error
		}
		var last []pair
		for line, err := range all {
			if len(last) == f.Last {
				last = last[1:]
			}
			last = append(last, pair{line, err})
		}
		for _, p := range last {
			if !yield(p.line, p.err) {
				return
			}
		}
	}
}

func read(r io.Reader, f Filter, yield func(Line, error) bool) {
	in := newLines(r)
	var torn *rawLine // only the next line tells what it is
	flush := func() bool {
		if torn == nil {
			return true
		}
		fault := &Fault{Line: torn.number, Reason: "makes no sense"}
		if !torn.ended {
			fault.Reason = "is not whole: it was torn by a crash, or is being written"
		}
		torn = nil
		return yield(Line{Number: fault.Line}, fault)
	}
	for {
		raw, err := in.next()
		if errors.Is(err, io.EOF) {
			flush()
			return
		}
		if err != nil {
			yield(Line{}, fmt.Errorf("audit log: line %d: %w", raw.number, err))
			return
		}
		record, ok := parse(raw.data)
		if ok && torn != nil && record.seals(torn) {
			torn = nil
		}
		if !flush() {
			return
		}
		switch {
		case !ok:
			torn = &raw
		case record.Torn != nil:
			if !yield(Line{Number: raw.number, Seq: record.Seq, Torn: record.Torn}, nil) {
				return
			}
		default:
			e := clean(*record.Event)
			if f.chooses(&e) && !yield(Line{Number: raw.number, Seq: record.Seq, Event: e}, nil) {
				return
			}
		}
	}
}

func (f *Filter) chooses(e *host.Event) bool {
	for _, p := range [...][2]string{
		{f.Owner, e.Scope.Owner}, {f.Connector, e.Scope.Connector}, {f.Instance, e.Scope.Instance}, {f.Grant, e.Scope.Grant},
		{f.RunID, e.RunID}, {string(f.Kind), string(e.Kind)}, {f.Name, e.Name},
	} {
		if p[0] != "" && p[0] != p[1] {
			return false
		}
	}
	return !(f.Refused && e.Allowed) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since)) && (f.Until.IsZero() || e.Time.Before(f.Until))
}
