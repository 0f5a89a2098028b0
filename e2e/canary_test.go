package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/e2e/internal/dav"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// field plants canaries around a host and its guests.
type field struct {
	detector
	t        *testing.T
	password string // what opens the source
	planted  map[string]string
}

// plant puts canaries into this process's environment, its working folder and
// its HOME, all of them the test's own.
func plant(t *testing.T) *field {
	t.Helper()
	f := &field{t: t, planted: map[string]string{}}
	f.password = f.canary("the stored password")
	for _, name := range []string{"SALLYPORT_CANARY", "APP_PASSWORD", "TOKEN", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"} {
		t.Setenv(name, f.canary("the environment variable "+name))
	}
	home, work := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(home, ".netrc"):                "machine contacts.test login alice password %s\n",
		filepath.Join(home, ".ssh", "id_ed25519"):    "%s\n",
		filepath.Join(home, ".aws", "credentials"):   "[default]\naws_secret_access_key = %s\n",
		filepath.Join(work, ".env.local"):            "APP_PASSWORD=%s\n",
		filepath.Join(work, "nosy.txt"):              "%s",
		filepath.Join(work, "contacts", "token.txt"): "%s",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		text = fmt.Sprintf(text, f.canary("the file "+filepath.Base(name)))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Chdir(work)
	return f
}

// canary makes a value that nobody else has.
func (f *field) canary(what string) string {
	value := "Canary" + rand.Text()
	f.add(what, value)
	f.planted[what] = value
	return value
}

// vault holds canaries at every address near the one that a run may use.
func (f *field) vault(near capabilities.Scope) *memory.Store {
	f.t.Helper()
	store := memory.New(memory.WithPasswords())
	put := func(change func(*capabilities.Scope), name string, class abi.Class) {
		s := near
		change(&s)
		putValue(f.t, store, s.Address(name), class, f.canary(fmt.Sprintf("the vault's %s of %v", name, s)))
	}
	put(func(s *capabilities.Scope) { s.Owner = "somebody-else" }, "APP_PASSWORD", abi.ClassToken)
	put(func(s *capabilities.Scope) { s.Grant = "another-grant" }, "TOKEN", abi.ClassToken)
	put(func(s *capabilities.Scope) { s.Instance = "another-account" }, "TOKEN", abi.ClassToken)
	put(func(s *capabilities.Scope) { s.Connector = "bank" }, "BANK_TOKEN", abi.ClassToken)
	put(func(*capabilities.Scope) {}, "BANK_TOKEN", abi.ClassToken)
	put(func(*capabilities.Scope) {}, "BANK_PIN", abi.ClassPassword)
	put(func(*capabilities.Scope) {}, "BANK_PASSWORD", abi.ClassPassword)
	return store
}

