package host_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/manifests"
)

// computing is a world whose connector is the attack of that name.
func computing(t *testing.T, a wasmtest.Attack, limits manifests.Limits) *world {
	limits.MemoryMiB = wasmtest.AttackMemoryMiB
	w := emptyWorld(t, func(c host.Config) host.Config { return c.WithLimits(limits) })
	w.connector = w.load(strings.Replace(testManifest, `"modules"`, `"limits": {"memory_mib": 1024}, "modules"`, 1), a.Module)
	w.approve("spin")
	w.store("TOKEN", canary, abi.ClassToken)
	return w
}

// TestCPULimit stops every kind of guest that computes for ever, soon after it
// has used up what it may. bench has the exact figures.
func TestCPULimit(t *testing.T) {
	const may, late = 100 * time.Millisecond, 5 * time.Second
	for _, a := range wasmtest.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			w := computing(t, a, manifests.Limits{CPU: may})
			began := time.Now()
			res, err := w.again(host.RunOptions{})
			if took := time.Since(began); took > late {
				t.Errorf("it took %v", took)
			}
			if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "limit cpu: it came to") || !strings.Contains(err.Error(), "--limit cpu=") {
				t.Errorf("error %v", err)
			}
			if d := res.Done; d.Status != abi.Failed || d.Error == nil || d.Error.Code != abi.CodeLimitExceeded {
				t.Errorf("done %+v %+v", d, d.Error)
			}
		})
	}
}

func TestCPUBetweenCallsLimit(t *testing.T) {
	w := computing(t, wasmtest.Attacks()[0], manifests.Limits{CPU: time.Hour, CPUBetweenCalls: 50 * time.Millisecond})
	_, err := w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "limit cpu_between_calls: it came to") {
		t.Errorf("error %v", err)
	}
}

// TestWallStopsComputing has the wall time end a guest that never calls the
// host.
func TestWallStopsComputing(t *testing.T) {
	w := computing(t, wasmtest.Attacks()[0], manifests.Limits{Wall: 100 * time.Millisecond})
	_, err := w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "limit wall") {
		t.Errorf("error %v", err)
	}
}

// TestWaitingIsNotComputing has a guest wait for longer than it may compute.
func TestWaitingIsNotComputing(t *testing.T) {
	w := emptyWorld(t, func(c host.Config) host.Config { return c.WithLimits(manifests.Limits{CPU: 2 * time.Second}) })
	m := wasmtest.New(1)
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	wait := m.Import(abi.ModuleHTTP, "wait", []byte{i32, i32, i64, i32, i32}, []byte{i64})
	p, n := m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, []byte{i32, i32},
		wasmtest.Loop(0, 5,
			wasmtest.I32Const(0), wasmtest.I32Const(0), wasmtest.I64Const(500), wasmtest.I32Const(1024), wasmtest.I32Const(64), wasmtest.Call(wait), wasmtest.Drop(),
			wasmtest.Loop(1, 100_000)), // a few ticks
		wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop(), wasmtest.I32Const(0))
	w.connector = w.load(testManifest, m.Bytes())
	w.approve("spin")
	w.store("TOKEN", canary, abi.ClassToken)
	began := time.Now()
	if _, err := w.again(host.RunOptions{}); err != nil {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it waited for %v only", took)
	}
}

// TestCollectionGoesOn collects garbage while guests compute on every core.
func TestCollectionGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := computing(t, wasmtest.Attacks()[0], manifests.Limits{})
	n := runtime.GOMAXPROCS(0)
	ended := make(chan error, n)
	for range n {
		go func() { _, err := w.host.Run(ctx, w.connector, host.RunOptions{Instance: "default"}); ended <- err }()
	}
	waitFor(t, func() bool { return len(w.audit.Events()) >= 2*n })
	const collections, most = 5, 10 * time.Second
	began := time.Now()
	for range collections {
		runtime.GC()
	}
	if took := time.Since(began); took > most {
		t.Errorf("%d collections took %v", collections, took)
	}
	cancel()
	for range n {
		<-ended
	}
}
