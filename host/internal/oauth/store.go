package oauth

import (
	"context"
	"log/slog"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// State is what is stored of one authorization.
type State struct {
	Access     vaultstore.Secret // the zero Secret when there is none yet
	Refresh    vaultstore.Secret
	ObtainedAt time.Time // of Access; zero when it is not known
	ExpiresAt  time.Time // of Access; zero when it is not known to end
	Generation uint64    // as the store counts; it changes with every write
	// Rejected: the source no longer takes Refresh. Whoever stores another
	// one clears it.
	Rejected bool
}

// clone makes the tokens one caller's own.
func (s State) clone() State {
	s.Access, s.Refresh = s.Access.Clone(), s.Refresh.Clone()
	return s
}

// TokenStore keeps one State where all processes see it.
type TokenStore interface {
	// Get returns what is durable now, past every cache.
	Get(ctx context.Context) (State, error)

	// Put writes Access, Refresh, the times and Rejected, if the stored
	// generation is expect, and returns the new one. When it returns nil,
	// both tokens are durable. The error wraps vaultstore.ErrConflict when
	// the generation is another one, and vaultstore.ErrUnknownOutcome when it
	// may have been written all the same.
	//
	// A store that cannot write both at once writes Refresh first: an access
	// token that is lost costs a refresh, a refresh token the owner's time.
	Put(ctx context.Context, next State, expect uint64) (generation uint64, err error)
}

// Locker is the lock of one authorization among processes.
type Locker interface {
	// Lock waits until nobody else holds the lock, neither another goroutine
	// nor another process, or ctx is done. A process that ends lets go of it.
	Lock(ctx context.Context) (unlock func(), err error)
}

// Journal keeps one mark beside the state, where a process finds it that
// comes after one that died. It is written and read under the lock.
type Journal interface {
	// Read returns the mark, the zero Mark when there is none.
	Read(ctx context.Context) (Mark, error)
	// Write replaces the mark. When it returns nil the mark is durable.
	Write(ctx context.Context, m Mark) error
	// Clear removes it.
	Clear(ctx context.Context) error
}

// Mark says that a refresh is in flight. It holds no secret.
type Mark struct {
	Since      time.Time // zero: there is none
	Generation uint64    // of the state whose refresh token is being spent
}

// concerns reports whether the refresh that m tells of is not answered in s.
func (m Mark) concerns(s State) bool {
	if m.Since.IsZero() {
		return false
	}
	return m.Generation == s.Generation || !s.ObtainedAt.IsZero() && s.ObtainedAt.Before(m.Since) && m.Generation < s.Generation
}

// DefaultAhead is how long before its end an access token is renewed. One
// that lives for less than four times as long is renewed in its last quarter.
const DefaultAhead = 2 * time.Minute

// Job is the wish for an access token that works.
type Job struct {
	// Key names the authorization among those of the process, such as the
	// address of its credential. Two jobs with one key are about one state.
	Key     string
	Store   TokenStore
	Lock    Locker
	Journal Journal // nil keeps none: nobody will know of a refresh that was cut off

	// Refresh spends a refresh token: [Client.Refresh], with the provider
	// bound. Its context outlives that of Renew.
	Refresh func(ctx context.Context, refresh vaultstore.Secret) (Tokens, error)

	Ahead time.Duration // 0 is DefaultAhead
	// Refused is the access token that the source has refused, if one: a
	// stored one that equals it is renewed whatever its times say.
	Refused vaultstore.Secret

	Log *slog.Logger // nil logs nothing
}

// good reports whether s has an access token that need not be renewed.
func (j *Job) good(s State, now time.Time) bool {
	if !j.usable(s, now) {
		return false
	}
	ahead := j.Ahead
	if ahead == 0 {
		ahead = DefaultAhead
	}
	if !s.ObtainedAt.IsZero() {
		ahead = min(ahead, s.ExpiresAt.Sub(s.ObtainedAt)/4)
	}
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt.Add(-ahead))
}

// usable reports whether the access token of s can be sent, were it for the
// last time.
func (j *Job) usable(s State, now time.Time) bool {
	refused := !j.Refused.IsZero() && s.Access.Equal(j.Refused)
	return s.Access.Len() > 0 && !refused && (s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt))
}

func (j *Job) logger() *slog.Logger {
	if j.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return j.Log
}
