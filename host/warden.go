package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
)

// The warden's rounds: how late an expiry may be noticed, and how often
// repeated decisions are written to the audit log.
const (
	coarseClock   = 50 * time.Millisecond
	flushInterval = time.Second
)

// withWarden runs fn while a warden looks after the run: it stops it when the
// approval ends or is taken back, and flushes the audit log's counts. It
// returns once the warden has gone.
func (r *run) withWarden(fn func() error) error {
	watching, stopWatching := context.WithCancel(r.Context)
	var wg sync.WaitGroup
	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	wg.Go(func() { r.host.approvals.Watch(watching, r.scope, signal) })
	wg.Go(func() { r.warden(watching, changed) })
	signal() // what changed before the watch began
	err := fn()
	stopWatching()
	wg.Wait()
	return err
}

func (r *run) warden(ctx context.Context, changed <-chan struct{}) {
	tick := time.NewTicker(coarseClock)
	defer tick.Stop()
	flushed := time.Now()
	for {
		select {
		case <-ctx.Done():
			if cause := context.Cause(r); cause != nil {
				r.stop(cause) // whoever cancelled: every call answers it from now on
			}
			return
		case <-changed:
			r.recheck(ctx)
		case now := <-tick.C:
			if a := r.standing.Load().Approval; a != nil && !a.ExpiresAt.IsZero() && !time.Now().Before(a.ExpiresAt) {
				r.stop(errExpired)
			}
			r.expireCredentials(time.Now())
			if now.Sub(flushed) >= flushInterval {
				flushed = now
				if err := r.flushAudit(ctx); err != nil && ctx.Err() == nil {
					r.stop(fmt.Errorf("%w: %w", errAudit, err))
				}
			}
		}
	}
}

// recheck reads the standing again and stops the run when it no longer
// allows it. What cannot be read does not allow it either.
func (r *run) recheck(ctx context.Context) {
	standing, err := r.host.approvals.Standing(ctx, r.scope)
	if err != nil {
		if ctx.Err() == nil {
			r.stop(fmt.Errorf("approvals: %w", err))
		}
		return
	}
	r.standing.Store(&standing)
	v := capabilities.Active(r.request(capabilities.OpIssue, nil))
	switch {
	case v.Allowed:
	case v.Rule == capabilities.RuleApprovalExpired:
		r.stop(errExpired)
	default:
		r.note(Refusal{Thing: "connector " + r.manifest.ConnectorKey, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy})
		r.stop(errors.Join(errRevoked, r.ledger.write(ctx, Event{Kind: EventDecision, Op: "run", Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy})))
	}
}

// flushAudit hands the fast path's counts to the ledger and writes them.
func (r *run) flushAudit(ctx context.Context) error {
	for name, c := range r.credentials {
		if name == c.decl.Name {
			if n := c.uses.Swap(0); n > 0 {
				r.ledger.repeated(question{op: string(capabilities.OpIssue), name: name, access: "use"}, n)
			}
		}
	}
	return r.ledger.flush(ctx)
}

// expireCredentials takes a surrogate's fast path away when its value's time
// is over: the next use is decided anew.
func (r *run) expireCredentials(now time.Time) {
	for _, c := range r.credentials {
		c.expire(now)
	}
}
