package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/link"
	"github.com/sallyport-host/sallyport/host/internal/linmem"
	"github.com/sallyport-host/sallyport/host/internal/profile"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// RunOptions says how to run a connector.
type RunOptions struct {
	Owner    string              // default "owner"
	Instance string              // default "default"
	Grant    *capabilities.Grant // default the owner's own, over all streams
	Role     abi.Role            // default collector
	// Full asks for everything again: the stored state is not handed in.
	Full bool
	// Unattended says that nobody is there: a question ends the run with
	// recovery hint refresh_credentials.
	Unattended bool
	Sink       Sink     // default: records are counted and dropped
	Observer   Observer // default: log lines go to the host's logger
}

// Result is how a run ended. It is filled in as far as the run came, also
// when [Host.Run] returns an error.
type Result struct {
	RunID          string           `json:"run_id"`
	Done           abi.Done         `json:"done"`
	Records        map[string]int64 `json:"records"` // by stream, deletes among them
	StateCommitted []string         `json:"state_committed"`
	Refusals       []Refusal        `json:"refusals"`          // each once
	Rejected       []string         `json:"rejected"`          // credentials that the source refused
	Problem        string           `json:"problem,omitempty"` // the host's own words for the owner
}

// run is one run of one guest. It is the context that its guest is called
// with, so that host functions find it without a look-up.
//
// The guest's thread owns all that is not said to be shared.
type run struct {
	context.Context
	cancel context.CancelCauseFunc

	host     *Host
	id       string
	began    time.Time
	scope    capabilities.Scope
	role     abi.Role
	opts     RunOptions
	manifest *manifests.Manifest
	module   *loaded
	bound    *manifests.Bound
	caps     link.Caps
	ledger   *ledger
	budget   *budget
	checker  *profile.Checker
	sink     Sink
	states   StateStore // the host's, or the sink
	pump     *pump
	start    []byte // the START message

	// halted is the status that every call answers once the run is stopped,
	// 0 before. Shared.
	halted atomic.Int64
	// standing is what the owner has approved, as last read, and approvedEgress
	// its rules. Shared.
	standing       atomic.Pointer[capabilities.Standing]
	approvedEgress atomic.Pointer[[]manifests.EgressRule]

	credentials map[string]*credential // by name and alias
	tokens      tokens
	watch       watch
	echoed      watch // surrogates that stand in answers

	cpu            cpu
	results        results
	lastError      string
	callsAfterStop int
	console        console

	transport  http.RoundTripper
	handles    map[uint32]handle
	moving     *movers      // the goroutines of handles
	spares     spares       // of exchanges. Shared.
	inFlight   atomic.Int64 // bytes of request bodies that are held. Shared.
	lastHandle uint32
	wake       chan struct{} // a handle has moved on
	handed     chan struct{} // a value was handed out that has an end

	pending []*credential // what put has stored
	jars    jars

	staged     map[string]json.RawMessage
	done       *abi.Done
	violation  string              // what broke the protocol first; "" when nothing did
	unanswered abi.InteractionKind // what nobody was there to answer; "" when nothing

	mu      sync.Mutex // guards outcome, which exchanges write too
	outcome Result
}

// Value makes the run findable in a context that wraps it.
func (r *run) Value(key any) any {
	if _, ok := key.(runKey); ok {
		return r
	}
	return r.Context.Value(key)
}

type runKey struct{}

