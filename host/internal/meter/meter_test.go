package meter

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

const i32, i64 = wasmtest.I32, wasmtest.I64

// one is a module of one function, exported as run, with one i32 parameter.
func one(code ...byte) []byte {
	m := wasmtest.New(1)
	m.Func("run", []byte{i32}, nil, nil, code)
	return m.Bytes()
}

func TestRewriteRefuses(t *testing.T) {
	imports := wasmtest.New(1)
	imports.Import(ImportModule, ImportName, nil, []byte{i64})
	deep := slices.Concat(bytes.Repeat([]byte{opBlock, typeVoid}, MaxNesting+1), bytes.Repeat([]byte{opEnd}, MaxNesting+1))
	table := slices.Concat([]byte{opLocalGet, 0, opBrTable}, wasmtest.U32(MaxBranches+1), make([]byte, MaxBranches+2))
	locals := wasmtest.New(1)
	locals.Func("", nil, nil, slices.Repeat([]byte{i32}, 2000), bytes.Repeat([]byte{opI32Const, 0, opIf, typeVoid, opEnd}, 1001))
	for _, c := range []struct {
		name   string
		module []byte
		says   string
	}{
		{"the tick imported by the guest", imports.Bytes(), "the host's own"},
		{"the fuel read", one(opGlobalGet, 0, opDrop), "global 0 of 0"},
		{"the fuel written", one(opI64Const, 9, opGlobalSet, 0), "global 0 of 0"},
		{"the scratch local", one(opLocalGet, 1, opDrop), "local 1 of 1"},
		{"a helper called", one(opCall, 1), "function 1 of 1"},
		{"a helper referred to", one(opRefFunc, 1, opDrop), "function 1 of 1"},
		{"a type of the meter's", one(opBlock, 1, opEnd), "type 1 of 1"},
		{"a branch too deep", one(opBr, 1), "label 1 of 1"},
		{"code after the end", one(opEnd, opEnd), "more after its end"},
		{"no end", one(opBlock, typeVoid), "ends early"},
		{"else without if", one(opElse), "else without"},
		{"blocks too deep", one(deep...), "deep"},
		{"a large br_table", one(table...), "targets"},
		{"much to compile", locals.Bytes(), "too much to compile"},
		{"atomics", one(0xfe, 0), "threads and atomics"},
		{"tail calls", one(0x12, 0), "tail calls"},
		{"exceptions", one(0x08, 0), "exceptions"},
		{"typed references", one(0x14, 0), "typed function references"},
		{"garbage collection", one(0xfb, 0), "garbage collected"},
		{"an unknown opcode", one(0xff), "unknown opcode 0xff"},
		{"a long form of a vector opcode", one(opVec, 0x80, 0x00), "long form"},
		{"relaxed vectors", one(opVec, 0x80, 0x02), "long form"},
		{"a long form of a bulk opcode", one(opMisc, 0x8b, 0x00, 0), "unknown opcode 0xfc 0x8b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rewritten(c.module)
			if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Rewrite = %v, want it to say %q", err, c.says)
			}
		})
	}
}

// metered instantiates the module rewritten, with a tick that counts and gives
// that much fuel.
func metered(t testing.TB, module []byte, fuel uint64) (api.Module, *int) {
	t.Helper()
	code, err := rewritten(module)
	if err != nil {
		t.Fatal(err)
	}
	ticks := new(int)
	rt := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfig().WithMemoryLimitPages(1024))
	t.Cleanup(func() { _ = rt.Close(context.Background()) })
	_, err = rt.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().WithGoModuleFunction(
		api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { *ticks++; stack[0] = fuel }), nil, []api.ValueType{api.ValueTypeI64}).
		Export(ImportName).Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Instantiate(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	return mod, ticks
}

