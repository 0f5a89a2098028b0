package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

// bareWASI gives a bare runtime WASI, which a Go guest cannot do without.
func bareWASI(ctx context.Context, rt wazero.Runtime) error {
	_, err := wasi_snapshot_preview1.Instantiate(ctx, rt)
	return err
}

// measureLoads compares loading the contacts connector, with all checks, to
// compiling its module on bare wazero, cold and from a cache on disk; and a
// whole run of a small guest to an instance and a call.
func measureLoads(ctx context.Context, rounds int, contacts string) (string, error) {
	p, err := host.ReadPackage(contacts)
	if err != nil {
		return "", err
	}
	module := p.Modules[abi.RoleCollector]
	dir, err := os.MkdirTemp("", "bench-cache")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	warmBare, warmOurs := filepath.Join(dir, "bare"), filepath.Join(dir, "ours")
	fs := []func() (time.Duration, error){
		func() (time.Duration, error) { return compileBare(ctx, module, "") },
		func() (time.Duration, error) { return loadOurs(ctx, p, "") },
		func() (time.Duration, error) { return compileBare(ctx, module, warmBare) },
		func() (time.Duration, error) { return loadOurs(ctx, p, warmOurs) },
	}
	for _, f := range fs[2:] {
		if _, err := f(); err != nil { // fill the caches
			return "", err
		}
	}
	m, err := inTurns(max(3, rounds/2), fs...)
	if err != nil {
		return "", err
	}
	small, err := measureRun(ctx, rounds)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	us := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d.Nanoseconds())/1000) }
	fmt.Fprintf(&b, "## Loading and starting\n\nThe contacts connector, %.1f MB of wasm. *bare* compiles the module; *sallyport* also parses the manifest, hashes the module, reads\n"+
		"its sections and checks its imports, in a new host each time.\n\n| | bare | sallyport | ratio |\n|---|---|---|---|\n", float64(len(module))/1e6)
	fmt.Fprintf(&b, "| load, cold, ms | %s | %s | %s |\n", ms(m[0]), ms(m[1]), ratio(m[1], m[0]))
	fmt.Fprintf(&b, "| load, from the cache on disk, ms | %s | **%s** | %s |\n", ms(m[2]), ms(m[3]), ratio(m[3], m[2]))
	fmt.Fprintf(&b, "| instantiate and call a small guest, µs | %s | %s | %s |\n", us(small[0]), us(small[1]), ratio(small[1], small[0]))
	b.WriteString("\nThe last line sets a whole run (approval, credentials, START, audit of start and end, warden, settling) against an instance and one call.\n")
	return b.String(), nil
}

func compileBare(ctx context.Context, module []byte, dir string) (time.Duration, error) {
	began := time.Now()
	rc := wazero.NewRuntimeConfig().WithCloseOnContextDone(true)
	if dir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err != nil {
			return 0, err
		}
		defer cache.Close(ctx)
		rc = rc.WithCompilationCache(cache)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, rc)
	defer rt.Close(ctx)
	_, err := rt.CompileModule(ctx, module)
	return time.Since(began), err
}

func loadOurs(ctx context.Context, p host.Package, dir string) (time.Duration, error) {
	began := time.Now()
	config := host.NewConfig()
	if dir != "" {
		config = config.WithCompileCache(dir)
	}
	h, err := host.New(ctx, config)
	if err != nil {
		return 0, err
	}
	defer h.Close(ctx)
	_, err = h.Load(ctx, p)
	return time.Since(began), err
}

func measureRun(ctx context.Context, rounds int) ([]time.Duration, error) {
	module := smallGuest(abi.ModuleCredential, "use", 1)
	instance, err := bareInstance(ctx, module, true)
	if err != nil {
		return nil, err
	}
	run, err := sallyport(ctx, module)
	if err != nil {
		return nil, err
	}
	const times = 100
	repeat := func(f func() (time.Duration, error)) func() (time.Duration, error) {
		return func() (total time.Duration, err error) {
			for range times {
				d, err := f()
				if err != nil {
					return 0, err
				}
				total += d
			}
			return total / times, nil
		}
	}
	return inTurns(rounds, repeat(instance), repeat(run))
}
