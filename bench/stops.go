package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/manifests"
)

// attacker installs an attack on a host with these limits.
func attacker(ctx context.Context, a wasmtest.Attack, limits manifests.Limits) (*installed, error) {
	limits.MemoryMiB = wasmtest.AttackMemoryMiB
	manifest := strings.Replace(benchManifest, `"modules"`, `"limits": {"memory_mib": 1024}, "modules"`, 1)
	in, err := install(ctx, host.NewConfig().WithLimits(limits), manifest, a.Module, map[string]string{credentialName: "value"})
	if err != nil {
		return nil, err
	}
	return in, in.approve(nil)
}

// measureStops has every attack stopped by the wall time and says how long it
// took.
func measureStops(ctx context.Context, budget time.Duration) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "## Guests that compute for ever\n\nEach with a wall time of %v; what it took from the beginning of the run to its end, and the CPU limit of as much.\n\n"+
		"| guest | stopped by wall time after, ms | by the CPU limit after, ms |\n|---|---|---|\n", budget)
	for _, a := range wasmtest.Attacks() {
		var took [2]time.Duration
		for i, limits := range []manifests.Limits{{Wall: budget}, {CPU: budget}} {
			in, err := attacker(ctx, a, limits)
			if err != nil {
				return "", fmt.Errorf("%s: %w", a.Name, err)
			}
			began := time.Now()
			err = in.run(ctx, nil)
			took[i] = time.Since(began)
			if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "limit") {
				return "", fmt.Errorf("%s was not stopped: %w", a.Name, err)
			}
			if err := in.host.Close(ctx); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f |\n", a.Name, took[0].Seconds()*1000, took[1].Seconds()*1000)
	}
	return b.String() + "\n", nil
}

// measureFairness times the process's garbage collection and another run's
// host calls, with and without a guest on every core that computes for ever.
func measureFairness(ctx context.Context, times int) (string, error) {
	var b strings.Builder
	b.WriteString("## Neighbours of a guest that computes for ever\n\nOne such guest on each core, and beside them a garbage collection, or a run that waits for a timer of 1 ms and then makes a\n" +
		"host call, again and again. p50 and p99, and what the guests add at p99.\n\n| | idle, ms | beside them, ms | added at p99, ms |\n|---|---|---|---|\n")
	neighbour, err := newNeighbour(ctx)
	if err != nil {
		return "", err
	}
	things := []struct {
		name string
		f    func() (time.Duration, error)
	}{
		{"`runtime.GC()`", func() (time.Duration, error) { began := time.Now(); runtime.GC(); return time.Since(began), nil }},
		{"a whole run that waits for 1 ms", neighbour},
	}
	all := make([][2][]time.Duration, len(things))
	for busy := range 2 {
		stop := func() error { return nil }
		if busy == 1 {
			if stop, err = occupy(ctx, wasmtest.Attacks()[0]); err != nil {
				return "", err
			}
		}
		for i, thing := range things {
			for range times {
				d, err := thing.f()
				if err != nil {
					return "", errors.Join(err, stop())
				}
				all[i][busy] = append(all[i][busy], d)
			}
			slices.Sort(all[i][busy])
		}
		if err := stop(); err != nil {
			return "", err
		}
	}
	at := func(ds []time.Duration, p int) float64 { return ds[min(len(ds)-1, len(ds)*p/100)].Seconds() * 1000 }
	for i, thing := range things {
		idle, busy := all[i][0], all[i][1]
		fmt.Fprintf(&b, "| %s | %.2f, %.2f | %.2f, %.2f | **%.1f** |\n", thing.name, at(idle, 50), at(idle, 99), at(busy, 50), at(busy, 99), at(busy, 99)-at(idle, 99))
	}
	return b.String() + "\n", nil
}

// occupy has an attack compute on each core until stop is called.
func occupy(ctx context.Context, a wasmtest.Attack) (stop func() error, err error) {
	in, err := attacker(ctx, a, manifests.Limits{CPU: time.Hour, CPUBetweenCalls: time.Hour})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var runs sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		runs.Go(func() { _ = in.run(ctx, nil) })
	}
	time.Sleep(100 * time.Millisecond) // they have begun to compute
	return func() error {
		cancel()
		runs.Wait()
		return in.host.Close(context.WithoutCancel(ctx))
	}, nil
}

// newNeighbour is a run of a small guest that waits for 1 ms and ends.
func newNeighbour(ctx context.Context) (func() (time.Duration, error), error) {
	i32, i64 := wasmtest.I32, wasmtest.I64
	m := wasmtest.New(2)
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	wait := m.Import(abi.ModuleHTTP, "wait", []byte{i32, i32, i64, i32, i32}, []byte{i64})
	p, n := m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil,
		wasmtest.I32Const(0), wasmtest.I32Const(0), wasmtest.I64Const(1), wasmtest.I32Const(1024), wasmtest.I32Const(64), wasmtest.Call(wait), wasmtest.Drop(), end(emit, p, n))
	return sallyport(ctx, m.Bytes())
}
