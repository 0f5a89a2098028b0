package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// The two kinds of process whose memory is compared.
const (
	bareInstances  = "bare"
	idleRuns       = "sallyport"
	childVariable  = "BENCH_CHILD"
	memoryMiB      = 128 // as the contacts connector's manifest says
	densityTimeout = 5 * time.Minute
)

// crowd is what a process of its own is to hold while its memory is read.
type crowd struct {
	Kind     string
	Count    int
	Contacts string         // the connector's directory
	Source   netip.AddrPort // never answers
	CA       string         // PEM
}

// weight is what a crowd weighs, in bytes: what the process had before it,
// and what came with it; and what part of one CPU it takes while it waits.
type weight struct {
	Before, Crowd int64
	CPU           float64
}

// idleFor is how long a crowd is watched while it waits.
const idleFor = 3 * time.Second

// slowSource is a server that takes requests and never answers.
type slowSource struct {
	*httptest.Server
	waiting atomic.Int64
	over    chan struct{}
}

func startSlowSource() *slowSource {
	s := &slowSource{over: make(chan struct{})}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.waiting.Add(1)
		defer s.waiting.Add(-1)
		select {
		case <-s.over:
		case <-r.Context().Done():
		}
	}))
	return s
}

func (s *slowSource) close() {
	close(s.over)
	s.CloseClientConnections()
	s.Close()
}

// measureDensity compares the memory of many runs of the contacts connector,
// each another owner's and idle on a slow source, to that of as many bare
// instances of its module, each in a process of its own.
func measureDensity(ctx context.Context, count int, contacts string) (string, error) {
	source := startSlowSource()
	defer source.close()
	addr, ok := source.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.New("the source has no address")
	}
	c := crowd{Count: count, Contacts: contacts, Source: addr.AddrPort(), CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: source.Certificate().Raw}))}
	var weights [2]weight
	for i, kind := range []string{bareInstances, idleRuns} {
		c.Kind = kind
		w, err := weigh(ctx, c, source)
		if err != nil {
			return "", fmt.Errorf("%d %s: %w", count, kind, err)
		}
		weights[i] = w
	}
	bare, ours := weights[0], weights[1]
	each := func(w weight) float64 { return float64(w.Crowd) / float64(count) / (1 << 20) }
	var b strings.Builder
	fmt.Fprintf(&b, "## Many at once\n\n%d runs of the contacts connector, each another owner's, with a request under way to a source that does not answer; beside\n"+
		"%d instances of its module on bare wazero, initialised and never called. Each in a process of its own; what came to it with them,\n"+
		"as the system counts it (a page that several map is counted once).\n\n| | bare | sallyport | ratio |\n|---|---|---|---|\n", count, count)
	fmt.Fprintf(&b, "| resident, each, MiB | %.2f | %.2f | **%.2f** |\n", each(bare), each(ours), float64(ours.Crowd)/float64(bare.Crowd))
	fmt.Fprintf(&b, "| all of them waiting, %% of a CPU | %.1f | %.1f | |\n\n", 100*bare.CPU, 100*ours.CPU)
	return b.String(), nil
}

// weigh has a process of its own hold a crowd, and read its memory when all
// of it is there.
func weigh(ctx context.Context, c crowd, source *slowSource) (w weight, err error) {
	ctx, cancel := context.WithTimeout(ctx, densityTimeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return w, err
	}
	spec, err := json.Marshal(c)
	if err != nil {
		return w, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(spec))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return w, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return w, err
	}
	if err := cmd.Start(); err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, cmd.Wait()) }()
	defer in.Close()
	answers := bufio.NewReader(out)
	if _, err := answers.ReadString('\n'); err != nil {
		return w, fmt.Errorf("it ended early: %w", err)
	}
	for c.Kind == idleRuns && source.waiting.Load() < int64(c.Count) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return w, fmt.Errorf("%d of them reached the source: %w", source.waiting.Load(), ctx.Err())
		}
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		return w, err
	}
	return w, json.NewDecoder(answers).Decode(&w)
}

