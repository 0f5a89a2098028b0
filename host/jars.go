package host

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/sallyport-host/sallyport/host/internal/cookies"
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
}

// set puts a cookie into the jar of a session, and returns the jar.
func (j *jars) set(session *credential, u *url.URL, set *http.Cookie) *cookies.Jar {
	stored, epoch := session.sentValue()
	j.mu.Lock()
	defer j.mu.Unlock()
	now, ok := j.all[session]
	if !ok || now.epoch != epoch {
		if j.all == nil {
			j.all = map[*credential]jar{}
		}
		now = jar{cookies.NewJar(), epoch}
		if state, err := cookies.Parse(stored); err == nil {
			now.Load(state)
		}
		j.all[session] = now
	}
	now.Set(u, set)
	return now.Jar
}

// latest returns a session's stored value with what the source has set since.
func (j *jars) latest(session *credential, value []byte, epoch int) []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, ok := j.all[session]
	if _, err := cookies.Parse(value); !ok || now.epoch != epoch || err != nil {
		return value
	}
	return now.State()
}
