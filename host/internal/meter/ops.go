package meter

import (
	"fmt"

	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// The opcodes that mean something to the meter.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelectT      = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opEqz          = 0x45
	opI32GtU       = 0x4b
	opI64LtS       = 0x53
	opI64GtU       = 0x56
	opI64GeS       = 0x59
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32ShrU      = 0x76
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Shl       = 0x86
	opI64ExtendU   = 0xad
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVec          = 0xfd

	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17

	vecConst   = 12
	vecShuffle = 13

	typeVoid = 0x40
	typeI32  = 0x7f
	typeI64  = 0x7e
)

// operand is what follows an opcode.
type operand byte

const (
	unknown operand = iota // not an opcode that this host takes
	nothing
	control // read by the rewriter itself
	local
	global
	leb32 // any index that wazero checks
	memory
	number // a signed number of at most 10 bytes
	fixed4
	fixed8
	reserved // one byte
)

type op struct {
	operand operand
	cost    uint8
}

// Costs are in units of about a third of a nanosecond on code that hits the
// caches. What becomes no instruction, or part of another one, costs nothing.
const (
	costSimple   = 1
	costFloat    = 2
	costLoad     = 4
	costStore    = 3
	costDivide   = 12
	costCall     = 6
	costIndirect = 10
	costTable    = 3
	costVector   = 3
	costHost     = 300 // leaves the guest's code
)

// ops is the table of the one-byte opcodes.
var ops = func() (t [256]op) {
	set := func(from, to int, operand operand, cost uint8) {
		for i := from; i <= to; i++ {
			t[i] = op{operand, cost}
		}
	}
	set(0x00, 0x05, control, costSimple)
	set(0x01, 0x01, nothing, 0)
	set(0x0b, 0x11, control, costSimple)
	set(0x1a, 0x1b, nothing, costSimple) // drop, select
	set(0x1c, 0x1c, control, costSimple)
	set(0x20, 0x22, local, 0)
	set(0x23, 0x24, global, costSimple)
	set(0x25, 0x26, leb32, costLoad) // table.get, table.set
	set(0x28, 0x35, memory, costLoad)
	set(0x36, 0x3e, memory, costStore)
	set(0x3f, 0x3f, reserved, costSimple)
	set(0x40, 0x40, control, 0)
	set(0x41, 0x42, number, 0)
	set(0x43, 0x43, fixed4, 0)
	set(0x44, 0x44, fixed8, 0)
	set(0x45, 0xc4, nothing, costSimple)
	set(0x6d, 0x70, nothing, costDivide) // i32 and i64: div and rem
	set(0x7f, 0x82, nothing, costDivide)
	set(0x5b, 0x66, nothing, costFloat)  // comparisons
	set(0x8b, 0xa6, nothing, costFloat)  // f32 and f64
	set(0x8d, 0x90, nothing, costLoad)   // f32: ceil to nearest
	set(0x9b, 0x9e, nothing, costLoad)   // f64: ceil to nearest
	set(0x91, 0x91, nothing, costDivide) // sqrt
	set(0x95, 0x95, nothing, costDivide) // div
	set(0x9f, 0x9f, nothing, costDivide)
	set(0xa3, 0xa3, nothing, costDivide)
	set(0xa8, 0xab, nothing, costLoad) // trunc, which checks
	set(0xae, 0xb1, nothing, costLoad)
	set(0xd0, 0xd0, control, costSimple)
	set(0xd1, 0xd1, nothing, costSimple)
	set(0xd2, 0xd2, control, costLoad)
	set(0xfc, 0xfd, control, 0)
	return t
}()

// vecOperand is what follows a vector opcode, with its cost.
func vecOperand(sub byte) (bytes int, memory bool, cost uint8) {
	switch {
	case sub <= 11, sub == 92, sub == 93: // loads and the store
		return 0, true, costLoad
	case sub == vecConst, sub == vecShuffle:
		return 16, false, costVector
	case sub >= 21 && sub <= 34: // lanes
		return 1, false, costVector
	case sub >= 84 && sub <= 91: // loads and stores of a lane
		return 1, true, costLoad
	case sub == 227, sub == 231, sub == 239, sub == 243: // sqrt and div
		return 0, false, 2 * costDivide
	}
	return 0, false, costVector
}

// refuseOp names an opcode that this host does not take.
func refuseOp(r *wasmbin.Reader, code byte) {
	r.Fail("it uses %s, which this host does not take", opName(code))
}

func opName(code byte) string {
	switch {
	case code >= 0x06 && code <= 0x0a, code == 0x18, code == 0x19, code == 0x1f:
		return "exceptions (opcode " + hexByte(code) + ")"
	case code == 0x12, code == 0x13, code == 0x15:
		return "tail calls (opcode " + hexByte(code) + ")"
	case code == 0x14, code >= 0xd3 && code <= 0xd6:
		return "typed function references (opcode " + hexByte(code) + ")"
	case code == 0xfb:
		return "garbage collected types (opcode 0xfb)"
	case code == 0xfe:
		return "threads and atomics (opcode 0xfe)"
	}
	return "the unknown opcode " + hexByte(code)
}

func hexByte(b byte) string { return fmt.Sprintf("%#02x", b) }