// holdCrowd is the process of its own: it says when it has started its crowd,
// and what it weighs when it is asked.
func holdCrowd(ctx context.Context, spec string, in io.Reader, out io.Writer) error {
	var c crowd
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		return err
	}
	var w weight
	p, err := host.ReadPackage(c.Contacts)
	if err != nil {
		return err
	}
	start := c.startRuns
	if c.Kind == bareInstances {
		start = c.startBare
	}
	stop, err := start(ctx, p, func() { w.Before = settled() })
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "started")
	asked := bufio.NewReader(in)
	if _, err := asked.ReadString('\n'); err != nil {
		return err
	}
	w.Crowd = settled() - w.Before
	began, used := time.Now(), cpuTime()
	time.Sleep(idleFor)
	w.CPU = float64(cpuTime()-used) / float64(time.Since(began))
	if err := json.NewEncoder(out).Encode(w); err != nil {
		return err
	}
	return stop()
}

// settled is the memory that is in use once Go has given back what is not.
func settled() int64 {
	debug.FreeOSMemory()
	return proportional()
}

// startBare instantiates the module on bare wazero.
func (c crowd) startBare(ctx context.Context, p host.Package, loaded func()) (stop func() error, err error) {
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(memoryMiB<<20>>16))
	if err := bareWASI(ctx, rt); err != nil {
		return nil, err
	}
	for _, module := range []string{abi.ModuleRun, abi.ModuleCredential, abi.ModuleHTTP} {
		b := rt.NewHostModuleBuilder(module)
		for _, f := range abi.Functions() {
			if f.Module == module {
				b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) {}), valueTypes(f.Params), valueTypes(f.Results)).Export(f.Name)
			}
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return nil, err
		}
	}
	compiled, err := rt.CompileModule(ctx, p.Modules[abi.RoleCollector])
	if err != nil {
		return nil, err
	}
	loaded()
	for range c.Count {
		if _, err := rt.InstantiateModule(ctx, compiled, anonymous); err != nil {
			return nil, err
		}
	}
	return func() error { return rt.Close(ctx) }, nil
}

func valueTypes(types []abi.ValType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueType(t)
	}
	return out
}

// startRuns has as many owners run the connector at once.
func (c crowd) startRuns(ctx context.Context, p host.Package, loaded func()) (stop func() error, err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	vault, approvals := memory.New(), host.NewMemoryApprovals()
	h, err := host.New(ctx, host.NewConfig().WithVault(vault).WithApprovals(approvals).WithRootCAs(roots).WithAddressException(sourceName, c.Source))
	if err != nil {
		return nil, err
	}
	connector, err := h.Load(ctx, p)
	if err != nil {
		return nil, err
	}
	in := &installed{h, connector, approvals}
	for i := range c.Count {
		if err := in.own(ctx, vault, c.owner(i), fmt.Sprintf("https://%s:%d", sourceName, c.Source.Port())); err != nil {
			return nil, err
		}
	}
	loaded()
	ctx, cancel := context.WithCancel(ctx)
	var runs sync.WaitGroup
	for i := range c.Count {
		runs.Go(func() {
			_, err := h.Run(ctx, connector, host.RunOptions{Owner: c.owner(i), Unattended: true})
			if ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "a run ended early:", err)
			}
		})
	}
	return func() error {
		cancel()
		runs.Wait()
		return h.Close(context.WithoutCancel(ctx))
	}, nil
}

func (c crowd) owner(i int) string { return fmt.Sprintf("owner-%d", i) }

// own has an owner store the contacts connector's credentials, and approve it.
func (in *installed) own(ctx context.Context, vault vaultstore.Store, owner, baseURL string) error {
	scope := in.scope()
	scope.Owner = owner
	for name, value := range map[string]string{"ACCOUNT": owner, "APP_PASSWORD": "value of " + owner} {
		class := abi.ClassToken
		if name == "ACCOUNT" {
			class = abi.ClassNone
		}
		_, err := vault.Put(ctx, vaultstore.Entry{Address: scope.Address(name), Class: class, Stages: map[vaultstore.Stage]vaultstore.Version{
			vaultstore.Current: {Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now()},
		}}, vaultstore.AnyGeneration)
		if err != nil {
			return err
		}
	}
	bound, err := in.connector.Manifest().Bind(map[string]any{"base_url": baseURL})
	if err != nil {
		return err
	}
	digests := map[abi.Role]string{abi.RoleCollector: in.connector.Modules()[abi.RoleCollector].SHA256}
	_, err = in.approvals.Approve(capabilities.NewApproval(bound, scope, digests, capabilities.ModeLocal, time.Now()))
	return err
}
