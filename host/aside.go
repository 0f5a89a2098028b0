package host

import (
	"context"
	"errors"
	"fmt"
)

// aside runs fn as a run that has no guest: admitted, watched while it goes
// on, and audited from its beginning to its end.
func (h *Host) aside(ctx context.Context, c *Connector, o RunOptions, fn func(*run) error) error {
	r, err := h.newRun(ctx, c, o)
	if err != nil {
		return err
	}
	defer r.cancel(nil)
	if err := h.enter(r); err != nil {
		return err
	}
	defer h.leave(r)
	t, release := h.connections(account3(r.scope), r.manifest)
	defer release()
	r.transport = t
	if err = r.admit(); err == nil {
		err = r.withWarden(func() error { return fn(r) })
	}
	if err != nil && r.Err() != nil {
		_, err = r.verdict(err) // why it was stopped, not what came of that
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(r), lastWords)
	defer cancel()
	end := Event{Kind: EventRunEnded, Allowed: err == nil, Rule: "aside"}
	if auditErr := errors.Join(r.flushAudit(last), r.ledger.write(last, end)); auditErr != nil && err == nil {
		return fmt.Errorf("audit log: %w", auditErr)
	}
	return err
}
