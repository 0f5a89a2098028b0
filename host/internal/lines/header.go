package lines

import "bytes"

// header reads a unit's header as far as its program, and reports whether
// that can be run.
func (p *program) header(r *reader) bool {
	p.head = head{version: r.fixed(2)}
	if p.head.version < 2 || p.head.version > 5 {
		return false
	}
	if p.head.version == 5 {
		r.bytes(2) // sizes of an address and of a segment
	}
	body := &reader{b: r.bytes(r.fixed(4))}
	p.head.minLength = body.fixed(1)
	if p.head.version >= 4 {
		body.u8() // operations in an instruction
	}
	body.u8() // whether rows are statements
	p.head.lineBase = int64(int8(body.u8()))
	p.head.lineRange = body.u8()
	p.head.first = body.u8()
	if p.head.lineRange == 0 || p.head.first == 0 {
		return false
	}
	p.head.operands = body.bytes(uint64(p.head.first) - 1)
	p.files = p.files[:0]
	if p.head.version == 5 {
		p.names5(body)
	} else {
		p.names(body)
	}
	return !body.bad && !r.bad
}

// names reads the folders and files of DWARF 2 to 4. Folder 0 is the one that
// was compiled in, and is not said.
func (p *program) names(r *reader) {
	dirs := [][]byte{nil}
	for r.more() {
		dir := r.text()
		if len(dir) == 0 {
			break
		}
		dirs = append(dirs, dir)
	}
	for r.more() {
		name := r.text()
		if len(name) == 0 {
			break
		}
		dir := r.uleb()
		r.uleb() // when it was changed
		r.uleb() // its length
		if !p.name(r, dirs, dir, name) {
			return
		}
	}
}

func (p *program) name(r *reader, dirs [][]byte, dir uint64, name []byte) bool {
	if p.named++; p.named > MaxFiles || dir >= uint64(len(dirs)) {
		r.bad = true
		return false
	}
	p.files = append(p.files, clean(dirs[dir], name))
	return true
}

// names5 reads the folders and files of DWARF 5, which says of what an entry
// consists.
func (p *program) names5(r *reader) {
	var dirs [][]byte
	p.entries(r, func(e entry) bool {
		dirs = append(dirs, e.path)
		p.named++
		return p.named <= MaxFiles
	})
	if len(dirs) > 0 {
		dirs[0] = nil
	}
	p.entries(r, func(e entry) bool { return p.name(r, dirs, e.dir, e.path) })
}

// entry is a folder or a file in DWARF 5.
type entry struct {
	path []byte
	dir  uint64
}

// What an entry consists of (section 6.2.4.1).
const (
	contentPath = 1
	contentDir  = 2
)

func (p *program) entries(r *reader, each func(entry) bool) {
	type field struct{ content, form uint64 }
	var fields []field
	for range r.u8() {
		content, form := r.uleb(), r.uleb()
		fields = append(fields, field{content, form})
	}
	if len(fields) == 0 { // any number of entries would take no bytes
		r.bad = r.bad || r.uleb() > 0
		return
	}
	for n := r.uleb(); n > 0 && r.more(); n-- {
		var e entry
		for _, f := range fields {
			text, number := p.value(r, f.form)
			switch f.content {
			case contentPath:
				e.path = text
			case contentDir:
				e.dir = number
			}
		}
		if r.bad || !each(e) {
			r.bad = true
		}
	}
}

// value reads a value of one of the forms that may be here (section 7.5.6).
func (p *program) value(r *reader, form uint64) (text []byte, number uint64) {
	switch form {
	case 0x08: // string
		text = r.text()
	case 0x0e: // strp
		text = p.at(r, p.debug.Str)
	case 0x1f: // line_strp
		text = p.at(r, p.debug.LineStr)
	case 0x0b: // data1
		number = r.fixed(1)
	case 0x05: // data2
		number = r.fixed(2)
	case 0x06: // data4
		number = r.fixed(4)
	case 0x07: // data8
		number = r.fixed(8)
	case 0x0f: // udata
		number = r.uleb()
	case 0x1e: // data16
		r.bytes(16)
	case 0x09: // block
		r.bytes(r.uleb())
	default:
		r.bad = true
	}
	return text, number
}

// at is the text at an offset in strings that r has. It is looked at no further
// than a name can be long, so that many that overlap cost little.
func (p *program) at(r *reader, strings []byte) []byte {
	from := r.fixed(4)
	if from >= uint64(len(strings)) {
		r.bad = true
		return nil
	}
	s := strings[from:]
	s = s[:min(len(s), 4096)]
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s
}
