package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/profile"
	"github.com/sallyport-host/sallyport/internal/strictjson"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// maxQuote bounds what a prompt quotes of the guest's words, in bytes.
const maxQuote = 500

// defaultAnswerTime is how long a question waits that does not say.
const defaultAnswerTime = 30 * time.Minute

// interact puts a question of the guest's to the owner, in the host's words.
func (r *run) interact(mod api.Module, stack []uint64) {
	text, s := view(mod, stack[0], stack[1], abi.MaxInteractBytes)
	var buf []byte
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[2], stack[3])
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	q, err := readInteraction(text)
	if err != nil || r.done != nil {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	answer, s := r.answer(q)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliverJSON(buf, answer)
}

func readInteraction(text []byte) (q abi.Interaction, err error) {
	v, err := strictjson.Parse(text, strictjson.Limits{})
	if err != nil {
		return q, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return q, errors.New("not an object")
	}
	for name := range members {
		if !slices.Contains([]string{"type", "request_id", "kind", "message", "schema", "timeout_seconds", "stream"}, name) {
			return q, errors.New("unknown member")
		}
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return q, err
	}
	_, hasTimeout := members["timeout_seconds"]
	switch {
	case q.Type != abi.TypeInteraction, q.RequestID == "", strings.TrimSpace(q.Message) == "", hasTimeout && q.TimeoutSeconds <= 0:
		return q, errors.New("incomplete")
	}
	return q, nil
}

