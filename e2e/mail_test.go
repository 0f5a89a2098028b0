package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/e2e/internal/dovecot"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

const mailServer = "mail.test"

// mailAccount is what the mail connector needs to collect from a Dovecot.
type mailAccount struct {
	*world
	server    *dovecot.Server
	connector *host.Connector
}

// mailOf makes a host that may reach the server, and stores what opens it. ctx
// goes to host.New.
func mailOf(ctx context.Context, t *testing.T, server *dovecot.Server) *mailAccount {
	t.Helper()
	w := &world{t: t, vault: memory.New(), approvals: host.NewMemoryApprovals(), audit: host.NewMemoryAuditor(), log: &strings.Builder{}}
	w.memory, ctx = watchMemory(ctx, t)
	h, err := host.New(ctx, host.NewConfig().
		WithVault(w.vault).WithApprovals(w.approvals).WithAuditor(w.audit).WithStateStore(host.NewMemoryState()).
		WithLogger(slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))).
		WithAddressException(mailServer, server.Addr()).WithRootCAs(server.Roots).WithCompileCache(compiled))
	if err != nil {
		t.Fatal(err)
	}
	w.host = h
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p, err := host.ReadPackage(built.Connectors["mail"])
	if err != nil {
		t.Fatal(err)
	}
	m := &mailAccount{w, server, w.loadPackage(p)}
	w.approve(m.connector, map[string]any{"host": mailServer, "port": int(server.Addr().Port())})
	w.put(m.connector, "ACCOUNT", server.User)
	w.put(m.connector, "APP_PASSWORD", server.Password)
	return m
}

// collect runs the connector once, unattended.
func (m *mailAccount) collect() (host.Result, *host.MemorySink, error) {
	var sink host.MemorySink
	result, err := m.host.Run(m.t.Context(), m.connector, host.RunOptions{Sink: &sink, Unattended: true})
	return result, &sink, err
}

// mailRecord is a record of messages.
type mailRecord struct {
	Key  abi.Key
	Op   string
	Data map[string]any
}

