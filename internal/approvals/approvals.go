// Package approvals keeps an owner's approvals and revocations in files.
//
// # Promise
//
// What [Store.Approve] and [Store.Revoke] returned is on disk. A revocation is
// in force for every process that asks from then on, is told to those of this
// process that [Store.Watch] at once, and to those of others within
// abi.RevocationDelay. An old approval that is put back, with or without its
// tombstone, does not live again: the highest serial of each scope is also
// kept under the vault's seal. An approval is put in place after it is raised
// there, a revocation before, so that a vault that is slow or sealed does not
// hold it up: a crash between the two leaves the scope refused, never allowed.
// Where the vault lags behind the files, [Store.Standing] raises it. The use of a
// grant for a single use has a mark of its own under the seal, which no approval
// and no restored folder takes back. What
// cannot be read is an error, what does not verify is one of a Standing's
// problems; neither looks like "no approval".
//
// # Limits
//
// Whoever can write to the folder can delete files, and so refuse, or count
// strikes anew; whoever has the signing key can approve. When the vault with its marks is rolled
// back together with the files, only [Options].Seen notices, and a use that was
// spent since is noticed only until the owner approves again.
//
// # Files
//
// DIR/OWNER/CONNECTOR/INSTANCE/GRANT/SERIAL-KIND-ID.json, each part escaped by
// package pathname, holds one envelope of package capabilities. The names are
// hints: what an envelope is, its signature says. Beside them, strikes counts
// the runs that the guard stopped; it is not signed.
package approvals

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The errors of a [Store], beside those of its folder, its marks and its
// context.
var (
	// ErrNothing: there is no approval to revoke.
	ErrNothing = errors.New("nothing was approved")
	// ErrMark: the vault could not be told of the newest serial.
	ErrMark = errors.New("the highest serial could not be kept in the vault")
)

// How long the vault may take to answer. Together they are less than
// privatedir.LockWait: who waits for its turn to revoke outlasts whoever waits
// for the vault.
const (
	markWait  = 1 * time.Second
	raiseWait = 3 * time.Second
)

// Options says what a [Store] is built of. Now may be left out.
type Options struct {
	Dir   string             // made when it is not there
	Key   ed25519.PrivateKey // signs, and its public half checks
	Marks vaultstore.Marks   // keeps the highest serial of each scope
	// Seen returns the highest serial of a scope that is known from elsewhere,
	// 0 when none is: a second witness, for when the marks were put back
	// together with the files. By default there is none.
	Seen func(ctx context.Context, scope capabilities.Scope) (uint64, error)
	Now  func() time.Time // the clock; by default the system's
}

// Store keeps approvals in files. It is safe for concurrent use, by several
// processes too.
type Store struct {
	dir   *privatedir.Dir
	key   ed25519.PrivateKey
	pub   ed25519.PublicKey
	marks vaultstore.Marks
	seen  func(ctx context.Context, scope capabilities.Scope) (uint64, error)
	now   func() time.Time

	mu       sync.Mutex
	watchers map[capabilities.Scope]map[chan struct{}]struct{}
}

var (
	_ host.Approvals = (*Store)(nil)
	_ host.Suspender = (*Store)(nil)
	_ host.Spender   = (*Store)(nil)
)

