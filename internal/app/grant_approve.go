package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
)

// Approve says what to approve, and for how long.
type Approve struct {
	Connector string
	Options   []string
	Expires   time.Duration // 0 is never
	GrantFile string        // a PDPP grant; "" is the owner's own
	Yes       bool
	JSON      bool // the disclosure is in the result, and shown only to who is asked
}

// Approved is the result of [App.Approve].
type Approved struct {
	next
	capabilities.Approval
	Disclosure manifests.Disclosure `json:"disclosure"`
	Widened    []string             `json:"widened"` // beyond what was approved before; empty when nothing
	Missing    []string             `json:"missing"` // required credentials that the vault does not hold
}

// Text says what is in force now.
func (r Approved) Text(w io.Writer) error {
	until := ""
	if !r.ExpiresAt.IsZero() {
		until = " until " + r.ExpiresAt.Local().Format(time.DateTime)
	}
	_, err := fmt.Fprintf(w, "approved %s%s (serial %d)\n", r.Connector, until, r.Serial)
	return err
}

// proposal is an approval before the owner has said yes.
type proposal struct {
	connector  *connector
	bound      *manifests.Bound
	disclosure manifests.Disclosure
	approval   capabilities.Approval
	before     *capabilities.Approval // in force until now, nil when none is
	widened    []string
	once       bool // the grant is for a single use
}

