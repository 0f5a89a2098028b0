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
	"unicode/utf8"
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

	tables []table
	// The table section: where its size stands, and its end.
	tableHead, tableTo int

	types  []FuncType
	funcs  []uint32 // type of each function, imports first
	bodies int
}

// The ids of sections, in the order in which they must come.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// order ranks the sections: data count stands before code.
var order = [...]int{secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secGlobal: 6,
	secExport: 7, secStart: 8, secElement: 9, secDataCount: 10, secCode: 11, secData: 12}

// Parse reads module.
func Parse(module []byte) (*Module, error) {
	r := &reader{b: module}
	if string(r.bytes(8)) != "\x00asm\x01\x00\x00\x00" {
		return nil, fmt.Errorf("%w: it does not begin as WebAssembly, version 1", ErrModule)
	}
	m := &Module{MemoryMax: -1}
	for last := 0; r.err == nil && r.at < len(r.b); {
		id, head := r.byte(), r.at
		size := r.u32()
		body := &reader{b: r.bytes(int(size)), base: r.at - int(size)}
		if r.err != nil {
			break
		}
		if id == secCustom {
			continue
		}
		if int(id) >= len(order) {
			return nil, fmt.Errorf("%w: it has a section of unknown id %d", ErrModule, id)
		}
		if order[id] <= last {
			return nil, fmt.Errorf("%w: section %d comes twice or out of order", ErrModule, id)
		}
		last = order[id]
		if id == secTable {
			m.tableHead, m.tableTo = head, r.at
		}
		m.section(int(id), body)
		if body.err != nil {
			return nil, fmt.Errorf("%w: section %d: %w", ErrModule, id, body.err)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, r.err)
	}
	if m.bodies != m.Functions {
		return nil, fmt.Errorf("%w: it declares %d functions and has code for %d", ErrModule, m.Functions, m.bodies)
	}
	return m, nil
}

func (m *Module) section(id int, r *reader) {
	switch id {
	case secType:
		r.vector(MaxTypes, "types", func() { m.types = append(m.types, r.funcType()) })
	case secImport:
		r.vector(MaxImports, "imports", func() { m.imports(r) })
	case secFunction:
		r.vector(MaxFunctions, "functions", func() { m.addFunc(r); m.Functions++ })
	case secTable:
		r.vector(MaxTables, "tables", func() { m.addTable(r) })
	case secMemory:
		r.vector(MaxMemories, "memories", func() { m.MemoryMin, m.MemoryMax = r.memory() })
	case secExport:
		r.vector(MaxExports, "exports", func() { m.exports(r) })
	case secStart:
		r.u32()
		m.HasStart = true
	case secCode:
		r.vector(MaxFunctions, "function bodies", func() { r.locals(); m.bodies++ })
	case secGlobal:
		r.count(MaxGlobals, "globals")
		return // initialisers are the engine's to read
	case secElement, secData:
		r.count(MaxSegments, "segments")
		return
	case secDataCount:
		r.count(MaxSegments, "segments")
	}
	if r.err == nil && r.at != len(r.b) {
		r.fail("it is longer than what is in it")
	}
}

// table is a declared table: its element type and its limits.
type table struct {
	elem      byte
	low, high int64
}

func (m *Module) addTable(r *reader) {
	t := table{elem: r.byte()}
	if t.elem != 0x70 && t.elem != 0x6f {
		r.fail("a table of something else than references")
	}
	t.low, t.high = r.limits()
	total := t.low
	for _, other := range m.tables {
		total += other.low
	}
	if total > MaxTableEntries {
		r.fail("its tables have more than %d entries", MaxTableEntries)
	}
	if t.high >= 0 && t.high < t.low {
		r.fail("a table's size is not possible")
	}
	m.tables = append(m.tables, t)
}

