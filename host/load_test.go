package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/manifests"
)

var (
	i32 = wasmtest.I32
	i64 = wasmtest.I64
)

// reactor is a module that imports what it is told and says DONE.
func reactor(change func(*wasmtest.Module)) []byte {
	m := wasmtest.New(1)
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	if change != nil {
		change(m)
	}
	p, n := m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil,
		wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop(), wasmtest.I32Const(0))
	return m.Bytes()
}

func TestAModuleIsLinkedOnlyAgainstWhatItIsGiven(t *testing.T) {
	w := newWorld(t)
	four := []byte{i32, i32, i32, i32}
	noCredentials := cut(testManifest, `"credentials_schema"`, `"egress"`)
	for _, c := range []struct {
		name, manifest string
		module         []byte
		says           string
	}{
		{"stream", testManifest, reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleStream, "open", []byte{i32, i32}, []byte{i64}) }), `import "sallyport:stream/v1" "open"`},
		{"reveal", testManifest, reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleCredentialReveal, "reveal", four, []byte{i64}) }), `"sallyport:credential-reveal/v1" "reveal"`},
		{"put by a collector", testManifest, reactor(func(m *wasmtest.Module) {
			m.Import(abi.ModuleCredentialStore, "put", []byte{i32, i32, i32, i32, i32, i32}, []byte{i64})
		}), "/modules/bootstrap"},
		{"no credentials declared", noCredentials, reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleCredential, "use", four, []byte{i64}) }), "/credentials_schema"},
		{"no network asked for", strings.Replace(testManifest, `"network": {"required": true}`, ``, 1), reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleHTTP, "send", four, []byte{i64}) }), "/runtime_requirements/bindings"},
		{"unknown module", testManifest, reactor(func(m *wasmtest.Module) { m.Import("env", "memcpy", four, nil) }), "there is no such import module"},
		{"unknown function", testManifest, reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleCredential, "peek", four, []byte{i64}) }), "no such function"},
		{"wrong signature", testManifest, reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleCredential, "use", four, []byte{i32}) }), "(param i32 i32 i32 i32) (result i64)"},
		{"unknown function of wasi", testManifest, reactor(func(m *wasmtest.Module) { m.Import(abi.ModuleWASI, "sock_open", four, []byte{i32}) }), "no such function"},
		{"no sallyport_run", testManifest, wasmtest.New(1).Bytes(), `export "sallyport_run"`},
		{"not wasm", testManifest, []byte("#!/bin/sh"), "does not begin as WebAssembly"},
		{"empty", testManifest, nil, "0 bytes"},
		{"wrong digest", strings.Replace(testManifest, `"path": "collector.wasm"`, `"path": "collector.wasm", "sha256": "`+strings.Repeat("0", 64)+`"`, 1), reactor(nil), "the manifest states 0000"},
		{"too much memory", strings.Replace(testManifest, `"modules"`, `"limits": {"memory_mib": 1}, "modules"`, 1), bigReactor(), "memory_mib"},
		{"a binding that is not offered", strings.Replace(testManifest, `"network": {"required": true}`, `"network": {"required": true}, "filesystem": {"required": true}`, 1), reactor(nil), "binding filesystem"},
		{"invalid code", testManifest, reactor(func(m *wasmtest.Module) { m.Func("", nil, []byte{i32}, nil) }), "does not compile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(w.audit.Events())
			_, err := w.host.Load(t.Context(), host.Package{Manifest: []byte(c.manifest), Modules: map[abi.Role][]byte{abi.RoleCollector: c.module}})
			var refusal *host.Refusal
			if !errors.As(err, &refusal) || !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("Load = %v, want a refusal that says %q", err, c.says)
			}
			if refusal.Remedy == "" {
				t.Errorf("no remedy: %+v", refusal)
			}
			if len(w.audit.Events()) == before {
				t.Error("the refusal is not in the audit log")
			}
		})
	}
	if _, err := w.host.Load(t.Context(), host.Package{Manifest: []byte(testManifest), Modules: map[abi.Role][]byte{abi.RoleCollector: reactor(nil)}}); err != nil {
		t.Errorf("a good one: %v", err)
	}
	var faults *manifests.Faults
	if _, err := w.host.Load(t.Context(), host.Package{Manifest: []byte(`{}`)}); !errors.As(err, &faults) {
		t.Errorf("a wrong manifest: %v", err)
	}
}

