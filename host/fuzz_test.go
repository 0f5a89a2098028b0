package host_test

import (
	"encoding/binary"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// caller is a module that makes the calls that program says, one after the
// other: an index into the functions of the ABI, then its arguments.
func caller(program []byte) []byte {
	m := wasmtest.New(1)
	var funcs []abi.Func
	for _, f := range append(abi.Functions(), abi.WASIFunctions()...) {
		switch f.Module {
		case abi.ModuleRun, abi.ModuleCredential, abi.ModuleHTTP, abi.ModuleWASI:
			types := func(in []abi.ValType) (out []byte) {
				for _, t := range in {
					out = append(out, byte(t))
				}
				return out
			}
			m.Import(f.Module, f.Name, types(f.Params), types(f.Results))
			funcs = append(funcs, f)
		}
	}
	// Text that some of the arguments will point to.
	for _, text := range []string{"TOKEN", `{"method":"GET","url":"https://example.com/bearer","headers":[["Authorization","Bearer x"]]}`,
		`{"type":"RECORD","stream":"findings","key":"a","data":{"id":"a"},"emitted_at":"2026-01-01T00:00:00Z"}` + "\n",
		`{"type":"INTERACTION","request_id":"q","kind":"credentials","message":"m","schema":{"properties":{"TOKEN":{}}}}`} {
		m.Data(text)
	}
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	var code [][]byte
	next := func() (v uint64) {
		var b [8]byte
		program = program[copy(b[:], program):]
		return binary.LittleEndian.Uint64(b[:])
	}
	for len(program) > 0 {
		i := int(program[0]) % len(funcs)
		program = program[1:]
		f := funcs[i]
		if f.Name == "poll_oneoff" || f.Name == "wait" || f.Name == "interact" {
			continue // they block: the tests of stopping are about them
		}
		for _, t := range f.Params {
			if v := next(); t == abi.I64 {
				code = append(code, wasmtest.I64Const(int64(v)))
			} else {
				code = append(code, wasmtest.I32Const(int32(v>>(v%4*8)))) // small numbers as often as large ones
			}
		}
		code = append(code, wasmtest.Call(uint32(i)))
		if len(f.Results) > 0 {
			code = append(code, wasmtest.Drop())
		}
	}
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, append(code, wasmtest.I32Const(0))...)
	return m.Bytes()
}

// FuzzHostCalls calls host functions with arguments of all kinds: the host
// survives, and the run ends.
func FuzzHostCalls(f *testing.F) {
	le := binary.LittleEndian
	for i := range 60 {
		program := []byte{byte(i)}
		for _, v := range []uint64{0xFFFF_FFF0, 0xFFFF_FFFF, 0, 0xFFFF_FFFF_FFFF_FFFF, 1, 0x1_0000, 64, 0} {
			program = le.AppendUint64(program, v)
		}
		f.Add(program)
	}
	w := emptyWorld(f)
	w.store("TOKEN", canary, abi.ClassToken)
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 2000 {
			return
		}
		c, err := w.host.Load(t.Context(), host.Package{Manifest: []byte(testManifest), Modules: map[abi.Role][]byte{abi.RoleCollector: caller(program)}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		w.connector, w.t = c, t
		w.approve("fuzz")
		res, err := w.host.Run(t.Context(), c, host.RunOptions{Unattended: true, Sink: w.sink})
		if err != nil && res.Done.Error != nil && res.Done.Error.Code == abi.CodeHostError {
			t.Fatalf("the host failed: %v", err)
		}
	})
}
