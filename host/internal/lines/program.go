package lines

import (
	"path"
	"strings"
)

// program runs the line number programs of the units, one after the other.
type program struct {
	debug Debug
	code  uint64
	table Table
	named int               // files that headers have named so far
	seen  map[string]uint32 // Row.File of a name

	head     head
	files    []string
	sequence []Row
}

// head is what a unit's header says of its program.
type head struct {
	version          uint64
	minLength        uint64
	lineBase         int64
	lineRange, first byte // first is the first special opcode
	operands         []byte
}

// The opcodes (DWARF 5, sections 6.2.5.2 and 6.2.5.3).
const (
	opCopy         = 1
	opAdvancePC    = 2
	opAdvanceLine  = 3
	opSetFile      = 4
	opConstAddPC   = 8
	opFixedAdvance = 9

	extEndSequence = 1
	extSetAddress  = 2
)

// unit reads one unit, and leaves it where it cannot follow.
func (p *program) unit(r *reader) {
	if !p.header(r) {
		return
	}
	at := newState()
	p.sequence = p.sequence[:0]
	for r.more() {
		op := r.u8()
		switch {
		case op >= p.head.first:
			n := op - p.head.first
			at.addr += p.head.minLength * uint64(n/p.head.lineRange)
			at.line += p.head.lineBase + int64(n%p.head.lineRange)
			p.row(at)
		case op == 0:
			body := &reader{b: r.bytes(r.uleb())}
			switch body.u8() {
			case extEndSequence:
				p.endSequence(at)
				at = newState()
			case extSetAddress:
				at.addr = body.fixed(uint64(len(body.b)))
				at.dead = at.addr == 0 || at.addr >= p.code
			}
		default:
			p.standard(r, op, &at)
		}
		if len(p.table.Rows)+len(p.sequence) >= MaxRows {
			return
		}
	}
}

// state is the registers of the program's machine that matter here.
type state struct {
	addr, file uint64
	line       int64
	dead       bool // code that the linker left out: it begins at 0, -1 or -2
}

func newState() state { return state{file: 1, line: 1, dead: true} }

func (p *program) standard(r *reader, op byte, at *state) {
	switch op {
	case opCopy:
		p.row(*at)
	case opAdvancePC:
		at.addr += p.head.minLength * r.uleb()
	case opAdvanceLine:
		_, by := r.leb()
		at.line += by
	case opSetFile:
		at.file = r.uleb()
	case opConstAddPC:
		at.addr += p.head.minLength * uint64((255-p.head.first)/p.head.lineRange)
	case opFixedAdvance:
		at.addr += r.fixed(2)
	default:
		for range p.head.operands[op-1] {
			r.uleb()
		}
	}
}

// row adds a row to the sequence. Code of line 0, which a compiler made up,
// belongs to the line before.
func (p *program) row(at state) {
	if at.dead || at.addr >= p.code || at.line <= 0 || at.line > maxLine {
		return
	}
	r := Row{Addr: uint32(at.addr), File: p.file(at.file), Line: uint32(at.line)}
	if r.File == 0 {
		r.Line = 0
	}
	p.sequence = append(p.sequence, r)
}

// endSequence takes the sequence over, if it ends after it began.
func (p *program) endSequence(at state) {
	if n := len(p.sequence); n > 0 && at.addr > uint64(p.sequence[n-1].Addr) && at.addr <= p.code {
		p.table.Rows = append(append(p.table.Rows, p.sequence...), Row{Addr: uint32(at.addr)})
	}
	p.sequence = p.sequence[:0]
}

// file is the number in the table of one of the unit's files.
func (p *program) file(i uint64) uint32 {
	if p.head.version < 5 {
		i--
	}
	if i >= uint64(len(p.files)) || p.files[i] == "" {
		return 0
	}
	name := p.files[i]
	n, ok := p.seen[name]
	if !ok {
		p.table.Files = append(p.table.Files, name)
		n = uint32(len(p.table.Files))
		p.seen[name] = n
	}
	return n
}

// clean makes a file's name fit for a message: printable ASCII, and not long.
func clean(dir, name []byte) string {
	s := string(tail(name))
	if len(dir) > 0 && !path.IsAbs(s) {
		s = path.Join(string(tail(dir)), s)
	}
	s = strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' {
			return '_'
		}
		return c
	}, s)
	return string(tail([]byte(s)))
}

func tail(b []byte) []byte { return b[max(0, len(b)-MaxName):] }
