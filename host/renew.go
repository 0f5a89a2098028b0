package host

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/oauth"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// due reports whether an OAuth access token has to be renewed before it is
// used: there is none, it is near its end, or the source has refused it.
func (c *credential) due(now time.Time) bool {
	if c.decl.OAuth == nil || c.decl.OAuth.RefreshToken == "" {
		return false
	}
	if !c.unstored.IsZero() && now.Sub(c.unstored) >= storeAgain {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry == nil || c.refused {
		return true
	}
	end, ahead := c.current.ExpiresAt, oauth.DefaultAhead
	if obtained := c.current.ObtainedAt; !obtained.IsZero() {
		ahead = min(ahead, end.Sub(obtained)/4)
	}
	return !end.IsZero() && !now.Before(end.Add(-ahead))
}

// renew gets a new access token for c: one refresh for all who wait for it, in
// all processes. Nothing of it is ever a guest's. When only the owner can go
// on, it keeps why and leaves c as it is.
func (r *run) renew(c *credential) error {
	c.unrenewed = nil
	state, err := r.renewNow(c)
	if r.Err() != nil {
		return context.Cause(r)
	}
	e := Event{Kind: EventCredential, Op: "renew", Name: c.decl.Name, Class: c.decl.Class, Allowed: err == nil, Rule: "oauth2"}
	if err != nil {
		e.Reason = oneLine(r.clean(err.Error()))
	}
	if auditErr := r.ledger.decided(r, question{op: "renew", name: c.decl.Name}, e); auditErr != nil {
		return fmt.Errorf("%w: %w", errAudit, auditErr)
	}
	if refresh := r.credentials[c.decl.OAuth.RefreshToken]; (err == nil || errors.Is(err, oauth.ErrNotStored)) && state.Refresh.Len() > 0 {
		token := state.Refresh.Reveal()
		h := &holding{c: refresh, access: abi.AccessUse, passing: true, twin: twin{c: refresh, digest: sha256.Sum256(token)}}
		if h, ok := r.tokens.once(h); ok {
			r.watch.pass(h, token) // no answer should hold it; one that does is not shown
		}
	}
	var refused *Refusal
	switch {
	case err == nil:
		c.unstored = time.Time{}
		return r.readVault(c)
	case errors.Is(err, oauth.ErrNotStored):
		r.goOnWith(c, state, err)
		return nil
	case errors.As(err, &refused):
		c.unrenewed = refused
		return nil
	case errors.Is(err, oauth.ErrNeedsReauthorisation):
		c.unrenewed = &Refusal{Thing: "credential " + c.decl.Name, Rule: string(capabilities.RuleRejected), Reason: err.Error(), Remedy: r.obtain(c), NeedsOwner: true}
		r.problem(c.unrenewed.Error())
		return nil
	case errors.Is(err, oauth.ErrClient):
		c.unrenewed = &Refusal{Thing: "credential " + c.decl.Name, Rule: ruleClient, Reason: err.Error(), Remedy: r.correctClient(c), NeedsOwner: true}
		return nil
	}
	return r.sourceFailed(c.decl.Name+" could not be renewed", err)
}

// storeAgain is how long a run goes on with tokens that the vault did not take,
// before it tries again to store them; it does at its end in any case.
const storeAgain = 20 * time.Second

// goOnWith makes tokens the ones in use that the vault did not take: those that
// are stored are spent. This process keeps them and stores them when it can; if
// it ends before, only the owner can go on.
func (r *run) goOnWith(c *credential, state oauth.State, why error) {
	c.unstored = time.Now()
	c.mu.Lock()
	entry := vaultstore.Entry{Address: r.scope.Address(c.decl.Name), Class: c.decl.Class}
	if c.entry != nil {
		entry = *c.entry
	}
	c.mu.Unlock()
	entry.Stages = map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
		Value: state.Access, Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Active, ObtainedAt: state.ObtainedAt, ExpiresAt: state.ExpiresAt, Account: c.account(),
	}}
	c.take(entry)
	r.host.logger.Warn("new tokens could not be stored; this process goes on with them", "run", r.id, "name", c.decl.Name, "why", r.clean(why.Error()))
}

