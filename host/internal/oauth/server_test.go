package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

func secret(s string) vaultstore.Secret { return vaultstore.NewSecret([]byte(s)) }

// Every secret of these tests has this in it, so that none passes unnoticed.
const canary = "CANARY"

// source is an authorization server whose refresh tokens are good once: a
// second use of one revokes all, as RFC 9700 section 4.14.2 wants it.
type source struct {
	*httptest.Server

	mu      sync.Mutex
	serial  int
	revoked bool
	used    int // refreshes that were answered with tokens
	reused  int // refresh tokens that came a second time
	forms   []url.Values
	lose    bool                                              // the answer to the next refresh gets lost
	answer  func(w http.ResponseWriter, form url.Values) bool // true: it has answered
	hold    chan struct{}                                     // a refresh waits until it is closed
}

func newSource(t testing.TB) *source {
	t.Helper()
	s := &source{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *source) provider() Provider {
	return Provider{
		TokenURL: s.URL + "/token", AuthorizationURL: s.URL + "/authorize?access_type=offline", DeviceAuthorizationURL: s.URL + "/device",
		ClientID: "client", ClientSecret: secret(canary + "-client"),
	}
}

// current is the refresh token that is good now.
func (s *source) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token()
}

func (s *source) token() string { return fmt.Sprintf("%s-refresh-%d", canary, s.serial) }

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forms = append(s.forms, r.PostForm)
	if s.answer != nil && s.answer(w, r.PostForm) {
		return
	}
	if r.PostForm.Get("grant_type") != "refresh_token" || r.URL.Path != "/token" {
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	s.refresh(w, r)
}

func (s *source) refresh(w http.ResponseWriter, r *http.Request) {
	if token := r.PostForm.Get("refresh_token"); s.revoked || token != s.token() {
		s.reused++
		s.revoked = true
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	s.serial++
	s.used++
	if s.lose {
		s.lose = false
		panic(http.ErrAbortHandler)
	}
	reply(w, http.StatusOK, map[string]any{
		"access_token": fmt.Sprintf("%s-access-%d", canary, s.serial), "refresh_token": s.token(), "token_type": "Bearer", "expires_in": 3600,
	})
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, map[string]any{"error": code, "error_description": canary + " is wrong"})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// counts returns how many refreshes brought tokens, and how many spent ones
// came again.
func (s *source) counts() (used, reused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.reused
}

// set changes the source under its lock.
func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// silent fails a test whose error tells a secret, an address, or more than a
// line.
func silent(t testing.TB, err error) {
	t.Helper()
	for ; err != nil; err = nil {
		text := fmt.Sprintf("%v %+v %q", err, err, err)
		if strings.Contains(text, canary) || strings.Contains(text, "://") || strings.Contains(text, "127.0.0.1") || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error tells too much: %s", text)
		}
	}
}
