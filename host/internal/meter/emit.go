package meter

// charge appends code that takes something off the fuel; at is where in it
// the cost goes.
func (w *rewriter) charge(out []byte) (_ []byte, at int) {
	out = append(u32(append(out, opGlobalGet), w.fuel), opI64Const)
	at = len(out)
	out = append(out, 0x80, 0x80, 0, opI64Sub, opGlobalSet)
	return u32(out, w.fuel), at
}

// check appends code that takes something off the fuel and ticks when none is
// left.
//
// # Why
//
// wazero lays blocks out in the order in which they come, and where two ways
// join it goes on with the registers of the first. So the way that is nearly
// always taken comes first, though it is empty: the other one saves and loads
// what it has to. The other way round, hot loops are up to 1.7 times as slow.
func (w *rewriter) check(out []byte) (_ []byte, at int) {
	out, at = w.charge(out)
	out = u32(append(out, opGlobalGet), w.fuel)
	out = append(out, opI64Const, 0, opI64GeS, opIf, typeVoid, opElse)
	out = u32(append(out, opCall), w.tick)
	out = u32(append(out, opGlobalSet), w.fuel)
	return append(out, opEnd), at
}

// maxCost is what fits the three bytes that a cost has.
const maxCost = 1<<20 - 1

func putCost(at []byte, cost int) {
	cost = min(cost, maxCost)
	at[0], at[1], at[2] = byte(cost)|0x80, byte(cost>>7)|0x80, byte(cost>>14)&0x7f
}
