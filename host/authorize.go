package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/oauth"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Authorizer is how an owner gives an authorization.
type Authorizer struct {
	// Open shows the owner an address to open in a browser of this machine,
	// where an answer can come back to.
	Open func(address string) error
	// Show shows the owner a code, to be entered at an address on any device.
	// It is used where Open is nil, or where the source offers nothing else.
	Show func(code, address string)
	// OtherAccount takes tokens of another account than those before were of.
	OtherAccount bool
}

// Authorize obtains the tokens of an OAuth 2.0 credential from its owner, and
// stores them: by the authorization code with PKCE and a loopback redirect, or
// by the device flow. The calls are approved, decided and audited like a
// guest's.
//
// The error wraps [ErrRefused] or [ErrNeedsOwner] when it is not approved, or
// the manifest or the client is wrong; [ErrNeedsOwner] when the owner did not
// answer in time, [ErrDeclined] when they said no, [ErrSourceFailed] when the
// source gave no tokens. It is an [*OtherAccountError] when the tokens are of
// another account than those before, and the owner did not say so; or is what the vault said. It holds no word of a
// secret.
func (h *Host) Authorize(ctx context.Context, c *Connector, o RunOptions, name string, how Authorizer) error {
	return h.aside(ctx, c, o, func(r *run) error {
		cred := r.credentials[name]
		if cred == nil || cred.decl.OAuth == nil || cred.decl.OAuth.RefreshToken == "" {
			return r.refuse(&Refusal{Thing: "authorizing " + oneLine(name), Rule: string(capabilities.RuleUndeclared), Reason: "the manifest declares no credential of that name with oauth2 and a refresh token", Remedy: "see: sallyport inspect"})
		}
		tokens, err := r.authorize(cred, how)
		if err != nil {
			return r.unauthorized(cred, err)
		}
		account, err := r.accountOf(cred, tokens, how.OtherAccount)
		if err != nil {
			return err
		}
		return r.keepTokens(cred, tokens, account)
	})
}

// authorize asks the owner, in the first way that there is.
func (r *run) authorize(c *credential, how Authorizer) (oauth.Tokens, error) {
	p, err := r.provider(c)
	if err != nil {
		return oauth.Tokens{}, err
	}
	client := &oauth.Client{Transport: &ownCalls{run: r, c: c}}
	switch {
	case how.Open != nil && p.AuthorizationURL != "":
		return client.Authorize(r, p, how.Open)
	case how.Show != nil && p.DeviceAuthorizationURL != "":
		return client.Device(r, p, how.Show)
	}
	return oauth.Tokens{}, r.refuse(&Refusal{
		Thing: "authorizing " + c.decl.Name, Rule: "oauth2", Reason: "the manifest names no way to do it here",
		Remedy: "add authorization_url or device_authorization_url to /credentials_schema/properties/" + c.decl.Name + "/oauth2",
	})
}

// accountOf asks the source whose the new tokens are, where the manifest's
// probe tells, and refuses those of another account than the ones before: its
// records would be taken for the first one's. Where the source does not tell
// now, they are taken to be of the same.
func (r *run) accountOf(c *credential, t oauth.Tokens, other bool) (account string, err error) {
	if err := r.readVault(c); err != nil {
		return "", err
	}
	before := c.account()
	if other {
		before = ""
	}
	if !canProbe(c.decl) || c.decl.ProbeCall.Account == "" {
		return before, nil
	}
	account, err = r.probe(r, c, t.Access.Reveal())
	if r.Err() != nil {
		return "", context.Cause(r)
	}
	if account = r.clip(account); err != nil || account == "" {
		r.host.logger.Warn("the source did not tell whose new tokens are", "run", r.id, "name", c.decl.Name)
		return before, nil
	}
	if before != "" && before != account {
		err := &OtherAccountError{Name: c.decl.Name, Before: before, Now: account}
		return "", errors.Join(r.ledger.write(r, Event{Kind: EventCredential, Op: "authorize", Name: c.decl.Name, Class: c.decl.Class, Rule: "other_account", Reason: "the tokens are of another account than those before"}), err)
	}
	return account, nil
}

// OtherAccountError is a value of another account than the one before it, which
// is not taken unless its owner says so. It wraps [ErrRefused].
type OtherAccountError struct {
	Name        string // of the credential
	Before, Now string // as the source calls the accounts
}

func (e *OtherAccountError) Error() string {
	return fmt.Sprintf("%s refused: it is of account %q, and what is stored of %q: their records would be mixed; choose another instance for it, or say that this is meant", e.Name, e.Now, e.Before)
}

// Unwrap returns [ErrRefused].
func (e *OtherAccountError) Unwrap() error { return ErrRefused }

// errNotKept is a vault that does not keep a class.
var errNotKept = fmt.Errorf("cannot be stored: %w", vaultstore.ErrClass)

// keepTokens stores what the owner's authorization has brought.
func (r *run) keepTokens(c *credential, t oauth.Tokens, account string) error {
	refresh := r.credentials[c.decl.OAuth.RefreshToken]
	for _, of := range []*credential{c, refresh} {
		if ok, why := r.host.vault.Capabilities().Stores(of.decl.Class); !ok {
			return fmt.Errorf("%s %w: %s", of.decl.Name, errNotKept, why)
		}
	}
	unlock, err := r.host.turns.Lock(r, r.scope, c.decl.Name)
	if err != nil {
		return err
	}
	defer unlock()
	s := &tokenStore{r.host.vault, r.scope, c.decl.Name, c.decl.Class, refresh.decl.Name, refresh.decl.Class, &account}
	now, err := s.Get(r)
	if err != nil {
		return err
	}
	next := oauth.State{Access: t.Access, Refresh: t.Refresh, ObtainedAt: t.ObtainedAt, ExpiresAt: t.ExpiresAt}
	if next.Refresh.Len() == 0 && !now.Rejected {
		next.Refresh = now.Refresh // the one that there is stays good
	}
	if next.Refresh.Len() == 0 {
		return fmt.Errorf("%s: %w: it gave no refresh token; ask for one, as by a scope for offline access in the manifest", c.decl.Name, ErrSourceFailed)
	}
	e := Event{Kind: EventVault, Op: "put", Name: c.decl.Name, Class: c.decl.Class, Allowed: true, Rule: string(vaultstore.AutoBootstrapped)}
	if err := r.ledger.write(r, e); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	if _, err := s.Put(r, next, now.Generation); err != nil {
		return fmt.Errorf("%s: the tokens could not be stored: %w", c.decl.Name, err)
	}
	return r.host.turns.SetMark(r, r.scope, c.decl.Name, nil)
}
