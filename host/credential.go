package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/cookies"
	"github.com/sallyport-host/sallyport/host/internal/guard"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// staleAfter is how long a run goes on with a value before it looks whether
// the vault holds a newer one.
const staleAfter = 2 * time.Second

// credential is one declared credential in one run.
type credential struct {
	decl *manifests.Credential

	// ready says that issued may be handed out with no more questions: the
	// verdict stands until the warden or a refresh takes it back.
	ready atomic.Bool
	uses  atomic.Int64 // fast answers since the last flush

	// The guest's thread owns these; they hold while ready does.
	issued   []byte   // the surrogate, or an identity's plain value
	standing []byte   // what status answers
	held     *holding // what the surrogate stands for

	// allowedBy is the decision that fast answers are counted under. Shared.
	allowedBy atomic.Pointer[question]

	mu       sync.Mutex
	entry    *vaultstore.Entry // nil when nothing is stored
	current  vaultstore.Version
	readAt   time.Time
	epoch    int // counts the values that this run has seen
	watched  watchedAs
	used     bool // the value was sent
	answered bool // the last answer to it was no refusal
	refused  bool // the last answer to it was a refusal
	rejected abi.RejectReason

	unstored  time.Time // when the vault last did not take its new tokens; the guest's thread's
	unrenewed *Refusal  // why the last renewal came to nothing that the owner could not mend; the guest's thread's
}

// watchedAs says which value of a credential is looked for already, and how.
type watchedAs struct {
	epoch int
	never bool
}

func (r *run) addCredential(decl *manifests.Credential) {
	c := &credential{decl: decl}
	r.credentials[decl.Name] = c
	for _, alias := range decl.Aliases {
		r.credentials[alias] = c
	}
}

// storedAs states what the vault holds, for a decision.
func (c *credential) storedAs(scope capabilities.Scope) *capabilities.Stored {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry == nil {
		return nil
	}
	return &capabilities.Stored{
		Class: c.entry.Class, Provenance: c.current.Provenance, Status: c.current.Status,
		ExpiresAt: c.current.ExpiresAt, Scope: scope,
	}
}

func (c *credential) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry == nil {
		return 0
	}
	return c.entry.Generation
}

// value returns the value in use, and its epoch.
func (c *credential) value() (value []byte, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Value.Reveal(), c.epoch
}

// account is what the source calls whose value is in use, "" where it never
// told.
func (c *credential) account() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Account
}

// unread reports whether the run has not looked into the vault yet.
func (c *credential) unread() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readAt.IsZero()
}

// storedClass returns the higher of the class that is declared and the one
// that the value in use was stored with; ok is false when there is no value.
func (c *credential) storedClass() (class abi.Class, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry == nil || c.current.Value.Len() == 0 {
		return abi.ClassNone, false
	}
	if class, ok = abi.Highest(c.entry.Class, c.decl.Class); !ok {
		class = abi.ClassPassword // they contradict each other: never replaced
	}
	return class, true
}

// sentValue is value, but nothing when the run has not sent it.
func (c *credential) sentValue() (value []byte, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.used {
		return nil, c.epoch
	}
	return c.current.Value.Reveal(), c.epoch
}

// expiry is when the value's time is over, zero when it has no end.
func (c *credential) expiry() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.ExpiresAt
}

// refresh reads the value from the vault, when it was not read of late, and
// has it renewed when it is due. It holds no lock meanwhile: the vault may be
// slow, and the warden must not wait for it.
func (r *run) refresh(c *credential) error {
	c.mu.Lock()
	fresh := !c.readAt.IsZero() && time.Since(c.readAt) < staleAfter
	c.mu.Unlock()
	if fresh && !c.due(time.Now()) {
		return nil
	}
	if c.unstored.IsZero() { // else what is stored is spent
		if err := r.readVault(c); err != nil {
			return err
		}
	}
	if !c.due(time.Now()) {
		return nil
	}
	return r.renew(c)
}

// readVault reads the value from the vault.
func (r *run) readVault(c *credential) error {
	entry, err := r.host.vault.Get(r, r.scope.Address(c.decl.Name))
	if err != nil && !errors.Is(err, vaultstore.ErrNotFound) {
		return fmt.Errorf("vault: %w", err)
	}
	c.take(entry)
	return nil
}

