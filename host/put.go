package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/strictjson"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// put stores a secret that the host has captured, by its surrogate: as
// pending, until it is known to work for the same account.
func (r *run) put(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	var token, meta []byte
	if s == abi.StatusOK {
		token, s = view(mod, stack[2], stack[3], abi.MaxHeadBytes)
	}
	if s == abi.StatusOK {
		meta, s = view(mod, stack[4], stack[5], abi.MaxHeadBytes)
	}
	if s == abi.StatusOK {
		s = r.store(string(name), string(token), string(meta))
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = 0
}

func (r *run) store(name, token, meta string) abi.Status {
	expires, err := readPutMetadata(meta)
	if err != nil {
		return abi.StatusInvalid
	}
	for range settleTries {
		s, err := r.storeOnce(name, token, expires)
		if err == nil {
			return s
		}
		if !errors.Is(err, vaultstore.ErrConflict) {
			return r.unavailable(err)
		}
	}
	return r.unavailable(fmt.Errorf("vault: %w", vaultstore.ErrConflict))
}

// storeOnce decides and stores, unless another write comes between.
func (r *run) storeOnce(name, token string, expires time.Time) (abi.Status, error) {
	c := r.credentials[name]
	q := r.request(capabilities.OpIssue, nil)
	q.Name = name
	key := question{op: "store", name: "(not declared)"}
	var entry vaultstore.Entry
	if c != nil {
		var err error
		entry, err = r.host.vault.Get(r, r.scope.Address(c.decl.Name))
		if err != nil && !errors.Is(err, vaultstore.ErrNotFound) {
			return 0, fmt.Errorf("vault: %w", err)
		}
		q.Name, q.Declared, q.Stored = c.decl.Name, c.decl, standsIn(entry, r.scope)
		key.name = c.decl.Name
	}
	h := r.tokens.get(token)
	v := storable(capabilities.DecideStore(q), c, h)
	e := Event{Kind: EventDecision, Op: "store", Allowed: v.Allowed, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, Class: v.Class}
	if c != nil {
		e.Name = c.decl.Name
	}
	if err := r.ledger.decided(r, key, e); err != nil {
		return 0, fmt.Errorf("%w: %w", errAudit, err)
	}
	if !v.Allowed {
		r.note(Refusal{Thing: "storing " + orUnnamed(c), Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy})
		return v.Status, nil
	}
	return abi.StatusOK, r.stage(c, v.Class, h.kept(), expires, entry.Generation)
}

// The rules of put that capabilities does not know: they are about where a
// value comes from.
const (
	ruleNotCaptured     = "not_captured"
	ruleOtherCredential = "other_credential"
	ruleForm            = "form"
)

// storable asks what stands behind a surrogate that may be stored as c.
func storable(v capabilities.Verdict, c *credential, h *holding) capabilities.Verdict {
	no := func(rule capabilities.Rule, s abi.Status, reason, remedy string) capabilities.Verdict {
		return capabilities.Verdict{Rule: rule, Status: s, Class: v.Class, Reason: "what is to be stored for " + c.decl.Name + reason, Remedy: remedy}
	}
	switch {
	case !v.Allowed:
		return v
	case h == nil || h.kept == nil:
		return no(ruleNotCaptured, abi.StatusDenied, " was not captured by the host", "put the surrogate that stood in the answer")
	case h.c != c:
		return no(ruleOtherCredential, abi.StatusDenied, " was captured for "+h.name(), "put it under that name")
	case c.decl.ValidateValue(h.kept()) != nil:
		return no(ruleForm, abi.StatusInvalid, " does not have the form that the manifest declares", "correct capture or the form in credentials_schema")
	}
	return v
}

func orUnnamed(c *credential) string {
	if c == nil {
		return "a credential that is not declared"
	}
	return c.decl.Name
}

func standsIn(e vaultstore.Entry, scope capabilities.Scope) *capabilities.Stored {
	v, ok := e.Stages[vaultstore.Current]
	if !ok {
		return nil
	}
	return &capabilities.Stored{Class: e.Class, Provenance: v.Provenance, Status: v.Status, ExpiresAt: v.ExpiresAt, Scope: scope}
}

// readPutMetadata reads what put is told of the value.
func readPutMetadata(text string) (expires time.Time, err error) {
	if text == "" {
		return expires, nil
	}
	v, err := strictjson.Parse([]byte(text), strictjson.Limits{})
	if err != nil {
		return expires, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return expires, errors.New("not an object")
	}
	for name := range members {
		if name != "expires_at" {
			return expires, errors.New("unknown member")
		}
	}
	var meta abi.PutMetadata
	if err := json.Unmarshal([]byte(text), &meta); err != nil || meta.ExpiresAt == "" {
		return expires, err
	}
	return time.Parse(time.RFC3339, meta.ExpiresAt)
}

// stage writes a captured value as pending.
func (r *run) stage(c *credential, class abi.Class, value []byte, expires time.Time, generation uint64) error {
	if ok, why := r.host.vault.Capabilities().Stores(class); !ok {
		return fmt.Errorf("%s cannot be stored: %s", c.decl.Name, why)
	}
	e := Event{Kind: EventVault, Op: "put", Name: c.decl.Name, Class: class, Allowed: true, Rule: string(vaultstore.AutoBootstrapped)}
	if err := r.ledger.write(r, e); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	version := vaultstore.Version{
		Value: vaultstore.NewSecret(value), Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Active,
		ObtainedAt: time.Now().UTC(), ExpiresAt: expires,
	}
	_, err := r.host.vault.Put(r, vaultstore.Entry{
		Address: r.scope.Address(c.decl.Name), Class: class, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Pending: version},
	}, generation)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if !slices.Contains(r.pending, c) {
		r.pending = append(r.pending, c)
	}
	return nil
}

