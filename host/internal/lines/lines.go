// Package lines reads which line of a source file a module's code comes from,
// and writes it down again.
//
// # Promise
//
// [Read] takes the line tables of a guest's debug sections (DWARF 2 to 5,
// section 6.2) as what a stranger wrote: no input makes it fail, panic, or do
// more than is in proportion to its length and the bounds below. What it cannot
// follow has no lines. [Table.Sections] writes what is left of them as the
// smallest DWARF that names lines: one unit and one table, so that a reader
// that trusts its input can be given it.
//
// # Limits
//
// Columns, inlined calls and variables are dropped. The standard library's
// reader is not used on a guest's sections: it says itself that it is not
// hardened against hostile input, and it cannot be interrupted.
//
// # Concurrency
//
// Nothing is kept between calls, and nothing is shared.
package lines

import (
	"bytes"
	"cmp"
	"slices"
)

// The bounds.
const (
	MaxBytes = 16 << 20 // of a section
	MaxRows  = 1 << 20
	MaxFiles = 1 << 16 // and folders, named in all tables
	MaxName  = 200     // bytes of a file's name: its end
	maxLine  = 1 << 24
)

// Debug is the sections of a module that lines are read from.
type Debug struct {
	Line    []byte // .debug_line
	LineStr []byte // .debug_line_str
	Str     []byte // .debug_str
}

// Row says that the code from Addr, an offset in the content of the code
// section, to the next row comes from a line. File 0 is none: it comes from
// nowhere that is known.
type Row struct{ Addr, File, Line uint32 }

// Table is the lines of a module: its rows by ascending address, each of
// another one. Row.File 1 is Files[0].
type Table struct {
	Files []string
	Rows  []Row
}

// Read reads the lines of a module with that many bytes in its code section.
func Read(d Debug, code int) Table {
	if len(d.Line) > MaxBytes || len(d.LineStr) > MaxBytes || len(d.Str) > MaxBytes {
		return Table{}
	}
	p := &program{debug: d, code: uint64(code), seen: map[string]uint32{}}
	units := &reader{b: d.Line}
	for units.more() && len(p.table.Rows) < MaxRows && p.named < MaxFiles {
		size := units.u32()
		unit := &reader{b: units.bytes(uint64(size))} // 64-bit DWARF says 0xffffffff, which is too much
		if units.bad {
			break
		}
		p.unit(unit)
	}
	p.table.order()
	return p.table
}

// order sorts the rows and keeps one for each address: a later one over an
// earlier, and what is known over what is not.
func (t *Table) order() {
	slices.SortStableFunc(t.Rows, func(a, b Row) int {
		if a.Addr != b.Addr {
			return cmp.Compare(a.Addr, b.Addr)
		}
		return cmp.Compare(min(a.File, 1), min(b.File, 1))
	})
	kept := t.Rows[:0]
	for _, r := range t.Rows {
		if n := len(kept); n > 0 && kept[n-1].Addr == r.Addr {
			kept[n-1] = r
		} else {
			kept = append(kept, r)
		}
	}
	t.Rows = slices.CompactFunc(kept, func(a, b Row) bool { return a.File == b.File && a.Line == b.Line })
}

// Shifted is the table of code that stands by bytes later. An address keeps the
// last of several rows: code that a row begins with may have become none.
func (t Table) Shifted(by int) Table {
	rows := make([]Row, 0, len(t.Rows))
	for _, r := range t.Rows {
		r.Addr += uint32(by)
		if n := len(rows); n > 0 && rows[n-1].Addr == r.Addr {
			rows[n-1] = r
		} else {
			rows = append(rows, r)
		}
	}
	return Table{Files: t.Files, Rows: rows}
}

// reader reads bytes. After what it cannot read, all is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) more() bool { return !r.bad && len(r.b) > 0 }

func (r *reader) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// fixed reads a little-endian number of n bytes, of which at most 8 count.
func (r *reader) fixed(n uint64) (v uint64) {
	for i, c := range r.bytes(n) {
		if i < 8 {
			v |= uint64(c) << (8 * i)
		}
	}
	return v
}

func (r *reader) u8() byte    { return byte(r.fixed(1)) }
func (r *reader) u32() uint32 { return uint32(r.fixed(4)) }

// leb reads a LEB128 as an unsigned and as a signed number. Bits past the 64th
// are dropped.
func (r *reader) leb() (u uint64, s int64) {
	for shift := uint(0); !r.bad; shift += 7 {
		c := r.u8()
		u |= uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			if s = int64(u); c&0x40 != 0 && shift < 57 {
				s |= -1 << (shift + 7)
			}
			return u, s
		}
	}
	return 0, 0
}

func (r *reader) uleb() uint64 { u, _ := r.leb(); return u }

// text reads up to the next zero byte.
func (r *reader) text() []byte {
	i := bytes.IndexByte(r.b, 0)
	if i < 0 {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:i]
	r.b = r.b[i+1:]
	return out
}
