package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// stand stands in for a source on the Internet: at its real names and port,
// with certificates of a CA of the test's own, on loopback.
type stand struct {
	addr  netip.AddrPort
	roots *x509.CertPool

	mu    sync.Mutex
	asked []string // "GET host/path", without queries
}

// standIn serves an API under the names that a connector calls it by.
func standIn(t *testing.T, api http.Handler, names ...string) *stand {
	t.Helper()
	s := &stand{roots: x509.NewCertPool()}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.Host+r.URL.Path)
		s.mu.Unlock()
		api.ServeHTTP(w, r)
	}))
	_ = server.Listener.Close()
	server.Listener = listen443(t)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{s.certify(t, names)}}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	s.addr = netip.MustParseAddrPort(server.Listener.Addr().String())
	return s
}

// listen443 listens on the port that a manifest's origins mean, at a loopback
// address that nobody else has.
func listen443(t *testing.T) net.Listener {
	t.Helper()
	var err error
	for range 8 {
		var b [3]byte
		_, _ = rand.Read(b[:])
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, b[0], b[1], b[2] | 2}), 443)
		var l net.Listener
		if l, err = net.Listen("tcp", at.String()); err == nil {
			return l
		}
	}
	t.Skipf("skip: needs port 443 on 127.0.0.0/8 (root, or sysctl net.ipv4.ip_unprivileged_port_start=443): %v", err)
	return nil
}

// certify makes a CA and a certificate for the names.
func (s *stand) certify(t *testing.T, names []string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's own"}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	s.roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// calls returns what was asked since the last time.
func (s *stand) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// source443 is a connector beside the stand-in for its source. Whatever comes
// out of its runs is searched for the canaries, at the end of the test.
type source443 struct {
	*world
	detector
	server        *stand
	connector     *host.Connector
	dumps, tokens int
	results       []byte
	sinks         []*host.MemorySink
}

// newSource makes a host that may reach the stand-in under the names, and
// loads and approves a connector of examples/.
func newSource(t *testing.T, name string, options map[string]any, server *stand, names ...string) *source443 {
	t.Helper()
	s := &source443{server: server}
	ctx := experimental.WithMemoryDump(t.Context(), func(_ string, guest []byte) {
		s.dumps++
		s.tokens += len(aSurrogate.FindAll(guest, -1))
		s.look("the guest's memory", guest)
	})
	w := &world{t: t, vault: memory.New(), approvals: host.NewMemoryApprovals(), audit: host.NewMemoryAuditor(), log: &strings.Builder{}}
	c := host.NewConfig().
		WithVault(w.vault).WithApprovals(w.approvals).WithAuditor(w.audit).WithStateStore(host.NewMemoryState()).
		WithLogger(slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))).
		WithRootCAs(server.roots).WithCompileCache(compiled)
	for _, name := range names {
		c = c.WithAddressException(name, server.addr)
	}
	w.memory, ctx = watchMemory(ctx, t)
	h, err := host.New(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	w.host, s.world = h, w
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.connector = w.load(name)
	w.approve(s.connector, options)
	t.Cleanup(s.search)
	return s
}

// secret makes a value that nobody else has.
func (s *source443) secret(what string) string {
	value := "Canary" + rand.Text()
	s.add(what, value)
	s.memory.never(what, value)
	return value
}

// search looks for the canaries in all that came out.
func (s *source443) search() {
	s.look("a result", s.results)
	s.look("the audit log", asJSON(s.t, s.audit.Events()))
	s.look("the host's log", []byte(s.log.String()))
	for _, sink := range s.sinks {
		messages, _ := sink.Messages()
		for _, m := range messages {
			s.look("a message", m.Line)
		}
	}
	s.report(s.t)
	if s.dumps == 0 || s.tokens == 0 || len(s.sinks) == 0 {
		s.t.Errorf("saw %d dumps of memory with %d surrogates, and %d runs: the test looks in the wrong place", s.dumps, s.tokens, len(s.sinks))
	}
}

