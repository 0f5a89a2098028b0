package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// computation is a guest that computes and makes no host call but the last.
type computation struct {
	kind, name string
	module     []byte
	missing    string // what it needs and is not there
}

// computations builds the guests that compute.
func computations() (all []computation, err error) {
	for _, job := range []string{"sha256", "json", "mix"} {
		module, err := buildGuest("./computeguest", "-ldflags", "-X main.job="+job)
		if err != nil {
			return nil, err
		}
		all = append(all, computation{kind: "guests", name: "Go, " + job, module: module})
	}
	c, err := compiled("C", "clang", "clang lld", "--target=wasm32", "-mbulk-memory", "-O2", "-nostdlib", "-Wl,--no-entry", "-o", "OUT", "computeguest/compute.c")
	if err != nil {
		return nil, err
	}
	rust, err := compiled("Rust", "/usr/bin/rustc", "rustc libstd-rust-dev-wasm32 lld", "--target=wasm32-unknown-unknown", "-O", "--crate-type=cdylib", "-o", "OUT", "computeguest/compute.rs")
	if err != nil {
		return nil, err
	}
	return append(append(all, c, rust), loops()...), nil
}

// compiled is a guest built by a compiler from Debian.
func compiled(language, compiler, packages string, args ...string) (computation, error) {
	c := computation{kind: "guests", name: language}
	path, err := exec.LookPath(compiler)
	if err != nil {
		c.missing = "needs " + compiler + " (apt-get install " + packages + ")"
		return c, nil
	}
	dir, err := os.MkdirTemp("", "bench-guest")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	for i := range args {
		if args[i] == "OUT" {
			args[i] = out
		}
	}
	if text, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		c.missing = fmt.Sprintf("%s fails (apt-get install %s): %s", compiler, packages, text)
		return c, nil
	}
	c.module, err = os.ReadFile(out)
	return c, err
}

// loops are small loops, in which what is added counts most.
func loops() []computation {
	const turns = 20_000_000
	i32, i64 := wasmtest.I32, wasmtest.I64
	get, set, op := wasmtest.LocalGet, wasmtest.LocalSet, wasmtest.Op
	loop := func(name string, body ...[]byte) computation {
		m, emit, p, n := ended()
		m.Func(abi.ExportRun, nil, []byte{i32}, []byte{i32, i64, i32},
			wasmtest.I64Const(88172645463325252), set(1), wasmtest.Loop(0, turns, body...), end(emit, p, n))
		return computation{kind: "loops", name: name, module: m.Bytes()}
	}
	shift := func(by int64, operation byte) []byte {
		return slices.Concat(get(1), get(1), wasmtest.I64Const(by), op(operation), op(0x85), set(1))
	}
	address := slices.Concat(get(0), wasmtest.I32Const(0xfffc), op(0x71))
	return []computation{
		loop("count", get(2), get(0), op(0x6a), set(2)),
		loop("xorshift", shift(13, 0x86), shift(7, 0x88), shift(17, 0x86)),
		loop("load", get(2), address, op(0x28, 2, 0), op(0x6a), set(2)),
		loop("store", address, get(0), op(0x36, 2, 0x80, 0x80, 0x04)), // in the second page
		fibonacci(),
	}
}

// ended is a module that can end a run with code of end's.
func ended() (m *wasmtest.Module, emit, p, n uint32) {
	m = wasmtest.New(2)
	emit = m.Import(abi.ModuleRun, "emit", []byte{wasmtest.I32, wasmtest.I32}, []byte{wasmtest.I64})
	p, n = m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
	m.Func(abi.ExportABI, nil, []byte{wasmtest.I32}, nil, wasmtest.I32Const(abi.Version))
	return m, emit, p, n
}

func end(emit, p, n uint32) []byte {
	return slices.Concat(wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop(), wasmtest.I32Const(0))
}

// fibonacci calls itself.
func fibonacci() computation {
	m, emit, p, n := ended()
	const self = 2 // after the import and abi
	less := func(by int32) []byte {
		return slices.Concat(wasmtest.LocalGet(0), wasmtest.I32Const(by), wasmtest.Op(0x6b), wasmtest.Call(self))
	}
	m.Func("", []byte{wasmtest.I32}, []byte{wasmtest.I32}, nil, wasmtest.LocalGet(0), wasmtest.I32Const(2), wasmtest.Op(0x49, 0x04, wasmtest.I32),
		wasmtest.LocalGet(0), wasmtest.Op(0x05), less(1), less(2), wasmtest.Op(0x6a, 0x0b))
	m.Func(abi.ExportRun, nil, []byte{wasmtest.I32}, nil, wasmtest.I32Const(30), wasmtest.Call(self), wasmtest.Drop(), end(emit, p, n))
	return computation{kind: "loops", name: "calls (Fibonacci)", module: m.Bytes()}
}

// measureCompute compares what guests compute in a host to what they compute
// on bare wazero, and on bare wazero with its own interruption.
func measureCompute(ctx context.Context, rounds int, all []computation) (string, error) {
	var b strings.Builder
	b.WriteString("## Computing\n\nA guest that computes and calls nobody, instantiated and called once: on bare wazero, in a host, where the meter is in its code, and on bare wazero\n" +
		"with `WithCloseOnContextDone`, wazero's own way to stop such a guest.\n\n" +
		"| guest | bare, ms | sallyport, ms | ratio | bare + interruption, ms | ratio |\n|---|---|---|---|---|---|\n")
	logs := map[string][]float64{}
	for _, c := range all {
		if c.missing != "" {
			fmt.Fprintf(&b, "| %s | not measured: it %s | | | | |\n", c.name, c.missing)
			continue
		}
		m, err := measureComputation(ctx, rounds, c.module)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.name, err)
		}
		ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
		fmt.Fprintf(&b, "| %s | %s | %s | **%s** | %s | %s |\n", c.name, ms(m[0]), ms(m[1]), ratio(m[1], m[0]), ms(m[2]), ratio(m[2], m[0]))
		logs[c.kind] = append(logs[c.kind], math.Log(float64(m[1])/float64(m[0])))
	}
	mean := func(logs []float64) float64 {
		sum := 0.0
		for _, l := range logs {
			sum += l
		}
		return math.Exp(sum / float64(max(1, len(logs))))
	}
	fmt.Fprintf(&b, "\nGeometric means: %.2f over the guests of real languages, %.2f over the small loops.\n\n", mean(logs["guests"]), mean(logs["loops"]))
	return b.String(), nil
}

func measureComputation(ctx context.Context, rounds int, module []byte) ([]time.Duration, error) {
	plain, err := bareInstance(ctx, module, false)
	if err != nil {
		return nil, err
	}
	metered, err := sallyport(ctx, module)
	if err != nil {
		return nil, err
	}
	interruptible, err := bareInstance(ctx, module, true)
	if err != nil {
		return nil, err
	}
	return inTurns(rounds, plain, metered, interruptible)
}
