// Package radicale runs a real Radicale, the CardDAV server of Debian's
// package of that name, for one test.
//
// # Promise
//
// The server listens on loopback only, on a free port, keeps its files in a
// temporary folder, and is stopped, by its own process id, when the test ends.
// Requests reach it through a proxy that counts them. A test on a machine
// without Radicale is skipped, saying what it needs.
package radicale

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// startTimeout is how long Radicale may take to answer; it is a Python
// program on a busy machine.
const startTimeout = 30 * time.Second

// Server is a running Radicale with one user and one address book.
type Server struct {
	User, Password string
	Book           string // the path of the address book

	t        *testing.T
	direct   *url.URL // past the proxy
	proxy    *httptest.Server
	requests atomic.Int64
	htpasswd string
}

// Start starts Radicale and makes an address book.
func Start(t *testing.T, user, password string) *Server {
	t.Helper()
	program, err := exec.LookPath("radicale")
	if err != nil {
		t.Skip("skip: needs radicale (apt-get install radicale)")
	}
	dir := t.TempDir()
	s := &Server{User: user, Password: password, Book: "/" + user + "/friends/", t: t, htpasswd: filepath.Join(dir, "htpasswd")}
	s.SetPassword(password)
	s.launch(program, dir)
	s.proxy = httptest.NewServer(s.counting())
	t.Cleanup(s.proxy.Close)
	s.do("MKCOL", s.Book, "application/xml", `<?xml version="1.0" encoding="utf-8"?>
<mkcol xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><set><prop>
<resourcetype><collection/><C:addressbook/></resourcetype><displayname>Friends</displayname>
</prop></set></mkcol>`)
	return s
}

// launch runs the program until the test ends, and returns when it answers.
func (s *Server) launch(program, dir string) {
	s.t.Helper()
	port := freePort(s.t)
	s.direct = &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	config := filepath.Join(dir, "config")
	text := fmt.Sprintf("[server]\nhosts = %s\n[auth]\ntype = htpasswd\nhtpasswd_filename = %s\nhtpasswd_encryption = plain\ndelay = 0\n"+
		"[rights]\ntype = owner_only\n[storage]\nfilesystem_folder = %s\n", s.direct.Host, s.htpasswd, filepath.Join(dir, "collections"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command(program, "--config", config)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	deadline := time.Now().Add(startTimeout)
	for !s.answers() {
		select {
		case err := <-ended:
			ended <- err
			s.t.Fatalf("radicale ended: %v\n%s", err, &output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("radicale did not answer within %v", startTimeout)
		}
	}
}

func (s *Server) answers() bool {
	resp, err := http.Get(s.direct.String())
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil
}

// freePort returns a port that was free a moment ago: Radicale cannot be
// handed a listener.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// counting passes requests on and counts them.
func (s *Server) counting() http.Handler {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(s.direct)
		r.Out.Host = r.In.Host
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		proxy.ServeHTTP(w, r)
	})
}

// Addr returns where the proxy listens.
func (s *Server) Addr() netip.AddrPort {
	return netip.MustParseAddrPort(s.proxy.Listener.Addr().String())
}

// URL returns the server's address under a name of the caller's choice.
func (s *Server) URL(host string) string { return fmt.Sprintf("http://%s:%d", host, s.Addr().Port()) }

// Requests returns how many requests came through the proxy so far.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// SetPassword changes the password that the server wants; it holds from the
// next request on.
func (s *Server) SetPassword(password string) {
	s.t.Helper()
	s.Password = password
	if err := os.WriteFile(s.htpasswd, []byte(s.User+":"+password+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Put stores a card under name in the address book.
func (s *Server) Put(name, card string) { s.t.Helper(); s.do("PUT", s.Book+name, "text/vcard", card) }

// Delete removes a card.
func (s *Server) Delete(name string) { s.t.Helper(); s.do("DELETE", s.Book+name, "", "") }

// do makes a request of the test's own, past the proxy.
func (s *Server) do(method, path, contentType, body string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.direct.String()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth(s.User, s.Password)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s, %v: %s", method, path, resp.Status, err, text)
	}
}
