package hostile_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The tests here are of tricks that take more than one run, or another module.

func TestADictionaryIsSuspended(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "a dictionary"}, nil)
	for i := range host.MaxStrikes {
		o := w.play(w.connector, "owner", "")
		if o.code() != abi.CodeLeakBlocked || !o.told(leak("SHORT")) {
			t.Fatalf("run %d ended with %s: %v", i, o.code(), o.err)
		}
		if slices.ContainsFunc(o.got, func(line string) bool { return strings.Contains(line, "succeeded") || strings.Contains(line, "200") }) {
			t.Errorf("after the guess it could still call: %q", o.got)
		}
		if o.state != "null" {
			t.Errorf("it remembers %s", o.state)
		}
		row{}.noValues(t, o)
	}
	o := w.play(w.connector, "owner", "")
	if !errors.Is(o.err, host.ErrRefused) && !errors.Is(o.err, host.ErrNeedsOwner) || o.got != nil {
		t.Errorf("after %d strikes it ran: %v, %q", host.MaxStrikes, o.err, o.got)
	}
	if w.approve(w.connector, "owner", map[string]any{"trick": "files"}, nil); w.play(w.connector, "owner", "").code() != "succeeded" {
		t.Error("a new approval does not lift the suspension")
	}
}

// TestADictionaryWithAnAccomplice documents what cannot be kept from an
// approved origin: how far a run came before it was stopped.
func TestADictionaryWithAnAccomplice(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "a dictionary, with a count told to the drop"}, nil)
	o := w.play(w.connector, "owner", "")
	if o.code() != abi.CodeLeakBlocked || len(o.requests) != 28 || !strings.HasSuffix(o.requests[27].path, "/27") {
		t.Errorf("%s after %d requests: threat-model.md, section 4, says that the drop can count them", o.code(), len(o.requests))
	}
	row{}.noValues(t, o)
}

func TestASurrogateOfAnotherRun(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "its own surrogate, told to itself"}, nil)
	first := w.play(w.connector, "owner", "")
	if len(first.got) != 1 {
		t.Fatalf("%q", first.got)
	}
	token := strings.ReplaceAll(strings.TrimPrefix(first.got[0], "told "), ".", "")
	if len(token) != abi.SurrogateLen {
		t.Fatalf("%d characters", len(token))
	}
	w.approve(w.connector, "owner", map[string]any{"trick": "a surrogate of another run", "form": token}, nil)
	o := w.play(w.connector, "owner", "")
	row{name: "a surrogate of another run", got: []string{"200 shown"}, told: ended("succeeded")}.judge(t, w, o)
	if len(o.requests) != 1 || !strings.Contains(o.requests[0].all, token) {
		t.Error("it is more than plain text")
	}
}

func TestPhishingIsQuoted(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	var asked []host.Prompt
	w.prompter = host.PrompterFunc(func(_ context.Context, p host.Prompt) (host.Answer, error) {
		asked = append(asked, p)
		return host.Answer{}, nil
	})
	w.approve(w.connector, "owner", map[string]any{"trick": "phishing"}, nil)
	o := w.play(w.connector, "owner", "")
	row{got: []string{"-1", "-1", "-1", "-1", "-3", "0 false"}, told: audited{kind: host.EventInteraction, rule: "interaction"}}.judge(t, w, o)
	if len(asked) != 1 || len(asked[0].Fields) != 0 {
		t.Fatalf("asked %+v", asked)
	}
	if q := asked[0].Quote; strings.ContainsAny(q, "\n\x1b\u202e") || strings.Contains(asked[0].Title, "Sallyport: verified") {
		t.Errorf("quoted %q under %q", q, asked[0].Title)
	}
}

func TestAnAnswerIsASurrogate(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.prompter = host.Scripted(map[string]string{"TOKEN": values["ANOTHER"]})
	w.approve(w.connector, "owner", map[string]any{"trick": "an owner's answer"}, nil)
	o := w.play(w.connector, "owner", "")
	row{got: []string{"0 true", "1"}, told: audited{kind: host.EventInteraction, rule: "asked", allowed: true}, finds: []string{"[redacted:TOKEN]"}}.judge(t, w, o)
}

// lowered is the manifest of a new version that calls the password a token.
func lowered() string {
	return strings.Replace(manifest, `"class": "password", "obtained_via": ["user"], "send_to": [{"origin": "HOME", "methods": ["POST"], "paths": ["/login"], "as": "form:password"}]`,
		`"class": "long_lived_token", "obtained_via": ["user"], "access": ["use", "reveal"], "send_to": [{"origin": "HOME", "methods": ["GET"], "paths": ["/auth/**"], "as": "header:Authorization"}]`, 1)
}

