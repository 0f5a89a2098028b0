package oauth

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

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
