package meter

import (
	"fmt"

	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// rewrite writes the sections one by one, and those that the module lacks
// where they belong. Of the custom ones names are kept, and of the lines as
// much as could be read: the guest's own debug sections are not.
func (w *rewriter) rewrite() error {
	w.out = append(w.out, w.module[:8]...)
	w.readLines()
	if err := w.rewriteCode(); err != nil { // first: it says what the others need
		return err
	}
	present := map[int]wasmbin.Section{}
	for _, s := range w.m.Sections {
		present[s.ID] = s
	}
	for _, id := range []int{wasmbin.SecType, wasmbin.SecImport, wasmbin.SecFunction, wasmbin.SecTable, wasmbin.SecMemory, wasmbin.SecGlobal,
		wasmbin.SecExport, wasmbin.SecStart, wasmbin.SecElement, wasmbin.SecDataCount, wasmbin.SecCode, wasmbin.SecData} {
		s, ok := present[id]
		content := w.module[s.From:s.To]
		if !ok {
			content = []byte{0}
		}
		r := &wasmbin.Reader{B: content, Base: s.From}
		next := w.section(id, ok, r)
		if r.Err != nil {
			return fmt.Errorf("section %d: %w", id, r.Err)
		}
		if next != nil {
			w.put(id, next)
		}
	}
	w.names()
	w.putLines()
	return nil
}

func (w *rewriter) put(id int, content []byte) {
	w.out = append(u32(append(w.out, byte(id)), uint32(len(content))), content...)
}

// section returns the new content of a section, or nil for none. A section
// that is not there reads as an empty vector.
func (w *rewriter) section(id int, there bool, r *wasmbin.Reader) []byte {
	switch id {
	case wasmbin.SecType:
		return extended(r, []byte{0x60, 0, 1, typeI64}, []byte{0x60, 3, typeI32, typeI32, typeI32, 0})
	case wasmbin.SecImport:
		tick := append(u32(nil, uint32(len(ImportModule))), ImportModule...)
		tick = append(append(u32(tick, uint32(len(ImportName))), ImportName...), byte(wasmbin.KindFunc))
		return extended(r, u32(tick, w.tickType))
	case wasmbin.SecFunction:
		if w.usesBulk {
			return extended(r, u32(nil, w.bulkType), u32(nil, w.bulkType))
		}
	case wasmbin.SecGlobal:
		return w.globals(r)
	case wasmbin.SecCode:
		if there {
			return w.code
		}
	}
	if !there {
		return nil
	}
	switch id {
	case wasmbin.SecTable:
		return w.m.ClampedTables()
	case wasmbin.SecExport:
		return w.exports(r)
	case wasmbin.SecStart:
		return u32(nil, w.fn(w.funcIndex(r)))
	case wasmbin.SecElement:
		return w.elements(r)
	case wasmbin.SecData:
		w.datas(r)
	}
	return r.B
}

// extended returns a vector with more entries at its end.
func extended(r *wasmbin.Reader, entries ...[]byte) []byte {
	n := r.U32()
	out := u32(make([]byte, 0, len(r.B)+64), n+uint32(len(entries)))
	out = append(out, r.B[r.At:]...)
	for _, e := range entries {
		out = append(out, e...)
	}
	return out
}

func (w *rewriter) funcIndex(r *wasmbin.Reader) uint32 {
	return r.Index(len(w.m.Funcs), "function")
}

// globals copies the globals and appends the fuel, which is none at first: the
// first function to be called ticks.
func (w *rewriter) globals(r *wasmbin.Reader) []byte {
	n := r.U32()
	out := u32(make([]byte, 0, len(r.B)+16), n+1)
	for ; n > 0 && r.Err == nil; n-- {
		out = append(out, r.Byte(), r.Byte())
		out = w.constant(out, r)
	}
	end(r)
	return append(out, typeI64, 1, opI64Const, 0, opEnd)
}

func end(r *wasmbin.Reader) {
	if r.More() {
		r.Fail("it is longer than what is in it")
	}
}

func (w *rewriter) exports(r *wasmbin.Reader) []byte {
	n := r.U32()
	out := u32(make([]byte, 0, len(r.B)+int(n)), n)
	for ; n > 0 && r.Err == nil; n-- {
		from := r.At
		r.Name()
		kind := wasmbin.Kind(r.Byte())
		out = append(out, r.B[from:r.At]...)
		switch kind {
		case wasmbin.KindFunc:
			out = u32(out, w.fn(w.funcIndex(r)))
		case wasmbin.KindGlobal:
			out = u32(out, r.Index(w.m.Globals, "global"))
		default:
			out = u32(out, r.U32())
		}
	}
	return out
}

// elements rewrites the indices of functions in element segments
// (WebAssembly 2.0, section 5.5.12).
func (w *rewriter) elements(r *wasmbin.Reader) []byte {
	n := r.U32()
	out := u32(make([]byte, 0, len(r.B)+len(r.B)/8), n)
	for ; n > 0 && r.Err == nil; n-- {
		flags := r.U32()
		if flags > 7 {
			r.Fail("an element segment of unknown kind %d", flags)
			return nil
		}
		const passive, explicit, expressions = 1, 2, 4
		out = u32(out, flags)
		if flags&passive == 0 {
			if flags&explicit != 0 {
				out = u32(out, r.U32())
			}
			out = w.constant(out, r)
		}
		if flags&(passive|explicit) != 0 {
			out = append(out, r.Byte()) // the kind or type of element
		}
		count := r.U32()
		out = u32(out, count)
		for ; count > 0 && r.Err == nil; count-- {
			if flags&expressions != 0 {
				out = w.constant(out, r)
			} else {
				out = u32(out, w.fn(w.funcIndex(r)))
			}
		}
	}
	end(r)
	return out
}

// datas reads the data segments, in which nothing changes.
func (w *rewriter) datas(r *wasmbin.Reader) {
	for n := r.U32(); n > 0 && r.Err == nil; n-- {
		flags := r.U32()
		if flags > 2 {
			r.Fail("a data segment of unknown kind %d", flags)
			return
		}
		if flags == 2 {
			r.U32()
		}
		if flags != 1 {
			w.constant(nil, r)
		}
		r.Bytes(int(r.U32()))
	}
	end(r)
}

// constant copies a constant expression.
func (w *rewriter) constant(out []byte, r *wasmbin.Reader) []byte {
	for r.Err == nil {
		from := r.At
		code := r.Byte()
		switch code {
		case opEnd:
			return append(out, opEnd)
		case opI32Const:
			r.SkipLEB(5)
		case opI64Const:
			r.SkipLEB(10)
		case opF32Const:
			r.Bytes(4)
		case opF64Const:
			r.Bytes(8)
		case opVec:
			if r.Byte() != vecConst {
				r.Fail("a constant of a vector operation")
			}
			r.Bytes(16)
		case opGlobalGet:
			r.Index(w.m.Globals, "global")
		case opRefNull:
			r.SkipLEB(5)
		case opRefFunc:
			out = u32(append(out, code), w.fn(w.funcIndex(r)))
			continue
		default:
			r.Fail("a constant expression uses %s, which this host does not take there", opName(code))
		}
		out = append(out, r.B[from:r.At]...)
	}
	return out
}