// cut takes the members from one name up to another out of a manifest.
func cut(s, from, to string) string {
	i, j := strings.Index(s, from), strings.Index(s, to)
	return s[:i] + s[j:]
}

func bigReactor() []byte {
	m := wasmtest.New(64)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, wasmtest.I32Const(0))
	return m.Bytes()
}

func TestAnotherVersionOfTheABI(t *testing.T) {
	w := newWorld(t)
	m := wasmtest.New(1)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(2))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, wasmtest.I32Const(0))
	w.connector = w.load(testManifest, m.Bytes())
	w.approve("nothing")
	w.store("TOKEN", canary, abi.ClassToken)
	if _, err := w.again(host.RunOptions{}); !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("%v", err)
	}
}

func TestACompileCacheThatOthersCanWriteToIsNotUsed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs permission bits (not on windows)")
	}
	for name, spoil := range map[string]func(dir string) error{
		"writable":        func(dir string) error { return os.Chmod(dir, 0o777) },
		"readable":        func(dir string) error { return os.Chmod(dir, 0o755) },
		"a symbolic link": func(dir string) error { return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir)) },
		"a link inside":   func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "x")) },
		"a file writable inside": func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "x"), nil, 0o600), os.Chmod(filepath.Join(dir, "x"), 0o666))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			if err := errors.Join(os.Mkdir(dir, 0o700), spoil(dir)); err != nil {
				t.Fatal(err)
			}
			h, err := host.New(t.Context(), host.NewConfig().WithCompileCache(dir))
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close(t.Context())
			if _, err := h.Load(t.Context(), host.Package{Manifest: []byte(testManifest), Modules: map[abi.Role][]byte{abi.RoleCollector: reactor(nil)}}); err != nil {
				t.Fatal(err)
			}
			if found, _ := filepath.Glob(filepath.Join(dir, "wazero-*")); len(found) > 0 {
				t.Error("the cache was used")
			}
		})
	}
}

func TestReadPackage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("manifest.json", testManifest)
	if _, err := host.ReadPackage(dir); err == nil || !strings.Contains(err.Error(), "build it first") {
		t.Errorf("no module: %v", err)
	}
	write("collector.wasm", string(reactor(nil)))
	for _, path := range []string{dir, filepath.Join(dir, "manifest.json")} {
		if p, err := host.ReadPackage(path); err != nil || len(p.Modules) != 1 {
			t.Errorf("ReadPackage(%s) = %v", path, err)
		}
	}
	t.Chdir(dir)
	for _, path := range []string{".", "manifest.json"} {
		if _, err := host.ReadPackage(path); err != nil {
			t.Errorf("ReadPackage(%s) = %v", path, err)
		}
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "collector.wasm")), os.Symlink(outside, filepath.Join(dir, "collector.wasm"))); err != nil {
		t.Skip("skip: needs symbolic links")
	}
	if _, err := host.ReadPackage(dir); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a link out of the folder: %v", err)
	}
	if _, err := host.ReadPackage(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestInspect(t *testing.T) {
	info, err := host.Inspect(reactor(nil))
	if err != nil || fmt.Sprint(info.Imports) != "[sallyport:run/v1.emit]" || len(info.SHA256) != 64 || len(info.Exports) != 3 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := host.Inspect([]byte("no")); err == nil {
		t.Error("no error")
	}
}

// TestTwoHostsShareNothing runs the same connector in two hosts at once, each
// with an approval and a value of its own.
func TestTwoHostsShareNothing(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	a.approve("bearer")
	b.approve("bearer")
	a.store("TOKEN", "value-of-a", abi.ClassToken)
	b.store("TOKEN", "value-of-b", abi.ClassToken)
	errs := make(chan error, 2)
	for _, w := range []*world{a, b} {
		go func() {
			for range 5 {
				if _, err := w.host.Run(context.Background(), w.connector, host.RunOptions{}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for w, want := range map[*world]string{a: "value-of-a", b: "value-of-b"} {
		for _, r := range w.source.requests() {
			if !strings.HasSuffix(r, want) {
				t.Errorf("got %q, want only %s", r, want)
			}
		}
	}
	if _, err := b.host.Run(context.Background(), a.connector, host.RunOptions{}); err == nil {
		t.Error("a host runs what another has loaded")
	}
}