// promotionTime bounds the probes at the end of a run: two for each value, and
// what the vault and the log need.
const promotionTime = 2*hostCallTime + lastWords

// promote makes what the run has stored the value in use, where a probe says
// that it works, and for the same account as before. Without a probe it stays
// pending, for its owner to see, and so it does when the run was stopped.
func (r *run) promote() error {
	if len(r.pending) == 0 {
		return nil
	}
	var errs []error
	for _, c := range r.pending {
		if err := r.promoteOne(c); err != nil {
			errs = append(errs, fmt.Errorf("%s was stored and is not in use: %w", c.decl.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *run) promoteOne(c *credential) error {
	ctx, cancel := context.WithTimeout(r.Context, promotionTime)
	defer cancel()
	var version uint64
	err := context.Cause(r)
	for try := 0; err == nil; try++ {
		version, err = r.promotePending(ctx, c)
		if err == nil || !errors.Is(err, vaultstore.ErrConflict) || try == settleTries {
			break
		}
		err = nil
	}
	e := Event{Kind: EventVault, Op: "promote", Name: c.decl.Name, Class: c.decl.Class, Allowed: err == nil, Rule: "probe", Version: version}
	if err != nil {
		e.Reason = oneLine(r.clean(err.Error()))
	}
	last, done := context.WithTimeout(context.WithoutCancel(r), lastWords)
	defer done()
	if auditErr := r.ledger.write(last, e); auditErr != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", errAudit, auditErr))
	}
	return err
}

// untold is why a value is pending whose probe brought no answer.
const untold = "the source has not told yet whether it works"

// retryPending asks again about what an earlier run has stored, and whose
// probe could not tell then: the source was down, say. What the source did tell
// of, or a run that was stopped has left, is its owner's to look at. That it
// still cannot tell is no reason not to run.
func (r *run) retryPending() {
	for name, c := range r.credentials {
		if name != c.decl.Name || c.decl.Identity || !canProbe(c.decl) {
			continue
		}
		entry, err := r.host.vault.Get(r, r.scope.Address(name))
		if err != nil || entry.Stages[vaultstore.Pending].Reason != untold {
			continue // a vault that cannot be read is the preflight's to tell of
		}
		if err := r.promoteOne(c); err != nil {
			r.problem(fmt.Sprintf("%s was stored by an earlier run and is still not in use: %v", name, err))
		}
	}
}

// stillPending keeps why a pending value was not put into use, and returns
// that.
func (r *run) stillPending(ctx context.Context, entry vaultstore.Entry, why error) error {
	pending := entry.Stages[vaultstore.Pending]
	before := pending
	var other *accountError
	switch {
	case errors.Is(why, ErrNotAccepted):
		pending.Status, pending.Reason = vaultstore.Rejected, "the source does not accept it"
	case errors.As(why, &other):
		pending.Status, pending.Reason = vaultstore.Suspect, "it may be of another account"
	default:
		pending.Reason = untold
	}
	if pending.Status == before.Status && pending.Reason == before.Reason {
		return why
	}
	_, err := r.host.vault.Put(ctx, vaultstore.Entry{
		Address: entry.Address, Class: entry.Class, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Pending: pending},
	}, entry.Generation)
	if errors.Is(err, vaultstore.ErrConflict) {
		return err // look again
	}
	if err != nil {
		r.host.logger.Warn("why a value stays pending was not noted", "run", r.id, "name", entry.Address.Name, "err", err)
	}
	return why
}

// accountError: a pending value is not known to be of the account in use.
type accountError struct{ text string }

func (e *accountError) Error() string { return e.text }

// promotePending asks the source about what is pending, and puts it in the
// place of what was in use.
func (r *run) promotePending(ctx context.Context, c *credential) (version uint64, err error) {
	entry, err := r.host.vault.Get(ctx, r.scope.Address(c.decl.Name))
	if err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	pending, ok := entry.Stages[vaultstore.Pending]
	if !ok {
		return entry.Generation, nil // another run was quicker
	}
	if !canProbe(c.decl) {
		return 0, errors.New("the manifest declares no probe that would tell whether it works; declare one, or let the owner enter it")
	}
	account, err := r.probe(ctx, c, pending.Value.Reveal())
	if err != nil {
		return 0, r.stillPending(ctx, entry, err)
	}
	stages := map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: pending, vaultstore.Pending: {}}
	if current, ok := entry.Stages[vaultstore.Current]; ok {
		if err := r.sameAccount(ctx, c, current, account); err != nil {
			return 0, r.stillPending(ctx, entry, err)
		}
		stages[vaultstore.Previous] = current
	}
	pending.LastVerified, pending.Account, pending.Reason = time.Now().UTC(), r.clip(account), ""
	stages[vaultstore.Current] = pending
	version, err = r.host.vault.Put(ctx, vaultstore.Entry{Address: entry.Address, Class: entry.Class, Stages: stages}, entry.Generation)
	if err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	return version, nil
}

// sameAccount refuses a value whose account is not known to be that of the
// value in use: as the source says now, or where it takes that one no longer,
// as it last said. Where it never told, there is nothing to compare.
func (r *run) sameAccount(ctx context.Context, c *credential, current vaultstore.Version, account string) error {
	before, err := r.probe(ctx, c, current.Value.Reveal())
	remove := "; run: " + capabilities.RemoveCommand(r.scope, c.decl.Name)
	before = r.clip(before)
	switch {
	case errors.Is(err, ErrNotAccepted):
		if before = current.Account; before == "" {
			return nil
		}
	case err != nil:
		return fmt.Errorf("whose account the one in use is of could not be found out: %w", err)
	}
	switch account = r.clip(account); {
	case account == "" || before == "":
		return &accountError{"the probe does not tell whose account it is of; name its place in the answer by account in the manifest's probe" + remove}
	case before != account:
		return &accountError{"it is of another account than the one in use" + remove}
	}
	return nil
}

// clip makes an account's name fit to be kept: one line, no value in it.
func (r *run) clip(account string) string { return oneLine(r.clean(account)) }

// reveal hands out a value itself. The guard still looks for it at every
// exit, but what a guest makes of it is out of the host's reach.
func (r *run) reveal(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	var buf []byte
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[2], stack[3])
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	c, v, err := r.askFor(string(name), abi.AccessReveal)
	switch {
	case err != nil:
		stack[0] = result(r.fail(r.unavailable(err)))
		return
	case !v.Allowed:
		stack[0] = result(r.fail(v.Status))
		return
	}
	if err := r.hold(c, v.Class); err != nil {
		stack[0] = result(r.fail(r.unavailable(err)))
		return
	}
	value, _ := c.value()
	stack[0] = r.deliver(buf, append([]byte(nil), value...))
}
