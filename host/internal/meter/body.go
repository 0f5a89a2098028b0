package meter

import (
	"fmt"

	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// body is the state of the rewriting of one function; it is used again for the
// next.
type body struct {
	w      *rewriter
	r      *wasmbin.Reader
	out    []byte // the code so far
	copied int    // how far the original is in out
	at     int    // where the original is in the code section
	frames []frame
	segs   []segment

	locals  int    // parameters among them
	scratch uint32 // the local that holds the length of a bulk operation
	bulk    bool   // it is used
	calls   bool   // others, or loops: see entry
	headed  bool   // it begins with a loop, which checks
	merges  int
	work    int // of all functions so far

	seg       int // the segment that what comes next is charged to
	fresh     bool
	unchecked int // the most that any way here was charged since a check
}

// frame is a block that is open.
type frame struct {
	kind     byte // opBlock, opLoop, opIf, or opElse once that has come
	targeted bool
	arity    uint16
	seg      int // the segment that was charged where it began
	start    int // unchecked, there
	most     int // the most of unchecked at the branches to its end
}

// segment is code that is charged for at once, where it begins: what follows
// there for certain, and a little of what follows if no branch leads away.
type segment struct {
	at   int // where in out its cost stands, -1 when that is the entry
	cost int
	open bool // a branch has come: what is added may not be reached
	late int  // cost added since
}

// slack is how much a segment may be charged for what a branch may skip. Less
// makes for more and smaller charges, which cost time themselves and more of it
// at each load; more makes for ticks that come too early.
const slack = 500

// checkEvery is how much straight code is charged before it checks again.
const checkEvery = 1024

// leafCost is the most that a function without calls and loops may cost to go
// without a check: its callers check.
const leafCost = 200

// manyLocals is how many locals a function has before what joins control pays
// for them: each may be a value that moves there.
const manyLocals = 32

// rewriteCode rewrites the function bodies.
func (w *rewriter) rewriteCode() error {
	for _, s := range w.m.Sections {
		if s.ID != wasmbin.SecCode {
			continue
		}
		r := &wasmbin.Reader{B: w.module[s.From:s.To], Base: s.From}
		n := int(r.U32())
		w.code = make([]byte, 0, len(r.B)+len(r.B)/4+256)
		b := &body{w: w}
		for i := range n {
			size := int(r.U32())
			at := r.At
			code := r.Bytes(size)
			if size > MaxCodeBytes {
				r.Fail("function %d has more than %d bytes of code", w.m.ImportedFuncs+i, MaxCodeBytes)
			}
			if r.Err != nil {
				return r.Err
			}
			b.at = at
			if err := b.rewrite(i, &wasmbin.Reader{B: code, Base: r.Base + at}); err != nil {
				return fmt.Errorf("function %d: %w", w.m.ImportedFuncs+i, err)
			}
		}
		w.finishCode(n)
	}
	return nil
}

// finishCode appends the helpers if they are used, and puts the count first.
func (w *rewriter) finishCode(n int) {
	w.end = len(w.code)
	if w.usesBulk {
		n += 2
		w.code = w.appendHelpers(w.code)
	}
	count := u32(make([]byte, 0, len(w.code)+5), uint32(n))
	w.before = len(count)
	w.code = append(count, w.code...)
}

// rewrite appends defined function i, which r has, to the code.
func (b *body) rewrite(i int, r *wasmbin.Reader) error {
	w := b.w
	params := len(w.m.Types[w.m.Funcs[w.m.ImportedFuncs+i]].Params)
	groups := r.U32()
	groupsAt := r.At
	r.At = 0
	b.locals = params + r.Locals()
	declared := r.B[groupsAt:r.At]
	b.r, b.out, b.copied = r, b.out[:0], r.At
	b.frames = append(b.frames[:0], frame{kind: opBlock})
	b.segs = append(b.segs[:0], segment{at: -1, cost: costSimple + b.locals/8})
	b.scratch, b.bulk, b.calls, b.headed, b.merges = uint32(b.locals), false, false, false, 0
	b.seg, b.fresh, b.unchecked = 0, false, 0
	row := w.moved
	for r.Err == nil && len(b.frames) > 0 {
		if b.at+r.At >= w.nextLine {
			b.reached(b.at + r.At)
		}
		b.instruction()
	}
	if r.Err == nil && r.At != len(r.B) {
		r.Fail("there is more after its end")
	}
	work := b.merges * (b.locals + 1)
	if b.work += work; r.Err == nil && (work > MaxWork || b.work > MaxTotalWork) {
		r.Fail("it has %d locals and %d places where control joins: too much to compile", b.locals, b.merges)
	}
	if r.Err != nil {
		return r.Err
	}
	b.flush(len(r.B))
	b.assemble(groups, declared)
	w.settle(row, len(w.code)-len(b.out))
	return nil
}

// assemble appends the function: its locals, its entry, its code.
func (b *body) assemble(groups uint32, declared []byte) {
	for _, s := range b.segs[1:] {
		putCost(b.out[s.at:], s.cost)
	}
	var head []byte
	if b.bulk {
		groups++
		head = append(u32(nil, groups), declared...)
		head = append(head, 1, typeI32)
	} else {
		head = append(u32(nil, groups), declared...)
	}
	head = b.entry(head)
	w := b.w
	w.code = u32(w.code, uint32(len(head)+len(b.out)))
	w.code = append(append(w.code, head...), b.out...)
}

// entry appends what a function does first.
func (b *body) entry(out []byte) []byte {
	cost := b.segs[0].cost
	if b.headed {
		return out
	}
	if b.calls || cost > leafCost {
		out, at := b.w.check(out)
		putCost(out[at:], cost)
		return out
	}
	out, at := b.w.charge(out)
	putCost(out[at:], cost)
	return out
}

// flush copies the original as far as to.
func (b *body) flush(to int) {
	b.out = append(b.out, b.r.B[b.copied:to]...)
	b.copied = to
}

// pay charges cost, of the instruction that begins at from.
func (b *body) pay(from, cost int) {
	if cost == 0 {
		return
	}
	s := &b.segs[b.seg]
	switch {
	case b.unchecked+cost > checkEvery:
		b.begin(from, true)
	case b.fresh, s.open && s.late+cost > slack:
		b.begin(from, false)
	}
	s = &b.segs[b.seg]
	s.cost += cost
	if s.open {
		s.late += cost
	}
	b.unchecked += cost
}

// begin begins a segment before the instruction at from.

func (b *body) begin(from int, check bool) {
	b.flush(from)
	var at int
	if check {
		b.out, at = b.w.check(b.out)
		b.calls, b.unchecked = true, 0
	} else {
		b.out, at = b.w.charge(b.out)
	}
	b.segs = append(b.segs, segment{at: at})
	b.seg, b.fresh = len(b.segs)-1, false
}
