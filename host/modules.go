package host

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/link"
)

// hostFunc is a host function once the run that calls it is known. It reads
// its arguments from stack and leaves its result in stack[0].
type hostFunc func(r *run, mod api.Module, stack []uint64)

// offered are the import modules of this version with their functions. They
// are registered once: what keeps a guest from those it is not given is the
// check of its imports before it is compiled, and the capability bit that
// each call asks for again.
func offered() map[string]struct {
	cap   link.Caps
	funcs map[string]hostFunc
} {
	type module = struct {
		cap   link.Caps
		funcs map[string]hostFunc
	}
	return map[string]module{
		abi.ModuleRun: {link.Run, map[string]hostFunc{
			"input": (*run).input, "emit": aside((*run).emit), "interact": aside((*run).interact), "log": (*run).log,
			"fetch_result": (*run).fetchResult, "error_text": (*run).errorText,
		}},
		abi.ModuleCredential: {link.Credential, map[string]hostFunc{
			"use": (*run).use, "status": (*run).status, "reject": (*run).reject,
		}},
		abi.ModuleHTTP: {link.HTTP, map[string]hostFunc{
			"send": aside((*run).send), "write": (*run).write, "wait": aside((*run).wait), "read": (*run).read, "close": (*run).closeHandle,
		}},
		abi.ModuleStream: {link.Stream, map[string]hostFunc{
			"open": aside((*run).openStream), "write": (*run).write, "wait": aside((*run).wait), "read": (*run).read, "close": (*run).closeHandle,
		}},
		abi.ModuleCredentialStore:  {link.Store, map[string]hostFunc{"put": aside((*run).put)}},
		abi.ModuleCredentialReveal: {link.Reveal, map[string]hostFunc{"reveal": aside((*run).reveal)}},
		abi.ModuleCredentialSign:   {link.Sign, map[string]hostFunc{"sign": aside((*run).sign), "totp": aside((*run).totp)}},
	}
}

// registerModules makes the import modules known to the runtime.
func (h *Host) registerModules(ctx context.Context) error {
	implemented := offered()
	builders := map[string]func(abi.Func) api.GoModuleFunc{
		abi.ModuleWASI: wasiFunction,
	}
	for name, m := range implemented {
		builders[name] = func(f abi.Func) api.GoModuleFunc { return guarded(m.cap, m.funcs[f.Name]) }
	}
	all := append(abi.Functions(), abi.WASIFunctions()...)
	for name, build := range builders {
		b := h.runtime.NewHostModuleBuilder(name)
		for _, f := range all {
			if f.Module == name {
				b.NewFunctionBuilder().WithGoModuleFunction(h.seen(f, build(f)), valueTypes(f.Params), valueTypes(f.Results)).Export(f.Name)
			}
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("import module %s: %w", name, err)
		}
	}
	return h.registerTick(ctx)
}

// seen lets the knob look at the guest's memory around fn. Without the knob it
// is fn itself.
func (h *Host) seen(f abi.Func, fn api.GoModuleFunc) api.GoModuleFunc {
	see := h.knobs.HostCall
	if see == nil {
		return fn
	}
	name := f.Module + "." + f.Name
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		r := runOf(ctx)
		memory := mod.Memory()
		if r == nil || memory == nil {
			fn(ctx, mod, stack)
			return
		}
		look := func() {
			all, _ := memory.Read(0, memory.Size())
			see(r.id, name, all)
		}
		look()
		defer look() // also when fn ends the guest
		fn(ctx, mod, stack)
	}
}

func valueTypes(types []abi.ValType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueType(t)
	}
	return out
}

// afterStop is how many calls a stopped run answers with its status before
// the guest is ended: enough for one that cleans up, few for one that spins.
const afterStop = 64

// guarded wraps fn with what every call asks first: is this a run, may it use
// this import module, and does it still go on? A panic in fn ends the run
// with its text kept from the guest and from traces: it may hold values.
func guarded(cap link.Caps, fn hostFunc) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		r := runOf(ctx)
		if r == nil || r.caps&cap == 0 {
			stack[0] = result(abi.StatusDenied)
			return
		}
		if halted := r.halted.Load(); halted != 0 {
			r.stopped(mod)
			stack[0] = result(r.fail(abi.Status(halted)))
			return
		}
		r.cpu.since = 0
		defer r.survive(mod)
		fn(r, mod, stack)
	}
}

func result(s abi.Status) uint64 { return uint64(s) }

// survive turns a panic of the host's into the end of the run. It passes on
// what ends a guest.
func (r *run) survive(mod api.Module) {
	p := recover()
	if p == nil {
		return
	}
	if exit, ok := p.(*sys.ExitError); ok {
		panic(exit)
	}
	r.host.logger.Error("host function panicked", "run", r.id, "type", fmt.Sprintf("%T", p))
	r.stop(errHostPanic)
	r.exit(mod)
}

// stopped counts a call of a run that was stopped, and ends the guest when
// there were too many.
func (r *run) stopped(mod api.Module) {
	if r.callsAfterStop++; r.callsAfterStop > afterStop {
		r.exit(mod)
	}
}

// exit ends the guest from within one of its calls.
func (r *run) exit(mod api.Module) {
	_ = mod.CloseWithExitCode(context.Background(), sys.ExitCodeContextCanceled)
	panic(sys.NewExitError(sys.ExitCodeContextCanceled))
}