// Approve loads the connector, says what it hands over, and keeps the owner's
// yes: signed, pinning the digests of manifest and modules and all that was
// shown.
func (a *App) Approve(ctx context.Context, o Approve) (Result, error) {
	grant, c, pkg, err := a.openFor(o.GrantFile, o.Connector)
	if err != nil {
		return nil, err
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	modules, err := a.loadable(ctx, stores, pkg)
	if err != nil {
		return nil, err
	}
	p, err := a.propose(ctx, stores, c, modules, o, grant)
	if err != nil {
		return nil, err
	}
	if !o.JSON || !o.Yes && a.Terminal != nil {
		a.show(p)
	}
	if err := a.confirm(ctx, o.Yes, p.question()); err != nil {
		return nil, err
	}
	approval, err := a.keep(ctx, stores, p.approval)
	if err != nil {
		return nil, err
	}
	a.remember(c)
	missing := a.missing(ctx, stores, c.manifest)
	done := Approved{Approval: approval, Disclosure: p.disclosure, Widened: p.widened, Missing: missing}
	if len(missing) > 0 {
		done.Next = a.supply(o.Connector, c.manifest, missing[0], true)
	} else {
		done.Next = a.command(append([]string{"run", o.Connector}, grantFlag(o.GrantFile)...)...)
	}
	return done, nil
}

func grantFlag(file string) []string {
	if file == "" {
		return nil
	}
	return []string{"--grant-file", file}
}

// loadable loads the package, without running it, so that nothing is approved
// that would then be refused; and returns the digests to pin.
func (a *App) loadable(ctx context.Context, stores *Stores, pkg host.Package) (map[abi.Role]string, error) {
	digests := map[abi.Role]string{}
	err := a.loaded(ctx, stores, pkg, Network{}, func(_ *host.Host, c *host.Connector) error {
		for role, info := range c.Modules() {
			digests[role] = info.SHA256
		}
		return nil
	})
	return digests, err
}

func (a *App) propose(ctx context.Context, stores *Stores, c *connector, modules map[abi.Role]string, o Approve, grant *capabilities.Grant) (*proposal, error) {
	scope := a.scope(c.manifest.ConnectorKey)
	standing, err := stores.Approvals.Standing(ctx, scope)
	if err != nil {
		return nil, err
	}
	if used := standing.Used; used != nil && grant != nil && !grant.Continuous {
		return nil, refused("grant %s is for a single use, which was spent at %s by run %s; ask for a new grant",
			grant.GrantID, used.At.UTC().Format(time.RFC3339), used.RunID)
	}
	p := &proposal{connector: c, once: grant != nil && !grant.Continuous}
	var options map[string]any
	if standing.Approval != nil {
		options = standing.Approval.Options // of use even when it was revoked
		if standing.InForce() {
			p.before = standing.Approval
		}
	}
	for _, problem := range standing.Problems {
		a.Log.WarnContext(ctx, "an approval file counts for nothing", "connector", scope.Connector, "why", problem)
	}
	if p.bound, err = a.bind(ctx, c.manifest, o.Options, options); err != nil {
		return nil, err
	}
	now := a.Now().UTC()
	p.approval = capabilities.NewApproval(p.bound, scope, modules, a.mode(), now)
	p.approval.ExpiresAt = expiry(now, o.Expires, grant)
	p.disclosure = p.bound.Disclose()
	p.widened = widening(p.before, p.approval)
	return p, nil
}

func widening(before *capabilities.Approval, next capabilities.Approval) []string {
	if before == nil {
		return []string{}
	}
	return append([]string{}, capabilities.Widening(before, next)...)
}

// expiry is the earlier of what the owner says and the grant's own end; zero
// is never.
func expiry(now time.Time, after time.Duration, grant *capabilities.Grant) time.Time {
	var at time.Time
	if after > 0 {
		at = now.Add(after)
	}
	if grant != nil && !grant.ExpiresAt.IsZero() && (at.IsZero() || grant.ExpiresAt.Before(at)) {
		at = grant.ExpiresAt.UTC()
	}
	return at
}

// show writes the disclosure, in full unless nothing widens, to where the
// person who will be asked reads it.
func (a *App) show(p *proposal) {
	var b strings.Builder
	if p.narrow() {
		fmt.Fprintf(&b, "%s hands over no more than you approved on %s.\n", p.approval.Connector, day(p.before.ApprovedAt))
		if p.before.ManifestSHA256 != p.approval.ManifestSHA256 || !maps.Equal(p.before.Modules, p.approval.Modules) {
			b.WriteString("Its code or manifest has changed since.\n")
		}
	} else {
		fmt.Fprintf(&b, "%s\n", terminal.CleanLines(p.disclosure.Text()))
		if p.before != nil {
			fmt.Fprintf(&b, "\nNew since you approved it on %s:\n", day(p.before.ApprovedAt))
		}
		for _, line := range p.widened {
			fmt.Fprintf(&b, "  + %s\n", terminal.Clean(line, maxMessage))
		}
		b.WriteByte('\n')
	}
	if p.once {
		b.WriteString("The grant is for a single use: it allows one run, and is spent as that starts, however it ends.\n\n")
	}
	_, _ = io.WriteString(a.person(), b.String()) // who cannot read it says no
}

// narrow reports that what was approved before covers it all.
func (p *proposal) narrow() bool { return p.before != nil && len(p.widened) == 0 }

func (p *proposal) question() string {
	if p.narrow() {
		return "approve it again?"
	}
	return fmt.Sprintf("approve %s for %s?", p.approval.Connector, p.approval.Owner)
}

// keep writes the approval: the audit log first, and again when it has its
// serial.
func (a *App) keep(ctx context.Context, stores *Stores, next capabilities.Approval) (capabilities.Approval, error) {
	event := host.Event{Time: next.ApprovedAt, Kind: host.EventApproval, Scope: next.Scope, Op: "approve", Allowed: true}
	if err := stores.Audit.Append(ctx, event); err != nil {
		return next, fmt.Errorf("%w; nothing was approved", err)
	}
	kept, err := stores.Approvals.Approve(ctx, next)
	event.Op, event.Serial = "approved", kept.Serial
	if err != nil {
		event.Allowed, event.Reason = false, "the approval was not kept"
	}
	return kept, errors.Join(err, stores.Audit.Append(context.WithoutCancel(ctx), event))
}
