package meter

// instruction reads one instruction, checks its indices, and charges for it.
func (b *body) instruction() {
	r := b.r
	from := r.At
	code := r.Byte()
	o := ops[code]
	if r.Err != nil {
		return
	}
	switch o.operand {
	case unknown:
		refuseOp(r, code)
	case control:
		b.control(from, code)
		return
	case local:
		r.Index(b.locals, "local")
	case global:
		r.Index(b.w.m.Globals, "global")
	case leb32:
		r.U32()
	case memory:
		r.U32()
		r.U32()
	case number:
		r.SkipLEB(10)
	case fixed4:
		r.Bytes(4)
	case fixed8:
		r.Bytes(8)
	case reserved:
		r.Byte()
	}
	b.pay(from, int(o.cost))
}

// control reads an instruction that changes the flow of control, names a
// function, or works on much at once.
func (b *body) control(from int, code byte) {
	switch code {
	case opBlock, opLoop, opIf:
		b.open(from, code)
	case opElse:
		b.otherwise()
	case opEnd:
		b.close()
	case opBr, opBrIf, opBrTable:
		b.branch(from, code)
	case opUnreachable, opReturn:
		b.pay(from, costSimple)
		b.leave()
	case opCall, opCallIndirect:
		b.call(from, code)
	case opSelectT:
		b.r.Bytes(int(b.r.U32()))
		b.pay(from, costSimple)
	case opRefNull:
		b.r.SkipLEB(5)
	case opRefFunc:
		i := b.w.funcIndex(b.r)
		b.pay(from, costLoad)
		b.flush(from)
		b.out = u32(append(b.out, code), b.w.fn(i))
		b.copied = b.r.At
	case opMemoryGrow:
		b.r.Byte()
		b.bulkOp(from, bulkGrow)
	case opMisc:
		b.misc(from)
	case opVec:
		b.vector(from)
	default:
		refuseOp(b.r, code)
	}
}

// leave notes that what follows in the segment may not be reached.
func (b *body) leave() { b.segs[b.seg].open = true }

// blockType reads a block's type and returns how many values it takes and
// leaves.
func (b *body) blockType() (params, results int) {
	r := b.r
	if r.At < len(r.B) && r.B[r.At] < 0x80 && r.B[r.At] >= 0x40 { // one byte, negative
		if r.Byte() != typeVoid {
			return 0, 1
		}
		return 0, 0
	}
	t := b.w.m.Types
	i := r.Index(len(t), "type")
	if r.Err != nil {
		return 0, 0
	}
	return len(t[i].Params), len(t[i].Results)
}

func (b *body) open(from int, code byte) {
	params, results := b.blockType()
	if len(b.frames) > MaxNesting {
		b.r.Fail("its blocks stand more than %d deep", MaxNesting)
	}
	if b.r.Err != nil {
		return
	}
	if code == opIf {
		b.pay(from, costSimple)
	}
	f := frame{kind: code, seg: b.seg, start: b.unchecked, arity: uint16(results)}
	if code == opLoop {
		f.arity = uint16(params)
	}
	if b.fresh {
		f.seg = -1
	}
	b.frames = append(b.frames, f)
	switch code {
	case opLoop:
		b.merges++
		before := 0
		if len(b.segs) == 1 && !b.segs[0].open { // nothing but straight code, without a call, comes before
			b.headed, before = !b.calls, b.segs[0].cost
		}
		b.leave()
		b.begin(b.r.At, true)
		if b.headed {
			b.pay(b.r.At, before)
		}
		b.pay(b.r.At, costSimple+b.joining(f))
	case opIf:
		b.leave()
		b.fresh = true
	}
}

// joining is what it costs that ways come together at f's end, or a loop's
// head.
func (b *body) joining(f frame) int {
	cost := int(f.arity) / 4
	if b.locals > manyLocals {
		cost += b.locals / 4
	}
	return cost
}

