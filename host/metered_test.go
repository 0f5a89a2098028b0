package host

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/meter"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// TestMeteredModuleIsKept has a second host take what the first one wrote, and
// write it again when it is damaged.
func TestMeteredModuleIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	module := wasmtest.Attacks()[0].Module
	parsed, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	want, err := meter.Rewrite(parsed, module)
	if err != nil {
		t.Fatal(err)
	}
	file := meterCache{filepath.Join(dir, meterFolder), digest(module)}.path()
	load := func() {
		t.Helper()
		h, err := New(t.Context(), NewConfig().WithCompileCache(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(t.Context())
		got, err := h.metered(parsed, module, digest(module))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("it is not the metered module: %v", err)
		}
		if _, err := h.compile(t.Context(), got); err != nil {
			t.Error(err)
		}
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(load)
	}
	both.Wait()
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	load()
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("it is written again: %v", err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{nil, whole[:10], whole[:len(whole)-1], append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1)} {
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		load()
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, whole) {
			t.Errorf("%d damaged bytes stay: %v", len(damaged), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, meterFolder, "*.tmp")); len(left) > 0 {
		t.Errorf("%v is left over", left)
	}
}

// TestDamagedCompileCache damages what wazero keeps.
func TestDamagedCompileCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	load := func() {
		t.Helper()
		h, err := New(t.Context(), NewConfig().WithCompileCache(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(t.Context())
		c, err := h.compile(t.Context(), wasmtest.Attacks()[0].Module)
		if err != nil {
			t.Fatal(err)
		}
		if c.ExportedFunctions()[abi.ExportRun] == nil {
			t.Error("it is another module")
		}
	}
	load()
	files, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache has %v: %v", files, err)
	}
	for _, size := range []int64{0, 5, 100} {
		if err := os.Truncate(files[0], size); err != nil {
			t.Fatal(err)
		}
		load()
	}
}
