package host

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/sallyport-host/sallyport/host/internal/cookies"
	"github.com/sallyport-host/sallyport/manifests"
)

// jars is the cookies that a run has seen set. It is safe for concurrent use.
type jars struct {
	mu     sync.Mutex
	all    map[*credential]*cookies.Jar
	tokens map[cookieKey]*holding
}

type cookieKey struct {
	c           *credential
	origin      manifests.Origin
	name, value string
}

// set puts a cookie into the jar of a session, and returns the jar.
func (j *jars) set(session *credential, u *url.URL, set *http.Cookie) *cookies.Jar {
	j.mu.Lock()
	defer j.mu.Unlock()
	jar := j.all[session]
	if jar == nil {
		if j.all == nil {
			j.all = map[*credential]*cookies.Jar{}
		}
		jar = cookies.NewJar()
		j.all[session] = jar
	}
	jar.Set(u, set)
	return jar
}

// known returns what stands for the same cookie already, nil when nothing
// does.
func (j *jars) known(h *holding, set *http.Cookie) *holding {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tokens[cookieKey{h.c, h.origin, set.Name, set.Value}]
}

func (j *jars) know(h *holding, set *http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tokens == nil {
		j.tokens = map[cookieKey]*holding{}
	}
	j.tokens[cookieKey{h.c, h.origin, set.Name, set.Value}] = h
}