// Clamp returns the module with a maximum for each of its tables, so that
// they grow by [MaxTableEntries] together at most. module is what was parsed;
// it is not changed. All else stays, byte for byte.
func (m *Module) Clamp(module []byte) []byte {
	if len(m.tables) == 0 {
		return module
	}
	room := int64(MaxTableEntries / len(m.tables))
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
	return slices.Concat(module[:m.tableHead], leb(uint32(len(content))), content, module[m.tableTo:])
}

func leb(n uint32) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func (m *Module) addFunc(r *reader) {
	index := r.u32()
	if r.err == nil && int64(index) >= int64(len(m.types)) {
		r.fail("a function has type %d of %d", index, len(m.types))
		return
	}
	m.funcs = append(m.funcs, index)
}

func (m *Module) imports(r *reader) {
	im := Import{Module: r.name(), Name: r.name(), Kind: Kind(r.byte())}
	switch im.Kind {
	case KindFunc:
		m.addFunc(r)
		if r.err == nil {
			im.Type = m.types[m.funcs[len(m.funcs)-1]]
		}
	case KindTable:
		r.byte()
		r.limits()
	case KindMemory:
		r.memory()
	case KindGlobal:
		r.byte()
		r.byte()
	default:
		r.fail("an import of unknown %v", im.Kind)
	}
	m.Imports = append(m.Imports, im)
}

func (m *Module) exports(r *reader) {
	ex := Export{Name: r.name(), Kind: Kind(r.byte())}
	index := r.u32()
	if r.err == nil && ex.Kind == KindFunc {
		if int64(index) >= int64(len(m.funcs)) {
			r.fail("an export of function %d of %d", index, len(m.funcs))
			return
		}
		ex.Type = m.types[m.funcs[index]]
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

// reader reads with a sticky error: after the first, everything is zero.
type reader struct {
	b    []byte
	at   int
	base int // offset of b in the module, for messages
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %s", r.base+r.at, fmt.Sprintf(format, args...))
	}
}

func (r *reader) bytes(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b)-r.at {
		r.fail("it ends early")
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// u32 reads an unsigned LEB128 of at most five bytes.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.fail("a number does not fit 32 bits")
	return 0
}

func (r *reader) count(limit int, what string) uint32 {
	n := r.u32()
	if r.err == nil && n > uint32(limit) {
		r.fail("it has %d %s, this host takes %d", n, what, limit)
		return 0
	}
	return n
}

func (r *reader) vector(limit int, what string, each func()) {
	for n := r.count(limit, what); n > 0 && r.err == nil; n-- {
		each()
	}
}

func (r *reader) name() string {
	b := r.bytes(int(r.count(MaxNameBytes, "bytes in a name")))
	if !utf8.Valid(b) {
		r.fail("a name is not UTF-8")
	}
	return string(b)
}

func (r *reader) funcType() FuncType {
	if r.byte() != 0x60 {
		r.fail("a type is not a function's")
	}
	params := r.bytes(int(r.count(MaxParams, "parameters")))
	return FuncType{Params: params, Results: r.bytes(int(r.count(MaxParams, "results")))}
}

func (r *reader) limits() (low, high int64) {
	flags := r.byte()
	if flags > 1 {
		r.fail("shared or 64-bit memories and tables are not taken")
	}
	low, high = int64(r.u32()), -1
	if flags == 1 {
		high = int64(r.u32())
	}
	return low, high
}

func (r *reader) memory() (low, high int64) {
	low, high = r.limits()
	if low > MaxMemoryPages || high > MaxMemoryPages || high >= 0 && high < low {
		r.fail("a memory's size is not possible")
	}
	return low, high
}

// locals reads one function body as far as its locals, and skips the code.
func (r *reader) locals() {
	body := reader{b: r.bytes(int(r.u32())), base: r.base + r.at}
	if r.err != nil {
		return
	}
	var total uint64
	for n := body.u32(); n > 0 && body.err == nil; n-- {
		total += uint64(body.u32())
		body.byte()
		if total > MaxLocals {
			r.fail("a function has more than %d locals", MaxLocals)
			return
		}
	}
	if body.err != nil {
		r.err = body.err
	}
}