// records are what a run emitted on a stream.
func (m *mailAccount) records(sink *host.MemorySink, stream string) (all []mailRecord) {
	m.t.Helper()
	for _, line := range sink.Lines(stream) {
		var r mailRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			m.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// changes runs the connector, expects success, and returns what came: each
// message's subject and marks, a minus before one that was deleted.
func (m *mailAccount) changes(known map[string]string) []string {
	m.t.Helper()
	result, sink, err := m.collect()
	if err != nil {
		m.t.Fatalf("%v: %s\n%s", err, asJSON(m.t, result), m.log)
	}
	var came []string
	for _, r := range m.records(sink, "messages") {
		id := r.Key.Canonical()
		if r.Op == abi.OpDelete {
			came = append(came, "-"+known[id])
			continue
		}
		known[id], _ = r.Data["subject"].(string)
		text := known[id]
		if r.Data["is_seen"] == true {
			text += " seen"
		}
		came = append(came, text)
	}
	slices.Sort(came)
	return came
}

func (m *mailAccount) expect(known map[string]string, when string, want ...string) {
	m.t.Helper()
	slices.Sort(want)
	if got := m.changes(known); !slices.Equal(got, want) {
		m.t.Errorf("%s came %q, want %q", when, got, want)
	}
}

func appendTo(folder, subject string) string {
	return "APPEND " + folder + "\nFrom: Grace <grace@navy.example>\nSubject: " + subject + "\nMessage-ID: <" + subject + "@navy.example>\n\nabout " + subject + "\n"
}

// TestMailFromDovecot collects from a real server: all, then nothing, then what
// was added, marked and deleted, then a folder that was made anew.
func TestMailFromDovecot(t *testing.T) {
	server := dovecot.Start(t, mailServer, "alice", "Canary-5f3be81c")
	server.Do("CREATE Projects", appendTo("INBOX", "one"), appendTo("INBOX", "two"), appendTo("INBOX", "three"), appendTo("Projects", "engine"))
	m := mailOf(t.Context(), t, server)
	known := map[string]string{}

	m.expect(known, "in the first run", "one", "two", "three", "engine")
	m.expect(known, "after nothing changed")
	server.Do(appendTo("INBOX", "four"), "SELECT INBOX", `STORE 2 +FLAGS.SILENT (\Seen)`, `STORE 1 +FLAGS.SILENT (\Deleted)`, "EXPUNGE")
	m.expect(known, "after an addition, a mark and a deletion", "four", "two seen", "-one")
	m.expect(known, "and then")
	server.Do("DELETE Projects", "CREATE Projects", appendTo("Projects", "engine 2"))
	m.expect(known, "after a folder was made anew", "-engine", "engine 2")
	m.expect(known, "at the end")
}

// TestMailWrongPassword: the server's refusal ends the run with the remedy,
// marks the credential, and keeps the next run from connecting until the owner
// has renewed it.
func TestMailWrongPassword(t *testing.T) {
	server := dovecot.Start(t, mailServer, "alice", "Canary-before")
	server.Do(appendTo("INBOX", "one"))
	m := mailOf(t.Context(), t, server)
	server.SetPassword("Canary-after")

	result, _, err := m.collect()
	if !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("the error is %v", err)
	}
	e := result.Done.Error
	if e == nil || e.Code != abi.CodeCredentialRejected || e.RecoveryHint == nil || e.RecoveryHint.Action != abi.RefreshCredentials {
		t.Errorf("it ended as %s", asJSON(t, result.Done))
	}
	if !slices.Equal(result.Rejected, []string{"APP_PASSWORD"}) || m.stored(m.connector, "APP_PASSWORD").Status != vaultstore.Rejected {
		t.Errorf("rejected: %v; stored as %s", result.Rejected, m.stored(m.connector, "APP_PASSWORD").Status)
	}
	before := server.Connections()
	if before == 0 {
		t.Fatal("the server was not called at all: the test looks in the wrong place")
	}
	if result, _, err = m.collect(); !errors.Is(err, host.ErrNeedsOwner) || result.Done.Error == nil || result.Done.Error.Code != abi.CodeCredentialRejected {
		t.Errorf("the next run ended as %s, %v", asJSON(t, result.Done), err)
	}
	if calls := server.Connections() - before; calls != 0 {
		t.Errorf("the next run connected %d times", calls)
	}
	m.put(m.connector, "APP_PASSWORD", "Canary-after")
	m.expect(map[string]string{}, "after the owner renewed it", "one")
}

// TestMailServerBreaksOff: wherever in the run it is, the source is unavailable,
// the credential keeps its standing, and the next run goes on.
func TestMailServerBreaksOff(t *testing.T) {
	server := dovecot.Start(t, mailServer, "alice", "Canary-5f3be81c")
	var all []string
	for i := range 30 {
		subject := fmt.Sprintf("number %02d", i)
		all = append(all, subject)
		server.Do(strings.Replace(appendTo("INBOX", subject), "about", strings.Repeat("a long text\n", 500)+"about", 1))
	}
	m := mailOf(t.Context(), t, server)
	for _, after := range []int64{0, 500, 3_000, 30_000} {
		server.BreakOffAfter(after)
		result, _, err := m.collect()
		if err == nil || result.Done.Error == nil || result.Done.Error.Code != abi.CodeSourceUnavailable {
			t.Errorf("broken off after %d bytes: %v, %s", after, err, asJSON(t, result.Done))
		}
		if status := m.stored(m.connector, "APP_PASSWORD").Status; status != vaultstore.Active {
			t.Errorf("broken off after %d bytes: the credential is %s", after, status)
		}
	}
	server.BreakOffAfter(-1)
	m.expect(map[string]string{}, "in the next run", all...)
}

// TestMailboxHoldsItsOwnPassword: it is collected all the same, with the
// password's name in its place, and the guest never has it.
func TestMailboxHoldsItsOwnPassword(t *testing.T) {
	var d detector
	const password = "Canary-7Jq0vZx93kLmP2"
	d.add("the app password", password)
	server := dovecot.Start(t, mailServer, "alice", password)
	server.Do("APPEND INBOX\nFrom: alice <alice@mail.test>\nSubject: my " + password + " note\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nthe password is " + password + ", do not lose it\n--b\nContent-Type: text/html\n\n<p>" + password + "</p>\n--b--\n")
	for _, before := range []string{"Kept: ", "Kept he: ", "Kept here: "} { // as base64 has it in groups of three
		coded := base64.StdEncoding.EncodeToString([]byte(before + password + ", and nowhere else.\r\n"))
		server.Do("APPEND INBOX\nFrom: alice <alice@mail.test>\nSubject: coded\nMIME-Version: 1.0\nContent-Type: text/plain\n" +
			"Content-Transfer-Encoding: base64\n\n" + coded[:40] + "\n" + coded[40:] + "\n")
	}
	dumps := 0
	ctx := experimental.WithMemoryDump(t.Context(), func(_ string, guest []byte) {
		dumps++
		d.look("the guest's memory", guest)
	})
	m := mailOf(ctx, t, server)
	result, sink, err := m.collect()
	if err != nil {
		t.Fatalf("%v: %s", err, asJSON(t, result))
	}
	d.look("the result", asJSON(t, result))
	d.look("the audit log", asJSON(t, m.audit.Events()))
	d.look("the host's log", []byte(m.log.String()))
	messages, _ := sink.Messages()
	for _, message := range messages {
		d.look("a record", message.Line)
	}
	d.report(t)
	if dumps == 0 || len(messages) == 0 {
		t.Errorf("saw %d dumps and %d messages: the test looks in the wrong place", dumps, len(messages))
	}
	const mark = "[redacted:APP_PASSWORD]"
	bodies := map[string]string{}
	for _, r := range m.records(sink, "message_bodies") {
		bodies[r.Key.Canonical()], _ = r.Data["body_text"].(string)
	}
	texts := strings.Join(slices.Sorted(maps.Values(bodies)), "\n")
	// Within base64 the first and the last byte share characters with the text
	// around them, and its groups of three are filled up.
	const coded = `[-_:@]{0,3}\[redacted:APP_PASSWORD\]-{0,5}[0-9]?, and nowhere else\.`
	for _, want := range []string{regexp.QuoteMeta("the password is " + mark + ", do not lose it"), "Kept: " + coded, "Kept he: " + coded, "Kept here: " + coded} {
		if !regexp.MustCompile(want).MatchString(texts) {
			t.Errorf("no body says %q in %q", want, texts)
		}
	}
	subjects := ""
	for _, r := range m.records(sink, "messages") {
		subjects += fmt.Sprintln(r.Data["subject"])
	}
	if !strings.Contains(subjects, "my "+mark+" note") || !strings.Contains(subjects, "coded") {
		t.Errorf("the subjects are %q", subjects)
	}
}

// TestMailProbe: a password is tried out at the server before it is stored. A
// server that is not there says nothing of it.
func TestMailProbe(t *testing.T) {
	const password = "Canary-5f3be81c \"and more\\"
	var d detector
	d.add("the app password", password)
	server := dovecot.Start(t, mailServer, "alice", password)
	m := mailOf(t.Context(), t, server)
	m.memory.unused()
	verify := func(password string) (string, error) {
		return m.host.Verify(t.Context(), m.connector, host.RunOptions{}, "APP_PASSWORD", vaultstore.NewSecret([]byte(password)))
	}
	if account, err := verify(password); account != "alice" || err != nil {
		t.Errorf("account %q, %v", account, err)
	}
	if account, err := m.host.VerifyStored(t.Context(), m.connector, host.RunOptions{Unattended: true}, "APP_PASSWORD"); account != "alice" || err != nil {
		t.Errorf("as stored: account %q, %v", account, err)
	}
	if _, err := verify("Canary-wrong"); !errors.Is(err, host.ErrNotAccepted) {
		t.Errorf("a wrong password: %v", err)
	}
	server.BreakOffAfter(0)
	if _, err := verify(password); !errors.Is(err, host.ErrSourceFailed) || errors.Is(err, host.ErrNotAccepted) {
		t.Errorf("when it is broken off: %v", err)
	}
	d.look("the audit log", asJSON(t, m.audit.Events()))
	d.look("the host's log", []byte(m.log.String()))
	d.report(t)
}
