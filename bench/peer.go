package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

const peerVersion = "v1.7.1" // as go.mod pins it

// peers are the same Go guest under both hosts.
type peers struct {
	ctx      context.Context
	dir      string
	ours     []byte
	theirs   []byte
	manifest string
	in       *installed
	plain    *extism.CompiledPlugin
	timed    *extism.CompiledPlugin // stopped after a while, as a host needs it that does not trust its guest
}

// peerTimeout is long enough never to stop anything here.
const peerTimeout = 10 * time.Minute

func newPeers(ctx context.Context) (p *peers, err error) {
	p = &peers{ctx: ctx}
	if p.dir, err = os.MkdirTemp("", "bench-peers"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.ours, err = buildGuest("./peerguest"); err != nil {
		return nil, err
	}
	if p.theirs, err = buildGuest("./peerguest", "-tags=extism"); err != nil {
		return nil, err
	}
	p.manifest = strings.Replace(benchManifest, `"credentials_schema"`,
		`"options_schema": {"type": "object", "properties": {"work": {"type": "string"}, "times": {"type": "integer"}}}, "credentials_schema"`, 1)
	p.in, err = install(ctx, host.NewConfig(), p.manifest, p.ours, map[string]string{credentialName: "value"})
	if err != nil {
		return nil, err
	}
	if p.plain, err = p.compile(0, nil); err != nil {
		return nil, err
	}
	p.timed, err = p.compile(peerTimeout, nil)
	return p, err
}

func (p *peers) close() {
	for _, c := range []*extism.CompiledPlugin{p.plain, p.timed} {
		if c != nil {
			_ = c.Close(p.ctx)
		}
	}
	if p.in != nil {
		_ = p.in.host.Close(p.ctx)
	}
	_ = os.RemoveAll(p.dir)
}

func (p *peers) compile(timeout time.Duration, cache wazero.CompilationCache) (*extism.CompiledPlugin, error) {
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(timeout > 0)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	add := extism.NewHostFunctionWithStack("add", func(_ context.Context, _ *extism.CurrentPlugin, stack []uint64) { stack[0] += stack[1] },
		[]extism.ValueType{extism.ValueTypeI64, extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
	return extism.NewCompiledPlugin(p.ctx, extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: p.theirs}},
		Config:  map[string]string{credentialName: strings.Repeat("A", abi.SurrogateLen)},
		Timeout: uint64(timeout.Milliseconds()),
	}, extism.PluginConfig{EnableWasi: true, RuntimeConfig: config}, []extism.HostFunction{add})
}

// calls is so many calls of a kind in one of an Extism plug-in. What they take
// of the CPUs is counted here and in run: it is the same wherever nothing else
// runs.
func (p *peers) calls(c *extism.CompiledPlugin, work string, times int) (call func() (time.Duration, error), err error) {
	plugin, err := c.Instance(p.ctx, extism.PluginInstanceConfig{})
	if err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		began := cpuTime()
		exit, _, err := plugin.CallWithContext(p.ctx, "work", fmt.Appendf(nil, "%s %d", work, times))
		if err == nil && exit != 0 {
			err = fmt.Errorf("the plug-in returned %d", exit)
		}
		return cpuTime() - began, err
	}, nil
}

// run is calls in a run of Sallyport's.
func (p *peers) run(work string, times int) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		if err := p.in.approve(map[string]any{"work": work, "times": times}); err != nil {
			return 0, err
		}
		began := cpuTime()
		err := p.in.run(p.ctx, nil)
		return cpuTime() - began, err
	}
}

// eachCall returns what one call takes: Sallyport, Extism, and Extism with a
// timeout.
func (p *peers) eachCall(rounds int, work string, ours, theirs int) (each [3]time.Duration, err error) {
	counts := [3]int{ours, theirs, theirs}
	var fs []func() (time.Duration, error)
	for _, full := range []bool{true, false} {
		for i, c := range []*extism.CompiledPlugin{nil, p.plain, p.timed} {
			times := counts[i]
			if !full {
				times = 0
			}
			f := p.run(work, times)
			if c != nil {
				if f, err = p.calls(c, work, times); err != nil {
					return each, err
				}
			}
			fs = append(fs, f)
		}
	}
	m, err := inTurns(rounds, fs...)
	if err != nil {
		return each, fmt.Errorf("%s: %w", work, err)
	}
	for i := range each {
		each[i] = (m[i] - m[i+3]) / time.Duration(counts[i])
	}
	return each, nil
}

