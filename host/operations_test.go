package host_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// opsModules builds the guest of these tests, for roles that may put and for
// those that may not, once.
var opsModules = sync.OnceValues(func() (map[bool][]byte, error) {
	dir, err := os.MkdirTemp("", "opsguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	modules := map[bool][]byte{}
	for puts, tags := range map[bool]string{true: "put", false: ""} {
		out := filepath.Join(dir, "guest.wasm")
		cmd := exec.Command("go", "build", "-tags", tags, "-buildmode=c-shared", "-o", out, "./internal/opsguest")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		if modules[puts], err = os.ReadFile(out); err != nil {
			return nil, err
		}
	}
	return modules, nil
})

const opsManifest = `{
  "protocol_version": "0.1.0",
  "connector_id": "https://example.org/connectors/ops",
  "connector_key": "ops",
  "version": "1.0.0",
  "display_name": "Operations",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "findings", "semantics": "append_only", "primary_key": ["id"],
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "what": {"type": "string"}, "got": {"type": "string"}}, "required": ["id"]}}],
  "options_schema": {"type": "object", "properties": {"base": {"type": "string"}, "steps": {"type": "string"}}, "required": ["base", "steps"]},
  "credentials_schema": {"type": "object", "properties": {
    CREDENTIALS,
    "SHOWN": {"type": "string", "class": "long_lived_token", "access": ["use", "reveal"],
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/**"], "as": "header:Authorization"}]},
    "SEED": {"type": "string", "class": "long_lived_token", "access": ["totp"],
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/otp"], "as": "header:X-Otp"}]}}},
  "egress": [{"origin": "BASE", "methods": ["GET", "POST", "PUT"], "paths": ["/**"]}, {"origin": "OTHER", "methods": ["GET", "POST"], "paths": ["/**"]}],
  "modules": {MODULES}
}`

// step is one thing that the guest is to do: see internal/opsguest.
type step struct {
	Do      string      `json:"do"`
	Name    string      `json:"name,omitempty"`
	Arg     string      `json:"arg,omitempty"`
	Data    string      `json:"data,omitempty"`
	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
	Body    string      `json:"body,omitempty"`
	Follows bool        `json:"follows,omitempty"`
	As      string      `json:"as,omitempty"`
	Times   int         `json:"times,omitempty"`
	Quiet   bool        `json:"quiet,omitempty"`
	Steps   []step      `json:"steps,omitempty"`
}

func use(name, as string) step           { return step{Do: "use", Name: name, As: as} }
func put(name, token string) step        { return step{Do: "put", Name: name, Data: token} }
func tell(what, data string) step        { return step{Do: "tell", Name: what, Data: data} }
func isSurrogate(what, data string) step { return step{Do: "is surrogate", Name: what, Data: data} }
func same(what, a, b string) step        { return step{Do: "same", Name: what, Arg: a, Data: b} }
func field(of, key, as string) step      { return step{Do: "json", Name: of, Arg: key, As: as} }
func repeat(n int, steps ...step) step   { return step{Do: "repeat", Times: n, Steps: steps} }
func sign(name, with, data, as string) step {
	return step{Do: "sign", Name: name, Arg: with, Data: data, As: as}
}

// send sends a request; headers are names and values in turn.
func send(method, url, as string, headers ...string) step {
	s := step{Do: "send", Method: method, URL: url, As: as}
	for pair := range slices.Chunk(headers, 2) {
		s.Headers = append(s.Headers, [2]string{pair[0], pair[1]})
	}
	return s
}

func (s step) body(text string) step { s.Body = text; return s }
func (s step) quiet() step           { s.Quiet = true; return s }
func (s step) follows() step         { s.Follows = true; return s }

// ops is a world with the guest of these tests and a source of the test's.
type ops struct {
	*world
	origin, other string // two names of the source

	mu       sync.Mutex
	requests []received
	memories []string // of guests, as they were wiped
}

// received is a request as the source got it.
type received struct {
	*http.Request
	body string
}

// newOps starts a source and loads the guest in the collector's role and one
// more, "" for none. The manifest's credentials name the source as BASE and
// OTHER.
func newOps(t testing.TB, credentials string, role abi.Role, source func(w http.ResponseWriter, req received), change ...func(host.Config) host.Config) *ops {
	t.Helper()
	o := &ops{world: &world{
		t: t, vault: memory.New(memory.WithPasswords()), approvals: host.NewMemoryApprovals(), audit: host.NewMemoryAuditor(), states: host.NewMemoryState(), sink: &host.MemorySink{},
		scope: capabilities.Scope{Owner: "owner", Connector: "ops", Instance: "default", Grant: "self"},
	}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		got := received{req, string(body)}
		o.mu.Lock()
		o.requests = append(o.requests, got)
		o.mu.Unlock()
		source(w, got)
	}))
	t.Cleanup(server.Close)
	port := portOf(server.Listener.Addr())
	o.origin, o.other = "https://example.com:"+port, "https://other.example.com:"+port
	o.base = o.origin
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	config := host.NewConfig().WithVault(o.vault).WithApprovals(o.approvals).WithAuditor(o.audit).WithStateStore(o.states).
		WithRootCAs(roots).WithAddressException("example.com", at).WithAddressException("other.example.com", at).WithCompileCache(compileCache)
	for _, f := range change {
		config = f(config)
	}
	ctx := experimental.WithMemoryDump(t.Context(), func(_ string, m []byte) {
		o.mu.Lock()
		o.memories = append(o.memories, string(m))
		o.mu.Unlock()
	})
	var err error
	if o.host, err = host.New(ctx, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.host.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	modules, err := opsModules()
	if err != nil {
		t.Fatal(err)
	}
	p := host.Package{Modules: map[abi.Role][]byte{abi.RoleCollector: modules[false]}}
	named := `"collector": {"path": "collector.wasm"}`
	if role != "" {
		p.Modules[role] = modules[true]
		named += fmt.Sprintf(`, %q: {"path": "other.wasm"}`, role)
	}
	text := strings.NewReplacer("CREDENTIALS", credentials, "MODULES", named).Replace(opsManifest)
	p.Manifest = []byte(strings.NewReplacer("BASE", o.origin, "OTHER", o.other).Replace(text))
	if o.connector, err = o.host.Load(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return o
}

// allow approves the steps, changed.
func (o *ops) allow(change func(*capabilities.Approval), steps ...step) {
	o.t.Helper()
	text, err := json.Marshal(steps)
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := o.connector.Manifest().Bind(map[string]any{"base": o.base, "steps": string(text)})
	if err != nil {
		o.t.Fatal(err)
	}
	o.approveBound(b, change)
}

// do approves the steps and runs them in a role.
func (o *ops) do(role abi.Role, steps ...step) (host.Result, error) {
	o.t.Helper()
	o.allow(nil, steps...)
	return o.again(host.RunOptions{Role: role, Unattended: true})
}

// good is do, for steps that come to a good end; it returns the findings.
func (o *ops) good(role abi.Role, steps ...step) []string {
	o.t.Helper()
	res, err := o.do(role, steps...)
	if err != nil {
		o.t.Fatalf("%v; refusals %+v", err, res.Refusals)
	}
	return o.findings()
}

// bootstrapped stores a value as if a guest had put it.
func (o *ops) bootstrapped(name, value string, class abi.Class, expires time.Time) {
	o.t.Helper()
	_, err := o.vault.Put(context.Background(), vaultstore.Entry{
		Address: o.scope.Address(name), Class: class,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Active, ObtainedAt: time.Now().Add(-time.Hour), ExpiresAt: expires,
		}},
	}, vaultstore.AnyGeneration)
	if err != nil {
		o.t.Fatal(err)
	}
}

