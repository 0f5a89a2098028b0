package oauth

import (
	"context"
	"fmt"
	"sync"
	"testing"

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