// answer asks the owner and puts what was entered where it belongs.
func (r *run) answer(q abi.Interaction) (abi.InteractionResponse, abi.Status) {
	response := abi.InteractionResponse{Type: abi.TypeInteractionResponse, RequestID: q.RequestID, Status: abi.InteractionCancelled}
	wanted, s := r.wanted(q)
	if s != abi.StatusOK {
		return response, s
	}
	limit := defaultAnswerTime
	if q.TimeoutSeconds > 0 {
		limit = time.Duration(min(q.TimeoutSeconds, limit.Seconds()) * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(r.Context, limit)
	defer cancel()
	values, err := r.prompt(ctx, q.Kind, wanted, q.Message)
	switch {
	case r.Err() != nil:
		return response, abi.StatusCancelled
	case errors.Is(err, context.DeadlineExceeded):
		response.Status = abi.InteractionTimeout
		return response, abi.StatusOK
	case errors.Is(err, ErrDeclined), errors.Is(err, ErrUnattended):
		return response, abi.StatusOK
	case err != nil:
		return response, r.unavailable(err)
	}
	data, err := r.accept(wanted, values)
	if err != nil {
		return response, r.unavailable(err)
	}
	response.Status, response.Data = abi.InteractionSuccess, data
	return response, abi.StatusOK
}

// wanted returns the declared credentials that a question asks for. It may
// ask for nothing else, so that a connector cannot phish.
func (r *run) wanted(q abi.Interaction) ([]*credential, abi.Status) {
	deny := func(reason, remedy string) ([]*credential, abi.Status) {
		f := Refusal{Thing: "a question of kind " + oneLine(string(q.Kind)), Rule: "interaction", Reason: reason, Remedy: remedy}
		r.note(f)
		e := Event{Kind: EventInteraction, Op: "interact", Rule: f.Rule, Reason: f.Thing + ": " + f.Reason, Remedy: f.Remedy}
		if err := r.ledger.decided(r, question{op: "interact", name: reason}, e); err != nil {
			return nil, r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
		}
		return nil, abi.StatusDenied
	}
	switch q.Kind {
	case abi.InteractManualAction:
		if len(q.Schema) > 0 {
			return deny("a manual action has nothing to enter", "ask for it with kind credentials")
		}
		return nil, abi.StatusOK
	case abi.InteractOTP:
		return deny("this version of the host asks for no one-time codes", "do without it")
	case abi.InteractCredentials:
	default:
		return nil, abi.StatusInvalid
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(q.Schema, &schema); err != nil || len(schema.Properties) == 0 {
		return nil, abi.StatusInvalid
	}
	var out []*credential
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		c := r.credentials[name]
		if c == nil {
			return deny(fmt.Sprintf("it asks for %q, which the manifest does not declare as a credential", oneLine(name)), "declare it in /credentials_schema")
		}
		if v := capabilities.Decide(r.request(capabilities.OpIssue, c)); !v.Allowed && !ownerCan(v.Rule) {
			return deny(v.Reason, v.Remedy)
		}
		out = append(out, c)
	}
	return out, abi.StatusOK
}

// prompt asks the owner for credentials, or for something to be done.
func (r *run) prompt(ctx context.Context, kind abi.InteractionKind, wanted []*credential, quote string) (Answer, error) {
	if r.opts.Unattended {
		return nil, ErrUnattended
	}
	name := r.manifest.DisplayName
	p := Prompt{Scope: r.scope, Connector: name, Kind: kind, Quote: oneLine(profile.Clip(quote, maxQuote))}
	if end, ok := ctx.Deadline(); ok {
		p.Expires = end
	}
	p.Title = name + " asks you to do something, and to confirm when it is done"
	if len(wanted) > 0 {
		p.Title = name + " needs a credential; it is kept in your vault, and the connector never sees it"
	}
	for _, c := range wanted {
		p.Fields = append(p.Fields, Field{
			Name: c.decl.Name, Title: c.decl.Title, Description: c.decl.Description, Class: c.decl.Class,
			Secret: !c.decl.Identity, Required: true, Check: c.decl.ValidateValue,
		})
	}
	e := Event{Kind: EventInteraction, Op: string(kind), Allowed: true, Rule: "asked", Count: int64(len(wanted))}
	if err := r.ledger.write(ctx, e); err != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, err)
	}
	type reply struct {
		a   Answer
		err error
	}
	ch := make(chan reply, 1)
	go func() {
		a, err := r.host.prompter.Prompt(ctx, p)
		ch <- reply{a, err}
	}()
	select {
	case got := <-ch:
		if got.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return got.a, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// accept stores what the owner entered, and returns what the guest gets in
// its place.
func (r *run) accept(wanted []*credential, values Answer) (map[string]any, error) {
	data := map[string]any{}
	for _, c := range wanted {
		value, ok := values[c.decl.Name]
		if !ok {
			continue
		}
		if err := c.decl.ValidateValue(value.Reveal()); err != nil {
			return nil, fmt.Errorf("the value entered for %s does not fit: %w", c.decl.Name, err)
		}
		if err := r.keep(c, value); err != nil {
			return nil, err
		}
		if _, s := r.issue(c.decl.Name); s != abi.StatusOK {
			return nil, fmt.Errorf("credential %s: %s", c.decl.Name, s.Text())
		}
		data[c.decl.Name] = string(c.issued)
	}
	return data, nil
}

// keep puts a value that the owner entered into the vault.
func (r *run) keep(c *credential, value vaultstore.Secret) error {
	if ok, why := r.host.vault.Capabilities().Stores(c.decl.Class); !ok {
		return fmt.Errorf("credential %s cannot be stored: %s", c.decl.Name, why)
	}
	entry := vaultstore.Entry{
		Address: r.scope.Address(c.decl.Name), Class: c.decl.Class,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: value, Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now().UTC(),
		}},
	}
	generation, err := r.host.vault.Put(r, entry, vaultstore.AnyGeneration)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if err := r.ledger.write(r, Event{Kind: EventVault, Op: "put", Name: c.decl.Name, Class: c.decl.Class, Allowed: true, Rule: string(vaultstore.UserEntered), Version: generation}); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	entry.Generation = generation
	c.mu.Lock()
	c.take(entry)
	c.readAt, c.refused, c.answered = time.Now(), false, false
	c.mu.Unlock()
	c.ready.Store(false)
	return nil
}

// preflight looks at the credentials that the connector cannot do without,
// before anything is started: what only the owner can mend is asked for now,
// or ends the run without a call to the source.
func (r *run) preflight() error {
	var missing []*credential
	var refusal *Refusal
	for i := range r.bound.Credentials {
		decl := &r.bound.Credentials[i]
		if !decl.Required {
			continue
		}
		c, v, err := r.ask(decl.Name)
		if err != nil {
			return err
		}
		if !v.Allowed && ownerCan(v.Rule) {
			missing = append(missing, c)
			refusal = &Refusal{Thing: "credential " + decl.Name, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: true}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context, defaultAnswerTime)
	defer cancel()
	values, err := r.prompt(ctx, abi.InteractCredentials, missing, "")
	switch {
	case r.Err() != nil:
		return context.Cause(r)
	case errors.Is(err, ErrUnattended), errors.Is(err, ErrDeclined), errors.Is(err, context.DeadlineExceeded):
		return r.refuse(refusal)
	case err != nil:
		return err
	}
	_, err = r.accept(missing, values)
	return err
}