// collect runs the connector once, unattended.
func (s *source443) collect() (host.Result, *host.MemorySink, error) {
	sink := &host.MemorySink{}
	result, err := s.host.Run(s.t.Context(), s.connector, host.RunOptions{Sink: sink, Unattended: true})
	s.sinks = append(s.sinks, sink)
	s.results = append(append(s.results, asJSON(s.t, result)...), fmt.Sprintf("%+v %v", result, err)...)
	return result, sink, err
}

// sourceRecord is a record as it came out.
type sourceRecord struct {
	Stream string
	Key    abi.Key
	Op     string
	Data   map[string]any
}

// records runs the connector, expects success, and returns what came.
func (s *source443) records() (all []sourceRecord) {
	s.t.Helper()
	result, sink, err := s.collect()
	if err != nil {
		s.t.Fatalf("%v: %s\n%s", err, asJSON(s.t, result), s.log)
	}
	messages, _ := sink.Messages()
	for _, m := range messages {
		var r struct {
			Type abi.MessageType
			sourceRecord
		}
		if err := json.Unmarshal(m.Line, &r); err != nil {
			s.t.Fatal(err)
		}
		if r.Type == abi.TypeRecord {
			all = append(all, r.sourceRecord)
		}
	}
	return all
}

// short writes a record as "stream key", a minus before one that was deleted.
func (r sourceRecord) short() string {
	text := r.Stream + " " + r.Key.Canonical()
	if r.Op == abi.OpDelete {
		return "-" + text
	}
	return text
}

// expect runs the connector and compares what came.
func (s *source443) expect(when string, want ...string) []sourceRecord {
	s.t.Helper()
	all := s.records()
	var got []string
	for _, r := range all {
		got = append(got, r.short())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s came\n %q, want\n %q", when, got, want)
	}
	return all
}

// expectRejected runs the connector twice, with a value that the source does
// not take: it is asked once, and not again before the owner has renewed it.
func (s *source443) expectRejected(name string) {
	s.t.Helper()
	result, _, err := s.collect()
	e := result.Done.Error
	if !errors.Is(err, host.ErrNeedsOwner) || e == nil || e.Code != abi.CodeCredentialRejected || e.RecoveryHint == nil || e.RecoveryHint.Action != abi.RefreshCredentials {
		s.t.Errorf("it ended as %s, %v", asJSON(s.t, result.Done), err)
	}
	if status := s.stored(s.connector, name).Status; status != vaultstore.Rejected {
		s.t.Errorf("%s is stored as %s", name, status)
	}
	if len(s.server.calls()) == 0 {
		s.t.Error("the source was not called at all: the test looks in the wrong place")
	}
	result, _, err = s.collect()
	if !errors.Is(err, host.ErrNeedsOwner) || result.Done.Error == nil || result.Done.Error.Code != abi.CodeCredentialRejected {
		s.t.Errorf("the next run ended as %s, %v", asJSON(s.t, result.Done), err)
	}
	if calls := s.server.calls(); len(calls) != 0 {
		s.t.Errorf("the next run called the source: %q", calls)
	}
}

// expectFailure runs the connector and compares how it failed; the credential
// keeps its standing.
func (s *source443) expectFailure(name, code string, retryable bool, says string) {
	s.t.Helper()
	result, _, err := s.collect()
	e := result.Done.Error
	if err == nil || e == nil || e.Code != code || e.Retryable != retryable || !strings.Contains(e.Message, says) {
		s.t.Errorf("it ended as %s, %v; want %s that says %q", asJSON(s.t, result.Done), err, code, says)
	}
	if status := s.stored(s.connector, name).Status; status != vaultstore.Active {
		s.t.Errorf("%s is stored as %s", name, status)
	}
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// object is a JSON object of a stand-in's.
type object = map[string]any
