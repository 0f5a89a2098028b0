package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// smallGets is a small guest that sends the same request again and again.
type smallGets struct {
	ctx     context.Context
	sources *sources
	times   int
	many    *installed // sends times requests
	none    *installed // sends none, to tell what a run costs beside them
}

func (n *network) smallGets(ctx context.Context, j job) (*smallGets, error) {
	s := &smallGets{ctx: ctx, sources: n.sources, times: j.times}
	for _, g := range []struct {
		in    **installed
		times int
	}{{&s.many, j.times}, {&s.none, 0}} {
		module, err := smallClient(j, int32(g.times))
		if err != nil {
			return nil, err
		}
		in, err := n.install(ctx, module)
		if err != nil {
			return nil, err
		}
		*g.in = in
		if err := in.approve(nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *smallGets) close() {
	s.many.host.Close(s.ctx)
	s.none.host.Close(s.ctx)
}

// get returns what one request takes, the mean of all.
func (s *smallGets) get() (time.Duration, error) {
	var took [2]time.Duration
	for i, in := range []*installed{s.none, s.many} {
		before := s.sources.items.Load()
		began := time.Now()
		if err := in.run(s.ctx, nil); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
		if sent, want := s.sources.items.Load()-before, int64(i*s.times); sent != want {
			return 0, fmt.Errorf("the small guest had %d answers, want %d", sent, want)
		}
	}
	return (took[1] - took[0]) / time.Duration(s.times), nil
}

// The opcodes that package wasmtest has no name for.
const (
	opBlock, opLoop, opEnd = 0x02, 0x03, 0x0b
	opBr, opBrIf           = 0x0c, 0x0d
	opI32Store, opI32Wrap  = 0x36, 0xa7
	opI64Eqz               = 0x50
	noResult               = 0x40
)

// smallClient is a module that uses all credentials, sends a job's request
// times over, and reads each answer to its end:
//
//	for range times {
//		h := send(head, len, 0, 0)
//		for wait(h); read(h, body, 64 KiB) != 0; wait(h) {}
//		close(h)
//	}
func smallClient(j job, times int32) ([]byte, error) {
	const (
		handle = 1 << 16 // where things are in memory
		ready  = 1<<16 + 4096
		body   = 2 << 16
		pages  = 4
		h      = 1 // a local; 0 counts
	)
	room := strings.Repeat("-", abi.SurrogateLen)
	text, err := json.Marshal(abi.RequestHead{Method: "GET", URL: j.url, Headers: [][2]string{{"Authorization", "Bearer " + room}}})
	if err != nil {
		return nil, err
	}
	m := wasmtest.New(pages)
	i32, i64 := wasmtest.I32, wasmtest.I64
	use := m.Import(abi.ModuleCredential, "use", []byte{i32, i32, i32, i32}, []byte{i64})
	send := m.Import(abi.ModuleHTTP, "send", []byte{i32, i32, i32, i32}, []byte{i64})
	wait := m.Import(abi.ModuleHTTP, "wait", []byte{i32, i32, i64, i32, i32}, []byte{i64})
	read := m.Import(abi.ModuleHTTP, "read", []byte{i32, i32, i32}, []byte{i64})
	closeHandle := m.Import(abi.ModuleHTTP, "close", []byte{i32}, []byte{i64})
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	head, headLen := m.Data(string(text))
	done, doneLen := m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)

	c := func(v uint32) []byte { return wasmtest.I32Const(int32(v)) }
	var code [][]byte
	for i := range j.live {
		name, nameLen := m.Data(secretName(i))
		at := uint32(ready) // the others are not sent
		if i == 0 {
			at = head + uint32(strings.Index(string(text), room))
		}
		code = append(code, c(name), c(nameLen), c(at), c(abi.SurrogateLen), wasmtest.Call(use), wasmtest.Drop())
	}
	code = append(code, wasmtest.Loop(0, times,
		c(head), c(headLen), c(0), c(0), wasmtest.Call(send), wasmtest.Op(opI32Wrap), wasmtest.LocalSet(h),
		c(handle), wasmtest.LocalGet(h), wasmtest.Op(opI32Store, 2, 0),
		wasmtest.Op(opBlock, noResult, opLoop, noResult),
		c(handle), c(1), wasmtest.I64Const(-1), c(ready), c(4096), wasmtest.Call(wait), wasmtest.Drop(),
		wasmtest.LocalGet(h), c(body), c(1<<16), wasmtest.Call(read), wasmtest.Op(opI64Eqz, opBrIf, 1, opBr, 0, opEnd, opEnd),
		wasmtest.LocalGet(h), wasmtest.Call(closeHandle), wasmtest.Drop()),
		c(done), c(doneLen), wasmtest.Call(emit), wasmtest.Drop(), c(0))
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, []byte{i32, i32}, code...)
	return m.Bytes(), nil
}
