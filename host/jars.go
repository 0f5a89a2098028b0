package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/cookies"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// jars is the cookies that a run has seen set, by the session that they are
// of. It is safe for concurrent use.
type jars struct {
	mu  sync.Mutex
	all map[*credential]jar
}

// jar is a session as it is now: what is stored, where the run has used it,
// and what the source has set since.
type jar struct {
	*cookies.Jar
	epoch int // of the stored value
	// session is what the source has set in answers to requests that carried the
	// session; nil where it is none that the vault holds. What it sets in others,
	// as to who logs in with another account, is not kept for the next run.
	session *cookies.Jar
}

// set puts a cookie into the jar of a session, and returns the jar. carried is
// the epoch of the value that the request had, -1 when it had none.
func (j *jars) set(session *credential, u *url.URL, set *http.Cookie, carried int) *cookies.Jar {
	stored, epoch := session.sentValue()
	j.mu.Lock()
	defer j.mu.Unlock()
	now, ok := j.all[session]
	state, err := cookies.Parse(stored)
	if !ok || now.epoch != epoch || now.session == nil && err == nil {
		if j.all == nil {
			j.all = map[*credential]jar{}
		}
		now = jar{Jar: cookies.NewJar(), epoch: epoch}
		if err == nil {
			now.Load(state)
			now.session = cookies.NewJar()
			now.session.Load(state)
		}
		j.all[session] = now
	}
	now.Set(u, set)
	if now.session != nil && carried == epoch {
		now.session.Set(u, set)
	}
	return now.Jar
}

// latest returns a session's stored value with what the source has set since.
func (j *jars) latest(session *credential, value []byte, epoch int) []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, ok := j.all[session]
	if !ok || now.epoch != epoch || now.session == nil {
		return value
	}
	return now.State()
}

// rotated returns what the source has made of a stored session; nil when the
// run has not seen that.
func (j *jars) rotated(session *credential) *cookies.Jar {
	_, epoch := session.value()
	j.mu.Lock()
	defer j.mu.Unlock()
	if now, ok := j.all[session]; ok && now.epoch == epoch {
		return now.session
	}
	return nil
}

// keepSessions writes to the vault what the source has made of the sessions
// that the run has used, so that the next run does not come with cookies that
// were spent. It does so however the run ended, unless a leak, a revocation or
// another approval ended it. What cannot be written is logged: the next run
// finds the source's refusal, and its owner is told.
func (r *run) keepSessions(ctx context.Context) {
	for name, c := range r.credentials {
		jar := r.jars.rotated(c)
		if name != c.decl.Name || jar == nil || c.decl.Class != abi.ClassSession || c.finding().refused || !r.mayKeep(ctx) {
			continue
		}
		if err := r.keepSession(ctx, c, jar); err != nil {
			r.host.logger.Warn("a session's new cookies were not kept", "run", r.id, "name", c.decl.Name, "err", err)
		}
	}
}

// mayKeep reports whether the run, which is over, may still change the vault.
func (r *run) mayKeep(ctx context.Context) bool {
	switch cause := context.Cause(r); {
	case errors.Is(cause, errLeak), errors.Is(cause, errRevoked), errors.Is(cause, errChanged), errors.Is(cause, errExpired), errors.Is(cause, errAudit):
		return false
	}
	standing, err := r.host.approvals.Standing(ctx, r.scope)
	if err != nil || !sameConsent(r.standing.Load().Approval, standing.Approval) {
		return false
	}
	q := r.request(capabilities.OpIssue, nil)
	q.Standing = standing
	return capabilities.Active(q).Allowed
}

// keepSession adds what the source has set to what is stored by now, by
// compare-and-set. What was stored meanwhile by another run of the same
// session is kept, cookie by cookie the newer one; a session that somebody has
// put in its place since is none of this run's. The session ends when it did
// before: by how much a cookie prolongs it, only its source knows.
func (r *run) keepSession(ctx context.Context, c *credential, jar *cookies.Jar) error {
	c.mu.Lock()
	from := c.current
	c.mu.Unlock()
	for range settleTries {
		entry, err := r.host.vault.Get(ctx, r.scope.Address(c.decl.Name))
		if errors.Is(err, vaultstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now, ok := entry.Stages[vaultstore.Current]
		if !ok || entry.Class != abi.ClassSession || now.Status == vaultstore.Rejected || now.Provenance != from.Provenance || !now.ObtainedAt.Equal(from.ObtainedAt) {
			return nil
		}
		stored, err := cookies.Parse(now.Value.Reveal())
		if err != nil {
			return nil
		}
		text, at, differs := jar.Merge(stored, now.RotatedAt)
		if !differs {
			return nil
		}
		if err := c.decl.ValidateValue(text); err != nil {
			return errors.New("with them it does not have the form that the manifest declares")
		}
		now.Value, now.RotatedAt = vaultstore.NewSecret(text), latest(at, now.RotatedAt)
		e := Event{Kind: EventVault, Op: "rotate", Name: c.decl.Name, Class: entry.Class, Allowed: true, Rule: "set-cookie", Version: entry.Generation + 1}
		if err := r.ledger.write(ctx, e); err != nil {
			return fmt.Errorf("%w: %w", errAudit, err)
		}
		_, err = r.host.vault.Put(ctx, vaultstore.Entry{
			Address: entry.Address, Class: entry.Class, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: now},
		}, entry.Generation)
		if !errors.Is(err, vaultstore.ErrConflict) {
			return err
		}
	}
	return vaultstore.ErrConflict
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
