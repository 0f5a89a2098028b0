package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Verification is what came of asking the source about a value before it was
// stored.
type Verification struct {
	Verified bool   `json:"verified"`
	Account  string `json:"account,omitempty"`      // whose it is, as the source calls them
	Why      string `json:"not_verified,omitempty"` // why the source was not asked or did not tell
}

// whyNoProbe is no news for an owner, who can do nothing about it.
const whyNoProbe = "the manifest declares no probe for it"

// Text says it in a line; nothing where there was nothing to ask.
func (v Verification) Text(w io.Writer) error {
	var err error
	switch {
	case v.Verified && v.Account != "":
		_, err = fmt.Fprintf(w, "works for account \"%s\"\n", terminal.Clean(v.Account, maxTitle))
	case v.Verified:
		_, err = fmt.Fprintln(w, "works: the source accepts it")
	case v.Why != "" && v.Why != whyNoProbe:
		_, err = fmt.Fprintf(w, "not verified: %s\n", terminal.Clean(v.Why, maxMessage))
	}
	return err
}

// verify asks the source whether the value works, where the manifest says how
// and the owner has approved that. A value that the source does not accept is
// refused. Where the source was not asked, or did not tell, the value is none
// the worse: that is said, and it is stored.
func (a *App) verify(ctx context.Context, stores *Stores, o VaultSet, s *slot, value vaultstore.Secret) (Verification, error) {
	if s.connector == nil || s.class == abi.ClassNone {
		return Verification{}, nil
	}
	if why := a.cannotVerify(ctx, stores, o, s); why != "" {
		return Verification{Why: why}, nil
	}
	if a.Progress != nil {
		a.Progress.Status("asking the source whether it works…")
		defer a.Progress.Status("")
	}
	account, err := a.probe(ctx, stores, o, s, value)
	switch {
	case err == nil:
		return Verification{Verified: true, Account: account}, nil
	case ctx.Err() != nil:
		return Verification{}, ctx.Err()
	case errors.Is(err, host.ErrNotAccepted):
		return Verification{}, refused("%w; nothing was stored; give another value, or --no-verify to store it all the same", err)
	}
	return Verification{Why: err.Error()}, nil
}

// cannotVerify says why there is nobody to ask, "" when there is.
func (a *App) cannotVerify(ctx context.Context, stores *Stores, o VaultSet, s *slot) string {
	cred, _ := s.connector.manifest.Credential(s.address.Name)
	if o.NoVerify {
		return "--no-verify was given"
	}
	if a.Grant != vaultstore.SelfGrant && o.grant == nil {
		return "it is under a grant whose text is needed; give --grant-file"
	}
	if cred.ProbeCall == nil {
		return whyNoProbe
	}
	standing, err := stores.Approvals.Standing(ctx, a.scope(s.address.Connector))
	switch {
	case err != nil:
		return "whether it is approved could not be found out"
	case !standing.InForce():
		return s.address.Connector + " is not approved, and so may not call its source; approve it, and set the value again to have it verified"
	case standing.Approval.ManifestSHA256 != s.connector.manifest.Digest():
		return "the manifest is not the one that was approved; approve it, and set the value again to have it verified"
	}
	return ""
}

// probe loads the connector and has the host ask.
func (a *App) probe(ctx context.Context, stores *Stores, o VaultSet, s *slot, value vaultstore.Secret) (account string, err error) {
	if err := a.matchGrant(o.grant, s.connector.manifest); err != nil {
		return "", err
	}
	pkg, err := host.ReadPackage(s.connector.path)
	if err != nil {
		return "", err
	}
	err = a.loaded(ctx, stores, pkg, o.Network, func(h *host.Host, c *host.Connector) error {
		if !c.CanVerify(s.address.Name) {
			return errors.New("this version does not make such a probe")
		}
		account, err = h.Verify(ctx, c, host.RunOptions{Owner: a.Owner, Instance: a.Instance, Grant: o.grant, Unattended: true}, s.address.Name, value)
		return a.localise(err)
	})
	return account, err
}

// otherAccount says how an owner goes on whose value is of another account than
// the one before.
func otherAccount(err error) error {
	var other *host.OtherAccountError
	if !errors.As(err, &other) {
		return err
	}
	return refused("%s is of account %q, and what is stored of %q: their records would be mixed, and nothing was stored; keep it as another account with --instance NAME, or give --other-account",
		other.Name, terminal.Clean(other.Now, maxTitle), terminal.Clean(other.Before, maxTitle))
}

// account is whose the value is that replaces what is stored: as the source
// said of it, or else as it said of the one before.
func (o VaultSet) account(old vaultstore.Entry, name string, v Verification) (string, error) {
	before := old.Stages[vaultstore.Current].Account
	switch {
	case o.OtherAccount:
		return v.Account, nil
	case v.Account == "":
		return before, nil
	case before != "" && before != v.Account:
		return "", otherAccount(&host.OtherAccountError{Name: name, Before: before, Now: v.Account})
	}
	return v.Account, nil
}