// starts returns what an instance and its first call take on each host: here
// a whole run.
func (p *peers) starts(rounds int) (each [3]time.Duration, err error) {
	if err := p.in.approve(map[string]any{"work": "nothing", "times": 0}); err != nil {
		return each, err
	}
	fs := []func() (time.Duration, error){func() (time.Duration, error) {
		began := time.Now()
		err := p.in.run(p.ctx, nil)
		return time.Since(began), err
	}}
	for _, c := range []*extism.CompiledPlugin{p.plain, p.timed} {
		fs = append(fs, func() (time.Duration, error) {
			began := time.Now()
			plugin, err := c.Instance(p.ctx, extism.PluginInstanceConfig{})
			if err != nil {
				return 0, err
			}
			_, _, err = plugin.CallWithContext(p.ctx, "work", []byte("nothing 0"))
			took := time.Since(began)
			if err != nil {
				return 0, err
			}
			return took, plugin.Close(p.ctx)
		})
	}
	m, err := inTurns(3*rounds, fs...)
	if err != nil {
		return each, err
	}
	return [3]time.Duration(m), nil
}

// loads returns what loading the guest takes from a cache on disk.
func (p *peers) loads(rounds int) (each [3]time.Duration, err error) {
	load := func(timeout time.Duration, dir string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			began := time.Now()
			cache, err := wazero.NewCompilationCacheWithDir(dir)
			if err != nil {
				return 0, err
			}
			defer cache.Close(p.ctx)
			c, err := p.compile(timeout, cache)
			if err != nil {
				return 0, err
			}
			took := time.Since(began)
			return took, c.Close(p.ctx)
		}
	}
	ours := host.Package{Manifest: []byte(p.manifest), Modules: map[abi.Role][]byte{abi.RoleCollector: p.ours}}
	fs := []func() (time.Duration, error){
		func() (time.Duration, error) { return loadOurs(p.ctx, ours, filepath.Join(p.dir, "ours")) },
		load(0, filepath.Join(p.dir, "plain")), load(peerTimeout, filepath.Join(p.dir, "timed")),
	}
	for _, f := range fs {
		if _, err := f(); err != nil { // fill the caches
			return each, err
		}
	}
	m, err := inTurns(rounds, fs...)
	if err != nil {
		return each, err
	}
	return [3]time.Duration(m), nil
}

// measurePeers compares what a guest pays under Sallyport and under Extism.
func measurePeers(ctx context.Context, rounds, calls int) (string, error) {
	p, err := newPeers(ctx)
	if err != nil {
		return "", err
	}
	defer p.close()
	text, err := p.eachCall(rounds, "string", calls, max(1, calls/100))
	if err != nil {
		return "", err
	}
	number, err := p.eachCall(rounds, "number", calls, calls)
	if err != nil {
		return "", err
	}
	start, err := p.starts(rounds)
	if err != nil {
		return "", err
	}
	load, err := p.loads(rounds)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## Beside Extism\n\nThe same Go guest under both, each through its own SDK (go-sdk %s, go-pdk v1.1.3; %.1f MB of wasm for Sallyport, %.1f for\n"+
		"Extism). *a string* is a credential here, with all checks and the audit log, and `config_get` there. *a number* is the cheapest call that each has:\n"+
		"`fetch_result` of a result that is not there, and a host function of the embedder's that adds. Extism cannot stop a guest without a timeout, so\n"+
		"that there are two columns of it; Sallyport is as it runs.\n\n"+
		"| | Sallyport | Extism | | Extism with a timeout | |\n|---|---|---|---|---|---|\n", peerVersion, float64(len(p.ours))/1e6, float64(len(p.theirs))/1e6)
	for _, row := range []struct {
		what string
		each [3]time.Duration
	}{
		{"a string, ns", text}, {"a number, ns", number}, {"instance and first call, here a whole run, µs", start}, {"load from a cache on disk, µs", load},
	} {
		unit := time.Nanosecond
		if strings.HasSuffix(row.what, "µs") {
			unit = time.Microsecond
		}
		n := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(unit)) }
		fmt.Fprintf(&b, "| %s | %s | %s | **%s ×** | %s | %s × |\n", row.what, n(row.each[0]), n(row.each[1]), ratio(row.each[1], row.each[0]), n(row.each[2]), ratio(row.each[2], row.each[0]))
	}
	return b.String() + "\n", nil
}
