package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/audit"
	"github.com/sallyport-host/sallyport/internal/terminal"
)

// AuditShow says which events to show.
type AuditShow struct {
	Connector string // a folder or a key; "" for all
	Run       string // a run's id; "" for all
	Refused   bool   // only what was refused
	Limit     int    // the last so many; 0 is all
}

// Events is the result of [App.AuditShow].
type Events struct {
	next
	Events []host.Event `json:"events"`
	// Omitted counts the events that fit but were left out by the limit.
	Omitted int64 `json:"omitted"`
	// Torn tells of lines that a crash tore, sealed off since.
	Torn []audit.TornLine `json:"torn,omitempty"`
	// Unreadable says which lines make no sense.
	Unreadable []string `json:"unreadable,omitempty"`
}

// Text writes a table, oldest first.
func (e Events) Text(w io.Writer) error {
	var b strings.Builder
	if len(e.Events) == 0 {
		b.WriteString("no events\n")
	}
	rows := make([][]string, len(e.Events))
	for i, v := range e.Events {
		rows[i] = []string{v.Time.Local().Format(time.DateTime), string(v.Kind), where(v), what(v), verdict(v), why(v)}
	}
	if err := terminal.Table(&b, []string{"TIME", "EVENT", "CONNECTOR", "WHAT", "VERDICT", "WHY"}, rows); err != nil {
		return err
	}
	if e.Omitted > 0 {
		fmt.Fprintf(&b, "%s before these; give --limit 0 for all\n", plural(e.Omitted, "event"))
	}
	for _, t := range e.Torn {
		fmt.Fprintf(&b, "%s\n", tornText(t))
	}
	for _, line := range e.Unreadable {
		fmt.Fprintf(&b, "problem: %s\n", terminal.Clean(line, maxMessage))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func tornText(t audit.TornLine) string {
	return fmt.Sprintf("line %d was torn by a crash (%d bytes), noticed %s", t.Line, t.Bytes, t.At.Local().Format(time.DateTime))
}

func where(v host.Event) string {
	parts := []string{v.Scope.Connector}
	if v.Scope.Instance != "" && v.Scope.Instance != "default" {
		parts = append(parts, v.Scope.Instance)
	}
	if v.Scope.Grant != "" && v.Scope.Grant != "self" {
		parts = append(parts, v.Scope.Grant)
	}
	return strings.Join(parts, "/")
}

func what(v host.Event) string {
	parts := slices.DeleteFunc([]string{opWords(v), v.Name, string(v.Access), v.Method, v.Origin}, func(s string) bool { return s == "" })
	switch {
	case v.Kind == host.EventRunEnded && v.Rule == ruleAside:
		parts = append(parts, "no connector ran")
	case v.Kind == host.EventRunEnded:
		parts = append(parts, plural(v.Count, "record"))
	case v.Count > 1:
		parts = append(parts, fmt.Sprintf("(%d times)", v.Count))
	}
	if v.Serial > 0 {
		parts = append(parts, fmt.Sprintf("(serial %d)", v.Serial))
	}
	return strings.Join(parts, " ")
}

// ruleAside is the rule of a run in which the host called the source on its
// own account, to verify or to authorize.
const ruleAside = "aside"

// opWords says what was done, where the word of the log alone does not.
func opWords(v host.Event) string {
	switch string(v.Kind) + " " + v.Op {
	case "leak guard":
		return "the guard found"
	case "revocation suspend":
		return "suspended the connector"
	case "approval spend":
		return "spent the single use of the grant"
	case "credential renew":
		return "renewed"
	case "decision host_call", "repeats host_call":
		return "Sallyport's own call for"
	case "decision store", "repeats store":
		return "a run stores"
	case "vault rotate":
		return "kept the new cookies of"
	case "vault promote":
		return "put into use"
	}
	return v.Op
}

func verdict(v host.Event) string {
	switch {
	case v.Kind == host.EventLeak:
		return "STOPPED"
	case v.Kind == host.EventRevocation && v.Op == "suspend":
		return "SUSPENDED"
	case outcome(v) && v.Allowed:
		return "succeeded"
	case outcome(v):
		return "FAILED"
	case v.Allowed:
		return "allowed"
	}
	return "REFUSED"
}

// outcome reports whether the event is of something that was tried, and not
// of something that was decided.
func outcome(v host.Event) bool {
	return v.Kind == host.EventRunEnded || v.Kind == host.EventCredential && v.Op == "renew" || v.Kind == host.EventVault && v.Op == "promote"
}

func why(v host.Event) string {
	text := v.Reason
	if text == "" && v.Rule != string(capabilities.RuleAllow) && v.Rule != ruleAside {
		text = v.Rule
	}
	if v.Remedy != "" {
		text += "; " + v.Remedy
	}
	return text
}

// AuditShow reads the audit log. It does not check it: see [App.AuditVerify].
func (a *App) AuditShow(ctx context.Context, o AuditShow) (Result, error) {
	// Whose events is as the flags say, and everybody's without.
	f := audit.Filter{Owner: a.given.Owner, Instance: a.given.Instance, Grant: a.given.Grant, RunID: o.Run, Refused: o.Refused}
	if o.Connector != "" {
		var err error
		if f.Connector, err = a.connectorKey(o.Connector); err != nil {
			return nil, err
		}
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	shown := Events{next: next{a.command("audit", "verify")}, Events: []host.Event{}}
	for line, err := range stores.Audit.Read(ctx, f) {
		switch {
		case errors.Is(err, audit.ErrTampered):
			shown.Unreadable = append(shown.Unreadable, err.Error())
		case err != nil:
			return shown, err
		case line.Torn != nil:
			shown.Torn = append(shown.Torn, audit.TornLine{Line: line.Number - 1, Tear: *line.Torn}) // it stands before its seal
		default:
			shown.add(line.Event, o.Limit)
		}
	}
	return shown, nil
}

func (e *Events) add(v host.Event, limit int) {
	e.Events = append(e.Events, v)
	if limit > 0 && len(e.Events) > limit {
		e.Events = e.Events[1:]
		e.Omitted++
	}
}

// Verified is the result of [App.AuditVerify].
type Verified struct {
	next
	Intact bool `json:"intact"`
	audit.Report
}

// Text says whether the log can be believed.
func (v Verified) Text(w io.Writer) error {
	var b strings.Builder
	for _, t := range v.Torn {
		fmt.Fprintf(&b, "%s\n", tornText(t))
	}
	if v.Tail > 0 {
		fmt.Fprintf(&b, "the last line was torn by a crash (%d bytes)\n", v.Tail)
	}
	if v.Intact {
		fmt.Fprintf(&b, "the audit log is whole: %s\n", plural(v.Events, "event"))
	} else {
		fmt.Fprintf(&b, "%s can be believed, up to line %d\n", plural(v.Events, "event"), v.Fault.Line-1)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// AuditVerify checks the whole audit log: every link of its chain, and its
// end against what the vault remembers. A log that does not hold is a
// refusal.
func (a *App) AuditVerify(ctx context.Context) (Result, error) {
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	report, err := stores.Audit.Verify(ctx)
	if err != nil {
		return nil, err
	}
	v := Verified{Intact: report.Fault == nil, Report: report}
	if !v.Intact {
		return v, refused("%w; find out who changed it; to go on, keeping the file aside: %s", report.Fault, a.command("audit", "rotate"))
	}
	return v, nil
}

// Rotated is the result of [App.AuditRotate].
type Rotated struct {
	next
	Kept string `json:"kept,omitempty"` // the old log's file
}

// Text says where the old log is.
func (r Rotated) Text(w io.Writer) error {
	if r.Kept == "" {
		_, err := io.WriteString(w, "a new audit log begins; there was no old one\n")
		return err
	}
	_, err := fmt.Fprintf(w, "a new audit log begins; the old one is kept in %s\n", terminal.Clean(r.Kept, maxMessage))
	return err
}

// AuditRotate moves the audit log aside and begins another. It is the way on
// when the log does not hold, and only the owner's word makes it go.
func (a *App) AuditRotate(ctx context.Context, yes bool) (Result, error) {
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	if err := a.confirm(ctx, yes, "begin a new audit log, and keep the old one aside?"); err != nil {
		return nil, err
	}
	kept, err := stores.Audit.Rotate(ctx, a.Now())
	if err != nil {
		return nil, err
	}
	if kept != "" {
		kept = filepath.Join(a.Home.AuditDir(), kept)
	}
	return Rotated{next: next{a.command("audit", "verify")}, Kept: kept}, nil
}
