package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

// measureScales shows how what a call and a run cost changes with how many
// runs there are at once, how many credentials, and how large a record.
func measureScales(ctx context.Context, rounds, calls, runs int) (string, error) {
	var b strings.Builder
	b.WriteString("## More of everything\n\nA small guest; what each takes of the CPUs, with all checks and the audit log. A run is a whole one, with one `use` of each credential.\n\n" +
		"| runs at once | `use`, ns | a run, µs |\n|---|---|---|\n")
	for _, n := range []int{1, 10, 100, 1000} {
		use, run, err := scale(ctx, rounds, 1, n, calls*max(1, n/100), max(runs, n))
		if err != nil {
			return "", fmt.Errorf("%d runs at once: %w", n, err)
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", n, use, run)
	}
	b.WriteString("\n| credentials | `use`, ns | a run, µs |\n|---|---|---|\n")
	for _, n := range []int{1, 10, 64} { // no manifest has more
		use, run, err := scale(ctx, rounds, n, 1, calls, max(1, runs/n))
		if err != nil {
			return "", fmt.Errorf("%d credentials: %w", n, err)
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", n, use, run)
	}
	b.WriteString("\nA record goes through `emit`, the guard looking for one credential, its stream's schema and the scope, to a sink that drops it.\n\n" +
		"| record | each, µs | MB/s |\n|---|---|---|\n")
	for _, size := range []int{100, 1 << 10, 16 << 10, 256 << 10} {
		each, err := emitted(ctx, rounds, size, max(10, calls*20/size))
		if err != nil {
			return "", fmt.Errorf("records of %d bytes: %w", size, err)
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.0f |\n", bytesText(size), float64(each.Nanoseconds())/1000, float64(size)/1e6/each.Seconds())
	}
	return b.String() + "\n", nil
}

func bytesText(n int) string {
	if n < 1<<10 {
		return fmt.Sprint(n, " B")
	}
	return fmt.Sprint(n>>10, " KiB")
}

// scale returns what a use and a run cost, with so many credentials and so
// many runs at once, as text.
func scale(ctx context.Context, rounds, credentials, atOnce, calls, runs int) (use, run string, err error) {
	var names []string
	for i := range credentials {
		names = append(names, secretName(i))
	}
	manifest := networkManifest(names, []string{"https://example.com"})
	var fs []func() (time.Duration, error)
	for _, g := range []struct{ calls, runs int }{{calls / atOnce, atOnce}, {0, atOnce}, {0, runs}} {
		in, err := installScale(ctx, manifest, names, scaleGuest(names, int32(g.calls), "", 0))
		if err != nil {
			return "", "", err
		}
		defer in.host.Close(ctx)
		fs = append(fs, func() (time.Duration, error) { return in.many(ctx, atOnce, g.runs) })
	}
	m, err := inTurns(rounds, fs...)
	if err != nil {
		return "", "", err
	}
	made := calls / atOnce * atOnce
	return fmt.Sprintf("%.1f", float64(m[0]-m[1])/float64(made)), fmt.Sprintf("%.0f", float64(m[2])/float64(runs)/1000), nil
}

func installScale(ctx context.Context, manifest string, names []string, module []byte) (*installed, error) {
	secrets := map[string]string{}
	for i, name := range names {
		secrets[name] = fmt.Sprintf("value-%d-of-a-credential-%d", i, i*i)
	}
	in, err := install(ctx, host.NewConfig(), manifest, module, secrets)
	if err != nil {
		return nil, err
	}
	return in, in.approve(nil)
}

// many does runs, atOnce of them at any time, and returns what all took of the
// CPUs.
func (in *installed) many(ctx context.Context, atOnce, runs int) (time.Duration, error) {
	var workers sync.WaitGroup
	todo, failed := make(chan struct{}, runs), make(chan error, atOnce)
	for range runs {
		todo <- struct{}{}
	}
	close(todo)
	began := cpuTime()
	for range atOnce {
		workers.Go(func() {
			for range todo {
				if err := in.run(ctx, nil); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	workers.Wait()
	took := cpuTime() - began
	select {
	case err := <-failed:
		return 0, err
	default:
		return took, nil
	}
}

// emitted returns what one record of a size costs.
func emitted(ctx context.Context, rounds, size, times int) (time.Duration, error) {
	names := []string{secretName(0)}
	manifest := networkManifest(names, []string{"https://example.com"})
	text := `{"type":"RECORD","stream":"took","key":["1"],"emitted_at":"2026-01-02T03:04:05Z","data":{"id":"1"}}` // 100 bytes, all but
	if more := size - len(text) - len(`,"text":""`); more > 0 {
		text = strings.TrimSuffix(text, "}}") + `,"text":"` + strings.Repeat(" word", size/5+1)[:more] + `"}}`
	}
	var fs []func() (time.Duration, error)
	for _, n := range []int{times, 0} {
		in, err := installScale(ctx, manifest, names, scaleGuest(names, 0, text, int32(n)))
		if err != nil {
			return 0, err
		}
		defer in.host.Close(ctx)
		fs = append(fs, func() (time.Duration, error) { return in.many(ctx, 1, 1) })
	}
	m, err := inTurns(rounds, fs...)
	if err != nil {
		return 0, err
	}
	return (m[0] - m[1]) / time.Duration(times), nil
}

// scaleGuest is a module that uses each credential once, then the first calls
// times over, then emits a record so many times, and says DONE.
func scaleGuest(names []string, calls int32, record string, records int32) []byte {
	m := wasmtest.New(8)
	i32, i64 := wasmtest.I32, wasmtest.I64
	c := func(v uint32) []byte { return wasmtest.I32Const(int32(v)) }
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	f := m.Import(abi.ModuleCredential, "use", []byte{i32, i32, i32, i32}, []byte{i64})
	const answer = 7 << 16 // behind all data
	use := func(name string) [][]byte {
		at, n := m.Data(name)
		return [][]byte{c(at), c(n), c(answer), c(64), wasmtest.Call(f), wasmtest.Drop()}
	}
	var code [][]byte
	for _, name := range names {
		code = append(code, use(name)...)
	}
	code = append(code, wasmtest.Loop(0, calls, use(names[0])...))
	at, n := m.Data(record)
	code = append(code, wasmtest.Loop(0, records, c(at), c(n), wasmtest.Call(emit), wasmtest.Drop()))
	done, doneLen := m.Data(fmt.Sprintf(`{"type":"DONE","status":"succeeded","records_emitted":%d}`, records))
	code = append(code, c(done), c(doneLen), wasmtest.Call(emit), wasmtest.Drop(), c(0))
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, []byte{i32}, code...)
	return m.Bytes()
}