// Open opens the approvals in o.Dir.
func Open(o Options) (*Store, error) {
	if len(o.Key) != ed25519.PrivateKeySize || o.Marks == nil {
		return nil, errors.New("approvals need a signing key and marks")
	}
	dir, err := privatedir.Open(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("approvals: %w", err)
	}
	s := &Store{dir: dir, key: o.Key, marks: o.Marks, seen: o.Seen, now: o.Now, watchers: map[capabilities.Scope]map[chan struct{}]struct{}{}}
	s.pub, _ = o.Key.Public().(ed25519.PublicKey)
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Close releases the folder. Watches go on until their contexts are done, and
// see no more changes.
func (s *Store) Close() error { return s.dir.Close() }

// Approve signs a with the next serial of its scope, and an id and a time when
// it has none, and puts it in force in place of whatever was. What it returns
// is what was signed.
//
// An error that wraps privatedir.ErrUnknownOutcome says that the approval may
// be in force all the same.
func (s *Store) Approve(ctx context.Context, a capabilities.Approval) (capabilities.Approval, error) {
	a.Version = capabilities.ApprovalVersion
	if a.ApprovalID == "" {
		a.ApprovalID = "apr_" + strings.ToLower(rand.Text())
	}
	if a.ApprovedAt.IsZero() {
		a.ApprovedAt = s.now()
	}
	a.ApprovedAt, a.ExpiresAt = a.ApprovedAt.UTC().Round(0), a.ExpiresAt.UTC().Round(0)
	unlock, err := s.dir.Lock(ctx)
	if err != nil {
		return capabilities.Approval{}, fmt.Errorf("approve: %w", err)
	}
	defer unlock()
	standing, err := s.read(ctx, a.Scope)
	if err != nil {
		return capabilities.Approval{}, fmt.Errorf("approve: %w", err)
	}
	a.Serial = standing.HighWater + 1
	envelope, err := capabilities.SignApproval(s.key, a)
	if err != nil {
		return capabilities.Approval{}, fmt.Errorf("approve: %w", err)
	}
	if err := s.put(ctx, a, envelope); err != nil {
		return capabilities.Approval{}, fmt.Errorf("approve: %w", err)
	}
	return a, nil
}

// Revoke takes back whatever was approved for scope, and returns the tombstone
// that says so; for what is revoked already, the one that is there.
// [ErrNothing] when nothing ever was approved. It is durable when Revoke
// returns nil. An error that wraps [ErrMark] says that it is durable too, and
// in force, but that the vault could not be told: call again.
func (s *Store) Revoke(ctx context.Context, scope capabilities.Scope) (capabilities.Revocation, error) {
	r, serial, err := s.bury(ctx, scope)
	if err != nil {
		return capabilities.Revocation{}, fmt.Errorf("revoke: %w", err)
	}
	// It is in force. The vault hears of it out of the lock, at its own pace.
	if err := s.raise(ctx, scope, serial); err != nil {
		return r, fmt.Errorf("revoked %s, but: %w", scope.Connector, err)
	}
	return r, nil
}

// bury puts a tombstone in place, unless one stands, and returns it with the
// highest serial that the vault has to know of.
func (s *Store) bury(ctx context.Context, scope capabilities.Scope) (capabilities.Revocation, uint64, error) {
	unlock, err := s.dir.Lock(ctx)
	if err != nil {
		return capabilities.Revocation{}, 0, err
	}
	defer unlock()
	return s.buryLocked(ctx, scope, 0)
}

// buryLocked is bury for who has the lock, with the strikes that are why.
func (s *Store) buryLocked(ctx context.Context, scope capabilities.Scope, strikes int) (capabilities.Revocation, uint64, error) {
	defer s.notify(scope)
	envelopes, problems, err := s.envelopes(scope)
	if err != nil {
		return capabilities.Revocation{}, 0, err
	}
	// A vault that does not open must not keep an approval alive.
	mark, markErr := s.mark(ctx, scope)
	standing := capabilities.Resolve(envelopes, s.pub, scope, mark.highest)
	if last := s.tombstone(scope, envelopes); last != nil && standing.Revoked && !standing.Replayed {
		return *last, standing.HighWater, nil
	}
	if standing.HighWater == 0 && len(standing.Problems)+len(problems) == 0 && markErr == nil {
		return capabilities.Revocation{}, 0, fmt.Errorf("%s: %w", scope.Connector, ErrNothing)
	}
	r := capabilities.Revocation{Scope: scope, Serial: standing.HighWater + 1, At: s.now().UTC().Round(0), Strikes: strikes}
	if standing.Approval != nil {
		r.Revokes = standing.Approval.ApprovalID
	}
	envelope, err := capabilities.SignRevocation(s.key, r)
	if err != nil {
		return capabilities.Revocation{}, 0, err
	}
	staged, err := s.stage(scope, kindRevocation, r.Revokes, r.Serial, envelope)
	if err != nil {
		return capabilities.Revocation{}, 0, err
	}
	defer staged.Discard()
	return r, r.Serial, staged.Commit()
}

// tombstone returns the newest revocation among the envelopes, nil when there
// is none.
func (s *Store) tombstone(scope capabilities.Scope, envelopes [][]byte) *capabilities.Revocation {
	var newest *capabilities.Revocation
	for _, raw := range envelopes {
		r, err := capabilities.OpenRevocation(raw, s.pub)
		if err == nil && r.Scope == scope && (newest == nil || r.Serial > newest.Serial) {
			newest = r
		}
	}
	return newest
}

// put makes an approval durable under another name, raises the mark, and then
// puts it in place. It is not put in place when the mark was not raised. Once
// the mark is raised, ctx is not asked again: what was in force is refused.
func (s *Store) put(ctx context.Context, a capabilities.Approval, envelope []byte) error {
	defer s.notify(a.Scope)
	staged, err := s.stage(a.Scope, kindApproval, a.ApprovalID, a.Serial, envelope)
	if err != nil {
		return err
	}
	defer staged.Discard()
	limited, cancel := context.WithTimeout(ctx, raiseWait)
	defer cancel()
	if err := s.raise(limited, a.Scope, a.Serial); err != nil {
		return err
	}
	return staged.Commit()
}

// stage makes an envelope durable under another name.
func (s *Store) stage(scope capabilities.Scope, kind, id string, serial uint64, envelope []byte) (*privatedir.Staged, error) {
	if err := s.tidy(scope); err != nil {
		return nil, err
	}
	return s.dir.Stage(path.Join(folder(scope), fileName(serial, kind, id)), envelope)
}

func (s *Store) raise(ctx context.Context, scope capabilities.Scope, serial uint64) error {
	if err := s.marks.RaiseMark(ctx, scope.Owner, markName(scope), serial); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	return nil
}
