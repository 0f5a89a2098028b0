// Package wasmtest builds small WebAssembly modules for tests and benchmarks,
// byte by byte, with no toolchain.
//
// # Promise
//
// What [Module.Bytes] returns is a valid module as long as the code given to
// [Module.Func] is. It checks nothing itself, so that a test can also build
// what is not valid.
package wasmtest

import (
	"encoding/binary"
	"slices"
)

// The value types.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
)

// Module is a module under construction. Imports come first, then functions;
// the memory is exported as "memory".
type Module struct {
	types   [][]byte
	imports [][]byte
	funcs   [][]byte
	bodies  [][]byte
	exports [][]byte
	data    []byte
	start   []byte
	pages   uint32
}

// New returns a module with a memory of pages.
func New(pages uint32) *Module {
	return &Module{pages: pages, exports: [][]byte{append(name("memory"), 2, 0)}}
}

// Import adds an imported function and returns its index.
func (m *Module) Import(module, field string, params, results []byte) uint32 {
	entry := slices.Concat(name(module), name(field), []byte{0}, U32(m.typeOf(params, results)))
	m.imports = append(m.imports, entry)
	return uint32(len(m.imports) - 1)
}

// Func adds a function, exported under export unless that is "", with locals
// beyond its parameters, and returns its index. code is without the final
// end.
func (m *Module) Func(export string, params, results, locals []byte, code ...[]byte) uint32 {
	index := uint32(len(m.imports) + len(m.funcs))
	m.funcs = append(m.funcs, U32(m.typeOf(params, results)))
	body := U32(uint32(len(locals)))
	for _, t := range locals {
		body = append(body, 1, t)
	}
	body = append(slices.Concat(append([][]byte{body}, code...)...), 0x0b)
	m.bodies = append(m.bodies, append(U32(uint32(len(body))), body...))
	if export != "" {
		m.exports = append(m.exports, slices.Concat(name(export), []byte{0}, U32(index)))
	}
	return index
}

// Start has function f called when the module is instantiated.
func (m *Module) Start(f uint32) {
	m.start = slices.Concat([]byte{8}, U32(uint32(len(U32(f)))), U32(f))
}

// Data puts text into the memory and returns where.
func (m *Module) Data(text string) (ptr, n uint32) {
	ptr = uint32(len(m.data))
	m.data = append(m.data, text...)
	return ptr, uint32(len(text))
}

func (m *Module) typeOf(params, results []byte) uint32 {
	t := slices.Concat([]byte{0x60}, U32(uint32(len(params))), params, U32(uint32(len(results))), results)
	for i, have := range m.types {
		if slices.Equal(have, t) {
			return uint32(i)
		}
	}
	m.types = append(m.types, t)
	return uint32(len(m.types) - 1)
}

// Bytes returns the module.
func (m *Module) Bytes() []byte {
	data := slices.Concat([]byte{0}, I32Const(0), []byte{0x0b}, U32(uint32(len(m.data))), m.data)
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, m.types), section(2, m.imports), section(3, m.funcs),
		section(5, [][]byte{append([]byte{0}, U32(m.pages)...)}),
		section(7, m.exports), m.start, section(10, m.bodies), section(11, [][]byte{data}))
}

func section(id byte, entries [][]byte) []byte {
	body := append(U32(uint32(len(entries))), slices.Concat(entries...)...)
	return slices.Concat([]byte{id}, U32(uint32(len(body))), body)
}

func name(s string) []byte { return append(U32(uint32(len(s))), s...) }

// U32 is v as unsigned LEB128.
func U32(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

func signed(v int64) (out []byte) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(out, c)
		}
		out = append(out, c|0x80)
	}
}

// I32Const, I64Const, Call, LocalGet, LocalSet and LocalTee are instructions;
// the others are constants below.
func I32Const(v int32) []byte { return append([]byte{0x41}, signed(int64(v))...) }

// I64Const pushes v.
func I64Const(v int64) []byte { return append([]byte{0x42}, signed(v)...) }

// Call calls a function by index.
func Call(f uint32) []byte { return append([]byte{0x10}, U32(f)...) }

// LocalGet pushes a local.
func LocalGet(i uint32) []byte { return append([]byte{0x20}, U32(i)...) }

// LocalSet pops a local.
func LocalSet(i uint32) []byte { return append([]byte{0x21}, U32(i)...) }

// Op is a run of raw opcodes.
func Op(code ...byte) []byte { return code }

// Loop repeats body n times, counting down in local i.
func Loop(i uint32, n int32, body ...[]byte) []byte {
	return slices.Concat(I32Const(n), LocalSet(i),
		Op(0x02, 0x40, 0x03, 0x40), // block, loop
		LocalGet(i), Op(0x45, 0x0d, 1),
		slices.Concat(body...),
		LocalGet(i), I32Const(1), Op(0x6b), LocalSet(i), Op(0x0c, 0),
		Op(0x0b, 0x0b))
}

// Drop pops a value.
func Drop() []byte { return Op(0x1a) }
