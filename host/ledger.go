package host

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
)

// ledger writes a run's decisions to the audit log: the first of each kind
// and every change before it takes effect, repeats as a count. It is safe for
// concurrent use.
type ledger struct {
	auditor Auditor
	base    Event // what is the same in every event of the run

	mu   sync.Mutex
	last map[question]*answer
}

// question is what makes two decisions the same.
type question struct{ op, name, access, origin, method, position string }

type answer struct {
	event Event
	count int64
}

// maxQuestions bounds what a guest can make the log hold: past it, decisions
// are counted under the rule alone.
const maxQuestions = 512

func newLedger(a Auditor, base Event) *ledger {
	return &ledger{auditor: a, base: base, last: map[question]*answer{}}
}

// write appends one event as it is.
func (l *ledger) write(ctx context.Context, e Event) error {
	return l.auditor.Append(ctx, l.stamp(e))
}

func (l *ledger) stamp(e Event) Event {
	e.Time, e.Scope, e.RunID, e.Role = time.Now().UTC(), l.base.Scope, l.base.RunID, l.base.Role
	return e
}

// decided takes note of a decision. When it returns nil, the decision may
// take effect.
func (l *ledger) decided(ctx context.Context, q question, e Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) >= maxQuestions && l.last[q] == nil {
		q = question{op: q.op, name: e.Rule}
		e.Name, e.Origin, e.Method, e.Reason = "", "", "", "more of the same rule; too many to tell apart"
	}
	a := l.last[q]
	if a != nil && a.event.Allowed == e.Allowed && a.event.Rule == e.Rule && a.event.Version == e.Version {
		a.count++
		return nil
	}
	var events []Event
	if a != nil && a.count > 0 {
		events = append(events, l.repeats(a))
	}
	e = l.stamp(e)
	if err := l.auditor.Append(ctx, append(events, e)...); err != nil {
		return err
	}
	l.last[q] = &answer{event: e}
	return nil
}

// repeated adds n to the count of a decision that was taken before.
func (l *ledger) repeated(q question, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.last[q]; a != nil {
		a.count += n
	}
}

func (l *ledger) repeats(a *answer) Event {
	e := a.event
	e.Time, e.Kind, e.Count = time.Now().UTC(), EventRepeats, a.count
	e.Reason, e.Remedy = "", ""
	a.count = 0
	return e
}

// flush writes the counts of what was repeated.
func (l *ledger) flush(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []Event
	for _, a := range l.last {
		if a.count > 0 {
			events = append(events, l.repeats(a))
		}
	}
	if len(events) == 0 {
		return nil
	}
	return l.auditor.Append(ctx, events...)
}

// decision is the event of a verdict.
func decision(q capabilities.Request, v capabilities.Verdict, version uint64) Event {
	e := Event{
		Kind: EventDecision, Op: string(q.Op), Access: q.Access, Class: v.Class,
		Allowed: v.Allowed, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, Version: version,
	}
	if q.Declared != nil {
		e.Name = q.Declared.Name
	}
	if q.Op == capabilities.OpSend {
		e.Origin, e.Method = q.Target.Origin.String(), q.Target.Method
	}
	return e
}

// worth reports whether a status is a refusal to be told to the owner, not a
// condition of the moment.
func worth(s abi.Status) bool {
	return s != abi.StatusOK && s != abi.StatusAgain && s != abi.StatusCancelled
}
