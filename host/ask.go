package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/profile"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// maxQuote bounds what a prompt quotes of the guest's words, in bytes.
const maxQuote = 500

// defaultAnswerTime is how long a question waits that does not say.
const defaultAnswerTime = 30 * time.Minute

// prompt asks the owner for credentials, or for something to be done, and
// audits the question and how it ended.
func (r *run) prompt(ctx context.Context, kind abi.InteractionKind, wanted []*credential, quote string) (Answer, error) {
	p := r.word(kind, wanted, quote)
	if end, ok := ctx.Deadline(); ok {
		p.Expires = end
	}
	asked := Event{Kind: EventInteraction, Op: string(kind), Allowed: true, Rule: "asked", Count: int64(len(p.Fields))}
	if err := r.ledger.write(r, asked); err != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, err)
	}
	var values Answer
	err := ErrUnattended
	if !r.opts.Unattended {
		values, err = await(ctx, func() (Answer, error) { return r.host.prompter.Prompt(ctx, p) })
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	ended := Event{Kind: EventInteraction, Op: string(kind), Allowed: err == nil, Rule: ending(err), Count: int64(len(values))}
	if auditErr := r.ledger.write(context.WithoutCancel(r), ended); auditErr != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, auditErr)
	}
	return values, err
}

func ending(err error) string {
	switch {
	case err == nil:
		return "answered"
	case errors.Is(err, ErrDeclined):
		return "declined"
	case errors.Is(err, ErrUnattended):
		return "unattended"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "failed"
}

// word puts a question into the host's words.
func (r *run) word(kind abi.InteractionKind, wanted []*credential, quote string) Prompt {
	p := Prompt{Scope: r.scope, Connector: r.manifest.DisplayName, Kind: kind, Quote: oneLine(profile.Clip(quote, maxQuote))}
	p.Title = "you are asked to do something, and to confirm when it is done"
	if len(wanted) > 0 {
		p.Title = "a credential is needed; it is kept in your vault, and the connector never sees it"
	}
	slices.SortFunc(wanted, func(a, b *credential) int { return strings.Compare(a.decl.Name, b.decl.Name) })
	for _, c := range slices.Compact(wanted) {
		p.Fields = append(p.Fields, Field{
			Name: c.decl.Name, Title: c.decl.Title, Description: c.decl.Description, Class: c.decl.Class,
			Secret: !c.decl.Identity, Required: true, Check: c.decl.ValidateValue,
		})
	}
	return p
}

// accept checks all that the owner entered, stores it, and returns what the
// guest gets in its place, by the names it asked with. What is missing or does
// not fit is a [*Refusal], and nothing is stored then.
func (r *run) accept(wanted map[string]*credential, values Answer) (map[string]any, error) {
	for _, c := range wanted {
		value, ok := values[c.decl.Name]
		why := "nothing was entered for it"
		if ok {
			err := c.decl.ValidateValue(value.Reveal())
			if err == nil {
				continue
			}
			why = "what was entered does not fit: " + err.Error()
		}
		return nil, r.refuse(&Refusal{Thing: "credential " + c.decl.Name, Rule: "answer", Reason: why, Remedy: "run: " + capabilities.SetCommand(r.scope, c.decl.Name), NeedsOwner: true})
	}
	// The owner may have taken a while, and the approval back meanwhile.
	r.recheck(r)
	if r.Err() != nil {
		return nil, context.Cause(r)
	}
	data := map[string]any{}
	kept := map[*credential]bool{}
	for name, c := range wanted {
		if !kept[c] {
			if err := r.keep(c, values[c.decl.Name]); err != nil {
				return nil, err
			}
			kept[c] = true
		}
		if _, s := r.issue(c.decl.Name); s != abi.StatusOK {
			return nil, fmt.Errorf("credential %s: %s", c.decl.Name, s.Text())
		}
		data[name] = string(c.issued)
	}
	return data, nil
}

// keep puts a value that the owner entered into the vault.
func (r *run) keep(c *credential, value vaultstore.Secret) error {
	if ok, why := r.host.vault.Capabilities().Stores(c.decl.Class); !ok {
		return fmt.Errorf("credential %s cannot be stored: %s", c.decl.Name, why)
	}
	e := Event{Kind: EventVault, Op: "put", Name: c.decl.Name, Class: c.decl.Class, Allowed: true, Rule: string(vaultstore.UserEntered)}
	if err := r.ledger.write(r, e); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	entry := vaultstore.Entry{
		Address: r.scope.Address(c.decl.Name), Class: c.decl.Class,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: value, Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now().UTC(), Account: c.account(),
		}},
	}
	generation, err := r.host.vault.Put(r, entry, vaultstore.AnyGeneration)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	entry.Generation = generation
	c.take(entry)
	return nil
}

// lookOut has a stored value looked for from the start, whether the guest uses
// it or not: a source may have kept it since an earlier run. One that cannot be
// read could not be looked for, and refuses the run.
func (r *run) lookOut(c *credential) error {
	if c.decl.Identity {
		return nil
	}
	if c.unread() {
		if err := r.readVault(c); err != nil {
			return err
		}
	}
	class, ok := c.storedClass()
	if !ok {
		return nil
	}
	return r.hold(c, class)
}

// preflight looks at the credentials that the connector cannot do without,
// before anything is started: what only the owner can mend is asked for now,
// or ends the run without a call to the source.
func (r *run) preflight() error {
	missing := map[string]*credential{}
	var refusal, untyped *Refusal
	for i := range r.bound.Credentials {
		decl := &r.bound.Credentials[i]
		if !decl.Required {
			if err := r.lookOut(r.credentials[decl.Name]); err != nil {
				return err
			}
			continue
		}
		c, v, err := r.ask(decl.Name)
		if err == nil {
			err = r.lookOut(c)
		}
		if err != nil {
			return err
		}
		if !v.Allowed && ownerCan(v.Rule) {
			missing[decl.Name] = c
			refusal = &Refusal{Thing: "credential " + decl.Name, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: true}
			if by := r.authorizedFor(c); by != nil && (by == c || by.canAuthorize()) {
				untyped = refusal // nobody can type a token that a source has to give
			}
		}
	}
	if untyped != nil {
		return r.refuse(untyped)
	}
	if len(missing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context, defaultAnswerTime)
	defer cancel()
	wanted := make([]*credential, 0, len(missing))
	for _, c := range missing {
		wanted = append(wanted, c)
	}
	values, err := r.prompt(ctx, abi.InteractCredentials, wanted, "")
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
