package hostile

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// localSecret is what a service on this machine would tell who reaches it.
const localSecret = "what only this machine should read"

// network is the servers: the source and another approved origin; and what
// was not approved: another origin, a local service, another port of the
// source, and plain http.
type network struct {
	servers map[string]*httptest.Server
	mu      sync.Mutex
	got     map[string][]string
	profile string
}

func listen() (*network, error) {
	n := &network{servers: map[string]*httptest.Server{}, got: map[string][]string{}}
	for _, part := range []string{"home", "drop", "evil", "local", "port", "plain"} {
		h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { n.serve(part, w, req) })
		if part == "plain" {
			n.servers[part] = httptest.NewServer(h)
		} else {
			n.servers[part] = httptest.NewTLSServer(h)
		}
	}
	return n, nil
}

func (n *network) close() {
	for _, s := range n.servers {
		s.Close()
	}
}

func (n *network) serve(part string, w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	var all strings.Builder
	fmt.Fprintf(&all, "%s %s\n", req.Method, req.RequestURI)
	_ = req.Header.Write(&all)
	all.Write(body)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got[part] = append(n.got[part], all.String())
	switch {
	case part == "local":
		fmt.Fprint(w, localSecret)
	case part != "home":
		fmt.Fprint(w, "thanks")
	case req.URL.Path == "/auth/redirect":
		http.Redirect(w, req, req.URL.Query().Get("to")+"/", http.StatusFound)
	case req.URL.Path == "/auth/echo":
		fmt.Fprint(w, "you said "+req.Header.Get("Authorization"))
	case req.URL.Path == "/auth/profile":
		n.profile = string(body)
	case req.URL.Path == "/open/profile" && req.Method == "GET":
		fmt.Fprint(w, n.profile)
	}
}

// take returns what came in, and forgets it.
func (n *network) take() map[string][]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	got := n.got
	n.got, n.profile = map[string][]string{}, ""
	return got
}

// hosts are the names of the parts.
var hosts = map[string]string{"home": "home.example.com", "drop": "drop.example.com", "evil": "evil.example.com", "local": "local.example.com", "port": "home.example.com", "plain": "home.example.com"}

func (n *network) addr(part string) string { return n.servers[part].Listener.Addr().String() }

// url is where a guest finds a part.
func (n *network) url(part string) string {
	_, port, _ := net.SplitHostPort(n.addr(part))
	if part == "plain" {
		return "http://" + hosts[part] + ":" + port
	}
	return "https://" + hosts[part] + ":" + port
}

func (n *network) roots() *x509.CertPool {
	roots := x509.NewCertPool()
	for part, s := range n.servers {
		if part != "plain" {
			roots.AddCert(s.Certificate())
		}
	}
	return roots
}

// transport resolves every name to this machine, as the names' owner could.
func (n *network) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: n.roots()},
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
		},
	}
}

// holds names the form in which a text holds the value, "" when it does not.
func holds(text string) string {
	switch backwards := []byte(canary); {
	case strings.Contains(text, canary):
		return "plain"
	case strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(canary))):
		return "base64"
	case strings.Contains(text, hexOf(canary)):
		return "hex"
	case strings.Contains(text, swapped(canary)):
		return "case swapped"
	default:
		slices.Reverse(backwards)
		if strings.Contains(text, string(backwards)) {
			return "backwards"
		}
	}
	return ""
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func swapped(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}
