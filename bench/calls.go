package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// credentialName has the 16 bytes that the bare call reads too.
const credentialName = "BENCHMARK_SECRET"

const benchManifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/bench", "connector_key": "bench",
  "version": "1.0.0", "display_name": "Bench", "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "none", "semantics": "append_only", "primary_key": ["id"],
    "schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}],
  "credentials_schema": {"type": "object", "properties": {"BENCHMARK_SECRET": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"],
    "send_to": [{"origin": "https://example.com", "paths": ["/**"], "as": "header:Authorization"}]}}, "required": ["BENCHMARK_SECRET"]},
  "egress": [{"origin": "https://example.com", "paths": ["/**"]}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// smallGuest is a module of some 300 bytes that calls function n times with a
// name in and 64 bytes out, and says DONE. Its sallyport_run is the loop.
func smallGuest(module, function string, n int32) []byte {
	m := wasmtest.New(1)
	i32, i64 := wasmtest.I32, wasmtest.I64
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	f := m.Import(module, function, []byte{i32, i32, i32, i32}, []byte{i64})
	name, nameLen := m.Data(credentialName)
	done, doneLen := m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, []byte{i32},
		wasmtest.Loop(0, n, wasmtest.I32Const(int32(name)), wasmtest.I32Const(int32(nameLen)), wasmtest.I32Const(1024), wasmtest.I32Const(64), wasmtest.Call(f), wasmtest.Drop()),
		wasmtest.I32Const(int32(done)), wasmtest.I32Const(int32(doneLen)), wasmtest.Call(emit), wasmtest.Drop(),
		wasmtest.I32Const(0))
	return m.Bytes()
}

// goGuest builds the same in Go.
func goGuest(function string, n int) ([]byte, error) {
	return buildGuest("./goguest", "-ldflags", fmt.Sprintf("-X main.calls=%d -X main.function=%s", n, function))
}

// buildGuest builds one of bench's guests in Go.
func buildGuest(pkg string, flags ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "bench-guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", append(append([]string{"build", "-buildmode=c-shared"}, flags...), "-o", out, pkg)...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
}

// bareRuntime is a runtime with host functions that move the bytes and check
// nothing: a look-up of the name they read, and the answer written.
func bareRuntime(ctx context.Context, interrupt bool) (wazero.Runtime, error) {
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(interrupt))
	answers := map[string]map[string][]byte{
		"use":    {credentialName: []byte("sp1" + strings.Repeat("A", 37))},
		"status": {credentialName: []byte(`{"class":"long_lived_token","state":"active"}`)},
	}
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	credential := rt.NewHostModuleBuilder(abi.ModuleCredential)
	for function, known := range answers {
		credential.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, mod api.Module, stack []uint64) {
			name, ok := mod.Memory().Read(uint32(stack[0]), uint32(stack[1]))
			if !ok {
				return
			}
			answer := known[string(name)]
			if !mod.Memory().Write(uint32(stack[2]), answer) {
				return
			}
			stack[0] = uint64(len(answer))
		}), []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i64}).Export(function)
	}
	if _, err := credential.Instantiate(ctx); err != nil {
		return nil, err
	}
	_, err := rt.NewHostModuleBuilder(abi.ModuleRun).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = 1 }), []api.ValueType{i32, i32}, []api.ValueType{i64}).
		Export("emit").Instantiate(ctx)
	if err != nil {
		return nil, err
	}
	return rt, bareWASI(ctx, rt)
}

var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions(abi.ExportInitialize)

// bare calls a module on a bare runtime.
func bare(ctx context.Context, module []byte, interrupt bool) (call func() (time.Duration, error), err error) {
	rt, err := bareRuntime(ctx, interrupt)
	if err != nil {
		return nil, err
	}
	mod, err := rt.InstantiateWithConfig(ctx, module, anonymous)
	if err != nil {
		return nil, err
	}
	run := mod.ExportedFunction(abi.ExportRun)
	return func() (time.Duration, error) {
		began := time.Now()
		_, err := run.Call(ctx)
		return time.Since(began), err
	}, nil
}

