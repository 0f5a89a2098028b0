// Package hostile_test runs guests that are after an owner's secrets, one
// trick each.
//
// # Promise
//
// For each trick it is asserted what the guest got, read out of the guest's
// own memory; how the run ended; what the audit log tells; and that no value
// shows, in any form that the guard knows: not in records, state, log lines,
// DONE, errors or the audit log, not in what any server received where it may
// not be, and not in the guest's memory, unless the owner approved that it is
// revealed.
//
// # Limits
//
// What is out of reach in principle stands in the table too, with documented
// set: there it is asserted that it is possible, so that docs/threat-model.md
// stays true.
package hostile_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// row is one trick.
type row struct {
	name       string
	trick      string // the guest's, when it is not the name
	form, exit string
	role       abi.Role // default collector
	class      map[string]abi.Class
	answers    map[string]string // the owner's, by credential
	kept       string            // what the source remembers of an earlier run

	code   string   // how the run ends: default "succeeded"; "*" when that is not the point
	got    []string // the guest's journal; nil where it is not the point
	told   audited  // what the audit log has to tell
	finds  []string // what findings hold, each a part of a record in order
	holds  []string // names whose values its memory holds: no other may be in it
	logged []string // names whose values net/http may give to the standard logger: the main program's to discard, documented
	learns []string // names whose values a server may get, where none should: documented
	check  func(t *testing.T, w *world, o *outcome)
}

// allowed lists where the source gets a value that was sent to it, by path.
var allowed = map[string][]string{
	"/auth/": {"TOKEN"}, "/json/": {"TOKEN"}, "/form/": {"TOKEN"}, "/other/": {"ANOTHER"}, "/revealed/": {"REVEALED"}, "/minted/": {"MINTED"}, "/open/crumb": {"COOKIE"},
	"/login": {"PASSWORD"}, "/session/": {"SID"},
}

func TestTricks(t *testing.T) {
	w := newWorld(t)
	rows := slices.Concat(surrogateRows(), echoRows(), sourceRows, callRows, mailRows, storeRows)
	if len(rows) < 60 {
		t.Errorf("%d tricks", len(rows))
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) { r.play(t, w) })
	}
}

func (r row) play(t *testing.T, w *world) {
	w.t = t
	if r.trick == "" {
		r.trick = r.name
	}
	w.net.keep(r.kept)
	w.prompter = nil
	if r.answers != nil {
		w.prompter = host.Scripted(r.answers)
	}
	owner := "owner-" + fmt.Sprintf("%x", r.name)
	if len(owner) > 60 {
		owner = owner[:60]
	}
	w.store(owner, r.class)
	w.approve(w.connector, owner, map[string]any{"trick": r.trick, "form": r.form, "exit": r.exit}, nil)
	o := w.play(w.connector, owner, r.role)
	r.judge(t, w, o)
}

// judge holds an outcome to a row.
func (r row) judge(t *testing.T, w *world, o *outcome) {
	t.Helper()
	for i := range o.got {
		o.got[i] = anySurrogate.ReplaceAllString(w.net.plain(o.got[i]), "<surrogate>")
		o.got[i] = codedSurrogate.ReplaceAllString(o.got[i], "<coded surrogate>")
	}
	code := cmp.Or(r.code, "succeeded")
	if o.code() != code && code != "*" {
		t.Errorf("it ended with %s, not %s: %v", o.code(), code, o.err)
	}
	if code == abi.CodeLeakBlocked && !o.refused() {
		t.Errorf("not refused: %v", o.err)
	}
	want := r.got
	if code == abi.CodeLeakBlocked && len(o.got) < len(want) {
		want = want[:len(o.got)] // it may have been ended before it could note more
	}
	if r.got != nil && !slices.EqualFunc(o.got, want, same) {
		t.Errorf("the guest got\n\t%s\nnot\n\t%s", strings.Join(o.got, "\n\t"), strings.Join(r.got, "\n\t"))
	}
	if r.told != (audited{}) && !o.told(r.told) {
		t.Errorf("the audit log does not tell %+v, but\n%s", r.told, eventsText(o.events))
	}
	at := 0
	for _, part := range r.finds {
		i := slices.IndexFunc(o.records[at:], func(line string) bool { return strings.Contains(line, part) })
		if i < 0 {
			t.Errorf("no record holds %q: %q", part, o.records)
			break
		}
		at += i + 1
	}
	r.noValues(t, o)
	oneLineEach(t, o)
	if os.Getenv("HOSTILE_SHOW") != "" {
		b, _ := json.Marshal(map[string]any{"name": r.name, "code": o.code(), "got": o.got, "held": o.held, "events": o.events, "records": o.records})
		t.Logf("%s %q\n%sJSON %s", o.code(), o.got, eventsText(o.events), b)
	}
	if r.check != nil {
		r.check(t, w, o)
	}
}

var anySurrogate = regexp.MustCompile(`sp1[0-9A-Za-z]{37}`)

// codedSurrogate is one in base64 (from the beginning of a group), hex and UTF-16.
var codedSurrogate = regexp.MustCompile(`c3Ax[0-9A-Za-z]{50,}={0,2}|737031[0-9a-f]{74}|s\.p\.1(\.[0-9A-Za-z]){37}`)

// same compares a line of the journal. "refused" stands for either status
// that a surrogate at a wrong place may get.
func same(got, want string) bool {
	if before, ok := strings.CutSuffix(want, "refused"); ok {
		return got == before+"-1" || got == before+"-10"
	}
	return got == want
}

