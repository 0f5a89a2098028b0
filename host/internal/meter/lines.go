package meter

import (
	"math"

	"github.com/sallyport-host/sallyport/host/internal/lines"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// none is an offset that no code has.
const none = math.MaxInt

// readLines reads the module's lines, from as much of its debug sections as
// can be followed.
func (w *rewriter) readLines() {
	w.nextLine = none
	var d lines.Debug
	code := 0
	for _, s := range w.m.Sections {
		if s.ID == wasmbin.SecCode {
			code = s.To - s.From
		}
		if s.ID != wasmbin.SecCustom {
			continue
		}
		r := &wasmbin.Reader{B: w.module[s.From:s.To], Base: s.From}
		switch name := r.Name(); {
		case r.Err != nil:
		case name == ".debug_line":
			d.Line = r.B[r.At:]
		case name == ".debug_line_str":
			d.LineStr = r.B[r.At:]
		case name == ".debug_str":
			d.Str = r.B[r.At:]
		}
	}
	if len(d.Line) == 0 {
		return
	}
	w.lines = lines.Read(d, code)
	if len(w.lines.Rows) > 0 {
		w.nextLine = int(w.lines.Rows[0].Addr)
	}
}

// reached notes where the rows go that begin at the offset at, or before it in
// what is no instruction: at the function's code that comes next in out.
func (b *body) reached(at int) {
	w, rows := b.w, b.w.lines.Rows
	pos := len(b.out) + b.r.At - b.copied
	for w.moved < len(rows) && int(rows[w.moved].Addr) <= at {
		rows[w.moved].Addr = uint32(pos)
		w.moved++
	}
	w.nextLine = none
	if w.moved < len(rows) {
		w.nextLine = int(rows[w.moved].Addr)
	}
}

// settle makes the rows of the function that has just been rewritten, which
// begins with row from, offsets in all of the code: its own begins at start.
func (w *rewriter) settle(from, start int) {
	for i := range w.lines.Rows[from:w.moved] {
		w.lines.Rows[from+i].Addr += uint32(start)
	}
}

// putLines appends debug sections of our own.
func (w *rewriter) putLines() {
	if w.moved == 0 {
		return
	}
	w.lines.Rows = append(w.lines.Rows[:w.moved], lines.Row{Addr: uint32(w.end)}) // what is past all code has no place
	for _, s := range w.lines.Shifted(w.before).Sections() {
		content := append(u32(nil, uint32(len(s.Name))), s.Name...)
		w.put(wasmbin.SecCustom, append(content, s.Content...))
	}
}
