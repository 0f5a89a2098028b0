package egress

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// DefaultConcurrency is how many requests to one origin are under way at once
// when a manifest does not say.
const DefaultConcurrency = 8

// maxQuietGates is how many origins are remembered that nothing is owed to: no
// request, no pause, no part of a rate.
const maxQuietGates = 64

// Limits is what a manifest allows for each origin. A request counts from its
// turn to the end of its answer's body.
type Limits struct {
	// RequestsPerMinute is the mean rate, 0 for none. As many as a tenth of it,
	// but no more than Concurrency, may come at once.
	RequestsPerMinute int
	// Concurrency is how many requests are under way; 0 is
	// [DefaultConcurrency].
	Concurrency int
}

func (l Limits) concurrency() int {
	if l.Concurrency <= 0 {
		return DefaultConcurrency
	}
	return l.Concurrency
}

func (l Limits) rate() (perSecond rate.Limit, burst int) {
	if l.RequestsPerMinute <= 0 {
		return rate.Inf, 1
	}
	return rate.Limit(float64(l.RequestsPerMinute) / 60), max(1, min(l.RequestsPerMinute/10, l.concurrency()))
}

// origin is what a gate is for.
type origin struct{ scheme, host string }

// pacer lets requests to each origin through in the order they came, no more
// at once and no faster than its limits say.
type pacer struct {
	mu     sync.Mutex
	limits Limits
	gates  map[origin]*gate
}

// gate is one origin's. Its pacer's mu guards it.
type gate struct {
	users   int // under way
	queue   list.List
	bucket  *rate.Limiter
	resumes time.Time // a pause's end
}

// waiter is a request in a queue. Its turn is closed when it may go.
type waiter struct{ turn chan struct{} }

func newPacer(l Limits) *pacer { return &pacer{limits: l, gates: map[origin]*gate{}} }

// setLimits applies to all that have not had their turn.
func (p *pacer) setLimits(l Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits = l
	limit, burst := l.rate()
	for _, g := range p.gates {
		g.bucket.SetLimit(limit)
		g.bucket.SetBurst(burst)
		p.admit(g)
	}
}

func (p *pacer) gate(o origin) *gate {
	g := p.gates[o]
	if g == nil {
		if len(p.gates) >= maxQuietGates {
			p.forget()
		}
		g = &gate{bucket: rate.NewLimiter(p.limits.rate())}
		p.gates[o] = g
	}
	return g
}

// forget drops the gates that nothing is owed to. The others are as many as
// there were requests of late.
func (p *pacer) forget() {
	now := time.Now()
	for o, g := range p.gates {
		full := g.bucket.Limit() == rate.Inf || g.bucket.TokensAt(now) >= float64(g.bucket.Burst())
		if g.users == 0 && g.queue.Len() == 0 && full && now.After(g.resumes) {
			delete(p.gates, o)
		}
	}
}

// enter waits for a turn at o. The caller leaves the gate it returns.
func (p *pacer) enter(ctx context.Context, o origin) (*gate, error) {
	p.mu.Lock()
	g := p.gate(o)
	if g.queue.Len() == 0 && g.users < p.limits.concurrency() {
		g.users++
		p.mu.Unlock()
	} else {
		w := waiter{turn: make(chan struct{})}
		place := g.queue.PushBack(w)
		p.mu.Unlock()
		select {
		case <-w.turn:
		case <-ctx.Done():
			p.abandon(g, place, w)
			return nil, context.Cause(ctx)
		}
	}
	if err := p.throttle(ctx, g); err != nil {
		p.leave(g)
		return nil, err
	}
	return g, nil
}

// abandon takes a waiter out of the queue, or gives back the turn that it has
// just been given.
func (p *pacer) abandon(g *gate, place *list.Element, w waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.turn:
		g.users--
		p.admit(g)
	default:
		g.queue.Remove(place)
	}
}

// leave ends a turn.
func (p *pacer) leave(g *gate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.users--
	p.admit(g)
}

// admit gives turns to those who have waited longest.
func (p *pacer) admit(g *gate) {
	for g.users < p.limits.concurrency() && g.queue.Len() > 0 {
		g.users++
		close(g.queue.Remove(g.queue.Front()).(waiter).turn)
	}
}

// throttle waits for a token of the bucket, and until no pause is on.
func (p *pacer) throttle(ctx context.Context, g *gate) error {
	now := time.Now()
	token := g.bucket.ReserveN(now, 1)
	due := now.Add(token.DelayFrom(now))
	for {
		p.mu.Lock()
		until := g.resumes
		p.mu.Unlock()
		if until.Before(due) {
			until = due
		}
		wait := time.Until(until)
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			token.CancelAt(time.Now())
			return err
		}
	}
}

// pause holds the origin's other requests back for d.
func (p *pacer) pause(o origin, d time.Duration) {
	until := time.Now().Add(d)
	p.mu.Lock()
	defer p.mu.Unlock()
	if g := p.gate(o); until.After(g.resumes) {
		g.resumes = until
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
