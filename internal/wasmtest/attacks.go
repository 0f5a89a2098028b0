package wasmtest

import (
	"slices"

	"github.com/sallyport-host/sallyport/abi"
)

// Attack is a guest that computes for ever, or nearly so, in a way that is
// hard to stop.
type Attack struct {
	Name   string
	Module []byte
}

// AttackMemoryMiB is how much memory the attacks want to be allowed.
const AttackMemoryMiB = 320

// Instructions that only attacks use.
const (
	opBr       = 0x0c
	opI32Add   = 0x6a
	opI32And   = 0x71
	opI32Mul   = 0x6c
	opI64Add   = 0x7c
	opI64Div   = 0x7f
	opF64Sqrt  = 0x9f
	blockVoid  = 0x40
	f64        = 0x7c
	pagesLarge = 4096 // 256 MiB
)

// Attacks returns the attacks, each a reactor whose sallyport_run computes.
func Attacks() []Attack {
	large := uint32(pagesLarge << 16)
	zero, all := I32Const(0), I32Const(int32(large))
	next := slices.Concat(LocalGet(0), I32Const(1664525), Op(opI32Mul), I32Const(1013904223), Op(opI32Add), Op(0x22, 0), // a random number, in local 0
		I32Const(int32(large-4)), Op(opI32And))
	return []Attack{
		{"endless loop", attack(1, nil, forever())},
		{"endless loop in the start function", startLoop()},
		{"40 levels of calls without a loop", doubling(40)},
		{"fills of 256 MiB", attack(pagesLarge, nil, forever(zero, I32Const(1), all, Op(0xfc, 11, 0)))},
		{"copies of 256 MiB", attack(pagesLarge, nil, forever(zero, I32Const(1), I32Const(int32(large-1)), Op(0xfc, 10, 0, 0)))},
		{"memory.grow by one page", attack(1, nil, forever(I32Const(1), Op(0x40, 0), Drop()))},
		{"random loads over 256 MiB", attack(pagesLarge, []byte{I32}, forever(next, Op(0x28, 2, 0), LocalGet(0), Op(opI32Add), LocalSet(0)))},
		{"random stores over 256 MiB", attack(pagesLarge, []byte{I32}, forever(next, LocalGet(0), Op(0x36, 2, 0)))},
		{"2,000 locals and untaken ifs", manyLocals(2000, 250)},
		{"recursion 20,000 deep", recursion(20_000)},
		{"divisions", attack(1, []byte{I64}, I64Const(-1), LocalSet(0), forever(slices.Repeat(slices.Concat(LocalGet(0), I64Const(3), Op(opI64Div), I64Const(-1), Op(opI64Add), LocalSet(0)), 50)))},
		{"square roots", attack(1, []byte{f64}, forever(slices.Repeat(slices.Concat(LocalGet(0), Op(opF64Sqrt), LocalSet(0)), 50)))},
	}
}

// forever repeats body.
func forever(body ...[]byte) []byte {
	return slices.Concat(Op(0x03, blockVoid), slices.Concat(body...), Op(opBr, 0, 0x0b))
}

// attack is a reactor that runs code.
func attack(pages uint32, locals []byte, code ...[]byte) []byte {
	m := New(pages)
	m.Func(abi.ExportABI, nil, []byte{I32}, nil, I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{I32}, locals, append(code, I32Const(0))...)
	return m.Bytes()
}

func startLoop() []byte {
	m := New(1)
	m.Func(abi.ExportABI, nil, []byte{I32}, nil, I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{I32}, nil, I32Const(0))
	m.Start(m.Func("", nil, nil, nil, forever()))
	return m.Bytes()
}

// doubling is a function that calls another twice, which calls another twice,
// and so on.
func doubling(levels int) []byte {
	m := New(1)
	f := m.Func("", nil, nil, []byte{I32}, slices.Repeat(slices.Concat(LocalGet(0), I32Const(3), Op(opI32Mul), LocalSet(0)), 40))
	for range levels {
		f = m.Func("", nil, nil, nil, Call(f), Call(f))
	}
	m.Func(abi.ExportABI, nil, []byte{I32}, nil, I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{I32}, nil, Call(f), I32Const(0))
	return m.Bytes()
}

// manyLocals changes some of n locals in blocks that are never entered: each
// of them may move where the ways join.
func manyLocals(n, blocks int) []byte {
	var body [][]byte
	for i := range uint32(blocks) {
		body = append(body, LocalGet(0), Op(0x04, blockVoid), LocalGet(i+1), I32Const(1), Op(opI32Add), LocalSet((i*7)%uint32(n)+1), Op(0x0b))
	}
	return attack(1, slices.Repeat([]byte{I32}, n+1), forever(body...))
}

func recursion(depth int32) []byte {
	m := New(1)
	self := uint32(0)
	m.Func("", []byte{I32}, nil, nil, LocalGet(0), Op(0x04, blockVoid), LocalGet(0), I32Const(-1), Op(opI32Add), Call(self), Op(0x0b))
	m.Func(abi.ExportABI, nil, []byte{I32}, nil, I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{I32}, nil, forever(I32Const(depth), Call(self)), I32Const(0))
	return m.Bytes()
}
