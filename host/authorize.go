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
}

// Authorize obtains the tokens of an OAuth 2.0 credential from its owner, and
// stores them: by the authorization code with PKCE and a loopback redirect, or
// by the device flow. The calls are approved, decided and audited like a
// guest's.
//
// The error wraps [ErrRefused] or [ErrNeedsOwner] when it is not approved,
// [ErrDeclined] when the owner said no, or is what the source or the vault
// said, without a word of a secret.
func (h *Host) Authorize(ctx context.Context, c *Connector, o RunOptions, name string, how Authorizer) error {
	r, err := h.newRun(ctx, c, o)
	if err != nil {
		return err
	}
	defer r.cancel(nil)
	if err := h.enter(r); err != nil {
		return err
	}
	defer h.leave(r)
	t, release := h.connections(account3(r.scope), r.manifest)
	defer release()
	r.transport = t
	if err := r.admit(); err != nil {
		return err
	}
	cred := r.credentials[name]
	if cred == nil || cred.decl.OAuth == nil || cred.decl.OAuth.RefreshToken == "" {
		return r.refuse(&Refusal{Thing: "authorizing " + oneLine(name), Rule: string(capabilities.RuleUndeclared), Reason: "the manifest declares no credential of that name with oauth2 and a refresh token", Remedy: "see: sallyport inspect"})
	}
	p, err := r.provider(cred)
	if err != nil {
		return err
	}
	client := &oauth.Client{Transport: &ownCalls{r, cred}}
	var tokens oauth.Tokens
	switch {
	case how.Open != nil && p.AuthorizationURL != "":
		tokens, err = client.Authorize(r, p, how.Open)
	case how.Show != nil && p.DeviceAuthorizationURL != "":
		tokens, err = client.Device(r, p, how.Show)
	default:
		return r.refuse(&Refusal{Thing: "authorizing " + cred.decl.Name, Rule: "oauth2", Reason: "the manifest names no way to do it here", Remedy: "add authorization_url or device_authorization_url to /credentials_schema/properties/" + cred.decl.Name + "/oauth2"})
	}
	if errors.Is(err, oauth.ErrDenied) {
		return fmt.Errorf("%s: %w: %w", cred.decl.Name, ErrDeclined, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cred.decl.Name, err)
	}
	return r.keepTokens(cred, tokens)
}

// keepTokens stores what the owner's authorization has brought.
func (r *run) keepTokens(c *credential, t oauth.Tokens) error {
	refresh := r.credentials[c.decl.OAuth.RefreshToken]
	e := Event{Kind: EventVault, Op: "put", Name: c.decl.Name, Class: c.decl.Class, Allowed: true, Rule: string(vaultstore.UserEntered)}
	if err := r.ledger.write(r, e); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	unlock, err := r.host.turns.Lock(r, r.scope, c.decl.Name)
	if err != nil {
		return err
	}
	defer unlock()
	s := &tokenStore{r.host.vault, r.scope, c.decl.Name, c.decl.Class, refresh.decl.Name, refresh.decl.Class}
	now, err := s.Get(r)
	if err != nil {
		return err
	}
	next := oauth.State{Access: t.Access, Refresh: t.Refresh, ObtainedAt: t.ObtainedAt, ExpiresAt: t.ExpiresAt}
	if _, err := s.Put(r, next, now.Generation); err != nil {
		return fmt.Errorf("%s: the tokens could not be stored: %w", c.decl.Name, err)
	}
	return r.host.turns.SetMark(r, r.scope, c.decl.Name, nil)
}