// take makes entry the one in use: the zero Entry is that there is none, and
// so is one that has only a pending value. What was found out about another
// value does not hold for this one.
func (c *credential) take(entry vaultstore.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt = time.Now()
	current, ok := entry.Stages[vaultstore.Current]
	if c.entry == nil && !ok {
		return
	}
	if !ok || c.entry == nil || !c.current.Value.Equal(current.Value) {
		c.epoch++
		c.used, c.answered, c.refused = false, false, false
	}
	if !ok || c.entry == nil || c.entry.Generation != entry.Generation {
		c.ready.Store(false)
	}
	c.entry, c.current = &entry, current
	if !ok {
		c.entry = nil
	}
}

// use hands out a credential's surrogate. It is the hot path: what was
// allowed once is answered from the run's own memory.
func (r *run) use(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	if c := r.credentials[string(name)]; c != nil && c.ready.Load() && fast(c, mod, stack, c.issued) {
		return
	}
	defer r.cpu.waitedSince(time.Now())
	buf, s := r.output(mod, stack[2], stack[3])
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	c, s := r.issue(string(name))
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliver(buf, c.issued)
}

// fast writes a standing answer to the guest's buffer, when it fits there.
func fast(c *credential, mod api.Module, stack []uint64, answer []byte) bool {
	if uint32(stack[3]) < uint32(len(answer)) || !mod.Memory().Write(uint32(stack[2]), answer) {
		return false // the slow path says what is wrong
	}
	c.uses.Add(1)
	stack[0] = uint64(len(answer))
	return true
}

// issue decides whether a name may be used, and mints its surrogate.
func (r *run) issue(name string) (*credential, abi.Status) {
	c, verdict, err := r.ask(name)
	if err != nil {
		return nil, r.unavailable(err)
	}
	if !verdict.Allowed {
		return nil, verdict.Status
	}
	if err := r.hand(c, verdict.Class); err != nil {
		return nil, r.unavailable(err)
	}
	return c, abi.StatusOK
}

// hand makes the answers for a credential that was allowed ready to be given
// out.
func (r *run) hand(c *credential, class abi.Class) error {
	switch {
	case c.decl.Identity:
		value, _ := c.value()
		c.issued = bytes.Clone(value)
	default:
		if err := r.hold(c, class); err != nil {
			return err
		}
		c.issued = []byte(c.held.token)
	}
	standing, err := c.describe(abi.CredentialActive, class)
	if err != nil {
		return err
	}
	c.standing = standing
	c.ready.Store(true)
	if !c.expiry().IsZero() {
		select { // it may end before the warden looks again
		case r.handed <- struct{}{}:
		default:
		}
	}
	return nil
}

var errManySecrets = errors.New("the run holds too many secrets already")

// hold gives a secret its surrogate, and has its value looked for.
func (r *run) hold(c *credential, class abi.Class) error {
	if c.held == nil {
		h := &holding{c: c, access: abi.AccessUse}
		if !r.tokens.add(h) {
			return errManySecrets
		}
		c.held = h
	}
	return r.watchOut(c, class)
}

// watchOut has the value in use looked for from now on, wherever something
// leaves or comes in. A session's cookies are looked for one by one.
func (r *run) watchOut(c *credential, class abi.Class) error {
	if c.decl.Identity || c.held == nil {
		return nil
	}
	value, epoch := c.value()
	as := watchedAs{epoch, class == abi.ClassPassword}
	if c.isWatched(as) {
		return nil
	}
	values := [][]byte{value}
	if state, err := cookies.Parse(value); err == nil {
		for _, v := range state.Values() {
			if guard.Rate([]byte(v)) == guard.Strong { // lang=en would be found in every text
				values = append(values, []byte(v))
			}
		}
	}
	if u, err := url.Parse(string(value)); err == nil && u.Host != "" && guard.Rate([]byte(u.RequestURI())) == guard.Strong {
		values = append(values, []byte(u.RequestURI())) // a source writes its own addresses without their origin
	}
	for _, v := range values {
		if !r.watch.add(c.held, v, as.never) {
			return errManySecrets
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = as
	return nil
}

// isWatched reports whether a value is looked for: what is once, always is.
func (c *credential) isWatched(as watchedAs) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return as.epoch > 0 && c.watched == as
}

// describe is what status answers.
func (c *credential) describe(state abi.CredentialState, class abi.Class) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := abi.CredentialStatus{Class: class, State: state}
	if end := c.current.ExpiresAt; !end.IsZero() {
		st.ExpiresAt = end.UTC().Format(time.RFC3339)
	}
	return json.Marshal(st)
}