// bareInstance instantiates a module on a bare runtime, calls it and closes
// it.
func bareInstance(ctx context.Context, module []byte, interrupt bool) (call func() (time.Duration, error), err error) {
	rt, err := bareRuntime(ctx, interrupt)
	if err != nil {
		return nil, err
	}
	compiled, err := rt.CompileModule(ctx, module)
	if err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		began := time.Now()
		mod, err := rt.InstantiateModule(ctx, compiled, anonymous)
		if err != nil {
			return 0, err
		}
		if _, err := mod.ExportedFunction(abi.ExportRun).Call(ctx); err != nil {
			return 0, err
		}
		return time.Since(began), mod.Close(ctx)
	}, nil
}

// sallyport is a run of the module in a host.
func sallyport(ctx context.Context, module []byte) (call func() (time.Duration, error), err error) {
	in, err := install(ctx, host.NewConfig(), benchManifest, module, map[string]string{credentialName: "value"})
	if err != nil {
		return nil, err
	}
	if err := in.approve(nil); err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		began := time.Now()
		err := in.run(ctx, nil)
		return time.Since(began), err
	}, nil
}

// measureCalls compares host calls. What a run costs beside its calls is
// taken off: it is measured with a guest that makes none.
func measureCalls(ctx context.Context, rounds, calls int) (string, error) {
	var b strings.Builder
	b.WriteString("## A host call from a guest\n\nEach call reads a name of 16 bytes and writes the answer (40 bytes of surrogate, or 45 of JSON) to the guest's\n" +
		"memory. *bare* is a wazero `GoModuleFunc` that looks the name up and checks nothing; *sallyport* has every check and the\naudit log on. " +
		"The first pair is without what stops a guest that only computes (`WithCloseOnContextDone`), the second with it.\n\n" +
		"| guest | call | bare, ns | sallyport, ns | ratio | bare + interruption, ns | sallyport as it runs, ns | ratio |\n|---|---|---|---|---|---|---|---|\n")
	for _, language := range []string{"small", "Go"} {
		for _, function := range []string{"use", "status"} {
			build := func(n int) ([]byte, error) {
				if language == "Go" {
					return goGuest(function, n)
				}
				return smallGuest(abi.ModuleCredential, function, int32(n)), nil
			}
			row, err := measureCall(ctx, rounds, calls, build)
			if err != nil {
				return "", fmt.Errorf("%s guest, %s: %w", language, function, err)
			}
			ns := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Nanoseconds())/float64(calls)) }
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | **%s** | %s | %s | %s |\n", language, function,
				ns(row[0]), ns(row[1]), ratio(row[1], row[0]), ns(row[2]), ns(row[3]), ratio(row[3], row[2]))
		}
	}
	allocs, err := measureAllocs(ctx, calls)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\nAllocations of %d calls of `use` beyond those of a run that makes none: %d.\n\n", calls, allocs)
	return b.String(), nil
}

// measureCall returns what the calls took: bare and sallyport without
// interruption, then with it.
func measureCall(ctx context.Context, rounds, calls int, build func(n int) ([]byte, error)) ([4]time.Duration, error) {
	var row [4]time.Duration
	var fs []func() (time.Duration, error)
	for _, n := range []int{calls, 0} {
		module, err := build(n)
		if err != nil {
			return row, err
		}
		for _, interrupt := range []bool{false, true} {
			f, err := bare(ctx, module, interrupt)
			if err != nil {
				return row, err
			}
			hostCtx := ctx
			if !interrupt {
				hostCtx = experimental.WithoutInterruption(ctx)
			}
			g, err := sallyport(hostCtx, module)
			if err != nil {
				return row, err
			}
			fs = append(fs, f, g)
		}
	}
	medians, err := inTurns(rounds, fs...)
	if err != nil {
		return row, err
	}
	for i := range row {
		row[i] = medians[i] - medians[i+4]
	}
	return row, nil
}

func measureAllocs(ctx context.Context, calls int) (int64, error) {
	var mallocs [2]uint64
	for i, n := range []int{calls, 0} {
		run, err := sallyport(experimental.WithoutInterruption(ctx), smallGuest(abi.ModuleCredential, "use", int32(n)))
		if err != nil {
			return 0, err
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := run(); err != nil {
			return 0, err
		}
		runtime.ReadMemStats(&after)
		mallocs[i] = after.Mallocs - before.Mallocs
	}
	return max(0, int64(mallocs[0])-int64(mallocs[1])), nil
}