// noValues looks for values in all that came of a run.
func (r row) noValues(t *testing.T, o *outcome) {
	t.Helper()
	done, _ := json.Marshal(o.result)
	events, _ := json.Marshal(o.events)
	for where, text := range map[string]string{
		"the result": string(done), "the error": fmt.Sprintf("%v %+v", o.err, o.err), "the records": strings.Join(o.records, "\n"), "the audit log": string(events),
		"what the owner saw": strings.Join(o.shown, "\n"), "the host's log": o.log, "the state": o.state,
	} {
		if names := secretsIn(text); len(names) > 0 {
			t.Errorf("%s holds %v", where, names)
		}
	}
	for _, name := range secretsIn(o.standard) {
		if !slices.Contains(r.logged, name) {
			t.Errorf("the standard logger got %s", name)
		}
	}
	for _, q := range o.requests {
		var may []string
		for path, names := range allowed {
			if q.host == "home" && strings.HasPrefix(q.path, path) {
				may = names
			}
		}
		for _, name := range secretsIn(q.all) {
			if !slices.Contains(may, name) && !slices.Contains(r.learns, name) {
				t.Errorf("%s%s got %s", q.host, q.path, name)
			}
		}
	}
	for _, name := range secretsIn(o.mail) {
		if name != "MAIL_PASSWORD" {
			t.Errorf("the mail server got %s", name)
		}
	}
	for _, name := range o.held {
		if !slices.Contains(r.holds, name) {
			t.Errorf("the guest's memory held %s", name)
		}
	}
	for _, name := range r.holds { // a search that misses what is there would prove nothing of the others
		if !slices.Contains(o.held, name) {
			t.Errorf("the guest's memory did not hold %s: the test looks in the wrong place", name)
		}
	}
}

// oneLineEach asserts that nothing of a guest's breaks a line of the audit log,
// or says to a terminal what it does not say to a reader.
func oneLineEach(t *testing.T, o *outcome) {
	t.Helper()
	for _, e := range o.events {
		for _, text := range []string{e.Name, e.Op, e.Rule, e.Reason, e.Remedy, e.Origin} {
			if strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029' }) {
				t.Errorf("an event of kind %s holds what is not to be shown: %q", e.Kind, text)
			}
		}
	}
}

func eventsText(events []host.Event) string {
	var out strings.Builder
	for _, e := range events {
		fmt.Fprintf(&out, "\t%s %s name=%s rule=%s allowed=%v %s\n", e.Kind, e.Op, e.Name, e.Rule, e.Allowed, e.Reason)
	}
	return out.String()
}

// What the audit log tells of.
func leak(name string) audited { return audited{kind: host.EventLeak, rule: "guard", name: name} }

func used(name string) audited {
	return audited{kind: host.EventDecision, rule: "allow", name: name, allowed: true}
}

func notAllowed(name, rule string) audited {
	return audited{kind: host.EventDecision, rule: rule, name: name}
}

func notThere(name string) audited {
	return notAllowed(name, string(capabilities.RuleDestinationUndeclared))
}

func misplaced(name string) audited {
	return audited{kind: host.EventEgress, rule: "surrogate_position", name: name}
}

func notSent(rule string) audited { return audited{kind: host.EventEgress, rule: rule} }

func ended(status string) audited {
	return audited{kind: host.EventRunEnded, rule: status, allowed: status == string(abi.Succeeded)}
}

var (
	violation  = audited{kind: host.EventViolation, rule: abi.CodeProtocolViolation}
	unattended = audited{kind: host.EventInteraction, rule: "unattended"}
)

// TestEveryFormAtEveryExit has a guest that was told a value try to get it out.
func TestEveryFormAtEveryExit(t *testing.T) {
	w := newWorld(t)
	usual := []string{"a record", "a body", "a log line"}
	if underRace {
		usual = usual[1:2]
	}
	for _, form := range forms {
		for _, exit := range usual {
			t.Run(form+" in "+exit, func(t *testing.T) { revealed(form, exit).play(t, w) })
		}
	}
	for _, exit := range exits {
		t.Run("raw in "+exit, func(t *testing.T) { revealed("raw", exit).play(t, w) })
	}
}

// revealed is a row of a value that was revealed, as the owner approved.
func revealed(form, exit string) row {
	return row{
		name: form + " in " + exit, trick: "a revealed value", form: form, exit: exit,
		code: abi.CodeLeakBlocked, told: leak("REVEALED"), holds: []string{"REVEALED"},
		check: func(t *testing.T, _ *world, o *outcome) {
			if len(o.records) > 0 || o.state != "null" {
				t.Errorf("something left: %d records, state %s", len(o.records), o.state)
			}
			// A body that follows may have begun. Those alone go to /, where one of the
			// row before may come in late.
			for _, q := range o.requests {
				if q.path != "/" || strings.Contains(q.all, values["REVEALED"][:8]) {
					t.Errorf("something left: %q", q.path)
				}
			}
		},
	}
}

var forms = []string{
	"raw", "upper case", "reversed case", "base64, offset 0", "base64, offset 1", "base64, offset 2", "base64url", "base64, wrapped", "hex", "hex with colons",
	"percent", "percent, some", "percent, twice", "JSON escapes", "JavaScript escapes", "HTML entities", "HTML, hex", "HTML of percent", "quoted-printable",
	"quoted-printable, wrapped", "UTF-16LE", "UTF-16BE", "base64 of UTF-16", "base64 of base64", "hex of base64",
}

var exits = []string{
	"a record's key", "a record's field name", "STATE", "STATE, a name", "PROGRESS", "SKIP_RESULT", "an unknown message", "DONE", "standard output", "panic",
	"a question", "a credential's name", "data to sign", "the address of a stream", "a header", "a header's name", "a cookie", "Referer", "User-Agent", "Basic",
	"a query", "a query's name", "a path", "a fragment", "user information", "a DNS label", "a label of a wildcard", "a method", "a body in two parts",
	"a body, byte by byte", "a body to its own source",
}
