package oauth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

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
