package host

import (
	"sync"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/manifests"
)

// The bounds of a run's surrogates: of those that stay, and of those that
// come and go, such as a signature's.
const (
	maxTokens  = 4096
	maxPassing = 1024
)

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
	// sigv4 says that the token stands for a signature over the request itself.
	sigv4 *sigv4
	// passing says that there will be others: when there are too many, the
	// oldest is forgotten.
	passing bool
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
	passing []string // oldest first
}

func (t *tokens) get(token string) *holding {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[token]
}

func (t *tokens) live(token string) bool { return t.get(token) != nil }

// add mints a surrogate for h. It reports false when there are too many.
func (t *tokens) add(h *holding) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all)-len(t.passing) >= maxTokens {
		return false
	}
	if t.all == nil {
		t.all = map[string]*holding{}
	}
	h.token = surrogate.Mint()
	t.all[h.token] = h
	if h.passing {
		t.passing = append(t.passing, h.token)
		if len(t.passing) > maxPassing {
			delete(t.all, t.passing[0])
			t.passing = t.passing[1:]
		}
	}
	return true
}