// quiet sends what this process prints to files while the test runs, and
// returns what was printed.
func (f *field) quiet() (printed func() []byte) {
	f.t.Helper()
	file, err := os.Create(filepath.Join(f.t.TempDir(), "printed"))
	if err != nil {
		f.t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file
	f.t.Cleanup(func() { os.Stdout, os.Stderr = stdout, stderr; _ = file.Close() })
	return func() []byte {
		b, err := os.ReadFile(file.Name())
		if err != nil {
			f.t.Fatal(err)
		}
		return b
	}
}

// processes looks at the command lines of all processes.
func (f *field) processes() {
	lists, _ := filepath.Glob("/proc/[0-9]*/cmdline") // none outside Linux
	for _, list := range lists {
		line, err := os.ReadFile(list)
		if err == nil { // it may have ended
			f.look("the process list", line)
		}
	}
}

// files looks at every file below dir.
func (f *field) files(what, dir string) {
	f.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		f.look(what+" "+d.Name(), b)
		f.look("a file's name in "+what, []byte(path))
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// asJSON writes v for a detector to look at.
func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ear is an observer that remembers.
type ear struct{ heard bytes.Buffer }

func (e *ear) Progress(p abi.Progress)             { fmt.Fprintln(&e.heard, p.Message) }
func (e *ear) Log(level abi.LogLevel, line string) { fmt.Fprintln(&e.heard, level, line) }

var aSurrogate = regexp.MustCompile(`sp1[0-9A-Za-z]{37}`)

// TestCanaries runs the connectors that need no more than an address book
// through the host's API with canaries all
// around, and finds none in what a guest had in its memory, nor in anything
// that came out of the run.
func TestCanaries(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(built.Connectors)) {
		if name != "contacts" && name != "nosy" {
			continue // its own test looks into its memory, beside the source that it needs
		}
		t.Run(name, func(t *testing.T) { canaryRun(t, name) })
	}
}

func canaryRun(t *testing.T, name string) {
	p, err := host.ReadPackage(built.Connectors[name])
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifests.Parse(p.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	f := plant(t)
	server := startServer(t, f.password)
	if name == "nosy" { // nothing that it sends is approved to carry its token
		server.Tap(func(request []byte) { f.look("a request", request) })
	}
	dumps, surrogates := 0, 0
	ctx := experimental.WithMemoryDump(t.Context(), func(_ string, memory []byte) {
		dumps++
		surrogates += len(aSurrogate.FindAll(memory, -1))
		f.look("the guest's memory", memory)
	})
	printed := f.quiet()
	w := newWorld(ctx, t, server.Addr(), f.vault(scope(m)))
	for what, value := range f.planted {
		w.memory.never(what, value)
	}
	c := w.loadPackage(p)
	w.approve(c, options(m, server.URL(source)))
	for _, credential := range m.Credentials {
		switch {
		case credential.Identity:
			w.put(c, credential.Name, "alice")
		case credential.Class != abi.ClassPassword: // the vault has a canary for these
			w.put(c, credential.Name, f.password)
		}
	}

	var heard ear
	var sink host.MemorySink
	result, err := w.host.Run(t.Context(), c, host.RunOptions{Sink: &sink, Observer: &heard})
	f.processes()

	if err != nil {
		t.Errorf("the run failed: %v", err)
		f.look("the error", []byte(err.Error()))
		f.look("the error, in detail", fmt.Appendf(nil, "%+v %#v", err, err))
	}
	f.look("the result", asJSON(t, result))
	f.look("the result, printed", fmt.Appendf(nil, "%+v %#v", result, result))
	f.look("the audit log", asJSON(t, w.audit.Events()))
	f.look("the host's log", []byte(w.log.String()))
	f.look("what an observer heard", heard.heard.Bytes())
	f.look("stdout and stderr", printed())
	messages, _ := sink.Messages()
	for _, m := range messages {
		f.look("a record", m.Line)
	}
	f.report(t)

	// What was looked at was there: memory that held a surrogate, a log, an
	// audit log, records, and for an honest connector a request that the
	// source let in, so that the value did go out.
	if dumps == 0 || surrogates == 0 || len(w.audit.Events()) == 0 || len(messages) == 0 {
		t.Errorf("saw %d dumps of memory with %d surrogates, %d events and %d messages: the test looks in the wrong place",
			dumps, surrogates, len(w.audit.Events()), len(messages))
	}
	if name != "nosy" && server.Counts().Allowed == 0 {
		t.Error("the source let nobody in: the value never went out")
	}
	if name == "nosy" {
		sawNothing(t, &sink)
	}
}

// options answers what a manifest's options_schema asks.
func options(m *manifests.Manifest, url string) map[string]any {
	values := map[string]any{}
	for _, name := range m.Options.Names {
		switch name {
		case "base_url":
			values[name] = url
		default:
			values[name] = "alice"
		}
	}
	return values
}

// sawNothing expects each attempt of the nosy guest to have failed.
func sawNothing(t *testing.T, sink *host.MemorySink) {
	t.Helper()
	lines := sink.Lines("attempts")
	if len(lines) < 40 {
		t.Errorf("the nosy guest made %d attempts", len(lines))
	}
	for _, line := range lines {
		var record struct {
			Data struct {
				Tried, Got string
				Leaked     bool
			}
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record.Data.Leaked {
			t.Errorf("the nosy guest could %s, and got %q", record.Data.Tried, record.Data.Got)
		}
	}
}

func startServer(t *testing.T, password string) *dav.Server {
	t.Helper()
	server, err := dav.Start("alice", password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Seed(); err != nil {
		t.Fatal(err)
	}
	return server
}
