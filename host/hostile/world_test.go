package hostile_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
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
	"github.com/sallyport-host/sallyport/host/experimental/memcheck"
	"github.com/sallyport-host/sallyport/host/internal/guard"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// values are the secrets of an owner. None may come to light.
var values = map[string]string{
	"TOKEN":         "canary-T7f3Kq9zX2mW8bQ4n",
	"ANOTHER":       "canary-A5h8Lw2vR6yC1jE9u",
	"REVEALED":      "canary-R9d4Pm7sG3kV0xB6i",
	"MAIL_PASSWORD": "canary M6t1 \"Zq8\" \\oF5w",
	"KEY":           "canary-K2n7Yc4aH9gU3eJ5r",
	"SEED":          "JBSWY3DPEHPK3PXPMFRGGZDF",
	"SHORT":         "tulip-27",
	"BROKEN":        "canary-B8r2\r\nX-Evil: 1Lk5",
	"PASSWORD":      "canary-P3x6Nf1dS8qZ7oM2a",
	"MINTED":        "canary-N4w9Tj2hD5vK8yG1c", // what the source mints
	"COOKIE":        "canary-C1s5Xe8bL4mR7uP0z", // what the source sets
	"SID":           "canary-S7j3Od6vB9nT2yQ4i", // what its login sets
}

const manifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/hostile", "connector_key": "hostile", "version": "1.0.0", "display_name": "Hostile",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "findings", "semantics": "append_only", "primary_key": ["id"],
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "what": {"type": "string"}}, "required": ["id"]}}],
  "options_schema": {"type": "object", "properties": {"trick": {"type": "string"}, "form": {"type": "string"}, "exit": {"type": "string"},
    "home": {"type": "string"}, "drop": {"type": "string"}, "mail": {"type": "string"}}},
  "credentials_schema": {"type": "object", "properties": {
    "TOKEN": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "send_to": [
      {"origin": "HOME", "methods": ["GET", "POST"], "paths": ["/auth/**"], "as": "header:Authorization"},
      {"origin": "HOME", "methods": ["GET", "POST"], "paths": ["/json/**"], "as": "json:/token"},
      {"origin": "HOME", "methods": ["GET", "POST"], "paths": ["/form/**"], "as": "form:password"}]},
    "ANOTHER": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "send_to": [{"origin": "HOME", "paths": ["/other/**"], "as": "header:Authorization"}]},
    "REVEALED": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "access": ["use", "reveal"], "send_to": [{"origin": "HOME", "paths": ["/revealed/**"], "as": "header:Authorization"}]},
    "MAIL_PASSWORD": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "send_to": [{"origin": "MAIL", "as": "imap"}]},
    "KEY": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "access": ["sign"], "sign": {"mac": {"alg": "HMAC-SHA256", "encoding": "hex", "max_bytes": 4096}},
      "send_to": [{"origin": "HOME", "paths": ["/signed/**"], "as": "header:X-Signature"}]},
    "SEED": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "access": ["totp"], "send_to": [{"origin": "HOME", "paths": ["/code/**"], "as": "header:X-Code"}]},
    "SHORT": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "send_to": [{"origin": "HOME", "paths": ["/short/**"], "as": "header:Authorization"}]},
    "BROKEN": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "send_to": [{"origin": "HOME", "paths": ["/auth/**"], "as": "header:Authorization"}]},
    "PASSWORD": {"type": "string", "class": "password", "obtained_via": ["user"], "send_to": [{"origin": "HOME", "methods": ["POST"], "paths": ["/login"], "as": "form:password"}]},
    "MINTED": {"type": "string", "class": "long_lived_token", "obtained_via": ["bootstrap_tool"], "send_to": [{"origin": "HOME", "paths": ["/minted/**"], "as": "header:Authorization"}],
      "capture": [{"origin": "HOME", "methods": ["POST"], "paths": ["/auth/mint", "/auth/mint-twice", "/auth/mint-html"], "from": "json:/token"}]},
    "LAUNDRY": {"type": "string", "class": "long_lived_token", "obtained_via": ["bootstrap_tool"], "send_to": [{"origin": "DROP", "paths": ["/laundry/**"], "as": "header:Authorization"}],
      "capture": [{"origin": "HOME", "methods": ["POST"], "paths": ["/auth/wash"], "from": "json:/laundry"}]},
    "SESSION": {"type": "string", "class": "session", "obtained_via": ["bootstrap_tool"], "send_to": [{"origin": "HOME", "methods": ["GET"], "paths": ["/session/**"], "as": "cookie"}],
      "capture": [{"origin": "HOME", "methods": ["POST"], "paths": ["/login"], "from": "set-cookie"}]}}},
  "egress": [
    {"origin": "HOME", "methods": ["GET", "POST"], "paths": ["/**"]},
    {"origin": "DROP", "methods": ["GET", "POST"], "paths": ["/**"]},
    {"origin": "https://*.example.com:PORT", "methods": ["GET"], "paths": ["/**"]},
    {"origin": "https://localhost:PORT", "methods": ["GET"], "paths": ["/**"]},
    {"origin": "https://home.example.com:PORT", "methods": ["GET", "POST"], "paths": ["/open/private"], "deny": true},
    {"origin": "MAIL"}],
  "modules": {"collector": {"path": "collector.wasm"}, "bootstrap": {"path": "store.wasm"}, "auto_login": {"path": "store.wasm"}}
}`

// modules are the guest, built twice: the roles that may store import put.
var modules = sync.OnceValues(func() (map[abi.Role][]byte, error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	built := map[abi.Role][]byte{}
	for role, tags := range map[abi.Role]string{abi.RoleCollector: "", abi.RoleBootstrap: "store"} {
		out := filepath.Join(dir, string(role)+".wasm")
		cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-tags="+tags, "-o", out, "./guest")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		if built[role], err = os.ReadFile(out); err != nil {
			return nil, err
		}
	}
	built[abi.RoleAutoLogin] = built[abi.RoleBootstrap]
	return built, nil
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

// world is a host and all that a connector can reach. Each trick is played for
// an owner of its own.
type world struct {
	t         *testing.T
	host      *host.Host
	cache     string
	vault     *memory.Store
	approvals *host.MemoryApprovals
	audit     *host.MemoryAuditor
	states    *host.MemoryState
	connector *host.Connector
	net       *network
	prompter  host.Prompter
	logs      lockedBuffer // the host's own log
	standard  lockedBuffer // what libraries give to package log

	memory  *dump
	checker *memcheck.Checker // of memories, at every host call
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, vault: memory.New(memory.WithPasswords()), approvals: host.NewMemoryApprovals(), audit: host.NewMemoryAuditor(),
		states: host.NewMemoryState(), net: newNetwork(t), cache: compileCache, checker: &memcheck.Checker{},
	}
	for name, value := range values {
		if guard.Rate([]byte(value)) != guard.Strong {
			continue // it is everywhere in a memory of megabytes
		}
		if err := w.checker.Add(name, value); err != nil {
			t.Fatal(err)
		}
	}
	log.SetOutput(&w.standard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	w.host = w.newHost(w.cache)
	built, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	if w.connector, err = w.load(manifest, built); err != nil {
		t.Fatal(err)
	}
	return w
}

// config is of a host that reaches this world.
func (w *world) config(cache string) host.Config {
	roots := x509.NewCertPool()
	roots.AddCert(w.net.home.Certificate())
	config := host.NewConfig().WithVault(w.vault).WithApprovals(w.approvals).WithAuditor(w.audit).WithStateStore(w.states).WithRootCAs(roots).
		WithCompileCache(cache).WithLogger(slog.New(slog.NewTextHandler(&w.logs, nil))).
		WithPrompter(host.PrompterFunc(func(ctx context.Context, p host.Prompt) (host.Answer, error) {
			if w.prompter == nil {
				return nil, host.ErrUnattended
			}
			return w.prompter.Prompt(ctx, p)
		}))
	for name, addr := range w.net.addresses() {
		config = config.WithAddressException(name, netip.MustParseAddrPort(addr))
	}
	return config
}

// newHost makes a host whose guests' memories are searched at every call.
func (w *world) newHost(cache string) *host.Host {
	w.t.Helper()
	config := w.config(cache)
	ctx := experimental.WithMemoryDump(w.t.Context(), func(_ string, m []byte) { w.memory.see(m) })
	h, err := host.New(w.checker.Watch(ctx), config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	return h
}

func (w *world) load(manifest string, modules map[abi.Role][]byte) (*host.Connector, error) {
	return w.host.Load(context.Background(), host.Package{Manifest: []byte(w.net.fill(manifest)), Modules: modules})
}

func (w *world) scope(owner string) capabilities.Scope {
	return capabilities.Scope{Owner: owner, Connector: "hostile", Instance: "default", Grant: "self"}
}

// approve approves all that c declares.
func (w *world) approve(c *host.Connector, owner string, options map[string]any, change func(*capabilities.Approval)) {
	w.t.Helper()
	for name, origin := range map[string]string{"home": w.net.homeURL, "drop": w.net.dropURL, "mail": w.net.mailURL} {
		options[name] = origin
	}
	b, err := c.Manifest().Bind(options)
	if err != nil {
		w.t.Fatal(err)
	}
	digests := map[abi.Role]string{}
	for role, info := range c.Modules() {
		digests[role] = info.SHA256
	}
	a := capabilities.NewApproval(b, w.scope(owner), digests, capabilities.ModeLocal, time.Now())
	if change != nil {
		change(&a)
	}
	if _, err = w.approvals.Approve(a); err != nil {
		w.t.Fatal(err)
	}
}

// store puts all values of an owner into the vault; class says which are of
// another class than is declared.
func (w *world) store(owner string, class map[string]abi.Class) {
	w.t.Helper()
	for name, value := range values {
		c := abi.ClassToken
		switch {
		case name == "MINTED" || name == "COOKIE" || name == "SID":
			continue
		case name == "PASSWORD":
			c = abi.ClassPassword
		case class[name] != "":
			c = class[name]
		}
		_, err := w.vault.Put(context.Background(), vaultstore.Entry{
			Address: w.scope(owner).Address(name), Class: c,
			Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
				Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now(),
			}},
		}, vaultstore.AnyGeneration)
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// outcome is all that came of a run.
type outcome struct {
	owner    string
	result   host.Result
	err      error
	got      []string // the guest's journal
	held     []string // names whose values were in its memory
	records  []string
	shown    []string // what the owner saw: log, progress
	log      string   // the host's
	standard string   // of package log
	events   []host.Event
	requests []seen
	mail     string
	state    string
}

// play runs a connector for an owner, once it was approved.
func (w *world) play(c *host.Connector, owner string, role abi.Role) *outcome {
	w.t.Helper()
	w.memory = &dump{}
	w.checker.Forget()
	w.net.forget()
	w.logs.take()
	w.standard.take()
	before := len(w.audit.Events())
	sink, watcher := &host.MemorySink{}, &watcher{}
	o := &outcome{owner: owner}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o.result, o.err = w.host.Run(ctx, c, host.RunOptions{Owner: owner, Role: role, Sink: sink, Observer: watcher})
	messages, _ := sink.Messages()
	for _, m := range messages {
		o.records = append(o.records, string(m.Line))
	}
	o.events = w.audit.Events()[before:]
	o.got, o.held = w.memory.journal(), w.checker.Names()
	o.shown, o.log = watcher.lines, w.logs.take()
	o.standard = w.standard.take()
	o.requests, o.mail = w.net.requests()
	state, err := w.states.Load(context.Background(), w.scope(owner))
	if err != nil {
		w.t.Fatal(err)
	}
	text, _ := json.Marshal(state)
	o.state = string(text)
	return o
}

// told reports whether the audit log has an event of a kind with a rule.
func (o *outcome) told(want audited) bool {
	return slices.ContainsFunc(o.events, func(e host.Event) bool {
		return e.Kind == want.kind && e.Rule == want.rule && e.Allowed == want.allowed && (want.name == "" || e.Name == want.name)
	})
}

// audited is an event that the audit log has to tell.
type audited struct {
	kind    host.EventKind
	rule    string
	name    string
	allowed bool
}

// watcher is the owner, looking on.
type watcher struct {
	mu    sync.Mutex
	lines []string
}

var _ host.Observer = (*watcher)(nil)

func (o *watcher) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
}

func (o *watcher) Progress(p abi.Progress)         { o.add(p.Message) }
func (o *watcher) Log(_ abi.LogLevel, line string) { o.add(line) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// searched finds each value in each of its forms.
var searched = sync.OnceValue(func() map[string]*guard.Set {
	sets := map[string]*guard.Set{}
	for name, value := range values {
		sets[name] = guard.New([]guard.Secret{{Name: name, Value: []byte(value)}})
	}
	return sets
})

// secretsIn returns the names of the values that show in text.
func secretsIn(text string) (names []string) {
	for name, set := range searched() {
		if _, found := set.Find([]byte(text)); found || strings.Contains(text, values[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// dump is the journal in a guest's memory at its end.
type dump struct {
	mu   sync.Mutex
	text string
}

const mark = "hostile-journal\x01"

func (d *dump) see(memory []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, after, ok := bytes.Cut(memory, []byte(mark)); ok {
		text, _, _ := bytes.Cut(after, []byte{0})
		d.text = string(text)
	}
}

func (d *dump) journal() []string {
	if d.text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(d.text, "\n"), "\n")
}

// code is how a run ended: "succeeded", or the code of DONE's error.
func (o *outcome) code() string {
	if e := o.result.Done.Error; e != nil {
		return e.Code
	}
	return string(o.result.Done.Status)
}

// refused reports whether the run ended as one that was refused.
func (o *outcome) refused() bool { return errors.Is(o.err, host.ErrRefused) }
