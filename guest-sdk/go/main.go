package sallyport

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// The exit codes of a guest: sallyport_run's results.
const (
	exitDone    = 0 // DONE was emitted, whatever it said
	exitNoDone  = 1 // the host did not take DONE
	exitNoStart = 2 // main ended without calling Main
)

// serve makes a run of f on host, and returns an exit code. prepare is called
// before f.
func serve(host hostcall.Host, prepare func(*Run), f func(ctx context.Context, run *Run) error) int32 {
	ctx, stop := context.WithCancelCause(context.Background())
	run, err := newRun(host, stop)
	if err == nil {
		prepare(run)
		err = protect(func() error { return f(ctx, run) })
	}
	err = becauseOf(ctx, err)
	stop(ErrEnded)
	if run.done(err) != nil {
		return exitNoDone
	}
	return exitDone
}

// becauseOf puts the cause for which a run was stopped beside the bare
// "context canceled" that a connector may have returned for it.
func becauseOf(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || !errors.Is(err, context.Canceled) || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, err)
}

// done hands over what is left, then DONE, and ends the run.
func (r *Run) done(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost := r.handOver(r.out.Len()); err == nil {
		err = lost
	}
	if err == nil {
		err = r.broken // the connector let a refused message pass
	}
	if lost := r.putLocked("done", doneFor(err, r.records), true); lost != nil {
		return lost
	}
	r.ended = true
	return nil
}
