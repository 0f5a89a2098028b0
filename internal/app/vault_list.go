package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Credential is a line of [Credentials].
type Credential struct {
	Connector    string                `json:"connector"`
	Instance     string                `json:"instance"`
	Grant        string                `json:"grant"`
	Name         string                `json:"name"`
	Class        abi.Class             `json:"class,omitempty"`
	Identity     bool                  `json:"identity,omitempty"`
	Status       vaultstore.Status     `json:"status"`
	Reason       string                `json:"reason,omitempty"`
	Provenance   vaultstore.Provenance `json:"provenance"`
	ObtainedAt   time.Time             `json:"obtained_at,omitzero"`
	ExpiresAt    time.Time             `json:"expires_at,omitzero"`
	LastUsed     time.Time             `json:"last_used,omitzero"`
	LastVerified time.Time             `json:"last_verified,omitzero"`
	RotatedAt    time.Time             `json:"rotated_at,omitzero"` // by the source, as it does cookies
	Account      string                `json:"account,omitempty"`   // as the source calls it
	Generation   uint64                `json:"generation"`
	// Pending is a value that a run has stored and that is not in use, nil
	// when there is none. Where that is all there is, Status is "pending".
	Pending *Pending `json:"pending,omitempty"`
}

// Pending is a value that is kept until it is known to work as well, and for
// the same account, as the one in use.
type Pending struct {
	Provenance vaultstore.Provenance `json:"provenance"`
	ObtainedAt time.Time             `json:"obtained_at,omitzero"`
	ExpiresAt  time.Time             `json:"expires_at,omitzero"`
	Remedy     string                `json:"remedy"`
}

// statusPending is the status of what has no value in use.
const statusPending vaultstore.Status = "pending"

// Credentials is the result of [App.VaultList].
type Credentials struct {
	next
	Owner       string       `json:"owner"`
	Credentials []Credential `json:"credentials"`
}

// Text writes a table, never a value.
func (c Credentials) Text(w io.Writer) error {
	if len(c.Credentials) == 0 {
		_, err := fmt.Fprintln(w, "the vault is empty")
		return err
	}
	rows := make([][]string, len(c.Credentials))
	for i, e := range c.Credentials {
		class := string(e.Class)
		if e.Identity {
			class = "identity"
		}
		status := string(e.Status)
		if e.Reason != "" {
			status += " (" + e.Reason + ")"
		}
		rows[i] = []string{e.Connector, e.Instance, e.Grant, e.Name, class, status, string(e.Provenance),
			day(e.ObtainedAt), day(e.ExpiresAt), day(e.LastUsed)}
	}
	err := terminal.Table(w, []string{"CONNECTOR", "INSTANCE", "GRANT", "NAME", "CLASS", "STATUS", "PROVENANCE", "OBTAINED", "EXPIRES", "LAST USED"}, rows)
	for _, e := range c.Credentials {
		if p := e.Pending; p != nil && err == nil {
			_, err = fmt.Fprintf(w, "pending: %s/%s/%s %s, from a run on %s, is not in use: it is not known to work for the same account; %s\n",
				e.Connector, e.Instance, e.Grant, e.Name, day(p.ObtainedAt), p.Remedy)
		}
	}
	return err
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02")
}

// VaultList lists what the owner has stored.
func (a *App) VaultList(ctx context.Context) (Result, error) {
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	list := Credentials{Owner: a.Owner, Credentials: []Credential{}}
	for info, err := range stores.Vault.List(ctx, a.Owner) {
		if err != nil {
			err = a.unlisted(err)
			if len(list.Credentials) == 0 {
				return nil, err // not "the vault is empty"
			}
			return list, err // what was read all the same
		}
		list.Credentials = append(list.Credentials, a.listed(info))
	}
	if len(list.Credentials) == 0 {
		list.Next = a.command("vault", "set", "CONNECTOR", "NAME")
	}
	return list, nil
}

