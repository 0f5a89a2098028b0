package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
)

// ruleSingleUse: a grant for a single use allows one run.
const ruleSingleUse = "single_use"

// unspent refuses a grant for a single use that was used, before anybody is
// asked anything.
func (r *run) unspent(used *capabilities.Use) error {
	if r.opts.Grant.Continuous {
		return nil
	}
	if _, ok := r.host.approvals.(Spender); !ok {
		return r.refuse(&Refusal{
			Thing: "grant " + oneLine(r.scope.Grant), Rule: ruleSingleUse, Reason: "it is for a single use, and this host keeps no record of uses",
			Remedy: "ask for a continuous one that ends soon (expires_at)",
		})
	}
	if used == nil {
		return nil
	}
	return r.spentAlready(used)
}

// useUp spends the grant, where it is for a single use: after all that may
// keep the run from starting, and before the guest can do anything. Whatever
// becomes of the run, there is no second one.
func (r *run) useUp() error {
	s, ok := r.host.approvals.(Spender)
	if r.opts.Grant.Continuous || !ok {
		return nil
	}
	use, err := s.Spend(r, r.scope, r.id)
	switch {
	case errors.Is(err, ErrSpent):
		var used *capabilities.Use
		if standing, readErr := r.host.approvals.Standing(r, r.scope); readErr == nil {
			used = standing.Used
		}
		return r.spentAlready(used)
	case err != nil:
		r.recheck(r) // the approval may have gone meanwhile
		if r.Err() != nil {
			return context.Cause(r)
		}
		return fmt.Errorf("the grant's single use could not be noted: %w", err)
	}
	e := Event{Kind: EventApproval, Op: "spend", Allowed: true, Rule: ruleSingleUse, Serial: use.Serial, Reason: "the run begins, and is the only one that this grant allows"}
	if err := r.ledger.write(r, e); err != nil {
		return fmt.Errorf("%w: %w; the grant's single use is spent all the same", errAudit, err)
	}
	return nil
}

func (r *run) spentAlready(used *capabilities.Use) error {
	f := &Refusal{
		Thing: "grant " + oneLine(r.scope.Grant), Rule: ruleSingleUse,
		Reason: "it is for a single use, which is spent", Remedy: "ask for a new grant",
	}
	if used != nil {
		f.Reason = fmt.Sprintf("it is for a single use, which was spent at %s by run %s", used.At.UTC().Format(time.RFC3339), used.RunID)
	}
	return r.refuse(f)
}
