package wasmbin

import (
	"fmt"
	"unicode/utf8"
)

// Reader reads a module's bytes with a sticky error: after the first, all it
// returns is zero.
type Reader struct {
	B    []byte
	At   int
	Base int // where B stands in the module, for messages
	Err  error
}

// Fail notes an error, unless there is one already.
func (r *Reader) Fail(format string, args ...any) {
	if r.Err == nil {
		r.Err = fmt.Errorf("at byte %d: %s", r.Base+r.At, fmt.Sprintf(format, args...))
	}
}

// More reports whether there is more to read.
func (r *Reader) More() bool { return r.Err == nil && r.At < len(r.B) }

// Bytes reads n bytes, which are not copied.
func (r *Reader) Bytes(n int) []byte {
	if r.Err != nil || n < 0 || n > len(r.B)-r.At {
		r.Fail("it ends early")
		return nil
	}
	r.At += n
	return r.B[r.At-n : r.At : r.At]
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.Err != nil || r.At >= len(r.B) {
		r.Fail("it ends early")
		return 0
	}
	r.At++
	return r.B[r.At-1]
}

// U32 reads an unsigned LEB128 of at most five bytes.
func (r *Reader) U32() uint32 {
	if r.Err == nil && r.At < len(r.B) && r.B[r.At] < 0x80 {
		r.At++
		return uint32(r.B[r.At-1])
	}
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.Byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.Fail("a number does not fit 32 bits")
	return 0
}

// SkipLEB passes over a LEB128 of at most that many bytes, and returns its
// first byte.
func (r *Reader) SkipLEB(most int) byte {
	first := r.Byte()
	for c, n := first, 1; c >= 0x80; n++ {
		if n == most {
			r.Fail("a number has more than %d bytes", most)
			return 0
		}
		c = r.Byte()
	}
	return first
}

// Count reads the length of something of which a host takes limit.
func (r *Reader) Count(limit int, what string) uint32 {
	n := r.U32()
	if r.Err == nil && n > uint32(limit) {
		r.Fail("it has %d %s, this host takes %d", n, what, limit)
		return 0
	}
	return n
}

// Vector reads a count, and has each read what it counts.
func (r *Reader) Vector(limit int, what string, each func()) {
	for n := r.Count(limit, what); n > 0 && r.Err == nil; n-- {
		each()
	}
}

// Name reads a name.
func (r *Reader) Name() string {
	b := r.Bytes(int(r.Count(MaxNameBytes, "bytes in a name")))
	if !utf8.Valid(b) {
		r.Fail("a name is not UTF-8")
	}
	return string(b)
}

// Index reads an index into something of which there are n.
func (r *Reader) Index(n int, what string) uint32 {
	i := r.U32()
	if r.Err == nil && int64(i) >= int64(n) {
		r.Fail("%s %d of %d", what, i, n)
		return 0
	}
	return i
}

func (r *Reader) funcType() FuncType {
	if r.Byte() != 0x60 {
		r.Fail("a type is not a function's")
	}
	params := r.Bytes(int(r.Count(MaxParams, "parameters")))
	return FuncType{Params: params, Results: r.Bytes(int(r.Count(MaxParams, "results")))}
}

func (r *Reader) limits() (low, high int64) {
	flags := r.Byte()
	if flags > 1 {
		r.Fail("shared or 64-bit memories and tables are not taken")
	}
	low, high = int64(r.U32()), -1
	if flags == 1 {
		high = int64(r.U32())
	}
	return low, high
}

func (r *Reader) memory() (low, high int64) {
	low, high = r.limits()
	if low > MaxMemoryPages || high > MaxMemoryPages || high >= 0 && high < low {
		r.Fail("a memory's size is not possible")
	}
	return low, high
}

// body reads one function body as far as its locals, and skips the code.
func (r *Reader) body() {
	size := int(r.U32())
	base := r.Base + r.At
	in := Reader{B: r.Bytes(size), Base: base}
	if r.Err == nil {
		in.Locals()
		r.Err = in.Err
	}
}

// Locals reads the locals of a function body, and returns how many there are.
func (r *Reader) Locals() int {
	var total uint64
	for n := r.U32(); n > 0 && r.Err == nil; n-- {
		total += uint64(r.U32())
		r.Byte()
		if total > MaxLocals {
			r.Fail("a function has more than %d locals", MaxLocals)
		}
	}
	return int(total)
}
