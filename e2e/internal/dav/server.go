// Package dav is a CardDAV server in memory, on loopback, behind Basic auth:
// the source that the demo and the tests collect from.
//
// # Promise
//
// It listens on 127.0.0.1 only, on a free port, and ends with [Server.Close].
// It counts what it was asked, so that a test can see that nothing was. The
// protocol is emersion/go-webdav's.
//
// A Server is safe for concurrent use.
package dav

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-webdav/carddav"
)

// Book is the path of the one address book that a server has; its cards lie
// below it.
const Book = "/alice/contacts/friends/"

// Server is a running CardDAV server.
type Server struct {
	user, password string
	listener       net.Listener
	http           *http.Server
	backend        *backend

	mu      sync.Mutex
	counts  Counts
	hold    chan struct{} // while it is open, requests hang
	arrived chan struct{} // gets a value when a request begins to hang
	tap     func(request []byte)
}

// Counts is what a server was asked so far.
type Counts struct {
	Requests int // all
	Allowed  int // with the right user and password
	Refused  int // answered 401
}

// Start starts a server that lets user in with password.
func Start(user, password string) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		user: user, password: password, listener: listener,
		backend: newBackend(), arrived: make(chan struct{}, 1),
	}
	s.http = &http.Server{Handler: s.guard(&carddav.Handler{Backend: s.backend}), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(listener) }() // ends with Close
	return s, nil
}

// Close ends the server and what it is answering.
func (s *Server) Close() error { return s.http.Close() }

// Addr returns where the server listens.
func (s *Server) Addr() netip.AddrPort { return netip.MustParseAddrPort(s.listener.Addr().String()) }

// URL returns the server's address under a name of the caller's choice.
func (s *Server) URL(host string) string { return fmt.Sprintf("http://%s:%d", host, s.Addr().Port()) }

// Counts returns what the server was asked so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Put stores a card, given as a vCard's text, under name.
func (s *Server) Put(name, text string) error { return s.backend.put(Book+name, text) }

// Delete removes a card.
func (s *Server) Delete(name string) { s.backend.remove(Book + name) }

// Hold makes requests hang from now on until release is called, or their
// client goes away. What comes over arrived tells that one does.
func (s *Server) Hold() (arrived <-chan struct{}, release func()) {
	hold := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
	return s.arrived, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hold = nil
		close(hold)
	})
}

// Tap lets see look at each request that comes from now on, head and body as
// far as they came. It is called from the requests' goroutines.
func (s *Server) Tap(see func(request []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tap = see
}

// dump writes a request as it came; its body can still be read.
func dump(r *http.Request) []byte {
	head, _ := httputil.DumpRequest(r, false)
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
	return append(head, body...)
}

// broken is a reader that goes on as one did that ended with err.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

// guard counts, holds and authenticates requests.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		allowed := equal(user, s.user) && equal(password, s.password)
		s.mu.Lock()
		s.counts.Requests++
		if allowed {
			s.counts.Allowed++
		} else {
			s.counts.Refused++
		}
		hold, tap := s.hold, s.tap
		s.mu.Unlock()
		if tap != nil {
			tap(dump(r))
		}
		if hold != nil {
			select {
			case s.arrived <- struct{}{}:
			default:
			}
			select {
			case <-hold:
			case <-r.Context().Done():
				return
			}
		}
		if !allowed {
			w.Header().Set("WWW-Authenticate", `Basic realm="contacts"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
