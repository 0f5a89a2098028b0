// Package wasmbin reads the sections of a WebAssembly module without
// compiling it.
//
// # Promise
//
// What [Parse] says of imports, exports and counts is what the engine will
// see: sections in order and once, every length minimal or refused when it
// overruns, every count bounded before anything is allocated for it. No input
// panics, and memory used is in proportion to the input. It is what stands
// between a hostile module and the compiler: wazero allocates as many locals
// as a module claims, and shows imports only once it has compiled.
//
// It does not validate code: wazero does, after.
package wasmbin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// The bounds on a module. The engines of browsers have the same or higher
// ones; a connector is far below.
const (
	MaxTypes     = 100_000
	MaxFunctions = 200_000
	MaxImports   = 1_000
	MaxExports   = 10_000
	MaxGlobals   = 100_000
	MaxSegments  = 100_000
	MaxLocals    = 50_000 // of one function
	MaxParams    = 1_000  // of one type, parameters and results each
	MaxNameBytes = 10_000
	MaxTables    = 100
	MaxMemories  = 1
	// MaxTableEntries bounds the entries of all tables together when a module
	// starts, and again by how much they may grow: a host pays 8 bytes for
	// each, outside the guest's memory.
	MaxTableEntries = 1 << 20
	// MaxMemoryPages is the whole of a 32-bit memory.
	MaxMemoryPages = 65_536
	MaxSections    = 1_000 // custom ones among them
)

// ErrModule is wrapped by every error of [Parse].
var ErrModule = errors.New("not a module this host takes")

// Kind is what an import or export is of.
type Kind byte

// The kinds, by their binary encoding.
const (
	KindFunc   Kind = 0
	KindTable  Kind = 1
	KindMemory Kind = 2
	KindGlobal Kind = 3
)

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

var kindNames = [...]string{"function", "table", "memory", "global"}

// FuncType is a signature, its value types by their binary encoding.
type FuncType struct{ Params, Results []byte }

// Import is one import. Type is set for a function.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         FuncType
}

// Export is one export. Type is set for a function.
type Export struct {
	Name string
	Kind Kind
	Type FuncType
}

// Module is what the sections say.
type Module struct {
	Imports   []Import
	Exports   []Export
	Functions int // defined, imports left out
	HasStart  bool
	// MemoryMin is the smallest memory, in pages of 64 KiB; MemoryMax the
	// largest, -1 when the module states none.
	MemoryMin, MemoryMax int64

	Types []FuncType
	// Funcs has the type of each function, imports first.
	Funcs []uint32
	// How many functions and globals are imported, and how many globals there
	// are with them.
	ImportedFuncs, ImportedGlobals, Globals int
	Sections                                []Section

	tables []table
	bodies int
}

// Section says where a section stands in the module: its id at Head, its
// content from From to To.
type Section struct {
	ID             int
	Head, From, To int
}

// The ids of sections, in the order in which they must come.
const (
	SecCustom = iota
	SecType
	SecImport
	SecFunction
	SecTable
	SecMemory
	SecGlobal
	SecExport
	SecStart
	SecElement
	SecCode
	SecData
	SecDataCount
)

// order ranks the sections: data count stands before code.
var order = [...]int{SecType: 1, SecImport: 2, SecFunction: 3, SecTable: 4, SecMemory: 5, SecGlobal: 6,
	SecExport: 7, SecStart: 8, SecElement: 9, SecDataCount: 10, SecCode: 11, SecData: 12}

// Parse reads module.
func Parse(module []byte) (*Module, error) {
	r := &Reader{B: module}
	if string(r.Bytes(8)) != "\x00asm\x01\x00\x00\x00" {
		return nil, fmt.Errorf("%w: it does not begin as WebAssembly, version 1", ErrModule)
	}
	m := &Module{MemoryMax: -1}
	for last := 0; r.Err == nil && r.At < len(r.B); {
		head := r.At
		id := r.Byte()
		size := r.U32()
		body := &Reader{B: r.Bytes(int(size)), Base: r.At - int(size)}
		if r.Err != nil {
			break
		}
		if len(m.Sections) == MaxSections {
			return nil, fmt.Errorf("%w: it has more than %d sections", ErrModule, MaxSections)
		}
		m.Sections = append(m.Sections, Section{ID: int(id), Head: head, From: body.Base, To: r.At})
		if id == SecCustom {
			if body.Name(); body.Err != nil {
				return nil, fmt.Errorf("%w: custom section: %w", ErrModule, body.Err)
			}
			continue
		}
		if int(id) >= len(order) {
			return nil, fmt.Errorf("%w: it has a section of unknown id %d", ErrModule, id)
		}
		if order[id] <= last {
			return nil, fmt.Errorf("%w: section %d comes twice or out of order", ErrModule, id)
		}
		last = order[id]
		m.section(int(id), body)
		if body.Err != nil {
			return nil, fmt.Errorf("%w: section %d: %w", ErrModule, id, body.Err)
		}
	}
	if r.Err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, r.Err)
	}
	if m.bodies != m.Functions {
		return nil, fmt.Errorf("%w: it declares %d functions and has code for %d", ErrModule, m.Functions, m.bodies)
	}
	return m, nil
}