// storeTokens tries once more to store what the vault did not take while the
// run went on, and tells the owner of what it still does not.
func (r *run) storeTokens(ctx context.Context) {
	for name, c := range r.credentials {
		if name != c.decl.Name || c.unstored.IsZero() {
			continue
		}
		if err := r.host.renewals.StoreKept(ctx, r.renewal(c)); err != nil {
			r.problem(fmt.Sprintf("the new tokens of %s could not be stored, and the stored ones are spent; mend the vault while this process lasts, or else %s", name, r.obtain(c)))
			continue
		}
		c.unstored = time.Time{}
	}
}

// ruleClient: the source does not know the client that a token is renewed for.
const ruleClient = "oauth2_client"

func (r *run) renewNow(c *credential) (oauth.State, error) {
	p, err := r.provider(c)
	if err != nil {
		return oauth.State{}, err
	}
	job := r.renewal(c)
	client := &oauth.Client{Transport: &ownCalls{run: r, c: c}}
	job.Refresh = func(ctx context.Context, token vaultstore.Secret) (oauth.Tokens, error) {
		t, err := client.Refresh(ctx, oauth.Request{Provider: p, RefreshToken: token})
		var refused *Refusal
		if errors.As(err, &refused) {
			return t, refused // nothing was sent
		}
		return t, err
	}
	c.mu.Lock()
	if c.refused {
		job.Refused = c.current.Value
	}
	c.mu.Unlock()
	return r.host.renewals.Renew(r, job)
}

// renewal is a job but for what asks the source.
func (r *run) renewal(c *credential) oauth.Job {
	refresh := r.credentials[c.decl.OAuth.RefreshToken]
	return oauth.Job{
		Key:     fmt.Sprintf("%q", r.scope.Address(c.decl.Name)),
		Store:   &tokenStore{r.host.vault, r.scope, c.decl.Name, c.decl.Class, refresh.decl.Name, refresh.decl.Class, nil},
		Lock:    turnLock{r.host.turns, r.scope, c.decl.Name},
		Journal: turnJournal{r.host.turns, r.scope, c.decl.Name},
		Log:     r.host.logger.With("run", r.id, "name", c.decl.Name),
	}
}

// explain says of a credential that was not renewed why, where that is why it
// cannot be used, and how its owner gets another.
func (r *run) explain(c *credential, v capabilities.Verdict) capabilities.Verdict {
	if c == nil {
		return v
	}
	switch v.Rule {
	case capabilities.RuleMissing, capabilities.RuleExpired, capabilities.RuleRejected:
		v.Remedy = r.obtain(c)
	case capabilities.RuleAllow:
		c.mu.Lock()
		refused := c.refused
		c.mu.Unlock()
		if c.unrenewed == nil || !refused {
			return v // what is stored is good for a while
		}
		v.Allowed, v.Status = false, abi.StatusRejected
	default:
		return v
	}
	if why := c.unrenewed; why != nil {
		v.Rule, v.Reason, v.Remedy = capabilities.Rule(why.Rule), why.Reason, why.Remedy
		if v.Rule == capabilities.RuleRejected {
			v.Status = abi.StatusRejected
		}
	}
	return v
}

// authorizedFor returns the credential whose authorization by the owner brings
// c: itself, or the one that it is the refresh token of. It is nil when there
// is none.
func (r *run) authorizedFor(c *credential) *credential {
	for _, other := range r.credentials {
		if o := other.decl.OAuth; o != nil && o.RefreshToken != "" && (other == c || r.credentials[o.RefreshToken] == c) {
			return other
		}
	}
	return nil
}

func (c *credential) canAuthorize() bool {
	return c.decl.OAuth.AuthorizationURL != "" || c.decl.OAuth.DeviceAuthorizationURL != ""
}