// TestBulkInPieces holds long fills and copies, which are done in pieces, to
// what they do at once.
func TestBulkInPieces(t *testing.T) {
	const pages = 64
	size := uint64(pages << 16)
	m := wasmtest.New(pages)
	args := slices.Concat(wasmtest.LocalGet(0), wasmtest.LocalGet(1), wasmtest.LocalGet(2))
	m.Func("fill", []byte{i32, i32, i32}, nil, nil, args, []byte{opMisc, miscMemoryFill, 0})
	m.Func("copy", []byte{i32, i32, i32}, nil, nil, args, []byte{opMisc, miscMemoryCopy, 0, 0})
	mod, ticks := metered(t, m.Bytes(), 3*piece>>3)
	mem, _ := mod.Memory().Read(0, uint32(size))
	pattern := func() {
		for i := range mem {
			mem[i] = byte(i*7 + i>>8 + i>>16)
		}
	}
	for _, c := range []struct {
		op        string
		to, of, n uint64
		traps     bool
	}{
		{"fill", 5, 9, 3*piece + 7, false},
		{"fill", 5, 9, piece, false},
		{"fill", 5, 9, piece + 1, false},
		{"fill", 0, 9, size, false},
		{"fill", 1, 9, size, true},
		{"fill", size, 9, 0, false},
		{"fill", 0, 9, 0xffff_ffff, true},
		{"copy", 0, 1, size - 1, false},
		{"copy", 1, 0, size - 1, false},
		{"copy", 100, 100 + piece/2, 2*piece + 3, false},
		{"copy", 100 + piece/2, 100, 2*piece + 3, false},
		{"copy", 7, 7, 2*piece + 3, false},
		{"copy", 0, 2, size - 1, true},
		{"copy", 2, 0, size - 1, true},
		{"copy", 0xffff_0000, 0, 2 * piece, true},
	} {
		pattern()
		want := bytes.Clone(mem)
		switch {
		case c.traps:
		case c.op == "fill":
			for i := range c.n {
				want[c.to+i] = byte(c.of)
			}
		default:
			copy(want[c.to:c.to+c.n], want[c.of:c.of+c.n])
		}
		*ticks = 0
		_, err := mod.ExportedFunction(c.op).Call(t.Context(), c.to, c.of, c.n)
		if (err != nil) != c.traps {
			t.Errorf("%+v: %v", c, err)
		}
		if !bytes.Equal(mem, want) {
			t.Errorf("%+v: the memory is not as it should be", c)
		}
		if want := int(c.n / (4 * piece)); !c.traps && *ticks < want {
			t.Errorf("%+v: %d ticks, want %d at least", c, *ticks, want)
		}
	}
}

// TestNamesAndIndices has functions call each other by every kind of index,
// with an import before them.
func TestNamesAndIndices(t *testing.T) {
	module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{2, 0x60, 0, 1, typeI32, 0x60, 0, 0}),
		section(3, []byte{3, 0, 0, 1}),
		section(4, []byte{1, 0x70, 0, 2}),
		section(6, []byte{1, 0x70, 0, opRefFunc, 0, opEnd, 0}[:6]),
		section(7, []byte{1, 3, 'r', 'u', 'n', 0, 1}),
		section(9, []byte{2, 0, opI32Const, 0, opEnd, 1, 0, 3, 0, 1, 0}),
		section(10, []byte{3, 4, 0, opI32Const, 7, opEnd, 7, 0, opI32Const, 0, opCallIndirect, 0, 0, opEnd, 2, 0, opEnd}),
		section(0, slices.Concat([]byte{4}, []byte("name"), []byte{1, 8, 2, 0, 1, 'a', 2, 2, 'b', 'c'})),
	)
	mod, ticks := metered(t, module, 1000)
	out, err := mod.ExportedFunction("run").Call(t.Context())
	if err != nil || len(out) != 1 || out[0] != 7 {
		t.Errorf("run = %v, %v", out, err)
	}
	if *ticks == 0 {
		t.Error("no tick")
	}
	code, err := rewritten(module)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(code, []byte{1, 8, 2, 1, 1, 'a', 3, 2, 'b', 'c'}) {
		t.Error("the names do not move with their functions")
	}
}

func section(id byte, content []byte) []byte {
	return append(append([]byte{id}, wasmtest.U32(uint32(len(content)))...), content...)
}

// FuzzRewrite checks that no input panics, that a module which wazero takes
// is taken when it is rewritten, and that one which it refuses is not made
// good.
func FuzzRewrite(f *testing.F) {
	f.Add(one())
	f.Add(one(opLocalGet, 0, opIf, typeVoid, opLoop, typeVoid, opBr, 0, opEnd, opElse, opEnd))
	f.Add(one(opBlock, typeVoid, opLocalGet, 0, opBrTable, 1, 0, 1, opEnd))
	f.Add(one(opLocalGet, 0, opLocalGet, 0, opLocalGet, 0, opMisc, miscMemoryFill, 0))
	f.Add(one(opLocalGet, 0, opMemoryGrow, 0, 0x1a))
	f.Add(one(opVec, vecConst, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x1a))
	rt := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(64))
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := wasmbin.Parse(module)
		if err != nil || len(module) > 4096 {
			return
		}
		code, err := Rewrite(m, module)
		if err != nil {
			return
		}
		if again, err := Rewrite(m, module); err != nil || !bytes.Equal(again, code) {
			t.Fatalf("it is rewritten in two ways: %v", err)
		}
		plain, errPlain := rt.CompileModule(context.Background(), m.Clamp(module))
		if errPlain == nil {
			defer plain.Close(context.Background())
		}
		c, err := rt.CompileModule(context.Background(), code)
		if err == nil {
			defer c.Close(context.Background())
		}
		// Custom sections are left out, so that what wazero has against one is no more.
		if (errPlain == nil) != (err == nil) && !strings.Contains(textOf(errPlain), "custom") {
			t.Fatalf("wazero says %v of the module, and %v of the rewritten one", errPlain, err)
		}
	})
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
