package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/link"
	"github.com/sallyport-host/sallyport/host/internal/linmem"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
	"github.com/sallyport-host/sallyport/manifests"
)

// Connector is a loaded package: checked, linked and compiled, not running. It
// runs on the host that loaded it.
type Connector struct {
	host     *Host
	manifest *manifests.Manifest
	modules  map[abi.Role]*loaded
}

// loaded is one module, ready to be instantiated.
type loaded struct {
	info     ModuleInfo
	caps     link.Caps
	code     []byte // what is compiled: the module with a meter in it, without the data in image
	image    *linmem.Image
	compiled wazero.CompiledModule
}

// Load checks a package and compiles its modules. A module that imports what
// its manifest and role do not give it, or whose digest is not the stated
// one, is refused before it is compiled. All refusals are returned at once,
// each a [*Refusal], and written to the audit log; a wrong manifest is a
// *manifests.Faults.
func (h *Host) Load(ctx context.Context, p Package) (*Connector, error) {
	m, err := manifests.Parse(p.Manifest)
	if err != nil {
		return nil, err
	}
	if m.NotRunnable != "" {
		return nil, h.refuseLoad(ctx, m, []*Refusal{{Thing: "connector " + m.ConnectorKey, Rule: "not_runnable", Reason: m.NotRunnable}})
	}
	c := &Connector{host: h, manifest: m, modules: map[abi.Role]*loaded{}}
	refusals := missingBindings(m)
	for _, role := range abi.Roles() {
		stated, ok := m.Modules[role]
		if !ok {
			continue
		}
		l, problems := h.check(m, role, stated, p.Modules[role])
		c.modules[role] = l
		refusals = append(refusals, problems...)
	}
	if len(refusals) > 0 {
		return nil, errors.Join(c.Close(ctx), h.refuseLoad(ctx, m, refusals))
	}
	for role, l := range c.modules {
		if l.compiled, err = h.compile(ctx, l.code); err != nil {
			return nil, errors.Join(c.Close(ctx), h.refuseLoad(ctx, m, []*Refusal{{
				Thing: "module " + string(role), Rule: "module_invalid", Reason: "it does not compile: " + oneLine(err.Error()), Remedy: h.compilable(),
			}}))
		}
		l.code = nil
	}
	return c, nil
}

// The bindings that this version offers (PDPP Collection Profile, bindings);
// interactive only where somebody is there.
const (
	bindingNetwork     = "network"
	bindingInteractive = "interactive"
)

// missingBindings refuses a connector that requires what no run would have.
func missingBindings(m *manifests.Manifest) (refusals []*Refusal) {
	for _, name := range slices.Sorted(maps.Keys(m.Bindings)) {
		if m.Bindings[name] && name != bindingNetwork && name != bindingInteractive {
			refusals = append(refusals, &Refusal{
				Thing: "binding " + name, Rule: "binding", Reason: "the connector requires it, and this version of the host does not offer it",
				Remedy: "use a connector that does without it",
			})
		}
	}
	return refusals
}

// check reads one module without compiling it.
func (h *Host) check(m *manifests.Manifest, role abi.Role, stated manifests.Module, module []byte) (*loaded, []*Refusal) {
	thing := fmt.Sprintf("module %s (%s)", role, stated.Path)
	if len(module) == 0 || len(module) > abi.MaxModuleBytes {
		return nil, []*Refusal{{Thing: thing, Rule: "module_size", Reason: fmt.Sprintf("it has %d bytes", len(module)), Remedy: fmt.Sprintf("give one of 1 to %d", abi.MaxModuleBytes)}}
	}
	sum := make(chan string, 1)
	go func() { sum <- digest(module) }()
	parsed, err := wasmbin.Parse(module)
	got := <-sum
	if stated.SHA256 != "" && stated.SHA256 != got {
		return nil, []*Refusal{{Thing: thing, Rule: "module_digest", Reason: "its sha256 is " + got + ", the manifest states " + stated.SHA256, Remedy: "get the package again, or build it and state the new digest"}}
	}
	if err != nil {
		return nil, []*Refusal{{Thing: thing, Rule: "module_invalid", Reason: err.Error(), Remedy: "build it again"}}
	}
	caps, problems := link.Check(parsed, m, role)
	var refusals []*Refusal
	for _, p := range problems {
		refusals = append(refusals, &Refusal{Thing: p.Thing + " of " + thing, Rule: "link", Reason: p.Reason, Remedy: p.Remedy})
	}
	if limit := h.memoryLimit(m); uint64(parsed.MemoryMin)*wasmPage > limit {
		refusals = append(refusals, &Refusal{Thing: thing, Rule: "memory", Reason: fmt.Sprintf("it needs %d MiB of memory at least, and its limit is %d MiB", uint64(parsed.MemoryMin)*wasmPage>>20, limit>>20), Remedy: "raise /limits/memory_mib"})
	}
	l := &loaded{info: moduleInfo(module, parsed, got), caps: caps}
	if len(refusals) > 0 {
		return l, refusals
	}
	if l.code, err = h.metered(parsed, module, got); err != nil {
		refusals = append(refusals, &Refusal{Thing: thing, Rule: "module_invalid", Reason: err.Error(), Remedy: "build it for WebAssembly 2.0, without threads, exceptions and tail calls"})
	}
	if len(refusals) == 0 {
		l.takeData()
	}
	return l, refusals
}