func runOf(ctx context.Context) *run {
	if r, ok := ctx.(*run); ok {
		return r
	}
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// The reasons for which a run is stopped.
var (
	errHostPanic = errors.New("the host failed")
	errRevoked   = errors.New("the approval was taken back")
	errExpired   = errors.New("the approval or the grant ended")
	errChanged   = errors.New("what was approved is not what runs any more")
	errAudit     = errors.New("the audit log cannot be written")
	errSink      = errors.New("the records cannot be written")
	errLeak      = errors.New("a secret turned up where none may be")
)

// stop ends the run for a reason: the first one counts.
func (r *run) stop(why error) {
	s := abi.StatusCancelled
	var past *overrun
	switch {
	case errors.As(why, &past):
		s = abi.StatusExhausted
	case errors.Is(why, errRevoked), errors.Is(why, errChanged):
		s = abi.StatusRevoked
	case errors.Is(why, errExpired):
		s = abi.StatusExpired
	case errors.Is(why, errLeak):
		s = abi.StatusLeakBlocked
	}
	r.halted.CompareAndSwap(0, int64(s))
	r.cancel(why)
}

// Run runs a connector to its end and returns nil when DONE said succeeded,
// its state is committed and the audit log has taken its end. It ends soon
// after ctx is done or the approval is revoked, whatever the guest does.
//
// The error wraps [ErrRefused], [ErrNeedsOwner] or [ErrSourceFailed], or
// ctx's error, or is a failure of the host.
func (h *Host) Run(ctx context.Context, c *Connector, o RunOptions) (Result, error) {
	r, err := h.newRun(ctx, c, o)
	if err != nil {
		return Result{}, err
	}
	defer r.cancel(nil)
	if err := h.enter(r); err != nil {
		return r.outcome, err
	}
	defer h.leave(r)
	t, release := h.connections(account3(r.scope), r.manifest)
	defer release()
	r.transport = t
	err = r.whole()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcome, err
}

func (h *Host) newRun(ctx context.Context, c *Connector, o RunOptions) (*run, error) {
	if c.host != h {
		return nil, fmt.Errorf("connector %s was loaded by another host: load it with this one", c.manifest.ConnectorKey)
	}
	if o.Owner == "" {
		o.Owner = capabilities.DefaultOwner
	}
	if o.Instance == "" {
		o.Instance = vaultstore.DefaultInstance
	}
	if o.Role == "" {
		o.Role = abi.RoleCollector
	}
	if o.Grant == nil {
		o.Grant = capabilities.SelfGrant(c.manifest, o.Owner, time.Now())
	}
	r := &run{
		host: h, began: time.Now(), id: "run_" + strings.ToLower(rand.Text()), role: o.Role, opts: o, manifest: c.manifest, module: c.modules[o.Role],
		scope:  capabilities.Scope{Owner: o.Owner, Connector: c.manifest.ConnectorKey, Instance: o.Instance, Grant: o.Grant.GrantID},
		budget: newBudget(c.manifest.Limits, h.limits),
		sink:   o.Sink, cpu: cpu{fuel: minFuel}, wake: make(chan struct{}, 1), handed: make(chan struct{}, 1), moving: newMovers(),
		credentials: map[string]*credential{},
		handles:     map[uint32]handle{}, lastHandle: abi.FirstHandle - 1, staged: map[string]json.RawMessage{},
	}
	if o.Observer == nil {
		r.opts.Observer = logged{h.logger, r.id}
	}
	if r.sink == nil {
		r.sink = nowhere{}
	}
	r.states = h.states
	if s, ok := r.sink.(StateSink); ok {
		r.states = s
	}
	r.console.log = r.logLine
	r.outcome = Result{RunID: r.id, Records: map[string]int64{}, StateCommitted: []string{}, Refusals: []Refusal{}, Rejected: []string{}}
	r.ledger = newLedger(h.auditor, Event{Scope: r.scope, RunID: r.id, Role: r.role})
	r.ledger.clean = r.clean
	base, cancel := context.WithCancelCause(ctx)
	wall := r.budget.most[limitWall]
	timed, release := context.WithTimeoutCause(base, time.Duration(wall), r.budget.overrun(limitWall, wall))
	r.Context = timed
	r.cancel = func(cause error) { cancel(cause); release() }
	r.pump = newPump(r, r.sink, r.sinkFailed)
	return r, nil
}

// whole is the run from its first check to its last word.
func (r *run) whole() error {
	defer r.pump.close()
	err := r.admit()
	if err == nil {
		var end func()
		if end, err = r.beginSink(); err == nil {
			defer end()
		}
	}
	if err == nil {
		var release func()
		if release, err = r.holdState(); err == nil {
			defer release() // when the cursors are committed
		}
	}
	if err == nil {
		err = r.withWarden(func() error {
			if err := r.readStart(); err != nil {
				return err
			}
			r.retryPending()
			if err := r.preflight(); err != nil {
				return err
			}
			if err := r.useUp(); err != nil {
				return err
			}
			err := r.guest()
			r.handRest()
			if promoteErr := r.promote(); promoteErr != nil {
				r.problem(promoteErr.Error())
			}
			return err
		})
	}
	return r.conclude(err)
}

// holdState keeps other runs of the scope away from its cursors.
func (r *run) holdState() (release func(), err error) {
	h, ok := r.states.(Holder)
	if !ok || !r.opts.Grant.Continuous {
		return func() {}, nil
	}
	return h.Hold(r, r.scope)
}

// admit asks whether the run may start at all.
func (r *run) admit() error {
	if err := r.ledger.write(r, Event{Kind: EventRunStarted, Allowed: true}); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if r.module == nil {
		return r.refuse(&Refusal{Thing: "role " + string(r.role), Rule: "no_module", Reason: "the connector has no module for it", Remedy: "choose a role that the manifest names in /modules"})
	}
	if subject := r.opts.Grant.SubjectID; subject != r.scope.Owner {
		return r.refuse(&Refusal{Thing: "grant " + r.scope.Grant, Rule: "grant", Reason: "it is about " + oneLine(subject) + ", not about " + r.scope.Owner, Remedy: "run it for that owner"})
	}
	standing, err := r.host.approvals.Standing(r, r.scope)
	if err != nil {
		return fmt.Errorf("approvals: %w", err)
	}
	r.stand(&standing)
	if v := capabilities.Active(r.request(capabilities.OpIssue, nil)); !v.Allowed {
		return r.refuse(&Refusal{
			Thing: "connector " + r.manifest.ConnectorKey, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy,
			NeedsOwner: v.Rule != capabilities.RuleRevoked && v.Rule != capabilities.RuleReplay,
		})
	}
	if err := r.unspent(standing.Used); err != nil {
		return err
	}
	if r.bound, err = r.manifest.Bind(standing.Approval.Options); err != nil {
		return fmt.Errorf("the approved options do not fit the manifest: %w", err)
	}
	r.caps = r.module.caps
	for i := range r.bound.Credentials {
		r.addCredential(&r.bound.Credentials[i])
	}
	return nil
}

// stand makes s what the owner has approved.
func (r *run) stand(s *capabilities.Standing) {
	var rules []manifests.EgressRule
	if s.Approval != nil {
		rules = s.Approval.EgressRules()
	}
	r.approvedEgress.Store(&rules)
	r.standing.Store(s)
}

// readStart puts START together from the grant and the stored state.
func (r *run) readStart() error {
	scope, err := r.opts.Grant.ScopeFor(r.manifest, r.opts.Instance, time.Now())
	if err != nil {
		return r.refuse(&Refusal{Thing: "grant " + r.opts.Grant.GrantID, Rule: "grant", Reason: err.Error(), Remedy: "get a new grant"})
	}
	if r.checker, err = profile.New(r.manifest, scope); err != nil {
		return err
	}
	s := abi.Start{Type: abi.TypeStart, RunID: r.id, CollectionMode: abi.FullRefresh, Scope: scope, Bindings: map[string]json.RawMessage{}, Options: r.bound.Options}
	for name, required := range r.manifest.Bindings {
		switch {
		case name == bindingNetwork, name == bindingInteractive && !r.opts.Unattended:
			s.Bindings[name] = json.RawMessage("{}")
		case name == bindingInteractive && required:
			return r.refuse(&Refusal{Thing: "an unattended run of " + r.manifest.ConnectorKey, Rule: "binding", Reason: "the connector requires somebody to be there", Remedy: "run it where the owner can answer", NeedsOwner: true})
		}
	}
	if r.opts.Grant.Continuous && !r.opts.Full {
		if s.State, err = r.states.Load(r, r.scope); err != nil {
			return fmt.Errorf("state: %w", err)
		}
		if len(s.State) > 0 {
			s.CollectionMode = abi.Incremental
		}
	}
	r.start, err = json.Marshal(s)
	return err
}

// errCrashed is how a guest ends that neither said DONE nor was stopped.
var errCrashed = errors.New("the connector crashed")

// guest instantiates the module and calls it.
func (r *run) guest() error {
	memory := linmem.New(uint64(r.budget.most[limitMemory])<<20, r.module.image)
	if dump := r.host.knobs.MemoryDump; dump != nil {
		memory.BeforeWipe = func(b []byte) { dump(r.id, b) }
	}
	defer memory.Release() // last, when nothing moves any more
	defer r.closeHandles()
	err := r.inMemory(memory)
	if wanted := memory.Wanted(); wanted > 0 && errors.Is(err, errCrashed) {
		return fmt.Errorf("%w; %w", r.budget.overrun(limitMemory, int64((wanted+1<<20-1)>>20)), err)
	}
	return err
}

func (r *run) inMemory(memory *linmem.Memory) error {
	mod, err := r.instantiate(memory)
	if err != nil {
		return r.crash(err)
	}
	defer mod.Close(context.WithoutCancel(r))
	version, err := r.call(mod, abi.ExportABI)
	if err != nil {
		return r.crash(err)
	}
	if version != abi.Version {
		return r.refuse(&Refusal{Thing: "module " + string(r.role), Rule: "abi_version", Reason: fmt.Sprintf("it speaks version %d of the ABI, this host %d", version, abi.Version), Remedy: "build it with a current SDK"})
	}
	exit, err := r.call(mod, abi.ExportRun)
	r.console.flush()
	if err != nil {
		return r.crash(err)
	}
	if exit != 0 && r.done != nil && r.done.Status == abi.Succeeded {
		r.violate(fmt.Sprintf("DONE said succeeded, and %s returned %d", abi.ExportRun, exit))
	}
	return nil
}

func (r *run) instantiate(memory *linmem.Memory) (mod api.Module, err error) {
	defer r.recovered(&err)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions(abi.ExportInitialize).
		WithRandSource(rand.Reader) // WASI is ours and has its own; wazero would seed one of 5 KiB for each instance
	return r.host.runtime.InstantiateModule(experimental.WithMemoryAllocator(r, memory), r.module.compiled, config)
}

// recovered turns a panic into an error and the end of the run.
func (r *run) recovered(err *error) {
	if p := recover(); p != nil {
		r.host.logger.Error("the engine panicked", "run", r.id, "type", fmt.Sprintf("%T", p))
		*err = errHostPanic
		r.stop(errHostPanic)
	}
}

// call calls an export. A panic of the engine's ends the run, not the process.
func (r *run) call(mod api.Module, export string) (result uint32, err error) {
	defer r.recovered(&err)
	results, err := mod.ExportedFunction(export).Call(r)
	if err != nil {
		return 0, err
	}
	return uint32(results[0]), nil
}

// crash keeps the words of a guest that trapped, unless it was stopped or had
// ended well before.
func (r *run) crash(err error) error {
	r.console.flush()
	if r.Err() != nil {
		return nil // stopped: the reason is the context's
	}
	if r.done != nil && r.done.Status != abi.Succeeded {
		return nil
	}
	text := r.console.tail() + err.Error()
	if r.checkOut([]byte(text), "the last words of the connector") != abi.StatusOK {
		return nil
	}
	return fmt.Errorf("%w: %s", errCrashed, profile.Clip(r.clean(text), abi.MaxErrorBytes))
}

// request is what is asked of capabilities.Decide for a credential.
func (r *run) request(op capabilities.Op, c *credential) capabilities.Request {
	q := capabilities.Request{
		Op: op, Now: time.Now(), Scope: r.scope, Role: r.role, Mode: r.host.mode, Access: abi.AccessUse,
		Standing: *r.standing.Load(), ManifestSHA256: r.manifest.Digest(), ModuleSHA256: r.module.info.SHA256,
	}
	if c != nil {
		q.Name, q.Declared, q.Stored = c.decl.Name, c.decl, c.storedAs(r.scope)
	}
	return q
}

// refuse notes a refusal for the owner, once, audits it, and returns it.
func (r *run) refuse(f *Refusal) error {
	r.note(*f)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r), lastWords)
	defer cancel()
	if err := r.ledger.decided(ctx, question{op: "run", name: f.Thing}, Event{
		Kind: EventDecision, Op: "run", Rule: f.Rule, Reason: f.Thing + ": " + f.Reason, Remedy: f.Remedy,
	}); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return f
}

