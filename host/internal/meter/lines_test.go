package meter

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// trapOf rewrites a module, calls its run, and returns what that ends with.
func trapOf(t *testing.T, module []byte) string {
	t.Helper()
	m, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	metered, err := Rewrite(m, module)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	_, err = r.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) { stack[0] = 1 << 20 }), nil, []api.ValueType{api.ValueTypeI64}).
		Export(ImportName).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	guest, err := r.Instantiate(ctx, metered)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = guest.ExportedFunction("run").Call(ctx, 3); err == nil {
		t.Fatal("it does not trap")
	}
	return err.Error()
}

func TestTrapNamesItsLines(t *testing.T) {
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("skip: needs clang (apt-get install clang lld)")
	}
	for _, version := range []string{"-gdwarf-4", "-gdwarf-5"} {
		out := filepath.Join(t.TempDir(), "trap.wasm")
		build := exec.Command("clang", "--target=wasm32", version, "-O1", "-nostdlib", "-Wl,--no-entry", "-o", out, "trap.c")
		build.Dir = "testdata"
		if said, err := build.CombinedOutput(); err != nil {
			t.Skipf("skip: needs clang and lld for wasm32 (apt-get install clang lld): %s", said)
		}
		module, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		trace := trapOf(t, module)
		for _, frame := range []string{"trap.c:6\n", "trap.c:11\n", "trap.c:16"} {
			before, after, ok := strings.Cut(trace, frame)
			if !ok {
				t.Errorf("%s: no %q in %q, or not in order", version, frame, before)
			}
			trace = after
		}
	}
}

func withSections(module []byte, sections map[string]string) []byte {
	for name, body := range sections {
		content := append(append(wasmtest.U32(uint32(len(name))), name...), body...)
		module = append(append(append(module, 0), wasmtest.U32(uint32(len(content)))...), content...)
	}
	return module
}

// TestGuestsDebugSectionsAreDropped has sections that the engine's reader fails
// on, and looks for none of them in what it is given.
func TestGuestsDebugSectionsAreDropped(t *testing.T) {
	module := withSections(one(opUnreachable), map[string]string{
		".debug_info": "\x0b\x00\x00\x00\x04\x00\x00\x00\x00\x00\x08\x01\x00\x00\x00", ".debug_abbrev": "\x01\x11\x01\x10\x17\x00\x00\x00",
		".debug_line": "\xff\xff\xff\x7f\x04\x00", ".debug_str": "x", ".debug_ranges": "\x00",
	})
	m, err := wasmbin.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	metered, err := Rewrite(m, module)
	if err != nil || strings.Contains(string(metered), ".debug") {
		t.Errorf("%v: debug sections of a guest's reach the engine", err)
	}
}

// FuzzLines puts any bytes into the debug sections of a guest that traps.
func FuzzLines(f *testing.F) {
	f.Add([]byte("\xff\xff\xff\x7f\x04\x00"), []byte("x"), []byte("y"))
	// A version 4 program of one file and one row at offset 3.
	f.Add([]byte("\x2d\x00\x00\x00\x04\x00\x17\x00\x00\x00\x01\x01\x01\x00\x01\x0d\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01\x00a\x00\x00\x00\x00\x00"+
		"\x00\x05\x02\x03\x00\x00\x00\x01\x02\x01\x00\x01\x01"), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, line, lineStr, str []byte) {
		trapOf(t, withSections(one(opUnreachable), map[string]string{".debug_line": string(line), ".debug_line_str": string(lineStr), ".debug_str": string(str)}))
	})
}
