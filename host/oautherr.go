package host

import (
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/oauth"
)

// unauthorized sorts why the owner's authorization brought no tokens, by who
// can do something about it, and says what.
func (r *run) unauthorized(c *credential, err error) error {
	name := c.decl.Name
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, oauth.ErrDenied):
		return fmt.Errorf("%s: %w: %w", name, ErrDeclined, err)
	case errors.Is(err, oauth.ErrExpired):
		return fmt.Errorf("%s: %w: %w; run: %s", name, ErrNeedsOwner, err, capabilities.AuthorizeCommand(r.scope, name))
	case errors.Is(err, oauth.ErrClient):
		return r.refuse(&Refusal{Thing: "authorizing " + name, Rule: ruleClient, Reason: err.Error(), Remedy: r.correctClient(c), NeedsOwner: true})
	case errors.Is(err, oauth.ErrConfig):
		return r.refuse(&Refusal{
			Thing: "authorizing " + name, Rule: "oauth2", Reason: err.Error(),
			Remedy: "correct /credentials_schema/properties/" + name + "/oauth2 in the manifest",
		})
	case errors.Is(err, oauth.ErrLoopback) && c.decl.OAuth.DeviceAuthorizationURL != "":
		return fmt.Errorf("%s: %w; enter a code on another device instead, with --device", name, err)
	}
	return r.sourceFailed(name, err)
}

// sourceFailed wraps what is the source's failure in [ErrSourceFailed], and
// leaves alone what is not.
func (r *run) sourceFailed(name string, err error) error {
	switch {
	case errors.Is(err, ErrSourceFailed):
		return fmt.Errorf("%s: %w", name, err)
	case errors.Is(err, oauth.ErrRetry):
		return fmt.Errorf("%s: %w: %w; run the same command again later", name, ErrSourceFailed, err)
	case errors.Is(err, oauth.ErrAnswer), errors.Is(err, oauth.ErrRefused), errors.Is(err, oauth.ErrNeedsReauthorisation):
		return fmt.Errorf("%s: %w: %w", name, ErrSourceFailed, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
