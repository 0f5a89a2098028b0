package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/approvals"
	"github.com/sallyport-host/sallyport/internal/terminal"
)

// Granted is a line of [Grants].
type Granted struct {
	Connector   string    `json:"connector"`
	Instance    string    `json:"instance"`
	Grant       string    `json:"grant"`
	Status      string    `json:"status"` // active, spent, expired, revoked, suspended, replayed, unreadable
	Serial      uint64    `json:"serial"`
	ApprovedAt  time.Time `json:"approved_at,omitzero"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Credentials []string  `json:"credentials"`
	Problems    []string  `json:"problems,omitempty"` // what counts for nothing, and why
}

// Grants is the result of [App.GrantList].
type Grants struct {
	next
	Owner  string    `json:"owner"`
	Grants []Granted `json:"grants"`
	// Problems says what could not be listed.
	Problems []string `json:"problems,omitempty"`
}

// Text writes a table, and a line for each problem.
func (g Grants) Text(w io.Writer) error {
	if len(g.Grants) == 0 && len(g.Problems) == 0 {
		_, err := fmt.Fprintln(w, "nothing is approved")
		return err
	}
	if len(g.Grants) > 0 {
		if err := g.table(w); err != nil {
			return err
		}
	}
	var b strings.Builder
	for _, e := range g.Grants {
		for _, p := range e.Problems {
			fmt.Fprintf(&b, "problem: %s/%s/%s: %s\n", e.Connector, e.Instance, e.Grant, terminal.Clean(p, maxMessage))
		}
	}
	for _, p := range g.Problems {
		fmt.Fprintf(&b, "problem: %s\n", terminal.Clean(p, maxMessage))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (g Grants) table(w io.Writer) error {
	rows := make([][]string, len(g.Grants))
	for i, e := range g.Grants {
		rows[i] = []string{e.Connector, e.Instance, e.Grant, e.Status, fmt.Sprint(e.Serial), day(e.ApprovedAt), day(e.ExpiresAt), strings.Join(e.Credentials, " ")}
	}
	return terminal.Table(w, []string{"CONNECTOR", "INSTANCE", "GRANT", "STATUS", "SERIAL", "APPROVED", "EXPIRES", "CREDENTIALS"}, rows)
}

// GrantList lists what the owner has ever approved and how it stands. What
// cannot be read is in the result as a problem, and a refusal beside it: the
// list may lack an approval.
func (a *App) GrantList(ctx context.Context) (Result, error) {
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	list := Grants{Owner: a.Owner, Grants: []Granted{}}
	unread := 0
	scopes, err := stores.Approvals.List(ctx, a.Owner)
	if err != nil {
		list.Problems = lines(err)
		unread += len(list.Problems)
	}
	for _, scope := range scopes {
		standing, err := stores.Approvals.Standing(ctx, scope)
		if err != nil {
			standing = capabilities.Standing{Problems: lines(err)}
			unread++
		}
		if standing.Approval == nil && standing.HighWater == 0 && len(standing.Problems) == 0 {
			continue // an empty folder
		}
		list.Grants = append(list.Grants, a.granted(scope, standing))
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case unread > 0:
		return list, refused("%s in %s could not be read, and may be an approval; see the problems listed, and move away what is none",
			plural(int64(unread), "thing"), a.Home.ApprovalsDir())
	case len(list.Grants) == 0:
		list.Next = a.command("grant", "approve", "CONNECTOR")
	}
	return list, nil
}

// lines is a joined error as one line for each.
func lines(err error) []string { return strings.Split(err.Error(), "\n") }

func (a *App) granted(scope capabilities.Scope, s capabilities.Standing) Granted {
	g := Granted{Connector: scope.Connector, Instance: scope.Instance, Grant: scope.Grant,
		Serial: s.HighWater, Credentials: []string{}, Problems: s.Problems}
	if s.Approval != nil {
		g.ApprovedAt, g.ExpiresAt = s.Approval.ApprovedAt, s.Approval.ExpiresAt
		for _, c := range s.Approval.Credentials {
			g.Credentials = append(g.Credentials, c.Name)
		}
	}
	switch {
	case s.Replayed:
		g.Status = "replayed"
	case s.Strikes > 0:
		g.Status = "suspended"
	case s.Revoked:
		g.Status = "revoked"
	case s.Approval == nil:
		g.Status = "unreadable"
	case !g.ExpiresAt.IsZero() && !a.Now().Before(g.ExpiresAt):
		g.Status = "expired"
	case s.Used != nil:
		g.Status = "spent" // the grant is for a single use
	default:
		g.Status = "active"
	}
	return g
}

// Revoked is the result of [App.GrantRevoke].
type Revoked struct {
	next
	capabilities.Revocation
}

// Text says what is not in force any more.
func (r Revoked) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "revoked %s: no run of it goes on or starts (serial %d)\n", r.Connector, r.Serial)
	return err
}

// GrantRevoke takes an approval back. connector is a folder or a key.
func (a *App) GrantRevoke(ctx context.Context, connector string) (Result, error) {
	key, err := a.connectorKey(connector)
	if err != nil {
		return nil, err
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	scope := a.scope(key)
	// Taking back goes ahead of the log: a log that cannot be written must
	// not keep an approval alive.
	revocation, err := stores.Approvals.Revoke(ctx, scope)
	if errors.Is(err, approvals.ErrNothing) {
		return nil, usage("%s was never approved here; see: %s", key, a.command("grant", "list"))
	}
	if err != nil && !errors.Is(err, approvals.ErrMark) {
		return nil, err
	}
	// With ErrMark the tombstone stands, and only the vault was not told: the
	// log must say so all the more.
	markErr := err
	event := host.Event{Time: revocation.At, Kind: host.EventRevocation, Scope: scope, Op: "revoke", Allowed: true, Serial: revocation.Serial}
	if err := stores.Audit.Append(ctx, event); err != nil {
		return nil, errors.Join(markErr, internal("%s is revoked, but the audit log does not say so: %w", key, err))
	}
	if markErr != nil {
		return nil, markErr
	}
	return Revoked{Revocation: revocation}, nil
}
