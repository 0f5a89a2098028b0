package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/approvals"
	"github.com/sallyport-host/sallyport/internal/audit"
	"github.com/sallyport-host/sallyport/internal/home"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

const canary = "canary-93a0e7c4"

// memoryFiles is an installation in memory.
type memoryFiles struct {
	made   bool
	stores Stores
	audit  *memoryAudit
}

func newMemoryFiles() *memoryFiles {
	log := &memoryAudit{MemoryAuditor: host.NewMemoryAuditor()}
	return &memoryFiles{made: true, audit: log, stores: Stores{
		Vault: memory.New(), Approvals: &memoryApprovals{MemoryApprovals: host.NewMemoryApprovals()}, Audit: log, States: host.NewMemoryState(),
	}}
}

func (f *memoryFiles) Exists() (bool, error)        { return f.made, nil }
func (f *memoryFiles) Vacant(context.Context) error { return nil }
func (f *memoryFiles) NewRecovery() (vaultstore.Secret, string, error) {
	return vaultstore.NewSecret([]byte("AGE-SECRET-KEY-" + canary)), "age1test", nil
}
func (f *memoryFiles) Init(_ context.Context, recipient string) error {
	if !strings.HasPrefix(recipient, "age1") {
		return vaultstore.ErrInvalid
	}
	f.made = true
	return nil
}
func (f *memoryFiles) Open(context.Context) (*Stores, error) {
	if !f.made {
		return nil, vaultstore.ErrNotInitialised
	}
	s := f.stores
	return &s, nil
}

type memoryApprovals struct {
	*host.MemoryApprovals
	markErr error // of a vault that cannot be told
	scopes  []capabilities.Scope
}

func (m *memoryApprovals) Approve(_ context.Context, a capabilities.Approval) (capabilities.Approval, error) {
	if !slices.Contains(m.scopes, a.Scope) {
		m.scopes = append(m.scopes, a.Scope)
	}
	return m.MemoryApprovals.Approve(a)
}
func (m *memoryApprovals) Revoke(_ context.Context, s capabilities.Scope) (capabilities.Revocation, error) {
	r := capabilities.Revocation{Scope: s, At: time.Now().UTC()}
	return r, errors.Join(m.MemoryApprovals.Revoke(r), m.markErr)
}
func (m *memoryApprovals) List(context.Context, string) ([]capabilities.Scope, error) {
	return m.scopes, nil
}

// memoryAudit can be told to fail.
type memoryAudit struct {
	*host.MemoryAuditor
	err error
}

func (m *memoryAudit) Append(ctx context.Context, events ...host.Event) error {
	if m.err != nil {
		return m.err
	}
	return m.MemoryAuditor.Append(ctx, events...)
}
func (m *memoryAudit) Read(context.Context, audit.Filter) iter.Seq2[audit.Line, error] {
	return func(yield func(audit.Line, error) bool) {
		for i, e := range m.Events() {
			if !yield(audit.Line{Number: int64(i + 1), Event: e}, nil) {
				return
			}
		}
	}
}
func (m *memoryAudit) Verify(context.Context) (audit.Report, error) { return audit.Report{}, nil }

func (m *memoryAudit) Rotate(context.Context, time.Time) (string, error) { return "", nil }

// fixture is an app over memory, and a connector folder.
type fixture struct {
	*App
	files     *memoryFiles
	out, errs bytes.Buffer
	connector string
}

const noteManifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.test/connectors/notes", "connector_key": "notes",
  "version": "1.0.0", "display_name": "Notes", "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "notes", "primary_key": ["id"], "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}],
  "credentials_schema": {"type": "object", "required": ["NOTES_TOKEN"], "properties": {
    "NOTES_TOKEN": {"type": "string", "minLength": 8, "class": "long_lived_token",
      "send_to": [{"origin": "https://notes.example.test", "paths": ["/v1/**"], "as": "header:Authorization"}]}}},
  "options_schema": {"type": "object", "properties": {"pages": {"type": "integer", "title": "How many pages"}}, "required": ["pages"]},
  "egress": [{"origin": "https://notes.example.test", "methods": ["GET"], "paths": ["/v1/**"]}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	h, err := home.Resolve(filepath.Join(dir, "home"), home.FromOS())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{files: newMemoryFiles(), connector: filepath.Join(dir, "notes")}
	logger, err := newLogger("off", false, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	f.App = &App{Home: h, Files: f.files, Owner: "owner", Instance: "default", Grant: "self",
		Stdin: strings.NewReader(""), Stdout: &f.out, Stderr: &f.errs, Log: logger, Now: time.Now, Program: []string{"sallyport"}}
	if err := os.Mkdir(f.connector, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.connector, "manifest.json"), []byte(noteManifest), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// device is a keyboard that types what a test wants.
type device struct{ io.Reader }

func (device) Quiet() (func(), error) { return func() {}, nil }

// slow is a keyboard on which someone answers each question without echo when
// it is put.
type slow struct {
	answers []string
	r       *io.PipeReader
	w       *io.PipeWriter
}

func newSlow(answers ...string) *slow {
	s := &slow{answers: answers}
	s.r, s.w = io.Pipe()
	return s
}

func (s *slow) Read(p []byte) (int, error) { return s.r.Read(p) }

func (s *slow) Quiet() (func(), error) {
	if len(s.answers) > 0 {
		answer := s.answers[0]
		s.answers = s.answers[1:]
		go func() { _, _ = io.WriteString(s.w, answer) }()
	}
	return func() {}, nil
}

// at puts someone who types keys at the terminal, and returns what they
// see.
func (f *fixture) at(t *testing.T, keys string) (seen func() string) {
	t.Helper()
	return f.with(t, device{strings.NewReader(keys)})
}

func (f *fixture) with(t *testing.T, d terminal.Device) (seen func() string) {
	t.Helper()
	screen, err := os.Create(filepath.Join(t.TempDir(), "screen"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	f.Terminal = terminal.New(d, terminal.NewScreen(screen))
	return func() string {
		b, err := os.ReadFile(screen.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func (f *fixture) stored(t *testing.T, name string) (vaultstore.Entry, bool) {
	t.Helper()
	e, err := f.files.stores.Vault.Get(t.Context(), f.scope("notes").Address(name))
	if errors.Is(err, vaultstore.ErrNotFound) {
		return e, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return e, true
}

func (f *fixture) set(t *testing.T, value string) (Result, error) {
	t.Helper()
	f.Stdin = strings.NewReader(value)
	return f.VaultSet(t.Context(), VaultSet{Connector: f.connector, Name: "NOTES_TOKEN", Stdin: true})
}

func TestARevocationThatTheVaultWasNotToldOfIsAudited(t *testing.T) {
	f := newFixture(t)
	m, err := manifests.Parse([]byte(noteManifest))
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bind(map[string]any{"pages": 1})
	if err != nil {
		t.Fatal(err)
	}
	store := f.files.stores.Approvals.(*memoryApprovals)
	digest := map[abi.Role]string{abi.RoleCollector: strings.Repeat("0", 64)}
	if _, err := store.Approve(t.Context(), capabilities.NewApproval(b, f.scope("notes"), digest, capabilities.ModeLocal, time.Now())); err != nil {
		t.Fatal(err)
	}
	store.markErr = approvals.ErrMark
	if _, err := f.GrantRevoke(t.Context(), f.connector); !errors.Is(err, approvals.ErrMark) {
		t.Fatalf("%v, want ErrMark", err)
	}
	for _, e := range f.files.audit.Events() {
		if e.Kind == host.EventRevocation && e.Allowed {
			return
		}
	}
	t.Error("the revocation is not in the audit log")
}

func TestVaultSetKeepsWhatWas(t *testing.T) {
	f := newFixture(t)
	for _, v := range []string{canary + "-1\n", canary + "-2\r\n", canary + "-3"} {
		if _, err := f.set(t, v); err != nil {
			t.Fatal(err)
		}
	}
	e, _ := f.stored(t, "NOTES_TOKEN")
	if got := string(e.Stages[vaultstore.Current].Value.Reveal()); got != canary+"-3" {
		t.Errorf("current is %q", got)
	}
	if got := string(e.Stages[vaultstore.Previous].Value.Reveal()); got != canary+"-2" {
		t.Errorf("previous is %q: the end of line must be gone and the one before kept", got)
	}
	if e.Class != abi.ClassToken || e.Stages[vaultstore.Current].Provenance != vaultstore.UserEntered {
		t.Errorf("stored as %s, %s", e.Class, e.Stages[vaultstore.Current].Provenance)
	}
}

func TestVaultSetStripsOneNewlineOnly(t *testing.T) {
	f := newFixture(t)
	if _, err := f.set(t, canary+"\n\n"); err != nil {
		t.Fatal(err)
	}
	e, _ := f.stored(t, "NOTES_TOKEN")
	if got := string(e.Stages[vaultstore.Current].Value.Reveal()); got != canary+"\n" {
		t.Errorf("stored %q", got)
	}
}

// What cannot be audited is not done.
func TestNothingWithoutAudit(t *testing.T) {
	f := newFixture(t)
	if _, err := f.set(t, canary); err != nil {
		t.Fatal(err)
	}
	f.files.audit.err = errors.New("disk full")
	if _, err := f.set(t, canary+"-new"); err == nil {
		t.Error("set went ahead")
	}
	if _, err := f.VaultRemove(t.Context(), f.connector, "NOTES_TOKEN"); err == nil {
		t.Error("rm went ahead")
	}
	e, ok := f.stored(t, "NOTES_TOKEN")
	if !ok || string(e.Stages[vaultstore.Current].Value.Reveal()) != canary {
		t.Error("the vault was changed")
	}
	a := capabilities.Approval{Scope: f.scope("notes"), ApprovedAt: time.Now()}
	if _, err := f.keep(t.Context(), &f.files.stores, a); err == nil {
		t.Error("approve went ahead")
	}
}

func TestVaultSetTyped(t *testing.T) {
	f := newFixture(t)
	seen := f.with(t, newSlow("short\n", canary+"\n"))
	if _, err := f.VaultSet(t.Context(), VaultSet{Connector: f.connector, Name: "NOTES_TOKEN"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.stored(t, "NOTES_TOKEN"); !ok {
		t.Error("nothing was stored")
	}
	if strings.Contains(seen(), canary) || strings.Contains(f.out.String()+f.errs.String(), canary) {
		t.Error("the value was shown")
	}
}

// The vault cannot keep a class: nobody is asked for what would be refused.
func TestVaultSetRefusesBeforeAsking(t *testing.T) {
	f := newFixture(t)
	f.files.stores.Vault = noPasswords{f.files.stores.Vault}
	seen := f.at(t, canary+"\n")
	_, err := f.VaultSet(t.Context(), VaultSet{Connector: f.connector, Name: "NOTES_TOKEN", Class: "password"})
	if Exit(err) != Refused || seen() != "" {
		t.Errorf("got %v, and on the screen %q", err, seen())
	}
}

type noPasswords struct{ vaultstore.Store }

func (n noPasswords) Capabilities() vaultstore.Capabilities {
	c := n.Store.Capabilities()
	c.Classes = []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession}
	c.Refusal = map[abi.Class]string{abi.ClassPassword: "its keys are plain files"}
	return c
}

// A tampered value can be removed: that is the way out.
func TestVaultRemoveTampered(t *testing.T) {
	f := newFixture(t)
	if _, err := f.set(t, canary); err != nil {
		t.Fatal(err)
	}
	whole := f.files.stores.Vault
	f.files.stores.Vault = tampered{whole}
	if _, err := f.VaultRemove(t.Context(), f.connector, "NOTES_TOKEN"); err != nil {
		t.Fatal(err)
	}
	f.files.stores.Vault = whole
	if _, ok := f.stored(t, "NOTES_TOKEN"); ok {
		t.Error("it is still there")
	}
}

type tampered struct{ vaultstore.Store }

func (t tampered) Get(context.Context, vaultstore.Address) (vaultstore.Entry, error) {
	return vaultstore.Entry{}, vaultstore.ErrTampered
}

func TestStdinThatNeverEnds(t *testing.T) {
	f := newFixture(t)
	r, w := io.Pipe()
	defer w.Close()
	f.Stdin = r
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := f.VaultSet(ctx, VaultSet{Connector: f.connector, Name: "NOTES_TOKEN", Stdin: true})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestStdinTooLarge(t *testing.T) {
	f := newFixture(t)
	if _, err := f.set(t, strings.Repeat("x", terminal.MaxSecretBytes+2)); Exit(err) != Usage {
		t.Errorf("got %v", err)
	}
}

func TestAskOptions(t *testing.T) {
	f := newFixture(t)
	seen := f.at(t, "\nmany\n12\n")
	r, err := f.Disclose(t.Context(), Disclose{Connector: f.connector})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.(Disclosed).Options["pages"]; got != int64(12) {
		t.Errorf("pages is %v (%T)", got, got)
	}
	if !strings.Contains(seen(), "number") {
		t.Error("a wrong answer was not explained")
	}
}

func TestKnownConnectors(t *testing.T) {
	f := newFixture(t)
	c, err := f.openManifest(f.connector)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.openManifest("notes"); Exit(err) != Usage {
		t.Errorf("an unknown key: got %v", err)
	}
	f.remember(c)
	if c, err = f.openManifest("notes"); err != nil || c.manifest.ConnectorKey != "notes" {
		t.Fatalf("a known key: got %v", err)
	}
	// Another connector in that folder is not the one that was meant.
	other := strings.Replace(noteManifest, `"connector_key": "notes"`, `"connector_key": "other"`, 1)
	if err := os.WriteFile(filepath.Join(f.connector, "manifest.json"), []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.openManifest("notes"); Exit(err) != Usage {
		t.Errorf("another connector: got %v", err)
	}
}

func TestKnownFileUnreadable(t *testing.T) {
	f := newFixture(t)
	if err := os.MkdirAll(f.Home.State, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", `{"a":1}`, `{"a":"x","a":"y"}`, "[]"} {
		if err := os.WriteFile(filepath.Join(f.Home.State, knownFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := f.known(); len(got) != 0 {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestSinkError(t *testing.T) {
	w := &watchedWriter{w: brokenWriter{}}
	sink := host.NewJSONLSink(w.target())
	_ = sink.Write(t.Context(), host.Message{Line: []byte("{}")})
	_ = sink.Flush(t.Context())
	if w.err == nil || Exit(sinkError(w.err)) != Internal {
		t.Errorf("got %v", w.err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if (&watchedWriter{w: f}).target() != io.Writer(f) {
		t.Error("a file is not given as it is: it would not be synced")
	}
}

// What a hostile connector says of itself cannot move the cursor, and is shown
// where the person is who will be asked.
func TestDisclosureIsClean(t *testing.T) {
	f := newFixture(t)
	p := &proposal{
		disclosure: manifests.Disclosure{Connector: "No\x1b[2J\u202etes", Summary: "all\x1b[31m is well"},
		approval:   capabilities.Approval{Scope: f.scope("notes")},
		before:     &capabilities.Approval{}, widened: []string{"a\x1b[1A new\u2066 thing"},
	}
	f.show(p)
	if got := f.errs.String(); strings.ContainsAny(got, "\x1b\u202e\u2066") || !strings.Contains(got, "new thing") {
		t.Errorf("got %q", got)
	}
	f.errs.Reset()
	seen := f.at(t, "")
	f.show(p)
	if !strings.Contains(seen(), "new thing") || f.errs.Len() > 0 {
		t.Errorf("a person at the terminal does not see it: %q", seen())
	}
}
