package meter

// bulk is how an operation on many things is charged: by which of its
// operands, and how much.
type bulk int

const (
	bulkBytes   bulk = iota // one for each 8 bytes
	bulkEntries             // one for each entry of a table
	bulkGrow                // one for each 8 bytes of a page
)

// piece is how many bytes of memory are filled or copied before the fuel is
// looked at again.
const piece = 256 << 10

// length keeps the length on the stack in the scratch local and charges for
// it.
func (b *body) length(how bulk) {
	w := b.w
	b.bulk = true
	b.out = u32(append(u32(append(b.out, opGlobalGet), w.fuel), opLocalGet), b.scratch)
	switch how {
	case bulkBytes:
		b.out = append(b.out, opI32Const, 3, opI32ShrU, opI64ExtendU)
	case bulkEntries:
		b.out = append(b.out, opI64ExtendU)
	case bulkGrow:
		b.out = append(b.out, opI64ExtendU, opI64Const, 13, opI64Shl)
	}
	b.out = u32(append(b.out, opI64Sub, opGlobalSet), w.fuel)
}

// bulkOp charges for an operation by its last operand.
func (b *body) bulkOp(from int, how bulk) {
	if b.r.Err != nil {
		return
	}
	b.pay(from, costHost)
	b.flush(from)
	b.out = u32(append(b.out, opLocalTee), b.scratch)
	b.length(how)
	b.flush(b.r.At)
}

// inPieces has a long memory.fill or memory.copy done by a helper, in pieces.
func (b *body) inPieces(from int, helper uint32) {
	if b.r.Err != nil {
		return
	}
	w := b.w
	w.usesBulk, b.calls, b.bulk = true, true, true
	b.pay(from, 2*costCall)
	b.flush(from)
	b.out = u32(append(b.out, opLocalTee), b.scratch)
	b.out = u32(append(b.out, opLocalGet), b.scratch)
	b.out = append(s64(append(b.out, opI32Const), piece), opI32GtU)
	b.out = s64(append(b.out, opIf), int64(w.bulkType))
	b.out = append(u32(append(b.out, opCall), helper), opElse)
	b.length(bulkBytes)
	b.flush(b.r.At)
	b.out = append(b.out, opEnd)
}

// The operands of a helper.
const (
	dst    = 0
	src    = 1 // the value of a fill
	length = 2
)

// appendHelpers appends the bodies of the two helpers. Each works in pieces
// while more than one is left, and leaves the rest, or what is out of bounds
// and has to trap before a byte is written, to the instruction itself.
func (w *rewriter) appendHelpers(out []byte) []byte {
	fill := w.helper([]byte{opMisc, miscMemoryFill, 0}, []byte{dst}, func(a *asm) {
		a.loop(w, 1, func() {
			a.get(dst).get(src).constant(piece).op(opMisc, miscMemoryFill, 0)
			a.move(dst, opI32Add)
			a.move(length, opI32Sub)
		})
	})
	last := []byte{opMisc, miscMemoryCopy, 0, 0}
	copies := w.helper(last, []byte{dst, src}, func(a *asm) {
		a.get(dst).get(src).op(opI32GtU, opIf, typeVoid) // the end goes first
		a.loop(w, 2, func() {
			a.move(length, opI32Sub)
			a.get(dst).get(length).op(opI32Add).get(src).get(length).op(opI32Add).constant(piece).op(last...)
		})
		a.op(opEnd)
		a.loop(w, 1, func() {
			a.get(dst).get(src).constant(piece).op(last...)
			a.move(dst, opI32Add)
			a.move(src, opI32Add)
			a.move(length, opI32Sub)
		})
	})
	for _, body := range [][]byte{fill, copies} {
		out = append(u32(out, uint32(len(body))), body...)
	}
	return out
}

// helper is a function body without locals: pieces, when all of the memory at
// the given operands is there, and then last.
func (w *rewriter) helper(last, at []byte, pieces func(*asm)) []byte {
	a := &asm{}
	a.op(0, opBlock, typeVoid)
	for _, operand := range at {
		a.get(operand).op(opI64ExtendU).get(length).op(opI64ExtendU, opI64Add)
		a.op(opMemorySize, 0, opI64ExtendU, opI64Const, 16, opI64Shl, opI64GtU, opBrIf, 0)
	}
	pieces(a)
	a.op(opEnd)
	a.get(dst).get(src).get(length).op(last...)
	return append(a.out, opEnd)
}

// asm writes code.
type asm struct{ out []byte }

func (a *asm) op(code ...byte) *asm { a.out = append(a.out, code...); return a }

func (a *asm) get(local byte) *asm { return a.op(opLocalGet, local) }

func (a *asm) constant(v int32) *asm { a.out = s64(append(a.out, opI32Const), int64(v)); return a }

// move adds a piece to a local, or takes it off.
func (a *asm) move(local, operation byte) {
	a.get(local).constant(piece).op(operation, opLocalSet, local)
}

// loop repeats body while more than a piece is left, and then leaves the block
// at depth.
func (a *asm) loop(w *rewriter, depth byte, body func()) {
	a.op(opLoop, typeVoid)
	a.get(length).constant(piece).op(opI32GtU, opEqz, opBrIf, depth)
	var at int
	a.out, at = w.check(a.out)
	putCost(a.out[at:], piece>>3)
	body()
	a.op(opBr, 0, opEnd)
}