func TestAClassIsNotLowered(t *testing.T) {
	w := newWorld(t)
	built, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	w.store("owner", nil)
	options := map[string]any{"trick": "names that are not its own"}
	w.approve(w.connector, "owner", options, nil)
	next, err := w.load(lowered(), built)
	if err != nil {
		t.Fatal(err)
	}
	if o := w.play(next, "owner", ""); !errors.Is(o.err, host.ErrNeedsOwner) || o.got != nil {
		t.Errorf("it runs under the approval of the old manifest: %v", o.err)
	}
	w.approve(next, "owner", options, nil) // the owner was talked into it
	o := w.play(next, "owner", "")
	if !slices.Contains(o.got, "PASSWORD -1 -1") || !o.told(notAllowed("PASSWORD", "role_class")) {
		t.Errorf("what is stored as a password is used as a token: %q\n%s", o.got, eventsText(o.events))
	}
	w.approve(next, "owner", map[string]any{"trick": "reveal of what is not to be revealed"}, nil)
	if o := w.play(next, "owner", ""); !slices.Contains(o.got, "PASSWORD -1") {
		t.Errorf("and revealed: %q", o.got)
	} else {
		row{}.noValues(t, o)
	}
}

func TestAPasswordIsNeverRevealed(t *testing.T) {
	w := newWorld(t)
	built, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(manifest, `"class": "password",`, `"class": "password", "access": ["use", "reveal"],`, 1)
	if _, err := w.load(text, built); err == nil || !strings.Contains(err.Error(), "reveal") {
		t.Errorf("a manifest that has a password revealed was taken: %v", err)
	}
}

func TestRevealIsApprovedByItself(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "a revealed value", "form": "raw", "exit": "a record"}, func(a *capabilities.Approval) {
		for i, c := range a.Credentials {
			if c.Name == "REVEALED" {
				a.Credentials[i].Access = []abi.Access{abi.AccessUse}
			}
		}
	})
	o := w.play(w.connector, "owner", "")
	if len(o.held) > 0 || len(o.records) > 0 {
		t.Errorf("revealed without approval: %q, %v", o.got, o.err)
	}
	row{}.noValues(t, o)
}

func TestModulesAreThoseThatWereApproved(t *testing.T) {
	w := newWorld(t)
	built, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "files"}, nil)

	// The same module with one section more is another one.
	small := host.Package{Manifest: []byte(bare), Modules: map[abi.Role][]byte{abi.RoleCollector: quiet()}}
	before, err := w.host.Load(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	w.store("careful", nil)
	w.approve(before, "careful", map[string]any{}, nil)
	if o := w.play(before, "careful", ""); o.code() != "succeeded" {
		t.Fatalf("%s: %v", o.code(), o.err)
	}
	small.Modules[abi.RoleCollector] = append(quiet(), 0, 2, 1, 'x')
	after, err := w.host.Load(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	if o := w.play(after, "careful", ""); !errors.Is(o.err, host.ErrNeedsOwner) {
		t.Errorf("a changed module ran: %v", o.err)
	}

	// What is changed after it was loaded does not count.
	mine := map[abi.Role][]byte{}
	for role, module := range built {
		mine[role] = slices.Clone(module)
	}
	c, err := w.load(manifest, mine)
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range mine {
		clear(module)
	}
	if o := w.play(c, "owner", ""); o.code() != "succeeded" {
		t.Errorf("%s: %v", o.code(), o.err)
	}

	// A manifest can pin its modules.
	pinned := strings.Replace(manifest, `{"path": "collector.wasm"}`, `{"path": "collector.wasm", "sha256": "`+strings.Repeat("0", 64)+`"}`, 1)
	if _, err := w.load(pinned, built); !errors.Is(err, host.ErrRefused) {
		t.Errorf("a module of another digest was loaded: %v", err)
	}
}

// TestAPoisonedCache changes what the compile cache holds: native code.
func TestAPoisonedCache(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "files"}, nil)
	w.cache = filepath.Join(t.TempDir(), "cache")
	if err := os.CopyFS(w.cache, os.DirFS(compileCache)); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(w.cache, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		for i := len(b) / 4; i < 3*len(b)/4; i++ {
			b[i] ^= 0xCC
		}
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files in the cache, %v", files, err)
	}
	w.host = w.newHost(w.cache)
	built, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := w.load(manifest, built); err != nil {
		t.Logf("refused: %v", err) // that is as good
	} else if o := w.play(c, "owner", ""); o.code() != "succeeded" {
		t.Errorf("poisoned code ran: %v", o.err)
	}

	// What others could have written to is not used.
	if err := os.Chmod(w.cache, 0o777); err != nil {
		t.Fatal(err)
	}
	w.logs.take()
	w.host = w.newHost(w.cache)
	if text := w.logs.take(); !strings.Contains(text, "WARN") || !strings.Contains(text, "cache") {
		t.Errorf("a cache that all may write to is used without a word: %q", text)
	}
}