// obtain is the command by which the owner gets another value of c.
func (r *run) obtain(c *credential) string {
	by := r.authorizedFor(c)
	switch {
	case by == nil:
		return "run: " + capabilities.SetCommand(r.scope, c.decl.Name)
	case by.canAuthorize():
		return "run: " + capabilities.AuthorizeCommand(r.scope, by.decl.Name)
	}
	return "run: " + capabilities.SetCommand(r.scope, r.credentials[by.decl.OAuth.RefreshToken].decl.Name)
}

// correctClient is how an owner mends the client's id or secret.
func (r *run) correctClient(c *credential) string {
	for _, name := range []string{c.decl.OAuth.ClientSecret, c.decl.OAuth.ClientID} {
		if part := r.credentials[name]; part != nil {
			return "run: " + capabilities.SetCommand(r.scope, part.decl.Name)
		}
	}
	return "run: " + capabilities.ApproveCommand(r.scope) + ", with another client id"
}

// provider puts together whom a token is renewed with. Each credential that
// takes part is decided like a use.
func (r *run) provider(c *credential) (oauth.Provider, error) {
	o := c.decl.OAuth
	p := oauth.Provider{
		TokenURL: o.TokenURL, AuthorizationURL: o.AuthorizationURL, DeviceAuthorizationURL: o.DeviceAuthorizationURL,
		ClientAuth: o.ClientAuth, Scopes: o.Scopes,
	}
	if id, ok := r.bound.Options[o.ClientID].(string); ok {
		p.ClientID = id
	} else if o.ClientID != "" {
		value, err := r.takePart(o.ClientID)
		if err != nil {
			return p, err
		}
		p.ClientID = string(value.Reveal())
	}
	if p.ClientID == "" {
		return p, r.refuse(&Refusal{Thing: "credential " + c.decl.Name, Rule: ruleClient, Reason: "there is no client id to renew it with", Remedy: r.correctClient(c), NeedsOwner: true})
	}
	if has, err := r.hasSecret(r.credentials[o.ClientSecret]); err != nil {
		return p, err
	} else if has {
		value, err := r.takePart(o.ClientSecret)
		if err != nil {
			return p, err
		}
		p.ClientSecret = value
	}
	return p, r.maySpend(r.credentials[o.RefreshToken])
}

// hasSecret reports whether a client's secret takes part: one that need not be
// there and is not, is that of a public client.
func (r *run) hasSecret(secret *credential) (bool, error) {
	if secret == nil || secret.decl.Required {
		return secret != nil, nil
	}
	if err := r.readVault(secret); err != nil {
		return false, err
	}
	_, stored := secret.storedClass()
	return stored, nil
}

// maySpend asks whether a refresh token may be used. That there is none, or
// none any more, is for the refresh to find out.
func (r *run) maySpend(refresh *credential) error {
	if err := r.readVault(refresh); err != nil {
		return err
	}
	q := r.request(capabilities.OpIssue, refresh)
	v := capabilities.Decide(q)
	switch v.Rule {
	case capabilities.RuleMissing, capabilities.RuleExpired, capabilities.RuleRejected:
		return nil
	}
	key := question{op: string(q.Op), name: refresh.decl.Name, access: string(q.Access)}
	if err := r.ledger.decided(r, key, decision(q, v, refresh.generation())); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	if !v.Allowed {
		return &Refusal{Thing: "credential " + refresh.decl.Name, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)}
	}
	return nil
}

// takePart returns a credential that the host itself sends to a token
// endpoint.
func (r *run) takePart(name string) (vaultstore.Secret, error) {
	c, v, err := r.ask(name)
	switch {
	case err != nil:
		return vaultstore.Secret{}, err
	case !v.Allowed:
		return vaultstore.Secret{}, &Refusal{Thing: "credential " + name, Rule: string(v.Rule), Reason: name + ", which renewing takes: " + v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)}
	}
	value, _ := c.value()
	if !c.decl.Identity {
		if err := r.hold(c, v.Class); err != nil {
			return vaultstore.Secret{}, err
		}
	}
	return vaultstore.NewSecret(value), nil
}