// takeData makes an image of what the module's memory begins with, where that
// can be told beforehand.
func (l *loaded) takeData() {
	rest, segments, ok := wasmbin.Data(l.code)
	if !ok {
		return
	}
	size := 0
	for _, s := range segments {
		size = max(size, int(s.Offset)+len(s.Bytes))
	}
	l.code, l.image = rest, linmem.NewImage(size, func(memory []byte) {
		for _, s := range segments {
			copy(memory[s.Offset:], s.Bytes)
		}
	})
}

// compile compiles a module. A panic of the engine's is an error: the module
// is not ours.
func (h *Host) compile(ctx context.Context, code []byte) (c wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed on it (%T)", p)
		}
	}()
	ctx = experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0))) // with one, it would not look at ctx
	c, err = h.runtime.CompileModule(ctx, code)
	if err != nil && h.forgetDamaged(err) {
		c, err = h.runtime.CompileModule(ctx, code)
	}
	return c, err
}

// compilable is what mends a module that does not compile: what is kept of it
// from an earlier time may be damaged, and not it.
func (h *Host) compilable() string {
	if h.cacheDir == "" {
		return "build it again"
	}
	return "if it has compiled before, remove what is kept of that, the folder " + h.cacheDir + "; if not, build it again"
}

// refuseLoad audits refusals and joins them into one error.
func (h *Host) refuseLoad(ctx context.Context, m *manifests.Manifest, refusals []*Refusal) error {
	var errs []error
	var events []Event
	for _, r := range refusals {
		errs = append(errs, r)
		events = append(events, Event{
			Time: time.Now().UTC(), Kind: EventLoadRefused, Scope: capabilities.Scope{Connector: m.ConnectorKey},
			Rule: r.Rule, Reason: r.Thing + ": " + r.Reason, Remedy: r.Remedy,
		})
	}
	if err := h.auditor.Append(ctx, events...); err != nil {
		errs = append(errs, fmt.Errorf("audit log: %w", err))
	}
	return errors.Join(errs...)
}

// Manifest returns the connector's manifest.
func (c *Connector) Manifest() *manifests.Manifest { return c.manifest }

// Modules says what the modules are, by role.
func (c *Connector) Modules() map[abi.Role]ModuleInfo {
	all := make(map[abi.Role]ModuleInfo, len(c.modules))
	for role, l := range c.modules {
		all[role] = l.info
	}
	return all
}

// Close releases the compiled modules. Do not call it while a run of the
// connector goes on.
func (c *Connector) Close(ctx context.Context) error {
	var errs []error
	for _, l := range c.modules {
		if l == nil {
			continue
		}
		errs = append(errs, l.image.Close())
		if l.compiled != nil {
			errs = append(errs, l.compiled.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// The memory of a guest, in bytes.
const (
	wasmPage         = 64 << 10
	maxMemory uint64 = 1 << 30
)

func (h *Host) memoryLimit(m *manifests.Manifest) uint64 {
	return uint64(newBudget(m.Limits, h.limits).most[limitMemory]) << 20
}
