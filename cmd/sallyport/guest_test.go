package main

import (
	"os"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// guestKinds are the modules that scripts can ask for. Each emits fixed
// lines.
var guestKinds = map[string]assembly{
	"notes": {use: "NOTES_TOKEN", lines: []string{
		`{"type":"PROGRESS","message":"reading","stream":"notes"}`,
		`{"type":"RECORD","stream":"notes","key":"n1","data":{"id":"n1"},"emitted_at":"2026-01-02T03:04:05Z"}`,
		`{"type":"STATE","stream":"notes","cursor":{"at":1}}`,
		`{"type":"DONE","status":"succeeded","records_emitted":1}`,
	}},
	"other": {use: "NOTES_TOKEN", lines: []string{
		`{"type":"DONE","status":"succeeded","records_emitted":0}`,
	}},
	"failing": {lines: []string{
		`{"type":"DONE","status":"failed","records_emitted":0,"error":{"message":"the source is down","retryable":true,"code":"source_unavailable"}}`,
	}},
	"greedy":  {stream: true, lines: []string{`{"type":"DONE","status":"succeeded","records_emitted":0}`}},
	"endless": {spin: true},
}

// assembly is a reactor that uses one credential, emits lines, and ends.
type assembly struct {
	use    string   // the credential, "" for none
	stream bool     // also imports what no manifest here gives it
	lines  []string // emitted in turn
	spin   bool     // never ends
}

func (a assembly) bytes() []byte {
	i32, i64 := wasmtest.I32, wasmtest.I64
	m := wasmtest.New(1)
	emit := m.Import("sallyport:run/v1", "emit", []byte{i32, i32}, []byte{i64})
	var use uint32
	if a.use != "" {
		use = m.Import("sallyport:credential/v1", "use", []byte{i32, i32, i32, i32}, []byte{i64})
	}
	if a.stream {
		m.Import("sallyport:stream/v1", "open", []byte{i32, i32}, []byte{i64})
	}
	var code [][]byte
	text := func(s string) []byte {
		at, n := m.Data(s)
		return slices.Concat(wasmtest.I32Const(int32(at)), wasmtest.I32Const(int32(n)))
	}
	if a.use != "" {
		const buffer, size = 60_000, 64
		code = append(code, text(a.use), wasmtest.I32Const(buffer), wasmtest.I32Const(size), wasmtest.Call(use), wasmtest.Drop())
	}
	for _, line := range a.lines {
		code = append(code, text(line), wasmtest.Call(emit), wasmtest.Drop())
	}
	if a.spin {
		code = append(code, wasmtest.Op(0x03, 0x40, 0x0c, 0x00, 0x0b)) // loop br 0 end
	}
	m.Func("sallyport_abi", nil, []byte{i32}, nil, wasmtest.I32Const(1))
	m.Func("sallyport_run", nil, []byte{i32}, nil, append(code, wasmtest.I32Const(0))...)
	return m.Bytes()
}

// guestCommand is "guest FILE KIND": it writes a module.
func guestCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: guest FILE KIND")
	}
	kind, ok := guestKinds[args[1]]
	if !ok {
		ts.Fatalf("no guest %q", args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), kind.bytes(), 0o644))
}

func TestGuestsAreModules(t *testing.T) {
	for kind, a := range guestKinds {
		if _, err := host.Inspect(a.bytes()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
