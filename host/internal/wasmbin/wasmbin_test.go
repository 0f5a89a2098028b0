package wasmbin

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

func sec(id byte, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	return append(append([]byte{id}, leb(uint32(len(b)))...), b...)
}

func str(s string) []byte { return append(leb(uint32(len(s))), s...) }

func mod(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil)...)
}

func TestParse(t *testing.T) {
	good := mod(
		sec(1, []byte{2, 0x60, 1, 0x7f, 1, 0x7e, 0x60, 0, 1, 0x7f}),
		sec(2, []byte{1}, str("env"), str("f"), []byte{0, 0}),
		sec(3, []byte{1, 1}),
		sec(5, []byte{1, 1, 1, 4}),
		sec(7, []byte{2}, str("run"), []byte{0, 1}, str("memory"), []byte{2, 0}),
		sec(10, []byte{1, 6, 1, 1, 0x7f, 0x41, 0, 0x0b}),
	)
	m, err := Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Imports) != 1 || m.Imports[0].Module != "env" || m.Imports[0].Name != "f" ||
		string(m.Imports[0].Type.Params) != "\x7f" || string(m.Imports[0].Type.Results) != "\x7e" {
		t.Errorf("imports = %+v", m.Imports)
	}
	if ex, ok := m.Export("run"); !ok || len(ex.Type.Params) != 0 || string(ex.Type.Results) != "\x7f" {
		t.Errorf("export run = %+v, %v", ex, ok)
	}
	if m.MemoryMin != 1 || m.MemoryMax != 4 || m.HasStart {
		t.Errorf("module = %+v", m)
	}
	for n := range good {
		if _, err := Parse(good[:n]); err == nil && n != 8 && !wholeSections(good, n) {
			t.Errorf("cut at %d: no error", n)
		} else if err != nil && !errors.Is(err, ErrModule) {
			t.Errorf("cut at %d: %v does not wrap ErrModule", n, err)
		}
	}
}

// wholeSections reports whether a cut at n leaves whole sections without code
// for a declared function; such a module is a module.
func wholeSections(good []byte, n int) bool {
	m, err := Parse(good[:n])
	return err == nil && m.Functions == 0
}

