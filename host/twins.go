package host

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
)

// MemoryApprovals keeps approvals in memory, signed with a key of its own. It
// is the twin of the files that the command line uses.
type MemoryApprovals struct {
	mu       sync.Mutex
	key      ed25519.PrivateKey
	scopes   map[capabilities.Scope]*memoryScope
	watchers map[*memoryWatcher]struct{}
}

type memoryScope struct {
	serial    uint64
	strikes   int // under the approval in force
	envelopes [][]byte
	use       []byte // the envelope of the single use; nil when there is none
	// resolved is what the envelopes come to; nil when that is not known yet. To
	// verify signatures for each run anew would cost more than a small run.
	resolved *capabilities.Standing
}

type memoryWatcher struct {
	scope  capabilities.Scope
	signal chan struct{}
}

var (
	_ Approvals = (*MemoryApprovals)(nil)
	_ Suspender = (*MemoryApprovals)(nil)
	_ Spender   = (*MemoryApprovals)(nil)
)

// NewMemoryApprovals returns an empty store.
func NewMemoryApprovals() *MemoryApprovals {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: crypto/rand aborts the process instead
	key := ed25519.NewKeyFromSeed(seed)
	return &MemoryApprovals{key: key, scopes: map[capabilities.Scope]*memoryScope{}, watchers: map[*memoryWatcher]struct{}{}}
}

// Approve puts an approval in force: it signs a, with the next serial, and
// tells those who watch.
func (m *MemoryApprovals) Approve(a capabilities.Approval) (capabilities.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scope(a.Scope)
	a.Version, a.Serial = 1, s.serial+1
	if a.ApprovalID == "" {
		a.ApprovalID = rand.Text()
	}
	envelope, err := capabilities.SignApproval(m.key, a)
	if err != nil {
		return capabilities.Approval{}, err
	}
	s.envelopes, s.strikes = nil, 0 // older ones are never in force again
	m.add(a.Scope, s, a.Serial, envelope)
	return a, nil
}

// Revoke takes the scope's approval back. There must be one.
func (m *MemoryApprovals) Revoke(r capabilities.Revocation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revoke(r)
}

func (m *MemoryApprovals) revoke(r capabilities.Revocation) error {
	s := m.scope(r.Scope)
	standing := m.resolve(r.Scope, s)
	if standing.Approval == nil {
		return fmt.Errorf("%s has no approval to revoke", r.Scope.Connector)
	}
	r.Revokes, r.Serial = standing.Approval.ApprovalID, s.serial+1
	envelope, err := capabilities.SignRevocation(m.key, r)
	if err != nil {
		return err
	}
	m.add(r.Scope, s, r.Serial, envelope)
	return nil
}

// Strike implements [Suspender].
func (m *MemoryApprovals) Strike(_ context.Context, scope capabilities.Scope) (serial uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scope(scope)
	if s.strikes++; s.strikes != MaxStrikes {
		return 0, nil
	}
	err = m.revoke(capabilities.Revocation{Scope: scope, At: time.Now().UTC(), Strikes: s.strikes})
	return s.serial, err
}

// Spend implements [Spender].
func (m *MemoryApprovals) Spend(_ context.Context, scope capabilities.Scope, runID string) (capabilities.Use, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scope(scope)
	switch standing := m.resolve(scope, s); {
	case s.use != nil:
		return capabilities.Use{}, fmt.Errorf("%s: %w", scope.Connector, ErrSpent)
	case !standing.InForce():
		return capabilities.Use{}, fmt.Errorf("%s has no approval in force", scope.Connector)
	}
	u := capabilities.Use{RunID: runID, Scope: scope, Serial: s.serial + 1, At: time.Now().UTC()}
	envelope, err := capabilities.SignUse(m.key, u)
	if err != nil {
		return capabilities.Use{}, err
	}
	s.serial, s.use, s.resolved = u.Serial, envelope, nil
	return u, nil
}

func (m *MemoryApprovals) scope(scope capabilities.Scope) *memoryScope {
	s, ok := m.scopes[scope]
	if !ok {
		s = &memoryScope{}
		m.scopes[scope] = s
	}
	return s
}

