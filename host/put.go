package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	c := r.credentials[name]
	q := r.request(capabilities.OpIssue, nil)
	q.Name = name
	key := question{op: "store", name: "(not declared)"}
	var entry vaultstore.Entry
	if c != nil {
		key.name = c.decl.Name
		entry, err = r.host.vault.Get(r, r.scope.Address(c.decl.Name))
		if err != nil && !errors.Is(err, vaultstore.ErrNotFound) {
			return r.unavailable(fmt.Errorf("vault: %w", err))
		}
		q.Name, q.Declared, q.Stored = c.decl.Name, c.decl, standsIn(entry, r.scope)
	}
	v := capabilities.DecideStore(q)
	h := r.tokens.get(token)
	switch {
	case !v.Allowed:
	case h == nil || h.kept == nil:
		v.Allowed, v.Rule, v.Status = false, "not_captured", abi.StatusDenied
		v.Reason, v.Remedy = "what is to be stored for "+c.decl.Name+" was not captured by the host", "put the surrogate that stood in the answer"
	case h.c != c:
		v.Allowed, v.Rule, v.Status = false, "other_credential", abi.StatusDenied
		v.Reason, v.Remedy = "what is to be stored for "+c.decl.Name+" was captured for "+h.name(), "put it under that name"
	case c.decl.ValidateValue(h.kept()) != nil:
		v.Allowed, v.Rule, v.Status = false, "form", abi.StatusInvalid
		v.Reason, v.Remedy = "what was captured for "+c.decl.Name+" does not have the form that the manifest declares", "correct capture or the form in credentials_schema"
	}
	e := Event{Kind: EventDecision, Op: "store", Allowed: v.Allowed, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, Name: q.Name, Class: v.Class}
	if c == nil {
		e.Name = ""
	}
	if err := r.ledger.decided(r, key, e); err != nil {
		return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
	if !v.Allowed {
		r.note(Refusal{Thing: "storing " + orUnnamed(c), Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy})
		return v.Status
	}
	if err := r.stage(c, v.Class, h.kept(), expires, entry.Generation); err != nil {
		return r.unavailable(err)
	}
	return abi.StatusOK
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
	r.pending = append(r.pending, c)
	return nil
}

// promote makes what the run has stored the value in use, where a probe says
// that it works, and for the same account as before. Without a probe it stays
// pending, for its owner to see.
func (r *run) promote(ctx context.Context) error {
	var errs []error
	for _, c := range r.pending {
		if err := r.promoteOne(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("%s was stored and is not in use: %w", c.decl.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *run) promoteOne(ctx context.Context, c *credential) error {
	entry, err := r.host.vault.Get(ctx, r.scope.Address(c.decl.Name))
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	pending, ok := entry.Stages[vaultstore.Pending]
	if !ok {
		return nil // another run was quicker
	}
	if c.decl.ProbeCall == nil {
		return errors.New("the manifest declares no probe that would tell whether it works; declare one, or let the owner enter it")
	}
	account, err := r.probe(ctx, c, pending.Value.Reveal())
	if err != nil {
		return err
	}
	if current, ok := entry.Stages[vaultstore.Current]; ok {
		before, err := r.probe(ctx, c, current.Value.Reveal())
		if err == nil && before != account {
			return errors.New("it is of another account than the one in use; run: " + capabilities.RemoveCommand(r.scope, c.decl.Name))
		}
	}
	pending.LastVerified = time.Now().UTC()
	stages := map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: pending, vaultstore.Pending: {}}
	if current, ok := entry.Stages[vaultstore.Current]; ok {
		stages[vaultstore.Previous] = current
	}
	_, err = r.host.vault.Put(ctx, vaultstore.Entry{Address: entry.Address, Class: entry.Class, Stages: stages}, entry.Generation)
	return err
}

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
