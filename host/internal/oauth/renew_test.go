package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// memory is a TokenStore, a Locker and a Journal in one process.
type memory struct {
	lock chan struct{}

	mu     sync.Mutex
	state  State
	mark   Mark
	puts   int
	beside func(puts int) error // called at each put, before it is looked at
}

var (
	_ TokenStore = (*memory)(nil)
	_ Locker     = (*memory)(nil)
	_ Journal    = (*memory)(nil)
)

func newMemory(s State) *memory {
	s.Generation = max(s.Generation, 1)
	return &memory{lock: make(chan struct{}, 1), state: s}
}

func (m *memory) Get(context.Context) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, nil
}

func (m *memory) Put(ctx context.Context, next State, expect uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.puts++
	if m.beside != nil {
		if err := m.beside(m.puts); err != nil {
			return 0, err
		}
	}
	if m.state.Generation != expect {
		return 0, vaultstore.ErrConflict
	}
	m.write(next)
	return m.state.Generation, nil
}

// write is what a put does, under the lock of m.
func (m *memory) write(next State) {
	next.Generation = m.state.Generation + 1
	m.state = next
}

func (m *memory) Lock(ctx context.Context) (func(), error) {
	select {
	case m.lock <- struct{}{}:
		return func() { <-m.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) Read(context.Context) (Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mark, nil
}

func (m *memory) Write(_ context.Context, mark Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark = mark
	return nil
}

func (m *memory) Clear(ctx context.Context) error { return m.Write(ctx, Mark{}) }

// job is one over m at a source.
func (s *source) job(m *memory) Job {
	return Job{Key: "k", Store: m, Lock: m, Journal: m, Refresh: func(ctx context.Context, refresh vaultstore.Secret) (Tokens, error) {
		return newClient().Refresh(ctx, Request{Provider: s.provider(), RefreshToken: refresh})
	}}
}

// stale has a refresh token that is good, and no access token.
func (s *source) stale() *memory { return newMemory(State{Refresh: secret(s.current())}) }

// wantState holds what is stored to the nth refresh.
func (m *memory) wantState(t *testing.T, n int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := string(m.state.Refresh.Reveal()); got != fmt.Sprintf("%s-refresh-%d", canary, n) {
		t.Errorf("another refresh token is stored than that of refresh %d", n)
	}
	if n > 0 && string(m.state.Access.Reveal()) != fmt.Sprintf("%s-access-%d", canary, n) {
		t.Errorf("another access token is stored than that of refresh %d", n)
	}
	if !m.mark.Since.IsZero() {
		t.Error("the mark of a refresh is still there")
	}
}

func (s *source) wantCounts(t *testing.T, used, reused int) {
	t.Helper()
	if u, r := s.counts(); u != used || r != reused {
		t.Errorf("%d refreshes and %d spent tokens, want %d and %d", u, r, used, reused)
	}
}

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

// The write after the answer survives conflicts, a store that fails for a
// while, and one that cannot tell.
func TestWriteIsNotGivenUp(t *testing.T) {
	for name, beside := range map[string]func(m *memory) func(puts int) error{
		"another field was written": func(m *memory) func(int) error {
			return func(puts int) error {
				if puts <= 2 {
					m.write(m.state) // such as a note of its last use
				}
				return nil
			}
		},
		"it fails twice": func(*memory) func(int) error {
			return func(puts int) error {
				if puts <= 2 {
					return errors.New("disk full")
				}
				return nil
			}
		},
		"written, but it cannot tell": func(m *memory) func(int) error {
			return func(puts int) error {
				m.write(State{Access: secret(canary + "-access-1"), Refresh: secret(canary + "-refresh-1")})
				return vaultstore.ErrUnknownOutcome
			}
		},
		"half of it was written": func(m *memory) func(int) error {
			return func(puts int) error {
				if puts == 1 {
					half := m.state
					half.Refresh = secret(canary + "-refresh-1")
					m.write(half)
					return errors.New("cut off")
				}
				return nil
			}
		},
	} {
		s := newSource(t)
		m := s.stale()
		m.beside = beside(m)
		var r Renewals
		if _, err := r.Renew(t.Context(), s.job(m)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.wantCounts(t, 1, 0)
		m.wantState(t, 1)
	}
}

// The owner stores another authorization while a refresh is under way: it
// stays, and is used.
func TestOwnersTokenWins(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	m.beside = func(puts int) error {
		if puts == 1 {
			m.write(State{Access: secret("owner"), Refresh: secret(canary + "-owner")})
		}
		return nil
	}
	var r Renewals
	got, err := r.Renew(t.Context(), s.job(m))
	if err != nil || string(got.Access.Reveal()) != "owner" || string(m.state.Refresh.Reveal()) != canary+"-owner" {
		t.Errorf("%v", err)
	}
	s.wantCounts(t, 1, 0)
}

// A store that takes nothing: the tokens work in this process, and are written
// as soon as they can be.
func TestNotStored(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	full := errors.New("disk full")
	m.beside = func(int) error { return full }
	var r Renewals
	got, err := r.Renew(t.Context(), s.job(m))
	if !errors.Is(err, ErrNotStored) || !errors.Is(err, full) || string(got.Access.Reveal()) != canary+"-access-1" {
		t.Fatalf("%v", err)
	}
	silent(t, err)
	if m.mark.Since.IsZero() {
		t.Error("the mark is gone though the tokens are not stored")
	}
	if got, err = r.Renew(t.Context(), s.job(m)); !errors.Is(err, ErrNotStored) || string(got.Access.Reveal()) != canary+"-access-1" {
		t.Errorf("once more: %v", err)
	}
	m.mu.Lock()
	m.beside = nil
	m.mu.Unlock()
	if _, err := r.Renew(t.Context(), s.job(m)); err != nil {
		t.Errorf("the store takes it again: %v", err)
	}
	s.wantCounts(t, 1, 0)
	m.wantState(t, 1)
}

// A refresh token that is dead is tried once, and never by the next process.
func TestNeedsReauthorisation(t *testing.T) {
	s := newSource(t)
	m := newMemory(State{Access: secret("old"), ExpiresAt: time.Unix(1, 0), Refresh: secret(canary + "-dead")})
	for range 2 {
		var r Renewals
		_, err := r.Renew(t.Context(), s.job(m))
		var reauth *ReauthError
		if !errors.As(err, &reauth) || !reauth.InterruptedSince.IsZero() || reauth.Missing || !errors.Is(err, ErrNeedsReauthorisation) {
			t.Errorf("%v", err)
		}
		silent(t, err)
	}
	s.wantCounts(t, 0, 1)
	if !m.state.Rejected || !m.mark.Since.IsZero() {
		t.Errorf("rejected is %v, the mark %v", m.state.Rejected, m.mark)
	}
	var r Renewals
	empty := newMemory(State{})
	_, err := r.Renew(t.Context(), s.job(empty))
	var reauth *ReauthError
	if !errors.As(err, &reauth) || !reauth.Missing {
		t.Errorf("nothing is stored: %v", err)
	}
	m.state.Refresh, m.state.Rejected = secret(s.current()), false
	s.set(func() { s.revoked = false })
	if _, err := r.Renew(t.Context(), s.job(m)); err != nil {
		t.Errorf("the owner authorised again: %v", err)
	}
}

// The owner authorises again while the dead token is on its way.
func TestRejectionYields(t *testing.T) {
	s := newSource(t)
	m := newMemory(State{Refresh: secret(canary + "-dead")})
	m.beside = func(puts int) error {
		if puts == 1 {
			m.write(State{Access: secret("owner"), Refresh: secret(canary + "-owner")})
		}
		return nil
	}
	var r Renewals
	if got, err := r.Renew(t.Context(), s.job(m)); err != nil || string(got.Access.Reveal()) != "owner" || m.state.Rejected {
		t.Errorf("%v", err)
	}
}

// A process dies between the source's answer and the write. The next one says
// so when the token turns out to be spent, and says nothing where the source
// is lenient.
func TestInterrupted(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		s := newSource(t)
		m := s.stale()
		s.set(func() { s.lose = true })
		var died, next Renewals
		_, err := died.Renew(t.Context(), s.job(m))
		var retry *RetryError
		if !errors.As(err, &retry) || !retry.Uncertain || m.mark.Since.IsZero() {
			t.Fatalf("%v, with the mark %v", err, m.mark)
		}
		began := m.mark.Since
		s.set(func() { s.answer = bounce })
		var alsoDied Renewals
		if _, err := alsoDied.Renew(t.Context(), s.job(m)); !errors.As(err, &retry) || !m.mark.Since.Equal(began) {
			t.Errorf("a second try moved the mark from %v to %v, %v", began, m.mark.Since, err)
		}
		s.set(func() { s.answer = nil })
		if lenient {
			s.set(func() { s.serial = 0 })
		}
		m.write(m.state) // a note of its last use changes nothing of that
		m.state.ObtainedAt = began.Add(-time.Hour)
		var log bytes.Buffer
		j := s.job(m)
		j.Log = slog.New(slog.NewTextHandler(&log, nil))
		_, err = next.Renew(t.Context(), j)
		if !strings.Contains(log.String(), "cut off") || strings.Contains(log.String(), canary) {
			t.Errorf("the log says %q", log.String())
		}
		if lenient {
			if err != nil {
				t.Error(err)
			}
			m.wantState(t, 1)
			continue
		}
		var reauth *ReauthError
		if !errors.As(err, &reauth) || !reauth.InterruptedSince.Equal(began) || !strings.Contains(err.Error(), began.UTC().Format(time.RFC3339)) {
			t.Errorf("%v", err)
		}
		silent(t, err)
	}
}

// bounce answers that the source is in trouble.
func bounce(w http.ResponseWriter, _ url.Values) bool {
	w.WriteHeader(http.StatusBadGateway)
	return true
}

// slowMark is a journal that takes until nobody waits any more.
type slowMark struct {
	*memory
	writing chan struct{}
}

func (s slowMark) Write(ctx context.Context, m Mark) error {
	close(s.writing)
	<-ctx.Done()
	return s.memory.Write(ctx, m)
}

// The last moment at which a cancellation is heard is before the token is
// sent.
func TestCancelledAtTheMark(t *testing.T) {
	s := newSource(t)
	m := s.stale()
	j := s.job(m)
	slow := slowMark{m, make(chan struct{})}
	j.Journal = slow
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-slow.writing; cancel() }()
	var r Renewals
	if _, err := r.Renew(ctx, j); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantCounts(t, 0, 0)
}

// Tokens that could not be stored come before a stored one that looks good.
func TestNotStoredComesFirst(t *testing.T) {
	s := newSource(t)
	m := newMemory(State{Access: secret("refused"), Refresh: secret(s.current())})
	m.beside = func(int) error { return errors.New("disk full") }
	j := s.job(m)
	j.Refused = secret("refused")
	var r Renewals
	if _, err := r.Renew(t.Context(), j); !errors.Is(err, ErrNotStored) {
		t.Fatal(err)
	}
	m.beside = nil
	if got, err := r.Renew(t.Context(), s.job(m)); err != nil || string(got.Access.Reveal()) != canary+"-access-1" {
		t.Errorf("%v", err)
	}
	s.wantCounts(t, 1, 0)
	m.wantState(t, 1)
}

// Which failures leave the mark: those after which the token may be spent.
func TestMarkAfterFailure(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		stay bool
	}{
		"refused":             {&CodeError{"invalid_client", ErrClient}, false},
		"not reached":         {&RetryError{}, false},
		"asked to wait":       {&RetryError{Status: 429}, false},
		"lost":                {&RetryError{Uncertain: true}, true},
		"broken in the midst": {&RetryError{Uncertain: true, Status: 502}, true},
		"an answer of noise":  {badAnswer("x"), true},
		"not made":            {badConfig("x"), false},
	} {
		m := newMemory(State{Refresh: secret("r")})
		j := Job{Key: "k", Store: m, Lock: m, Journal: m, Refresh: func(context.Context, vaultstore.Secret) (Tokens, error) { return Tokens{}, c.err }}
		var r Renewals
		if _, err := r.Renew(t.Context(), j); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if stays := !m.mark.Since.IsZero(); stays != c.stay {
			t.Errorf("%s: the mark stays: %v", name, stays)
		}
		if len(m.lock) != 0 {
			t.Errorf("%s: the lock is still held", name)
		}
	}
}

