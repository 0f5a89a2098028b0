package oauth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Fifty goroutines want a token: one refresh, and all get what it brought.
func TestGoroutinesRefreshOnce(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	var r Renewals
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got, err := r.Renew(t.Context(), s.job(m))
			if err != nil || string(got.Access.Reveal()) != canary+"-access-1" || got.Generation != 2 {
				t.Errorf("generation %d, %v", got.Generation, err)
			}
		})
	}
	wg.Wait()
	s.wantCounts(t, 1, 0)
	m.wantState(t, 1)
}

// Ten Renewals, as ten processes have them, share a lock and a store.
func TestRenewalsShareALock(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	var wg sync.WaitGroup
	for range 10 {
		var r Renewals
		wg.Go(func() {
			if _, err := r.Renew(t.Context(), s.job(m)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.wantCounts(t, 1, 0)
	m.wantState(t, 1)
}

func TestWhenItIsRenewed(t *testing.T) {
	now := time.Unix(1e9, 0)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	a := secret("a")
	for name, c := range map[string]struct {
		state State
		job   Job
		want  bool // it is good as it is
	}{
		"no token":                    {State{}, Job{}, false},
		"no end":                      {State{Access: a}, Job{}, true},
		"far from its end":            {State{Access: a, ExpiresAt: at(time.Hour)}, Job{}, true},
		"near its end":                {State{Access: a, ExpiresAt: at(DefaultAhead)}, Job{}, false},
		"just not":                    {State{Access: a, ExpiresAt: at(DefaultAhead + 1)}, Job{}, true},
		"over":                        {State{Access: a, ExpiresAt: now}, Job{}, false},
		"earlier by choice":           {State{Access: a, ExpiresAt: at(time.Hour)}, Job{Ahead: time.Hour}, false},
		"short-lived":                 {State{Access: a, ObtainedAt: at(-10 * time.Second), ExpiresAt: at(50 * time.Second)}, Job{}, true},
		"short-lived, last quarter":   {State{Access: a, ObtainedAt: at(-45 * time.Second), ExpiresAt: at(15 * time.Second)}, Job{}, false},
		"the source refused it":       {State{Access: a, ExpiresAt: at(time.Hour)}, Job{Refused: secret("a")}, false},
		"the source refused another":  {State{Access: a, ExpiresAt: at(time.Hour)}, Job{Refused: secret("b")}, true},
		"its times are not in order":  {State{Access: a, ObtainedAt: at(time.Hour), ExpiresAt: at(time.Minute)}, Job{}, true},
		"refused, without an end":     {State{Access: a}, Job{Refused: secret("a")}, false},
		"refused, and there is none":  {State{}, Job{Refused: secret("a")}, false},
		"nothing refused, none there": {State{Refresh: a}, Job{}, false},
	} {
		if got := c.job.good(c.state, now); got != c.want {
			t.Errorf("%s: good is %v", name, got)
		}
	}
}

// A good token costs no lock and no request.
func TestGoodTokenIsLeftAlone(t *testing.T) {
	s := newSource(t)
	m := newMemory(State{Access: secret("a"), Refresh: secret(s.current()), ExpiresAt: time.Now().Add(time.Hour)})
	m.lock <- struct{}{} // someone holds it for ever
	var r Renewals
	got, err := r.Renew(t.Context(), s.job(m))
	if err != nil || string(got.Access.Reveal()) != "a" {
		t.Fatal(err)
	}
	got.Access.Zero()
	if again, err := r.Renew(t.Context(), s.job(m)); err != nil || string(again.Access.Reveal()) != "a" {
		t.Error("a caller can wipe what others use", err)
	}
	s.wantCounts(t, 0, 0)
}

// A token that the source refused is renewed once, for all who saw it refused.
func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	s := newSource(t)
	m := newMemory(State{Access: secret("old"), Refresh: secret(s.current()), ExpiresAt: time.Now().Add(time.Hour)})
	var r Renewals
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			j := s.job(m)
			if i%2 == 0 {
				j.Refused = secret("old")
			}
			got, err := r.Renew(t.Context(), j)
			if access := string(got.Access.Reveal()); err != nil || access != canary+"-access-1" && (i%2 == 0 || access != "old") {
				t.Error(access, err)
			}
		})
	}
	wg.Wait()
	s.wantCounts(t, 1, 0)
}

// A caller that gives up does not take the refresh with it: what the source
// gave is stored.
func TestCancelledDuringRefresh(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	hold := make(chan struct{})
	s.set(func() { s.hold = hold })
	sent := make(chan struct{})
	j := s.job(m)
	refresh := j.Refresh
	j.Refresh = func(ctx context.Context, token vaultstore.Secret) (Tokens, error) {
		close(sent)
		return refresh(ctx, token)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-sent; cancel() }()
	var r Renewals
	if _, err := r.Renew(ctx, j); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait does not end with its context: %v", err)
	}
	close(hold)
	if err := r.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantCounts(t, 1, 0)
	m.wantState(t, 1)
}

// Who is still waiting for the lock sends nothing once nobody waits for it.
func TestCancelledBeforeRefresh(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	m.lock <- struct{}{}
	var r Renewals
	ctx, cancel := context.WithCancel(t.Context())
	stays := make(chan error)
	go func() {
		_, err := r.Renew(t.Context(), s.job(m))
		stays <- err
	}()
	go func() {
		_, err := r.Renew(ctx, s.job(m))
		stays <- err
	}()
	for waiting := 0; waiting < 2; {
		r.mu.Lock()
		if f := r.flights["k"]; f != nil {
			waiting = f.waiters
		}
		r.mu.Unlock()
	}
	cancel()
	if err := <-stays; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-m.lock
	if err := <-stays; err != nil {
		t.Fatalf("one that left took the other's refresh with it: %v", err)
	}
	m.wantState(t, 1)

	alone := s.stale()
	alone.lock <- struct{}{}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := r.Renew(ctx, s.job(alone)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil { // with the lock still held
		t.Fatal(err)
	}
	s.wantCounts(t, 1, 0)
}

// A source that does not rotate: the refresh token stays.
func TestNoRotation(t *testing.T) {
	m := newMemory(State{Refresh: secret("stays")})
	j := Job{Key: "k", Store: m, Lock: m, Refresh: func(context.Context, vaultstore.Secret) (Tokens, error) {
		return Tokens{Access: secret("a")}, nil
	}}
	var r Renewals
	if got, err := r.Renew(t.Context(), j); err != nil || string(got.Refresh.Reveal()) != "stays" || string(m.state.Refresh.Reveal()) != "stays" {
		t.Error(err)
	}
}
