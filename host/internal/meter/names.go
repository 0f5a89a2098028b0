package meter

import "github.com/sallyport-host/sallyport/host/internal/wasmbin"

// The parts of a name section that the engine reads.
const (
	nameModule    = 0
	nameFunctions = 1
)

// names keeps the name section, its functions by their new indices. One that
// is not well-formed is left out: wazero would refuse the module for it.
func (w *rewriter) names() {
	for _, s := range w.m.Sections {
		if s.ID != wasmbin.SecCustom {
			continue
		}
		r := &wasmbin.Reader{B: w.module[s.From:s.To], Base: s.From}
		if r.Name() != "name" || r.Err != nil {
			continue
		}
		out := append(u32(make([]byte, 0, len(r.B)+len(r.B)/8), 4), "name"...)
		out = w.nameParts(out, r)
		if r.Err == nil {
			w.put(wasmbin.SecCustom, out)
		}
		return
	}
}

func (w *rewriter) nameParts(out []byte, r *wasmbin.Reader) []byte {
	for last := -1; r.More(); {
		id := int(r.Byte())
		size := int(r.U32())
		part := &wasmbin.Reader{Base: r.Base + r.At, B: r.Bytes(size)}
		if id <= last {
			r.Fail("a part of the names comes twice")
		}
		last = id
		var content []byte
		switch id {
		case nameModule:
			part.Name()
			content = part.B
		case nameFunctions:
			content = w.nameMap(part, func(out []byte) []byte {
				from := part.At
				part.Name()
				return append(out, part.B[from:part.At]...)
			})
		default: // the names of locals, and parts that wazero does not know
			continue
		}
		end(part)
		if r.Err == nil {
			r.Err = part.Err
		}
		out = append(u32(append(out, byte(id)), uint32(len(content))), content...)
	}
	return out
}

func (w *rewriter) nameMap(r *wasmbin.Reader, value func([]byte) []byte) []byte {
	n := r.Count(wasmbin.MaxFunctions, "names")
	out := u32(make([]byte, 0, len(r.B)+len(r.B)/8), n)
	for last := int64(-1); n > 0 && r.Err == nil; n-- {
		i := w.funcIndex(r)
		if int64(i) <= last {
			r.Fail("names are not in order")
		}
		last = int64(i)
		out = value(u32(out, w.fn(i)))
	}
	return out
}
