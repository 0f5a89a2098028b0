package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Pause is how long a process leaves a source alone that could not answer and
// did not say for how long.
const Pause = 5 * time.Second

// maxRounds bounds how often one refresh begins again because someone else
// stored another refresh token meanwhile.
const maxRounds = 4

// The tries of the one write that must not be given up lightly.
const (
	putTries = 6
	putWait  = 20 * time.Millisecond // doubled from try to try
	putTime  = 30 * time.Second      // all tries together
)

// Renewals renews access tokens, one refresh at a time for each
// authorization. The zero Renewals is ready; a process has one for a store.
type Renewals struct {
	// Now is time.Now when nil.
	Now func() time.Time

	mu      sync.Mutex
	flights map[string]*flight
	kept    map[string]kept
	resting map[string]rest
	running sync.WaitGroup
}

// flight is a refresh that goroutines wait for together.
type flight struct {
	done    chan struct{} // closed when state and err are set
	state   State
	err     error
	waiters int
	cancel  context.CancelFunc
}

// kept are tokens that the source gave and the store did not take.
type kept struct {
	spent vaultstore.Secret // the refresh token that they cost
	next  State
}

// rest is a source's wish to be left alone.
type rest struct {
	until time.Time
	err   *RetryError
}

func (r *Renewals) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// Renew returns a state whose access token is good, refreshed if need be:
// take the lock of all processes, read again, and if it is still stale send
// the refresh token, write what comes back, and only then return.
//
// Goroutines that want the same at once share one refresh. When ctx ends,
// Renew returns its error and the refresh goes on for the others; for nobody,
// it goes on only once the refresh token is on its way.
//
// An error wraps one of this package's, or is what the store, the lock or the
// journal said. With [ErrNotStored] the state is good for this process all
// the same. When the source cannot answer and the old token is not at its end
// yet, that one is returned.
func (r *Renewals) Renew(ctx context.Context, j Job) (State, error) {
	for {
		f, mine := r.join(ctx, &j)
		select {
		case <-f.done:
		case <-ctx.Done():
			r.leave(j.Key, f)
			return State{}, ctx.Err()
		}
		// A flight that others began may not have known what was refused.
		if mine || f.err != nil || j.usable(f.state, r.now()) {
			return f.state.clone(), f.err
		}
	}
}