// bare is a manifest for modules made by hand.
const bare = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/hostile", "connector_key": "hostile", "version": "1.0.0", "display_name": "Hostile",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "findings", "semantics": "append_only", "primary_key": ["id"], "schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}],
  "credentials_schema": {"type": "object", "properties": {"TOKEN": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"], "send_to": [{"origin": "https://a.example", "paths": ["/**"], "as": "header:Authorization"}]}}},
  "options_schema": {"type": "object", "properties": {"home": {"type": "string"}, "drop": {"type": "string"}, "mail": {"type": "string"}}},
  "egress": [{"origin": "https://a.example", "paths": ["/**"]}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// quiet is a module that says it is done.
func quiet() []byte {
	m := wasmtest.New(1)
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	text, n := m.Data(doneLine)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, wasmtest.I32Const(int32(text)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop(), wasmtest.I32Const(0))
	return m.Bytes()
}

const doneLine = `{"type":"DONE","status":"succeeded","records_emitted":0}`

const i32, i64 = wasmtest.I32, wasmtest.I64

// TestReentrancy runs guests that call the host where none is expected to: at
// their start, before they said which ABI they speak, and from a run within a
// run.
func TestReentrancy(t *testing.T) {
	for _, c := range []struct {
		name, at string // the export that calls the host too early
		code     string
	}{
		{"in _initialize", "_initialize", ""},
		{"in sallyport_abi", abi.ExportABI, ""},
		{"in a run within a run", abi.ExportRun, abi.CodeProtocolViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.store("owner", nil)
			m := wasmtest.New(1)
			use := m.Import(abi.ModuleCredential, "use", []byte{i32, i32, i32, i32}, []byte{i64})
			emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
			name, n := m.Data("TOKEN")
			text, length := m.Data(doneLine)
			early := [][]byte{
				wasmtest.I32Const(int32(name)), wasmtest.I32Const(int32(n)), wasmtest.I32Const(4096), wasmtest.I32Const(40), wasmtest.Call(use), wasmtest.Drop(),
				wasmtest.I32Const(int32(text)), wasmtest.I32Const(int32(length)), wasmtest.Call(emit), wasmtest.Drop(),
			}
			say := slices.Clone(early[6:])
			body := func(export string, rest ...[]byte) [][]byte {
				if export == c.at {
					return append(slices.Clone(early), rest...)
				}
				return rest
			}
			m.Func("_initialize", nil, nil, nil, body("_initialize")...)
			m.Func(abi.ExportABI, nil, []byte{i32}, nil, body(abi.ExportABI, wasmtest.I32Const(abi.Version))...)
			inner := m.Func("", nil, []byte{i32}, nil, append(slices.Clone(say), wasmtest.I32Const(0))...)
			m.Func(abi.ExportRun, nil, []byte{i32}, nil, body(abi.ExportRun, append([][]byte{wasmtest.Call(inner), wasmtest.Drop()}, append(slices.Clone(say), wasmtest.I32Const(0))...)...)...)
			connector, err := w.host.Load(t.Context(), host.Package{Manifest: []byte(bare), Modules: map[abi.Role][]byte{abi.RoleCollector: m.Bytes()}})
			if err != nil {
				t.Fatal(err)
			}
			w.approve(connector, "owner", map[string]any{}, nil)
			o := w.play(connector, "owner", "")
			if o.code() != abi.CodeProtocolViolation { // DONE was said more than once
				t.Errorf("it ended with %s: %v", o.code(), o.err)
			}
			row{}.noValues(t, o)
			if !o.told(ended("failed")) {
				t.Errorf("the audit log does not tell how it ended\n%s", eventsText(o.events))
			}
		})
	}
}

// TestWhatAnotherOwnerHasIsNotThere runs the same connector for one whose
// vault is empty.
func TestWhatAnotherOwnerHasIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.store("rich", nil)
	w.approve(w.connector, "poor", map[string]any{"trick": "a surrogate", "exit": "a record"}, nil)
	o := w.play(w.connector, "poor", "")
	row{got: []string{"use TOKEN: -2", "1"}, told: notAllowed("TOKEN", "not_stored")}.judge(t, w, o)
	if _, err := w.vault.Get(t.Context(), w.scope("poor").Address("TOKEN")); !errors.Is(err, vaultstore.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestTheDumpIsSearched holds the suite itself to finding what it looks for.
func TestTheDumpIsSearched(t *testing.T) {
	w := newWorld(t)
	w.store("owner", nil)
	w.approve(w.connector, "owner", map[string]any{"trick": "a revealed value", "form": "hex", "exit": "a record"}, nil)
	o := w.play(w.connector, "owner", "")
	if !slices.Contains(o.held, "REVEALED") {
		t.Error("a value in a guest's memory was not found there")
	}
	b, _ := json.Marshal(values["TOKEN"])
	if !slices.Contains(secretsIn("x"+string(b)+"y"), "TOKEN") || !slices.Contains(secretsIn(values["SHORT"]), "SHORT") {
		t.Error("a value in a text was not found there")
	}
}
