package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
)

// ledger writes a run's decisions to the audit log: the first of each kind
// and every change before it takes effect, repeats as a count. It is safe for
// concurrent use.
type ledger struct {
	auditor Auditor
	base    Event               // what is the same in every event of the run
	clean   func(string) string // withholds what may not be written

	mu      sync.Mutex
	seen    map[question]*answer
	allowed int
	refused int
}

// question is what makes two decisions the same: what was asked, and how it
// was decided.
type question struct {
	op, name, access, origin, method, position string

	rule    string
	version uint64
}

type answer struct {
	event Event
	count int64 // repeats that are not written yet
}

// The bounds of what a guest can make the log hold. Past the first, refusals
// are counted under their rule alone; past the second nothing more is allowed:
// what is allowed is always told apart.
const (
	maxRefused = 512
	maxAllowed = 4096
)

var errManyDecisions = fmt.Errorf("more than %d different uses were allowed in one run", maxAllowed)

func newLedger(a Auditor, base Event) *ledger {
	return &ledger{auditor: a, base: base, clean: func(s string) string { return s }, seen: map[question]*answer{}}
}

// write appends one event as it is.
func (l *ledger) write(ctx context.Context, e Event) error {
	return l.auditor.Append(ctx, l.stamp(e))
}

func (l *ledger) stamp(e Event) Event {
	e.Time, e.Scope, e.RunID, e.Role = time.Now().UTC(), l.base.Scope, l.base.RunID, l.base.Role
	e.Reason = l.clean(e.Reason)
	return e
}

// decided takes note of a decision. When it returns nil, the decision may
// take effect.
func (l *ledger) decided(ctx context.Context, q question, e Event) error {
	q.rule, q.version = e.Rule, e.Version
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[q] == nil && !e.Allowed && l.refused >= maxRefused {
		q = question{op: q.op, rule: q.rule}
		e.Name, e.Origin, e.Method, e.Reason = "", "", "", "more of the same rule; too many to tell apart"
	}
	if a := l.seen[q]; a != nil {
		a.count++
		return nil
	}
	if e.Allowed && l.allowed >= maxAllowed {
		return errManyDecisions
	}
	e = l.stamp(e)
	if err := l.auditor.Append(ctx, e); err != nil {
		return err
	}
	l.seen[q] = &answer{event: e}
	if e.Allowed {
		l.allowed++
	} else {
		l.refused++
	}
	return nil
}

// repeated adds n to the count of a decision that was taken before.
func (l *ledger) repeated(q *question, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q != nil && l.seen[*q] != nil {
		l.seen[*q].count += n
	}
}

// flush writes the counts of what was repeated.
func (l *ledger) flush(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []Event
	var counted []*answer
	for _, a := range l.seen {
		if a.count > 0 {
			e := a.event
			e.Time, e.Kind, e.Count, e.Reason, e.Remedy = time.Now().UTC(), EventRepeats, a.count, "", ""
			events, counted = append(events, e), append(counted, a)
		}
	}
	if len(events) == 0 {
		return nil
	}
	if err := l.auditor.Append(ctx, events...); err != nil {
		return err
	}
	for _, a := range counted {
		a.count = 0
	}
	return nil
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
