package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/bench/internal/work"
)

// bareGets is a Go guest on bare wazero that has a request sent for it again
// and again: nothing is decided, put in or looked for, and nothing stops it.
type bareGets struct {
	network  *network
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	took     []time.Duration // of the run under way
	job      job
}

func (n *network) bareGets(ctx context.Context) (*bareGets, error) {
	module, err := buildGuest("./bareguest")
	if err != nil {
		return nil, err
	}
	b := &bareGets{network: n, runtime: wazero.NewRuntime(ctx)}
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	_, err = b.runtime.NewHostModuleBuilder("bare").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(b.send), []api.ValueType{i32, i32}, []api.ValueType{i64}).Export("get").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		b.took = append(b.took, time.Duration(stack[0]))
	}), []api.ValueType{i64}, nil).Export("took").Instantiate(ctx)
	if err == nil {
		err = bareWASI(ctx, b.runtime)
	}
	if err == nil {
		b.compiled, err = b.runtime.CompileModule(ctx, module)
	}
	if err != nil {
		return nil, errors.Join(err, b.runtime.Close(ctx))
	}
	return b, nil
}

// send does what the native client does, and reads the body into the guest's
// memory. It returns its length, -1 when anything failed.
func (b *bareGets) send(ctx context.Context, mod api.Module, stack []uint64) {
	room, ok := mod.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	stack[0] = ^uint64(0)
	if !ok {
		return
	}
	n := 0
	err := b.network.nativeRequest(ctx, b.job, func(r io.Reader) (int64, error) {
		var err error
		n, err = io.ReadFull(r, room)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // there is room for one byte more
		}
		return int64(n), err
	})
	if err == nil {
		stack[0] = uint64(n)
	}
}

// get does a job and returns the median.
func (b *bareGets) get(ctx context.Context, j job) (time.Duration, error) {
	b.job, b.took = j, nil
	mod, err := b.runtime.InstantiateModule(ctx, b.compiled, anonymous.WithSysNanotime().WithSysWalltime())
	if err != nil {
		return 0, err
	}
	defer mod.Close(ctx)
	code, err := mod.ExportedFunction("run").Call(ctx, uint64(j.times), uint64(j.bytes)+1)
	if err != nil || code[0] != 0 || len(b.took) != j.times {
		return 0, fmt.Errorf("bare wazero: code %v, %d times, %w", code, len(b.took), err)
	}
	return work.Quantile(b.took, 0.5), nil
}