func (m *MemoryApprovals) add(scope capabilities.Scope, s *memoryScope, serial uint64, envelope []byte) {
	s.serial, s.resolved = serial, nil
	s.envelopes = append(s.envelopes, envelope)
	for w := range m.watchers {
		if w.scope == scope {
			select {
			case w.signal <- struct{}{}:
			default:
			}
		}
	}
}

func (m *MemoryApprovals) resolve(scope capabilities.Scope, s *memoryScope) capabilities.Standing {
	if s.resolved == nil {
		public, _ := m.key.Public().(ed25519.PublicKey)
		envelopes := s.envelopes
		if s.use != nil {
			envelopes = append(slices.Clone(envelopes), s.use)
		}
		standing := capabilities.Resolve(envelopes, public, scope, s.serial)
		s.resolved = &standing
	}
	return *s.resolved
}

// Standing implements [Approvals]. What it returns is shared: do not change it.
func (m *MemoryApprovals) Standing(_ context.Context, scope capabilities.Scope) (capabilities.Standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.resolve(scope, m.scope(scope)), nil
}

// Watch implements [Approvals].
func (m *MemoryApprovals) Watch(ctx context.Context, scope capabilities.Scope, changed func()) {
	w := &memoryWatcher{scope: scope, signal: make(chan struct{}, 1)}
	w.signal <- struct{}{}
	m.mu.Lock()
	m.watchers[w] = struct{}{}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.watchers, w)
		m.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.signal:
			if ctx.Err() == nil {
				changed()
			}
		}
	}
}

// MemoryAuditor keeps the audit log in memory.
type MemoryAuditor struct {
	mu     sync.Mutex
	events []Event
}

var _ Auditor = (*MemoryAuditor)(nil)

// NewMemoryAuditor returns an empty log.
func NewMemoryAuditor() *MemoryAuditor { return &MemoryAuditor{} }

// Append implements [Auditor].
func (m *MemoryAuditor) Append(_ context.Context, events ...Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, events...)
	return nil
}

// Events returns a copy of all that was appended.
func (m *MemoryAuditor) Events() []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Event(nil), m.events...)
}

// MemoryState keeps cursors in memory.
type MemoryState struct {
	mu     sync.Mutex
	scopes map[capabilities.Scope]map[string]json.RawMessage
}

var _ StateStore = (*MemoryState)(nil)

// NewMemoryState returns an empty store.
func NewMemoryState() *MemoryState {
	return &MemoryState{scopes: map[capabilities.Scope]map[string]json.RawMessage{}}
}

// Load implements [StateStore].
func (m *MemoryState) Load(_ context.Context, scope capabilities.Scope) (map[string]json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.scopes[scope]), nil
}

// Commit implements [StateStore].
func (m *MemoryState) Commit(_ context.Context, scope capabilities.Scope, cursors map[string]json.RawMessage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.scopes[scope] == nil {
		m.scopes[scope] = map[string]json.RawMessage{}
	}
	for stream, cursor := range cursors {
		m.scopes[scope][stream] = append(json.RawMessage(nil), cursor...)
	}
	return nil
}

// MemoryTurns is a [Turns] for one process.
type MemoryTurns struct {
	mu    sync.Mutex
	locks map[turn]chan struct{}
	marks map[turn][]byte
}

type turn struct {
	scope capabilities.Scope
	name  string
}

var _ Turns = (*MemoryTurns)(nil)

// NewMemoryTurns returns one that nobody holds.
func NewMemoryTurns() *MemoryTurns {
	return &MemoryTurns{locks: map[turn]chan struct{}{}, marks: map[turn][]byte{}}
}

// Lock implements [Turns].
func (m *MemoryTurns) Lock(ctx context.Context, scope capabilities.Scope, name string) (unlock func(), err error) {
	m.mu.Lock()
	lock, ok := m.locks[turn{scope, name}]
	if !ok {
		lock = make(chan struct{}, 1)
		m.locks[turn{scope, name}] = lock
	}
	m.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Mark implements [Turns].
func (m *MemoryTurns) Mark(_ context.Context, scope capabilities.Scope, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.marks[turn{scope, name}], nil
}

// SetMark implements [Turns].
func (m *MemoryTurns) SetMark(_ context.Context, scope capabilities.Scope, name string, mark []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks[turn{scope, name}] = mark; mark == nil {
		delete(m.marks, turn{scope, name})
	}
	return nil
}
