package host

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
)

// The warden's rounds: how late an expiry may be noticed, how late when the
// system's clock was set meanwhile, and how often repeated decisions are
// written to the audit log. A round costs little, but a thousand waiting runs
// make many.
const (
	coarseClock   = 50 * time.Millisecond
	longestRound  = time.Second
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
	wg.Go(func() { r.bookkeeper(watching) })
	r.recheck(watching) // what changed before the watch began
	err := context.Cause(r)
	if err == nil {
		err = fn()
	}
	stopWatching()
	wg.Wait()
	return err
}

func (r *run) warden(ctx context.Context, changed <-chan struct{}) {
	round := time.NewTimer(0)
	defer round.Stop()
	for {
		select {
		case <-ctx.Done():
			if cause := context.Cause(r); cause != nil {
				r.stop(cause) // whoever cancelled: every call answers it from now on
			}
			return
		case <-changed:
			r.recheck(ctx)
		case <-r.handed:
		case <-round.C:
		}
		round.Reset(r.expire(time.Now()))
	}
}

// expire ends what has an end that has come: the run, or a surrogate's fast
// path, so that its next use is decided anew. It returns how long nothing else
// will.
func (r *run) expire(now time.Time) time.Duration {
	next := now.Add(longestRound)
	ends := func(at time.Time) bool {
		if at.IsZero() {
			return false
		}
		if now.Before(at) && at.Before(next) {
			next = at
		}
		return !now.Before(at)
	}
	over := ends(r.opts.Grant.ExpiresAt) || r.opts.Grant.Active(now) != nil
	if a := r.standing.Load().Approval; a != nil && ends(a.ExpiresAt) || over {
		r.stop(errExpired)
	}
	for _, c := range r.credentials {
		if ends(c.expiry()) {
			c.ready.Store(false)
		}
	}
	return max(coarseClock, next.Sub(now))
}

// bookkeeper writes what was repeated to the audit log. It has a goroutine of
// its own, as the log may be slow and a revocation must not wait for it.
func (r *run) bookkeeper(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.flushAudit(ctx); err != nil && ctx.Err() == nil {
				r.stop(fmt.Errorf("%w: %w", errAudit, err))
			}
		}
	}
}

// recheck reads the standing again and stops the run when it no longer
// allows it, or when it approves something else than what the run was started
// with. What cannot be read does not allow it either. Stopping comes first:
// it needs nobody's leave, and the log may be slow.
func (r *run) recheck(ctx context.Context) {
	standing, err := r.host.approvals.Standing(ctx, r.scope)
	if err != nil {
		if ctx.Err() == nil {
			r.stop(fmt.Errorf("approvals: %w", err))
		}
		return
	}
	before := r.standing.Load()
	r.stand(&standing)
	for _, c := range r.credentials {
		c.ready.Store(false) // each use is decided anew
	}
	v := capabilities.Active(r.request(capabilities.OpIssue, nil))
	why := errRevoked
	switch {
	case v.Allowed && sameConsent(before.Approval, standing.Approval):
		return
	case v.Allowed:
		v.Rule, v.Reason, v.Remedy, why = "approval_changed", "the owner approved something else while it ran", "run it again", errChanged
	case v.Rule == capabilities.RuleApprovalExpired:
		why = errExpired
	case v.Rule != capabilities.RuleRevoked && v.Rule != capabilities.RuleReplay:
		why = errChanged
	}
	r.stop(why)
	r.note(Refusal{Thing: "connector " + r.manifest.ConnectorKey, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: why == errChanged})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := r.ledger.write(last, Event{Kind: EventDecision, Op: "run", Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy}); err != nil {
		r.host.logger.Error("audit log", "run", r.id, "err", err)
	}
}

// sameConsent reports whether two approvals hand over the same: a renewal
// does not end a run.
func sameConsent(a, b *capabilities.Approval) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a.Options, b.Options) && reflect.DeepEqual(a.Credentials, b.Credentials) && reflect.DeepEqual(a.Egress, b.Egress)
}

// flushAudit hands the fast path's counts to the ledger and writes them.
func (r *run) flushAudit(ctx context.Context) error {
	for name, c := range r.credentials {
		if name == c.decl.Name {
			r.countUses(c)
		}
	}
	return r.ledger.flush(ctx)
}

// countUses hands a credential's fast uses to the ledger, under the decision
// that allowed them.
func (r *run) countUses(c *credential) {
	if n := c.uses.Swap(0); n > 0 {
		r.ledger.repeated(c.allowedBy.Load(), n)
	}
}
