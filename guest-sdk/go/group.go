package sallyport

import (
	"context"
	"sync"
)

// Group runs goroutines that work on one thing, like errgroup: the first error
// cancels the others, and a panic in one becomes an error, so that the run
// ends with DONE and a stack. In a guest goroutines do not run at the same
// time, but their requests do: while one waits for the source, the others go
// on.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	slots  chan struct{}
	wg     sync.WaitGroup
	once   sync.Once
	err    error
}

// NewGroup returns a group of at most limit goroutines at a time, and at least
// one. A host has [abi.MaxHandles] requests open at once for a run; past that
// a request is [ErrExhausted].
func NewGroup(ctx context.Context, limit int) *Group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{ctx: ctx, cancel: cancel, slots: make(chan struct{}, max(limit, 1))}
}

// Go calls f in a goroutine, once there is room. f's context is cancelled when
// a function of the group has failed; from then on f is not called at all.
//
// It is not for the group's own functions: when they fill the group and wait
// in Go for room, none comes, and the run stands still until its time is up.
// What they find to do goes into a group of its own, or to whoever called Go
// first.
func (g *Group) Go(f func(ctx context.Context) error) {
	select {
	case g.slots <- struct{}{}:
	case <-g.ctx.Done():
	}
	// A failed function gives its slot back after it has cancelled the group,
	// and a select between the two takes either.
	if g.ctx.Err() != nil {
		g.fail(context.Cause(g.ctx))
		return
	}
	g.wg.Go(func() {
		defer func() { <-g.slots }()
		if err := protect(func() error { return f(g.ctx) }); err != nil {
			g.fail(err)
		}
	})
}

func (g *Group) fail(err error) {
	g.once.Do(func() {
		g.err = err
		g.cancel(err)
	})
}

// Wait waits for all goroutines and returns the first error.
func (g *Group) Wait() error {
	g.wg.Wait()
	g.fail(nil)
	return g.err
}
