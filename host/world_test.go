package host_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// guestModule builds the test guest, once.
var guestModule = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "testguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "./internal/testguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
})

// compileCache is shared by the tests: compiling the guest takes a second.
var compileCache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "compile-cache")
	if err != nil {
		panic(err)
	}
	compileCache = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func guest(t testing.TB) []byte {
	t.Helper()
	module, err := guestModule()
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// canary is the value that must appear nowhere but at the source.
const canary = "canary-7f3Kq9zX2mW8"

const testManifest = `{
  "protocol_version": "0.1.0",
  "connector_id": "https://example.org/connectors/test",
  "connector_key": "test",
  "version": "1.0.0",
  "display_name": "Test",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "findings", "semantics": "append_only", "primary_key": ["id"],
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "what": {"type": "string"}, "got": {"type": "string"}}, "required": ["id"]}}],
  "options_schema": {"type": "object", "properties": {"base": {"type": "string"}, "case": {"type": "string"}}, "required": ["base", "case"]},
  "credentials_schema": {"type": "object", "properties": {
    "TOKEN": {"type": "string", "minLength": 4, "class": "long_lived_token", "obtained_via": ["user"], "aliases": ["ALIAS"],
      "send_to": [{"origin": "${options.base}", "methods": ["GET", "POST"], "paths": ["/bearer", "/unauthorized", "/redirect", "/slow", "/unavailable", "/malformed", "/mirror", "/reversed"], "as": "header:Authorization"},
                  {"origin": "${options.base}", "paths": ["/basic"], "as": "basic"}]},
    "ACCOUNT": {"type": "string", "identity": true},
    "SECRET_PASSWORD": {"type": "string", "class": "password", "obtained_via": ["user"],
      "send_to": [{"origin": "${options.base}", "methods": ["GET"], "paths": ["/bearer"], "as": "header:Authorization"}]}},
    "required": ["TOKEN"]},
  "egress": [{"origin": "${options.base}", "methods": ["GET", "POST"], "paths": ["/**"]},
             {"origin": "${options.base}", "methods": ["GET", "POST"], "paths": ["/private"], "deny": true}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// source is a server that notes what it got.
type source struct {
	*httptest.Server
	mu     sync.Mutex
	heads  []string // method, path and Authorization of each request
	hung   atomic.Int32
	free   chan struct{}
	closed sync.Once
}

func newSource(t testing.TB) *source {
	s := &source{free: make(chan struct{})}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(func() { s.closed.Do(func() { close(s.free) }); s.Close() })
	return s
}

func (s *source) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	s.heads = append(s.heads, req.Method+" "+req.URL.String()+" "+req.Header.Get("Authorization"))
	s.mu.Unlock()
	switch req.URL.Path {
	case "/bearer":
		fmt.Fprint(w, "hello")
	case "/mirror":
		w.Header().Set("X-Echo", req.Header.Get("Authorization"))
		fmt.Fprint(w, req.Header.Get("Authorization"))
	case "/reversed":
		value := []byte(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
		slices.Reverse(value)
		_, _ = w.Write(value)
	case "/unauthorized":
		w.WriteHeader(401)
	case "/unavailable":
		w.WriteHeader(503)
	case "/switch":
		w.Header().Set("Upgrade", "secret")
		w.WriteHeader(101)
		s.hijack(w, "")
	case "/malformed":
		s.hijack(w, "HTTP/1.1 "+strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")+"\r\n\r\n")
	case "/redirect":
		http.Redirect(w, req, "https://evil.example/", http.StatusFound)
	case "/echo":
		b := make([]byte, 1000)
		n, _ := req.Body.Read(b)
		for {
			m, err := req.Body.Read(b[n:])
			n += m
			if err != nil {
				break
			}
		}
		_, _ = w.Write(b[:n])
	case "/slow":
		time.Sleep(200 * time.Millisecond)
		fmt.Fprint(w, req.URL.Query().Get("n"))
	case "/hang":
		s.hung.Add(1)
		select {
		case <-s.free:
		case <-req.Context().Done():
		}
	default:
		w.WriteHeader(404)
	}
}

// hijack takes the connection, writes text to it, and keeps it open until the
// client closes it.
func (s *source) hijack(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(text))
	go func() {
		_, _ = conn.Read(make([]byte, 1)) // until the client lets go
		_ = conn.Close()
	}()
}

func (s *source) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.heads...)
}

// world is a host with all its parts in memory, one connector and a source.
type world struct {
	t         testing.TB
	host      *host.Host
	connector *host.Connector
	vault     *memory.Store
	approvals *host.MemoryApprovals
	audit     *host.MemoryAuditor
	states    *host.MemoryState
	sink      *host.MemorySink
	source    *source
	base      string
	scope     capabilities.Scope
}

func newWorld(t testing.TB, change ...func(host.Config) host.Config) *world {
	t.Helper()
	w := emptyWorld(t, change...)
	w.connector = w.load(testManifest, guest(t))
	return w
}

// emptyWorld has no connector yet.
func emptyWorld(t testing.TB, change ...func(host.Config) host.Config) *world {
	t.Helper()
	w := &world{
		t: t, vault: memory.New(), approvals: host.NewMemoryApprovals(), audit: host.NewMemoryAuditor(), states: host.NewMemoryState(),
		sink: &host.MemorySink{}, source: newSource(t),
		scope: capabilities.Scope{Owner: "owner", Connector: "test", Instance: "default", Grant: "self"},
	}
	at := netip.MustParseAddrPort(w.source.Listener.Addr().String())
	w.base = "https://example.com:" + portOf(w.source.Listener.Addr())
	roots := x509.NewCertPool()
	roots.AddCert(w.source.Certificate())
	config := host.NewConfig().WithVault(w.vault).WithApprovals(w.approvals).WithAuditor(w.audit).WithStateStore(w.states).
		WithRootCAs(roots).WithAddressException("example.com", at).WithCompileCache(compileCache)
	for _, f := range change {
		config = f(config)
	}
	var err error
	if w.host, err = host.New(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.host.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

func (w *world) load(manifest string, module []byte) *host.Connector {
	w.t.Helper()
	c, err := w.host.Load(context.Background(), host.Package{Manifest: []byte(manifest), Modules: map[abi.Role][]byte{abi.RoleCollector: module}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// approve approves the connector for a case.
func (w *world) approve(name string) capabilities.Approval {
	w.t.Helper()
	b, err := w.connector.Manifest().Bind(map[string]any{"base": w.base, "case": name})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.approveBound(b, nil)
}

func (w *world) approveBound(b *manifests.Bound, change func(*capabilities.Approval)) capabilities.Approval {
	w.t.Helper()
	digests := map[abi.Role]string{}
	for role, info := range w.connector.Modules() {
		digests[role] = info.SHA256
	}
	a := capabilities.NewApproval(b, w.scope, digests, capabilities.ModeLocal, time.Now())
	if change != nil {
		change(&a)
	}
	a, err := w.approvals.Approve(a)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// store puts the canary, or another value, into the vault.
func (w *world) store(name, value string, class abi.Class) {
	w.t.Helper()
	_, err := w.vault.Put(context.Background(), vaultstore.Entry{
		Address: w.scope.Address(name), Class: class,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now(),
		}},
	}, vaultstore.AnyGeneration)
	if err != nil {
		w.t.Fatal(err)
	}
}

// run approves and runs a case with the canary stored.
func (w *world) run(name string) (host.Result, error) {
	w.t.Helper()
	w.approve(name)
	w.store("TOKEN", canary, abi.ClassToken)
	w.store("ACCOUNT", "ada", abi.ClassNone)
	return w.again(host.RunOptions{Unattended: true})
}

func (w *world) again(o host.RunOptions) (host.Result, error) {
	if o.Sink == nil {
		w.sink = &host.MemorySink{}
		o.Sink = w.sink
	}
	return w.host.Run(context.Background(), w.connector, o)
}

// findings are the records of a case, "what: got" each.
func (w *world) findings() []string {
	var out []string
	for _, line := range w.sink.Lines("findings") {
		var r struct{ Data struct{ What, Got string } }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, r.Data.What+": "+r.Data.Got)
	}
	return out
}

// noCanary fails when the canary shows in anything that a test can see.
func (w *world) noCanary(what ...any) {
	w.t.Helper()
	text := fmt.Sprintf("%+v %#v", what, what)
	b, _ := json.Marshal(w.audit.Events())
	text += string(b)
	messages, _ := w.sink.Messages()
	for _, m := range messages {
		text += string(m.Line)
	}
	if strings.Contains(text, canary) {
		w.t.Error("the canary shows")
	}
}

func (w *world) audited(kind host.EventKind, rule string) (found []host.Event) {
	for _, e := range w.audit.Events() {
		if e.Kind == kind && e.Rule == rule {
			found = append(found, e)
		}
	}
	return found
}
