package app

import (
	"context"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// loaded loads a package into a host of its own for as long as work takes.
func (a *App) loaded(ctx context.Context, stores *Stores, pkg host.Package, n Network, work func(*host.Host, *host.Connector) error) error {
	h, err := a.host(ctx, stores, n)
	if err != nil {
		return err
	}
	defer func() { _ = h.Close(context.WithoutCancel(ctx)) }()
	c, err := a.load(ctx, h, pkg)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	return work(h, c)
}

// missing lists the credentials that an owner has to give and that the vault
// does not hold in a usable form.
func (a *App) missing(ctx context.Context, stores *Stores, m *manifests.Manifest) []string {
	names := []string{}
	for i := range m.Credentials {
		c := &m.Credentials[i]
		byOwner := len(c.ObtainedVia) == 0 || slices.Contains(c.ObtainedVia, "user")
		if !c.Required || c.Class == abi.ClassOneTime || !byOwner || a.usable(ctx, stores, m, c.Name) {
			continue
		}
		if renews(c) && a.usable(ctx, stores, m, c.OAuth.RefreshToken) {
			continue // the host gets it when it is needed
		}
		names = append(names, c.Name)
	}
	return names
}

func (a *App) usable(ctx context.Context, stores *Stores, m *manifests.Manifest, name string) bool {
	e, err := stores.Vault.Get(ctx, a.scope(m.ConnectorKey).Address(name))
	v, there := e.Stages[vaultstore.Current]
	return err == nil && there && v.Status != vaultstore.Rejected
}

// renews reports whether the host renews the credential by a refresh token.
func renews(c *manifests.Credential) bool { return c.OAuth != nil && c.OAuth.RefreshToken != "" }

// authorized returns the credential by whose authorization the owner gives
// the one of that name, nil when there is none.
func authorized(m *manifests.Manifest, name string) *manifests.Credential {
	for i := range m.Credentials {
		c := &m.Credentials[i]
		if renews(c) && (c.Name == name || c.OAuth.RefreshToken == name) && c.OAuth.AuthorizationURL+c.OAuth.DeviceAuthorizationURL != "" {
			return c
		}
	}
	return nil
}

// supply is the command by which the owner gives the credential of that name.
// An authorization is a call that has to be approved first.
func (a *App) supply(arg string, m *manifests.Manifest, name string, approved bool) string {
	c := authorized(m, name)
	switch {
	case c == nil:
		return a.command("vault", "set", arg, name)
	case !approved:
		return a.command("grant", "approve", arg)
	}
	return a.command("auth", arg, c.Name)
}

// afterGiving is the command that usually comes next: another value that is
// missing, the approval, or a run.
func (a *App) afterGiving(ctx context.Context, stores *Stores, arg string, c *connector) string {
	if c == nil {
		return ""
	}
	standing, err := stores.Approvals.Standing(ctx, a.scope(c.manifest.ConnectorKey))
	approved := err == nil && standing.InForce() && standing.Approval.ManifestSHA256 == c.manifest.Digest()
	if missing := a.missing(ctx, stores, c.manifest); len(missing) > 0 {
		return a.supply(arg, c.manifest, missing[0], approved)
	}
	if approved {
		return a.command("run", arg)
	}
	return a.command("grant", "approve", arg)
}