func (b *body) otherwise() {
	f := &b.frames[len(b.frames)-1]
	if f.kind != opIf {
		b.r.Fail("an else without its if")
		return
	}
	f.kind, f.most = opElse, max(f.most, b.unchecked)
	b.unchecked, b.fresh = f.start, true
}

// close ends a block. Where it was branched to, what follows is charged where
// the block began, from which alone it can be reached, or anew.
func (b *body) close() {
	f := b.frames[len(b.frames)-1]
	b.frames = b.frames[:len(b.frames)-1]
	if f.kind == opIf {
		f.most = max(f.most, f.start)
	}
	b.unchecked = max(b.unchecked, f.most)
	if len(b.frames) == 0 || f.kind == opBlock && !f.targeted {
		return
	}
	if f.seg >= 0 {
		b.seg, b.fresh = f.seg, false
	} else {
		b.fresh = true
	}
	if f.kind != opLoop {
		b.merges++
		if cost := b.joining(f); cost > 0 {
			b.pay(b.r.At, cost)
		}
	}
}

func (b *body) branch(from int, code byte) {
	r := b.r
	b.pay(from, costSimple)
	n := uint32(0)
	if code == opBrTable {
		n = r.Count(MaxBranches, "targets in a br_table")
		b.pay(from, costTable)
	}
	back := false
	for ; r.Err == nil; n-- {
		depth := r.Index(len(b.frames), "label")
		if r.Err != nil {
			return
		}
		f := &b.frames[len(b.frames)-1-int(depth)]
		f.targeted = true
		back = back || f.kind == opLoop
		if f.kind != opLoop {
			f.most = max(f.most, b.unchecked)
		}
		if n == 0 {
			break
		}
	}
	b.leave()
	if back { // what follows a loop's end is not charged in each of its turns
		b.fresh = true
	}
}

func (b *body) call(from int, code byte) {
	r, m := b.r, b.w.m
	b.calls = true
	if code == opCallIndirect {
		t := r.Index(len(m.Types), "type")
		r.U32()
		if r.Err == nil {
			b.pay(from, costIndirect+(len(m.Types[t].Params)+len(m.Types[t].Results))/2)
		}
		return
	}
	i := b.w.funcIndex(r)
	if r.Err != nil {
		return
	}
	t := m.Types[m.Funcs[i]]
	b.pay(from, costCall+(len(t.Params)+len(t.Results))/2)
	b.flush(from)
	b.out = u32(append(b.out, code), b.w.fn(i))
	b.copied = r.At
}

// misc reads what follows 0xfc. wazero reads a number there, of which we take
// the one byte that it has in its shortest form.
func (b *body) misc(from int) {
	r := b.r
	sub := r.Byte()
	if r.Err != nil {
		return
	}
	switch sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		b.pay(from, costLoad)
	case miscMemoryInit:
		r.U32()
		r.Byte()
		b.bulkOp(from, bulkBytes)
	case miscMemoryCopy:
		r.Bytes(2)
		b.inPieces(from, b.w.copy)
	case miscMemoryFill:
		r.Byte()
		b.inPieces(from, b.w.fill)
	case miscTableInit, miscTableCopy:
		r.U32()
		r.U32()
		b.bulkOp(from, bulkEntries)
	case miscTableGrow, miscTableFill:
		r.U32()
		b.bulkOp(from, bulkEntries)
	case miscDataDrop, miscElemDrop, miscTableSize:
		r.U32()
		b.pay(from, costLoad)
	default:
		r.Fail("it uses the unknown opcode 0xfc %#02x", sub)
	}
}

// vector reads what follows 0xfd. wazero reads one byte and takes the second
// one of a number for an instruction of its own, which is nop only if the
// number is in its shortest form and below 256.
func (b *body) vector(from int) {
	r := b.r
	sub := r.Byte()
	if sub >= 0x80 && r.Byte() != 1 {
		r.Fail("it uses an unknown vector opcode, or a long form of one")
	}
	if r.Err != nil {
		return
	}
	n, memory, cost := vecOperand(sub)
	if memory {
		r.U32()
		r.U32()
	}
	r.Bytes(n)
	b.pay(from, int(cost))
}