func TestParseRefuses(t *testing.T) {
	funcType := sec(1, []byte{1, 0x60, 0, 0})
	for _, c := range []struct {
		name   string
		module []byte
		says   string
	}{
		{"not wasm", []byte("hello, world"), "does not begin"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "does not begin"},
		{"section twice", mod(funcType, funcType), "twice or out of order"},
		{"out of order", mod(sec(3, []byte{0}), funcType), "twice or out of order"},
		{"unknown section", mod(sec(13, []byte{0})), "unknown id 13"},
		{"20 million locals", mod(funcType, sec(3, []byte{1, 0}), sec(10, []byte{1, 8, 1}, leb(20_000_000), []byte{0x7f, 0x0b, 0})), "locals"},
		{"many small local groups", mod(funcType, sec(3, []byte{1, 0}), sec(10, []byte{1}, leb(2+200), []byte{50, 0}[:1], bytes.Repeat([]byte{0xff, 0xff, 3, 0x7f}, 50), []byte{0x0b})), "locals"},
		{"too many imports", mod(funcType, sec(2, leb(MaxImports+1))), "1001 imports"},
		{"type out of range", mod(funcType, sec(3, []byte{1, 1})), "type 1 of 1"},
		{"export out of range", mod(sec(7, []byte{1}, str("f"), []byte{0, 0})), "function 0 of 0"},
		{"shared memory", mod(sec(5, []byte{1, 3, 1, 1})), "shared"},
		{"tables of 2^27 entries", mod(sec(4, []byte{1, 0x70, 0}, leb(1<<27))), "entries"},
		{"many tables", mod(sec(4, []byte{100}, bytes.Repeat(append([]byte{0x70, 0}, leb(20_000)...), 100))), "entries"},
		{"a table of numbers", mod(sec(4, []byte{1, 0x7f, 0, 1})), "references"},
		{"two memories", mod(sec(5, []byte{2, 0, 1, 0, 1})), "2 memories"},
		{"memory over 4 GiB", mod(sec(5, []byte{1, 1, 1}, leb(65_537))), "not possible"},
		{"no code", mod(funcType, sec(3, []byte{1, 0})), "code for 0"},
		{"slack in a section", mod(sec(1, []byte{0, 0})), "longer"},
		{"long number", mod([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}), "32 bits"},
		{"name not UTF-8", mod(sec(7, []byte{1, 1, 0xff, 0, 0})), "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.module)
			if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Parse = %v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestClampBoundsTables(t *testing.T) {
	grow := func(table ...byte) []byte {
		return mod(
			sec(1, []byte{1, 0x60, 1, 0x7f, 1, 0x7f}), sec(3, []byte{1, 0}), sec(4, []byte{1}, table),
			sec(7, []byte{1}, str("grow"), []byte{0, 0}),
			sec(10, []byte{1, 9, 0, 0xd0, 0x70, 0x20, 0, 0xfc, 0x0f, 0, 0x0b}), // ref.null, local.get 0, table.grow 0
		)
	}
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	for _, c := range []struct {
		name     string
		table    []byte
		delta    uint64
		wantOld  uint32
		wantFail bool
	}{
		{"without a maximum, a little", []byte{0x70, 0, 5}, 100, 5, false},
		{"without a maximum, too far", []byte{0x70, 0, 5}, MaxTableEntries + 1, 0, true},
		{"its own maximum", []byte{0x70, 1, 5, 7}, 3, 0, true},
		{"a large maximum", append([]byte{0x70, 1, 5}, leb(1<<30)...), 1 << 24, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			module := grow(c.table...)
			m, err := Parse(module)
			if err != nil {
				t.Fatal(err)
			}
			clamped := m.Clamp(module)
			if _, err := Parse(clamped); err != nil {
				t.Fatalf("what Clamp returns: %v", err)
			}
			mod, err := rt.InstantiateWithConfig(ctx, clamped, wazero.NewModuleConfig().WithName(""))
			if err != nil {
				t.Fatal(err)
			}
			defer mod.Close(ctx)
			got, err := mod.ExportedFunction("grow").Call(ctx, c.delta)
			if err != nil || (uint32(got[0]) == 0xffff_ffff) != c.wantFail || !c.wantFail && uint32(got[0]) != c.wantOld {
				t.Errorf("table.grow = %v, %v", got, err)
			}
		})
	}
}

// FuzzParse checks that Parse sees the imports and exports that wazero sees.
func FuzzParse(f *testing.F) {
	f.Add(mod())
	f.Add(mod(
		sec(1, []byte{1, 0x60, 0, 1, 0x7f}),
		sec(2, []byte{1}, str("env"), str("f"), []byte{0, 0}),
		sec(3, []byte{1, 0}),
		sec(5, []byte{1, 0, 1}),
		sec(7, []byte{1}, str("run"), []byte{0, 1}),
		sec(10, []byte{1, 4, 0, 0x41, 0, 0x0b}),
	))
	rt := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(64))
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := Parse(module)
		if err != nil || len(module) > 4096 {
			return
		}
		c, err := rt.CompileModule(context.Background(), m.Clamp(module))
		if err != nil {
			return
		}
		defer c.Close(context.Background())
		n := 0
		for _, im := range m.Imports {
			if im.Kind == KindFunc {
				n++
			}
		}
		if got := len(c.ImportedFunctions()); got != n {
			t.Fatalf("wazero sees %d imported functions, Parse %d", got, n)
		}
		for name := range c.ExportedFunctions() {
			if ex, ok := m.Export(name); !ok || ex.Kind != KindFunc {
				t.Fatalf("wazero sees export %q, Parse does not", name)
			}
		}
	})
}
