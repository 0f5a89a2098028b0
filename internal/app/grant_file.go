package app

import (
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// grantOf reads the grant that a file holds and makes its id this
// invocation's; nil without a file, which is right only for the owner's own.
func (a *App) grantOf(file string) (*capabilities.Grant, error) {
	if file == "" {
		if a.Grant != vaultstore.SelfGrant {
			return nil, usage("grant %q needs its text; give --grant-file FILE", a.Grant)
		}
		return nil, nil
	}
	raw, err := readLimited(file, maxGrantBytes)
	if err != nil {
		return nil, fileError("--grant-file", file, err)
	}
	g, err := capabilities.ParseGrant(raw)
	if err != nil {
		return nil, refused("grant %s: %w", file, err)
	}
	if a.Grant != vaultstore.SelfGrant && a.Grant != g.GrantID {
		return nil, usage("--grant says %q and the file %q; leave --grant out", a.Grant, g.GrantID)
	}
	if g.SubjectID != a.Owner {
		return nil, usage("the grant is for the data of %q; give --owner %s", g.SubjectID, quote(g.SubjectID))
	}
	a.Grant = g.GrantID
	return g, a.checkParts()
}

const maxGrantBytes = 1 << 20

// openFor opens a connector for the grant in file, or the owner's own without
// one.
func (a *App) openFor(file, arg string) (*capabilities.Grant, *connector, host.Package, error) {
	grant, err := a.grantOf(file)
	if err != nil {
		return nil, nil, host.Package{}, err
	}
	c, pkg, err := a.openPackage(arg)
	if err == nil {
		err = a.matchGrant(grant, c.manifest)
	}
	return grant, c, pkg, err
}

// matchGrant refuses a grant that could never run this connector.
func (a *App) matchGrant(g *capabilities.Grant, m *manifests.Manifest) error {
	if g == nil {
		return nil
	}
	if g.SourceID != m.ConnectorID {
		return refused("the grant is for %s, this connector is %s; choose the connector that it names", g.SourceID, m.ConnectorID)
	}
	if _, err := g.ScopeFor(m, a.Instance, a.Now()); err != nil {
		return refused("grant %s: %w", g.GrantID, err)
	}
	return nil
}