func (m *Module) section(id int, r *Reader) {
	switch id {
	case SecType:
		r.Vector(MaxTypes, "types", func() { m.Types = append(m.Types, r.funcType()) })
	case SecImport:
		r.Vector(MaxImports, "imports", func() { m.imports(r) })
	case SecFunction:
		r.Vector(MaxFunctions, "functions", func() { m.addFunc(r); m.Functions++ })
	case SecTable:
		r.Vector(MaxTables, "tables", func() { m.addTable(r) })
	case SecMemory:
		r.Vector(MaxMemories, "memories", func() { m.MemoryMin, m.MemoryMax = r.memory() })
	case SecExport:
		r.Vector(MaxExports, "exports", func() { m.exports(r) })
	case SecStart:
		r.U32()
		m.HasStart = true
	case SecCode:
		r.Vector(MaxFunctions, "function bodies", func() { r.body(); m.bodies++ })
	case SecGlobal:
		m.Globals += int(r.Count(MaxGlobals, "globals"))
		return // initialisers are the engine's to read
	case SecElement, SecData:
		r.Count(MaxSegments, "segments")
		return
	case SecDataCount:
		r.Count(MaxSegments, "segments")
	}
	if r.Err == nil && r.At != len(r.B) {
		r.Fail("it is longer than what is in it")
	}
}

// table is a declared table: its element type and its limits.
type table struct {
	elem      byte
	low, high int64
}

func (m *Module) addTable(r *Reader) {
	t := table{elem: r.Byte()}
	if t.elem != 0x70 && t.elem != 0x6f {
		r.Fail("a table of something else than references")
	}
	t.low, t.high = r.limits()
	total := t.low
	for _, other := range m.tables {
		total += other.low
	}
	if total > MaxTableEntries {
		r.Fail("its tables have more than %d entries", MaxTableEntries)
	}
	if t.high >= 0 && t.high < t.low {
		r.Fail("a table's size is not possible")
	}
	m.tables = append(m.tables, t)
}

// Clamp returns the module with a maximum for each of its tables, so that
// they grow by [MaxTableEntries] together at most. module is what was parsed;
// it is not changed. All else stays, byte for byte.
func (m *Module) Clamp(module []byte) []byte {
	for _, s := range m.Sections {
		if s.ID == SecTable {
			content := m.ClampedTables()
			return slices.Concat(module[:s.Head], []byte{SecTable}, leb(uint32(len(content))), content, module[s.To:])
		}
	}
	return module
}

// ClampedTables is the content of the table section with those maxima.
func (m *Module) ClampedTables() []byte {
	room := int64(MaxTableEntries / max(1, len(m.tables)))
	content := leb(uint32(len(m.tables)))
	for _, t := range m.tables {
		high := t.low + room
		if t.high >= 0 {
			high = min(high, t.high)
		}
		content = append(content, t.elem, 1)
		content = append(content, leb(uint32(t.low))...)
		content = append(content, leb(uint32(high))...)
	}
	return content
}

func leb(n uint32) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func (m *Module) addFunc(r *Reader) {
	index := r.U32()
	if r.Err == nil && int64(index) >= int64(len(m.Types)) {
		r.Fail("a function has type %d of %d", index, len(m.Types))
		return
	}
	m.Funcs = append(m.Funcs, index)
}

func (m *Module) imports(r *Reader) {
	im := Import{Module: r.Name(), Name: r.Name(), Kind: Kind(r.Byte())}
	switch im.Kind {
	case KindFunc:
		m.addFunc(r)
		m.ImportedFuncs++
		if r.Err == nil {
			im.Type = m.Types[m.Funcs[len(m.Funcs)-1]]
		}
	case KindTable:
		r.Byte()
		r.limits()
	case KindMemory:
		r.memory()
	case KindGlobal:
		r.Byte()
		r.Byte()
		m.ImportedGlobals++
		m.Globals++
	default:
		r.Fail("an import of unknown %v", im.Kind)
	}
	m.Imports = append(m.Imports, im)
}

func (m *Module) exports(r *Reader) {
	ex := Export{Name: r.Name(), Kind: Kind(r.Byte())}
	index := r.U32()
	if r.Err == nil && ex.Kind == KindFunc {
		if int64(index) >= int64(len(m.Funcs)) {
			r.Fail("an export of function %d of %d", index, len(m.Funcs))
			return
		}
		ex.Type = m.Types[m.Funcs[index]]
	}
	m.Exports = append(m.Exports, ex)
}

// Export returns the export of that name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}