// ask decides on the issue of a name and audits it.
func (r *run) ask(name string) (*credential, capabilities.Verdict, error) {
	return r.askFor(name, abi.AccessUse)
}

// askFor is ask for another way to use a credential.
func (r *run) askFor(name string, access abi.Access) (*credential, capabilities.Verdict, error) {
	c := r.credentials[name]
	if c == nil && r.checkOut([]byte(name), "the name of a credential") != abi.StatusOK {
		return nil, capabilities.Verdict{Rule: ruleGuard, Status: abi.StatusLeakBlocked}, nil
	}
	q := r.request(capabilities.OpIssue, nil)
	q.Name, q.Access = name, access
	key := question{op: string(capabilities.OpIssue), name: "(not declared)", access: string(access)}
	var version uint64
	if c != nil {
		if err := r.refresh(c); err != nil {
			return nil, capabilities.Verdict{}, err
		}
		q = r.request(capabilities.OpIssue, c)
		q.Access = access
		key.name, version = c.decl.Name, c.generation()
		r.countUses(c) // they belong to the verdict before this one
	}
	v := r.explain(c, capabilities.Decide(q))
	if err := r.ledger.decided(r, key, decision(q, v, version)); err != nil {
		return nil, capabilities.Verdict{}, fmt.Errorf("%w: %w", errAudit, err)
	}
	if c != nil && v.Allowed && access == abi.AccessUse {
		key.rule, key.version = string(v.Rule), version
		c.allowedBy.Store(&key)
	}
	if !v.Allowed {
		thing := fmt.Sprintf("credential %q, which is not declared,", oneLine(name))
		if c != nil {
			thing = "credential " + c.decl.Name
		}
		r.note(Refusal{Thing: thing, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)})
	}
	return c, v, nil
}

// ownerCan reports whether what a rule refused is the owner's to mend.
func ownerCan(rule capabilities.Rule) bool {
	switch rule {
	case capabilities.RuleMissing, capabilities.RuleExpired, capabilities.RuleRejected, capabilities.RuleProvenance,
		capabilities.RuleNoApproval, capabilities.RuleHostCall, ruleClient, capabilities.RuleApprovalExpired, capabilities.RuleManifestDigest, capabilities.RuleModuleDigest:
		return true
	}
	return false
}

// unavailable keeps an error of the host's for the owner, and gives the guest
// its status. A run that cannot be audited does not go on.
func (r *run) unavailable(err error) abi.Status {
	if r.Err() != nil {
		return abi.StatusCancelled
	}
	r.host.logger.Error("host call failed", "run", r.id, "err", err)
	r.mu.Lock()
	r.outcome.Problem = r.clean(oneLine(err.Error()))
	r.mu.Unlock()
	if errors.Is(err, errAudit) {
		r.stop(err)
	}
	return abi.StatusUnavailable
}

// status tells how a declared and approved credential stands.
func (r *run) status(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	if c := r.credentials[string(name)]; c != nil && c.ready.Load() && fast(c, mod, stack, c.standing) {
		return
	}
	buf, s := r.output(mod, stack[2], stack[3])
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	c, verdict, err := r.ask(string(name))
	if err != nil {
		stack[0] = result(r.fail(r.unavailable(err)))
		return
	}
	state := abi.CredentialActive
	switch verdict.Status {
	case abi.StatusOK:
	case abi.StatusNotFound:
		state = abi.CredentialMissing
	case abi.StatusExpired:
		state = abi.CredentialExpired
	case abi.StatusRejected:
		state = abi.CredentialRejected
	default:
		stack[0] = result(r.fail(verdict.Status))
		return
	}
	answer, err := c.describe(state, verdict.Class)
	if err == nil && verdict.Allowed {
		err = r.hand(c, verdict.Class) // the next answer is as quick as use
	}
	if err != nil {
		stack[0] = result(r.fail(r.unavailable(err)))
		return
	}
	stack[0] = r.deliver(buf, answer)
}