// tokenStore keeps an access token and its refresh token at their addresses.
// The generation is the refresh token's: every write writes it.
type tokenStore struct {
	vault        vaultstore.Store
	scope        capabilities.Scope
	access       string
	accessClass  abi.Class
	refresh      string
	refreshClass abi.Class
	// account is whose the tokens are; nil for the account of those before.
	account *string
}

func (s *tokenStore) Get(ctx context.Context) (state oauth.State, err error) {
	refresh, err := s.entry(ctx, s.refresh)
	if err != nil {
		return state, err
	}
	access, err := s.entry(ctx, s.access)
	if err != nil {
		return state, err
	}
	a, r := access.Stages[vaultstore.Current], refresh.Stages[vaultstore.Current]
	state = oauth.State{
		Access: a.Value, ObtainedAt: a.ObtainedAt, ExpiresAt: a.ExpiresAt,
		Refresh: r.Value, Rejected: r.Status == vaultstore.Rejected, Generation: refresh.Generation,
	}
	if a.Status == vaultstore.Rejected {
		state.Access = vaultstore.Secret{} // the source refused it: renew it
	}
	return state, nil
}

func (s *tokenStore) entry(ctx context.Context, name string) (vaultstore.Entry, error) {
	e, err := s.vault.Get(ctx, s.scope.Address(name))
	if errors.Is(err, vaultstore.ErrNotFound) {
		return vaultstore.Entry{}, nil
	}
	return e, err
}

// Put writes the refresh token first: an access token that is lost costs a
// refresh, a refresh token the owner's time.
func (s *tokenStore) Put(ctx context.Context, next oauth.State, expect uint64) (generation uint64, err error) {
	old, err := s.entry(ctx, s.refresh)
	if err != nil {
		return 0, err
	}
	v := old.Stages[vaultstore.Current]
	if v.Provenance == "" {
		v.Provenance = vaultstore.AutoBootstrapped
	}
	if !v.Value.Equal(next.Refresh) {
		v.ObtainedAt = next.ObtainedAt
	}
	v.Value, v.Status, v.Reason, v.LastUsed = next.Refresh, vaultstore.Active, "", time.Now().UTC()
	if next.Rejected {
		v.Status, v.Reason = vaultstore.Rejected, "the source no longer takes it"
	}
	generation, err = s.vault.Put(ctx, vaultstore.Entry{
		Address: s.scope.Address(s.refresh), Class: s.refreshClass, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: v},
	}, expect)
	if err != nil || next.Rejected || next.Access.Len() == 0 {
		return generation, err
	}
	before, err := s.entry(ctx, s.access)
	if err != nil {
		return generation, err
	}
	account := before.Stages[vaultstore.Current].Account
	if s.account != nil {
		account = *s.account
	}
	_, err = s.vault.Put(ctx, vaultstore.Entry{
		Address: s.scope.Address(s.access), Class: s.accessClass, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: next.Access, Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Active, ObtainedAt: next.ObtainedAt, ExpiresAt: next.ExpiresAt, Account: account,
		}},
	}, vaultstore.AnyGeneration)
	return generation, err
}

type turnLock struct {
	Turns
	scope capabilities.Scope
	name  string
}

func (l turnLock) Lock(ctx context.Context) (unlock func(), err error) {
	return l.Turns.Lock(ctx, l.scope, l.name)
}

type turnJournal struct {
	turns Turns
	scope capabilities.Scope
	name  string
}

func (j turnJournal) Read(ctx context.Context) (m oauth.Mark, err error) {
	text, err := j.turns.Mark(ctx, j.scope, j.name)
	if err != nil || text == nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

func (j turnJournal) Write(ctx context.Context, m oauth.Mark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return j.turns.SetMark(ctx, j.scope, j.name, text)
}

func (j turnJournal) Clear(ctx context.Context) error {
	return j.turns.SetMark(ctx, j.scope, j.name, nil)
}