// listed is the line of one address.
func (a *App) listed(info vaultstore.Info) Credential {
	v, inUse := info.Stages[vaultstore.Current]
	c := Credential{
		Connector: info.Address.Connector, Instance: info.Address.Instance, Grant: info.Address.Grant, Name: info.Address.Name,
		Class: info.Class, Identity: info.Class == abi.ClassNone, Status: v.Status, Reason: v.Reason, Provenance: v.Provenance,
		ObtainedAt: v.ObtainedAt, ExpiresAt: v.ExpiresAt, LastUsed: v.LastUsed, LastVerified: v.LastVerified,
		RotatedAt: v.RotatedAt, Account: v.Account, Generation: info.Generation,
	}
	if p, ok := info.Stages[vaultstore.Pending]; ok {
		scope := capabilities.Scope{Owner: info.Address.Owner, Connector: c.Connector, Instance: c.Instance, Grant: c.Grant}
		c.Pending = &Pending{
			Provenance: p.Provenance, ObtainedAt: p.ObtainedAt, ExpiresAt: p.ExpiresAt,
			Remedy: a.localText("to use one of your own instead, run: " + capabilities.SetCommand(scope, c.Name)),
		}
		if !inUse {
			c.Status, c.Provenance = statusPending, p.Provenance
		}
	}
	return c
}

// unlisted adds the way on to an error about one address.
func (a *App) unlisted(err error) error {
	var at *vaultstore.Error
	if !errors.As(err, &at) || at.Address.Name == "" || errors.Is(err, vaultstore.ErrSealed) {
		return err
	}
	scope := capabilities.Scope{Owner: at.Address.Owner, Connector: at.Address.Connector, Instance: at.Address.Instance, Grant: at.Address.Grant}
	return fmt.Errorf("%w; or give it up: %s", err, a.localText(capabilities.RemoveCommand(scope, at.Address.Name)))
}

// Removed is the result of [App.VaultRemove].
type Removed struct {
	next
	Connector string `json:"connector"`
	Instance  string `json:"instance"`
	Grant     string `json:"grant"`
	Name      string `json:"name"`
}

// Text says what was removed.
func (r Removed) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "removed %s of %s; the source still honours it until you revoke it there\n", r.Name, r.Connector)
	return err
}

// VaultRemove deletes a value in all its versions. connector is a folder or a
// key.
func (a *App) VaultRemove(ctx context.Context, connector, name string) (Result, error) {
	key, err := a.connectorKey(connector)
	if err != nil {
		return nil, err
	}
	at := a.scope(key).Address(name)
	if c, err := a.openManifest(connector); err == nil {
		if cred, ok := c.manifest.Credential(name); ok {
			at.Name = cred.Name // by an alias too
		}
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	if err := a.remove(ctx, stores, at); err != nil {
		return nil, err
	}
	return Removed{Connector: key, Instance: a.Instance, Grant: a.Grant, Name: at.Name}, nil
}

// remove works also on what cannot be read: that is a reason to remove it.
func (a *App) remove(ctx context.Context, stores *Stores, at vaultstore.Address) error {
	old, err := stores.Vault.Get(ctx, at)
	expect := old.Generation
	switch {
	case errors.Is(err, vaultstore.ErrNotFound):
		return usage("nothing of that name is stored for %s; see: %s", at.Connector, a.command("vault", "list"))
	case errors.Is(err, vaultstore.ErrTampered), errors.Is(err, vaultstore.ErrRollback), errors.Is(err, vaultstore.ErrMissing):
		expect = vaultstore.AnyGeneration
	case err != nil:
		return err
	}
	event := host.Event{Time: a.Now().UTC(), Kind: host.EventVault, Scope: a.scope(at.Connector),
		Op: "remove", Name: at.Name, Class: old.Class, Allowed: true, Version: old.Generation}
	if err := stores.Audit.Append(ctx, event); err != nil {
		return fmt.Errorf("%w; nothing was removed", err)
	}
	if err := stores.Vault.Delete(ctx, at, expect); err != nil {
		event.Allowed, event.Reason = false, "the vault did not remove it"
		return errors.Join(err, stores.Audit.Append(context.WithoutCancel(ctx), event))
	}
	return nil
}