// reject hears that the source refused a credential. What counts is what the
// host saw itself: see settle.
func (r *run) reject(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	reason := abi.RejectReason(uint32(stack[2]))
	if reason < abi.RejectUnauthorized || reason > abi.RejectScope {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	c := r.credentials[string(name)]
	if c == nil {
		stack[0] = result(r.fail(abi.StatusDenied))
		return
	}
	c.mu.Lock()
	c.rejected = reason
	c.mu.Unlock()
	stack[0] = 0
}

// saw notes how the source answered a request that carried the value of an
// epoch. Whether that is a refusal, send_to says; only what cannot come without
// the right credential takes it back: a redirect may lead to a login page.
func (c *credential) saw(epoch, status int, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	c.used = true
	switch {
	case refused:
		c.refused, c.answered = true, false
	case status >= 200 && status < 300, status == 304:
		c.refused, c.answered = false, true
	}
}

// finding is what a run found out about a value.
type finding struct {
	used, answered, refused bool
	stale                   bool // refused, and the host can renew it
	value                   vaultstore.Secret
}

func (c *credential) finding() finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := finding{used: c.used, answered: c.answered, refused: c.refused && c.rejected != abi.RejectScope, value: c.current.Value}
	if c.decl.OAuth != nil && c.decl.OAuth.RefreshToken != "" {
		f.stale, f.refused = f.refused, false
	}
	return f
}

// settle writes to the vault what a run found out about its credentials: one
// that the source refused and that nothing later succeeded with is rejected.
// It returns their names. An error is that a rejection could not be kept; that
// the last use was not noted is only logged.
func (r *run) settle(ctx context.Context) (rejected []string, err error) {
	var errs []error
	for name, c := range r.credentials {
		f := c.finding()
		if name != c.decl.Name || !f.used {
			continue
		}
		kept, err := r.settleOne(ctx, c, f)
		switch {
		case err != nil && f.refused:
			errs = append(errs, fmt.Errorf("vault: %s was rejected by the source, and that could not be noted: %w", name, err))
		case err != nil:
			r.host.logger.Warn("the last use of a credential was not noted", "run", r.id, "name", name, "err", err)
		}
		if f.refused && (kept || err != nil) {
			rejected = append(rejected, name)
		}
	}
	return rejected, errors.Join(errs...)
}

// settleTries bounds how often a write is tried again that another run's came
// before: each run notes its last use.
const settleTries = 8

// settleOne writes one finding, unless the vault holds another value by now:
// then it is not about it. It reports whether it was kept.
func (r *run) settleOne(ctx context.Context, c *credential, f finding) (kept bool, err error) {
	for range settleTries {
		entry, err := r.host.vault.Get(ctx, r.scope.Address(c.decl.Name))
		current, ok := entry.Stages[vaultstore.Current]
		switch {
		case errors.Is(err, vaultstore.ErrNotFound), err == nil && (!ok || !current.Value.Equal(f.value)):
			return false, nil
		case err != nil:
			return false, err
		}
		current.LastUsed = time.Now().UTC()
		switch {
		case f.stale:
			current.ExpiresAt = current.LastUsed // it is renewed before it is used again
		case f.refused:
			current.Status, current.Reason = vaultstore.Rejected, "the source refused it"
		case f.answered && current.Status != vaultstore.Rejected: // another run may have seen it refused since
			current.LastVerified, current.Status, current.Reason = current.LastUsed, vaultstore.Active, ""
		}
		generation, err := r.host.vault.Put(ctx, vaultstore.Entry{
			Address: entry.Address, Class: entry.Class, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: current},
		}, entry.Generation)
		if errors.Is(err, vaultstore.ErrConflict) {
			continue
		}
		if err != nil || !f.refused {
			return err == nil, err
		}
		return true, r.ledger.write(ctx, Event{
			Kind: EventCredential, Name: c.decl.Name, Class: entry.Class, Rule: string(capabilities.RuleRejected), Version: generation,
			Reason: "the source refused it, and nothing later succeeded with it", Remedy: "run: " + capabilities.SetCommand(r.scope, c.decl.Name),
		})
	}
	return false, vaultstore.ErrConflict
}