// StoreKept tries again to store what a store did not take, if there is
// anything. It asks no source: of j it needs Key, Store, Lock and Journal. An
// error that wraps [ErrNotStored] says that this process still keeps it.
func (r *Renewals) StoreKept(ctx context.Context, j Job) error {
	if !r.keeps(j.Key) {
		return nil
	}
	unlock, err := j.Lock.Lock(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	defer unlock()
	s, err := j.Store.Get(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	if k, ok := r.takeKept(j.Key); ok && s.Refresh.Equal(k.spent) {
		_, _, err = r.keep(ctx, &j, s, k.next)
	}
	return err
}

// Wait returns when no refresh is under way, or ctx is done. A process calls
// it before it ends, so as not to end between answer and write. Nothing is to
// be renewed meanwhile.
func (r *Renewals) Wait(ctx context.Context) error {
	idle := make(chan struct{})
	go func() { r.running.Wait(); close(idle) }()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Renewals) join(ctx context.Context, j *Job) (f *flight, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.flights[j.Key]; ok {
		f.waiters++
		return f, false
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f = &flight{done: make(chan struct{}), waiters: 1, cancel: cancel}
	if r.flights == nil {
		r.flights, r.kept, r.resting = map[string]*flight{}, map[string]kept{}, map[string]rest{}
	}
	r.flights[j.Key] = f
	r.running.Go(func() {
		defer cancel()
		f.state, f.err = r.run(ctx, j)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.forget(j.Key, f)
		close(f.done)
	})
	return f, true
}

// leave gives up waiting; the last one to leave cancels what has not begun.
func (r *Renewals) leave(key string, f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		r.forget(key, f)
		f.cancel()
	}
}

func (r *Renewals) forget(key string, f *flight) {
	if r.flights[key] == f {
		delete(r.flights, key)
	}
}

// run is one flight.
func (r *Renewals) run(ctx context.Context, j *Job) (State, error) {
	s, err := j.Store.Get(ctx)
	if err != nil {
		return State{}, err
	}
	if j.good(s, r.now()) && !r.keeps(j.Key) {
		return s, nil
	}
	unlock, err := j.Lock.Lock(ctx)
	if err != nil {
		return State{}, err
	}
	defer unlock()
	for range maxRounds {
		s, again, err := r.round(ctx, j)
		if !again {
			return s, err
		}
	}
	return State{}, fmt.Errorf("%w: the stored refresh token was changed again and again", ErrNotStored)
}

// round reads and does what is to be done, under the lock. again asks for
// another, as the state was changed by someone else.
func (r *Renewals) round(ctx context.Context, j *Job) (s State, again bool, err error) {
	if s, err = j.Store.Get(ctx); err != nil {
		return State{}, false, err
	}
	if k, ok := r.takeKept(j.Key); ok && s.Refresh.Equal(k.spent) {
		return r.keep(ctx, j, s, k.next)
	}
	switch {
	case j.good(s, r.now()):
		return s, false, nil
	case s.Rejected || s.Refresh.Len() == 0:
		return State{}, false, &ReauthError{Missing: s.Refresh.Len() == 0}
	}
	if err := r.rests(j.Key); err != nil {
		return r.fallBack(ctx, j, s, err)
	}
	return r.spend(ctx, j, s)
}

// spend sends the refresh token. From here on no cancellation is heard.
func (r *Renewals) spend(ctx context.Context, j *Job, s State) (State, bool, error) {
	since, err := r.mark(ctx, j, s)
	if err != nil {
		return State{}, false, err
	}
	if err := ctx.Err(); err != nil {
		return State{}, false, err
	}
	ctx = context.WithoutCancel(ctx)
	t, err := j.Refresh(ctx, s.Refresh)
	if err != nil {
		return r.failed(ctx, j, s, since, err)
	}
	next := State{Access: t.Access, Refresh: t.Refresh, ObtainedAt: t.ObtainedAt, ExpiresAt: t.ExpiresAt}
	if next.Refresh.Len() == 0 {
		next.Refresh = s.Refresh
	}
	return r.keep(ctx, j, s, next)
}

// mark writes that a refresh is in flight, and returns since when an earlier
// one is that was never answered; zero when there is none.
func (r *Renewals) mark(ctx context.Context, j *Job, s State) (since time.Time, err error) {
	if j.Journal == nil {
		return time.Time{}, nil
	}
	m, err := j.Journal.Read(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the mark of a refresh: %w", err)
	}
	if m.concerns(s) {
		j.logger().WarnContext(ctx, "an earlier refresh was cut off before its answer was stored", "since", m.Since.UTC())
		since = m.Since
	}
	next := Mark{Since: r.now(), Generation: s.Generation}
	if !since.IsZero() {
		next.Since = since // the first one is what may have spent the token
	}
	if err := j.Journal.Write(ctx, next); err != nil {
		return time.Time{}, fmt.Errorf("write the mark of a refresh: %w", err)
	}
	return since, nil
}

// keep writes new tokens over those that they cost. A conflict is looked at:
// where the spent token is still there, the write is tried again.
func (r *Renewals) keep(ctx context.Context, j *Job, spent, next State) (s State, again bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTime)
	defer cancel()
	expect := spent.Generation
	for try := range putTries {
		if try > 0 && pause(ctx, putWait<<try) != nil {
			break
		}
		if next.Generation, err = j.Store.Put(ctx, next, expect); err == nil {
			r.clear(ctx, j)
			return next, false, nil
		}
		now, readErr := j.Store.Get(ctx)
		switch {
		case readErr != nil:
		case now.Refresh.Equal(next.Refresh) && now.Access.Equal(next.Access):
			r.clear(ctx, j)
			return now, false, nil // it was written after all
		case !now.Refresh.Equal(spent.Refresh) && !now.Refresh.Equal(next.Refresh):
			j.logger().InfoContext(ctx, "another refresh token was stored during a refresh: it is used from here on")
			return State{}, true, nil
		default:
			expect = now.Generation
		}
	}
	next.Generation = spent.Generation
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[j.Key] = kept{spent.Refresh, next}
	return next, false, fmt.Errorf("%w: %w", ErrNotStored, err)
}

// failed sorts out a refresh that brought nothing.
func (r *Renewals) failed(ctx context.Context, j *Job, s State, since time.Time, err error) (State, bool, error) {
	if errors.Is(err, ErrNeedsReauthorisation) {
		return r.reject(ctx, j, s, since)
	}
	var retry *RetryError
	isRetry := errors.As(err, &retry)
	if !errors.Is(err, ErrAnswer) && !(isRetry && retry.Uncertain) && since.IsZero() {
		r.clear(ctx, j) // the token is not spent, for sure
	}
	if isRetry {
		r.rest(j.Key, retry)
		return r.fallBack(ctx, j, s, err)
	}
	return State{}, false, err
}

// reject notes that the refresh token is dead, so that no other process tries
// it, unless another one has been stored meanwhile.
func (r *Renewals) reject(ctx context.Context, j *Job, s State, since time.Time) (State, bool, error) {
	dead := s
	dead.Rejected = true
	_, err := j.Store.Put(ctx, dead, s.Generation)
	if errors.Is(err, vaultstore.ErrConflict) {
		if now, err := j.Store.Get(ctx); err == nil && !now.Refresh.Equal(s.Refresh) {
			return State{}, true, nil
		}
	}
	if err != nil {
		j.logger().WarnContext(ctx, "it could not be noted that a refresh token is of no use any more", "why", err.Error())
	} else {
		r.clear(ctx, j)
	}
	return State{}, false, &ReauthError{InterruptedSince: since}
}

// fallBack returns the old token where it is not at its end, else err.
func (r *Renewals) fallBack(ctx context.Context, j *Job, s State, err error) (State, bool, error) {
	if !j.usable(s, r.now()) {
		return State{}, false, err
	}
	j.logger().WarnContext(ctx, "an access token could not be renewed ahead of its end", "why", err.Error())
	return s, false, nil
}

func (r *Renewals) clear(ctx context.Context, j *Job) {
	if j.Journal == nil {
		return
	}
	if err := j.Journal.Clear(ctx); err != nil { // harmless: it is about a generation that is gone
		j.logger().WarnContext(ctx, "the mark of a refresh could not be removed", "why", err.Error())
	}
}

func (r *Renewals) keeps(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.kept[key]
	return ok
}

func (r *Renewals) takeKept(key string) (kept, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.kept[key]
	delete(r.kept, key)
	return k, ok
}

func (r *Renewals) rest(key string, e *RetryError) {
	after := e.After
	if after == 0 {
		after = Pause
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resting[key] = rest{r.now().Add(after), e}
}

// rests returns the error of a source that wants to be left alone.
func (r *Renewals) rests(key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.resting[key]
	left := last.until.Sub(r.now())
	if !ok || left <= 0 {
		delete(r.resting, key)
		return nil
	}
	return &RetryError{After: left, Status: last.err.Status}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