// stage returns what the vault holds, "" when nothing.
func (o *ops) stage(name string, s vaultstore.Stage) string {
	o.t.Helper()
	entry, err := o.vault.Get(context.Background(), o.scope.Address(name))
	if err != nil {
		return ""
	}
	return string(entry.Stages[s].Value.Reveal())
}

// sent are the requests for a path.
func (o *ops) sent(path string) (all []received) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.requests {
		if r.URL.Path == path {
			all = append(all, r)
		}
	}
	return all
}

// unseen fails when a value shows in guests' memory, records, the audit log,
// or anything given.
func (o *ops) unseen(values []string, more ...any) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.memories) == 0 {
		o.t.Error("no guest's memory was seen")
	}
	events, _ := json.Marshal(o.audit.Events())
	text := fmt.Sprintf("%+v", more) + string(events)
	messages, _ := o.sink.Messages()
	for _, m := range messages {
		text += string(m.Line)
	}
	for i, value := range values {
		if strings.Contains(text, value) {
			o.t.Errorf("value %d shows", i)
		}
		if slices.ContainsFunc(o.memories, func(m string) bool { return strings.Contains(m, value) }) {
			o.t.Errorf("value %d was in a guest's memory", i)
		}
	}
}

// rule returns the events of an operation, as "allowed rule".
func (o *ops) rules(kind host.EventKind, op, name string) (all []string) {
	for _, e := range o.audit.Events() {
		if e.Kind == kind && e.Op == op && e.Name == name {
			all = append(all, fmt.Sprint(e.Allowed, " ", e.Rule))
		}
	}
	return all
}
