package lines

import "encoding/binary"

// Section is a custom section of a module.
type Section struct {
	Name    string
	Content []byte
}

// The parameters of the line number program that is written.
const (
	outMinLength = 1
	outFirst     = 13 // of the special opcodes, of which none is used
)

var little = binary.LittleEndian

// Sections is the debug sections that say what t says, in DWARF 4; none when
// that is nothing.
func (t Table) Sections() []Section {
	ranges := t.ranges()
	if len(ranges) == 0 {
		return nil
	}
	return []Section{
		{".debug_abbrev", []byte{
			1, 0x11, 0, // a compile unit, without children
			0x10, 0x17, // stmt_list, sec_offset
			0x11, 0x01, // low_pc, addr
			0x55, 0x17, // ranges, sec_offset
			0, 0, 0,
		}},
		{".debug_info", sized([]byte{
			4, 0, // version
			0, 0, 0, 0, // .debug_abbrev
			4,          // bytes of an address
			1,          // the unit
			0, 0, 0, 0, // .debug_line
			0, 0, 0, 0, // low_pc
			0, 0, 0, 0, // .debug_ranges
		})},
		{".debug_line", sized(t.lineProgram())},
		{".debug_ranges", ranges},
	}
}

func sized(b []byte) []byte {
	return append(little.AppendUint32(nil, uint32(len(b))), b...)
}

// ranges is where the table knows a line (DWARF 4, section 2.17.3).
func (t Table) ranges() (out []byte) {
	open := false
	for _, r := range t.Rows {
		if known := r.File != 0; known != open {
			out, open = little.AppendUint32(out, r.Addr), known
		}
	}
	if open { // the last row says where the table ends
		out = little.AppendUint32(out, t.Rows[len(t.Rows)-1].Addr+1)
	}
	if len(out) == 0 {
		return nil
	}
	return append(out, make([]byte, 8)...)
}

// lineProgram is a header and one sequence.
func (t Table) lineProgram() []byte {
	head := []byte{
		outMinLength, 1, 1, // one operation in an instruction; each row is a statement
		0, 1, outFirst, // line base, line range
		0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, // operands of the standard opcodes
		0, // no folders
	}
	for _, name := range t.Files {
		head = append(append(head, name...), 0, 0, 0, 0)
	}
	head = append(head, 0)
	out := append([]byte{4, 0}, little.AppendUint32(nil, uint32(len(head)))...)
	out = append(out, head...)
	at := Row{File: 1, Line: 1}
	for _, r := range t.Rows {
		if r.File == 0 {
			r.File, r.Line = at.File, at.Line // outside all ranges
		}
		out = binary.AppendUvarint(append(out, opAdvancePC), uint64(r.Addr-at.Addr))
		if r.File != at.File {
			out = binary.AppendUvarint(append(out, opSetFile), uint64(r.File))
		}
		if r.Line != at.Line {
			out = sleb(append(out, opAdvanceLine), int64(r.Line)-int64(at.Line))
		}
		out = append(out, opCopy)
		at = r
	}
	return append(out, opAdvancePC, 1, 0, 1, extEndSequence)
}

// sleb appends a signed LEB128.
func sleb(out []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(out, c)
		}
		out = append(out, c|0x80)
	}
}
