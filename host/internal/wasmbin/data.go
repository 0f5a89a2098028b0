package wasmbin

import (
	"math"
	"slices"
)

// Segment is bytes that a memory begins with.
type Segment struct {
	Offset uint32
	Bytes  []byte
}

// Data takes a module's data out of it: rest is the module without its data
// section, and segments, which stand in module, are what its memory begins
// with, later ones over earlier. ok is false where that would not be the same:
// when an offset is not a constant or lies outside the smallest memory, when a
// segment is not laid out at the start, or when the code may refer to one; and
// when the section is not valid, which is the engine's to say. module is one
// that [Parse] took.
//
// The engine keeps 24 bytes for each segment in every instance, and the data
// itself; Go's linker makes tens of thousands of them.
func Data(module []byte) (rest []byte, segments []Segment, ok bool) {
	var memory uint64 // bytes
	for r := (&Reader{B: module, At: 8}); r.More(); {
		head := r.At
		id := r.Byte()
		size := r.U32()
		body := &Reader{B: r.Bytes(int(size))}
		switch id {
		case SecMemory:
			body.Vector(MaxMemories, "memories", func() {
				low, _ := body.memory()
				memory = uint64(low) << 16
			})
		case SecDataCount:
			return nil, nil, false // there to tell the code's instructions what they may refer to
		case SecData:
			segments, ok = body.segments(memory)
			return slices.Concat(module[:head], module[r.At:]), segments, ok && r.Err == nil
		}
	}
	return nil, nil, false
}

// segments reads the content of a data section.
func (r *Reader) segments(memory uint64) (all []Segment, ok bool) {
	const activeInMemory0, i32Const, end = 0, 0x41, 0x0b
	n := r.Count(MaxSegments, "segments")
	all = make([]Segment, 0, min(int(n), len(r.B)/4)) // each takes four bytes at least
	for range n {
		flag, op, offset, stop := r.Byte(), r.Byte(), r.i32(), r.Byte()
		data := r.Bytes(int(r.U32()))
		if r.Err != nil || flag != activeInMemory0 || op != i32Const || stop != end || uint64(offset)+uint64(len(data)) > memory {
			return nil, false
		}
		all = append(all, Segment{offset, data})
	}
	return all, r.Err == nil && r.At == len(r.B)
}

// i32 reads a signed LEB128 of at most five bytes, as the address it stands
// for.
func (r *Reader) i32() uint32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		c := r.Byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			if v < math.MinInt32 || v > math.MaxInt32 {
				break
			}
			return uint32(int32(v))
		}
	}
	r.Fail("a number does not fit 32 bits")
	return 0
}