// problem keeps words for the owner, after those that are kept already.
func (r *run) problem(text string) {
	text = r.clean(oneLine(text))
	r.mu.Lock()
	defer r.mu.Unlock()
	switch have := r.outcome.Problem; {
	case have == "":
		r.outcome.Problem = text
	case !strings.Contains(have, text) && len(have) < abi.MaxErrorBytes:
		r.outcome.Problem += "; " + text
	}
}

// maxRefusals bounds the refusals that a result lists.
const maxRefusals = 256

func (r *run) note(f Refusal) {
	f.Thing, f.Reason = r.clean(f.Thing), r.clean(f.Reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, have := range r.outcome.Refusals {
		if have.Thing == f.Thing && have.Rule == f.Rule {
			return
		}
	}
	// A guest can fill the list with what it makes up; what the owner can mend
	// finds room behind it.
	if n := len(r.outcome.Refusals); n < maxRefusals || f.NeedsOwner && n < 2*maxRefusals {
		r.outcome.Refusals = append(r.outcome.Refusals, f)
	}
}

// await calls fn, of a sink or a prompter, in a goroutine of its own and waits
// for it or for ctx, so that none can hold a stopped run. Stores are trusted
// to heed their context.
func await[T any](ctx context.Context, fn func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	ch := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("it panicked (%T)", p) // not its text: it may hold a value
			}
			ch <- o
		}()
		o.v, o.err = fn()
	}()
	select {
	case o := <-ch:
		return o.v, o.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}
