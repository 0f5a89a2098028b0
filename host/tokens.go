package host

import (
	"crypto/sha256"
	"sync"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/manifests"
)

// maxTokens bounds those of a run's surrogates that stay. Of each kind of those
// that come and go, such as the signatures by one key, the newest
// [abi.MaxResults] live.
const maxTokens = 4096

// holding is what a surrogate of a run stands for. It does not change.
type holding struct {
	token string
	// c is the credential whose send_to says where the value may go; nil for a
	// cookie that no rule of the manifest names.
	c *credential
	// origin is where such a cookie came from: it goes back there as a cookie,
	// and nowhere else.
	origin manifests.Origin
	// access is how the credential is used: the value itself, or what was made
	// of it.
	access abi.Access
	// captured and derived values stand in no vault: value returns one for the
	// request that it goes into. It is nil for the credential's own.
	value func() ([]byte, error)
	// kept is what put stores for a captured value.
	kept func() []byte
	// epoch is of the key that a signature was made with.
	epoch int
	// sigv4 says that the token stands for a signature over the request itself.
	sigv4 *sigv4
	// passing says that there will be others of its kind: when there are too
	// many, the oldest is forgotten.
	passing bool
	twin    twin
}

// kind is whose place a surrogate takes when there are too many.
type kind struct {
	c      *credential
	access abi.Access
}

func (h *holding) kind() kind { return kind{h.c, h.access} }

// once reports whether it is a secret that was taken out of an answer and is
// shown once, and no cookie, which a source may set anew with every answer. It
// is looked for as long as the run goes on: a guest that mints many must not be
// shown the first again.
func (h *holding) once() bool { return h.kept != nil && h.twin.cookie == "" }

// twin is what makes two captured values one: the same secret, for the same
// use. The zero twin has no other.
type twin struct {
	c      *credential
	origin manifests.Origin
	cookie string // its name
	digest [sha256.Size]byte
}

// name is how the owner knows it.
func (h *holding) name() string {
	if h.c == nil {
		return "cookie"
	}
	return h.c.decl.Name
}

// tokens holds the surrogates of a run. It is safe for concurrent use: an
// answer that is being read makes new ones.
type tokens struct {
	mu      sync.RWMutex
	all     map[string]*holding
	twins   map[twin]*holding
	passing map[kind][]*holding // oldest first
	staying int
}

func (t *tokens) get(token string) *holding {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[token]
}

func (t *tokens) live(token string) bool { return t.get(token) != nil }

// add mints a surrogate for h. It reports false when there are too many.
func (t *tokens) add(h *holding) bool {
	_, ok := t.once(h)
	return ok
}

// once is add, unless a surrogate of the same twin is there: then it returns
// that one.
func (t *tokens) once(h *holding) (*holding, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if have := t.twins[h.twin]; have != nil {
		return have, true
	}
	if !h.passing && t.staying >= maxTokens {
		return nil, false
	}
	if t.all == nil {
		t.all, t.twins, t.passing = map[string]*holding{}, map[twin]*holding{}, map[kind][]*holding{}
	}
	h.token = surrogate.Mint()
	t.all[h.token] = h
	if h.twin != (twin{}) {
		t.twins[h.twin] = h
	}
	if !h.passing {
		t.staying++
		return h, true
	}
	k := h.kind()
	t.passing[k] = append(t.passing[k], h)
	if old := t.passing[k]; len(old) > abi.MaxResults {
		delete(t.all, old[0].token)
		delete(t.twins, old[0].twin)
		old[0] = nil
		t.passing[k] = old[1:]
	}
	return h, true
}