// A source that cannot answer is left alone for as long as it says, and the
// old token is used to its end.
func TestSourceDown(t *testing.T) {
	s := newSource(t)
	asked := 0
	s.set(func() {
		s.answer = func(w http.ResponseWriter, _ url.Values) bool {
			asked++
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
	})
	now := time.Unix(1e9, 0)
	m := newMemory(State{Access: secret("old"), Refresh: secret(s.current()), ExpiresAt: now.Add(90 * time.Second)})
	r := Renewals{Now: func() time.Time { return now }}
	wantAsked := func(want int) {
		t.Helper()
		if asked != want {
			t.Errorf("the source was asked %d times, want %d", asked, want)
		}
	}
	for range 3 {
		if got, err := r.Renew(t.Context(), s.job(m)); err != nil || string(got.Access.Reveal()) != "old" {
			t.Errorf("ahead of its end: %v", err)
		}
	}
	wantAsked(1)
	refused := s.job(m)
	refused.Refused = secret("old")
	_, err := r.Renew(t.Context(), refused)
	var retry *RetryError
	if !errors.As(err, &retry) || retry.After != time.Minute {
		t.Errorf("refused: %v", err)
	}
	wantAsked(1)
	now = now.Add(89 * time.Second)
	if _, err := r.Renew(t.Context(), s.job(m)); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	wantAsked(2)
	now = now.Add(time.Second)
	if _, err := r.Renew(t.Context(), s.job(m)); !errors.As(err, &retry) || retry.After != 59*time.Second || retry.Status != 503 {
		t.Errorf("at its end: %v", err)
	}
	wantAsked(2)
	now = now.Add(time.Minute)
	s.set(func() { s.answer = nil })
	if got, err := r.Renew(t.Context(), s.job(m)); err != nil || string(got.Access.Reveal()) != canary+"-access-1" {
		t.Errorf("it answers again: %v", err)
	}
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

// broken fails at one of its calls.
type broken struct {
	*memory
	at string
}

var errBroken = errors.New("broken")

func (b broken) fails(at string) error {
	if b.at == at {
		return errBroken
	}
	return nil
}

func (b broken) Get(ctx context.Context) (State, error) {
	if err := b.fails("get"); err != nil {
		return State{}, err
	}
	return b.memory.Get(ctx)
}

func (b broken) Lock(ctx context.Context) (func(), error) {
	if err := b.fails("lock"); err != nil {
		return nil, err
	}
	return b.memory.Lock(ctx)
}

func (b broken) Read(ctx context.Context) (Mark, error) {
	return Mark{}, b.fails("read")
}

func (b broken) Write(ctx context.Context, m Mark) error {
	if err := b.fails("write"); err != nil {
		return err
	}
	return b.memory.Write(ctx, m)
}

func (b broken) Clear(ctx context.Context) error { return b.fails("clear") }

// Nothing is sent where the store, the lock or the mark fail; a mark that
// cannot be removed harms nobody.
func TestBrokenParts(t *testing.T) {
	for _, at := range []string{"get", "lock", "read", "write"} {
		s := newSource(t)
		b := broken{s.stale(), at}
		j := s.job(b.memory)
		j.Store, j.Lock, j.Journal = b, b, b
		var r Renewals
		if _, err := r.Renew(t.Context(), j); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", at, err)
		}
		s.wantCounts(t, 0, 0)
		if len(b.lock) != 0 {
			t.Errorf("%s: the lock is still held", at)
		}
	}
	s := newSource(t)
	b := broken{s.stale(), "clear"}
	j := s.job(b.memory)
	j.Journal = b
	var r Renewals
	if _, err := r.Renew(t.Context(), j); err != nil {
		t.Error(err)
	}
	if b.mark.concerns(b.state) {
		t.Error("a mark that stayed speaks of a refresh that was answered")
	}
}
