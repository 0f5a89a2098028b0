package e2e_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/e2e/internal/dav"
	"github.com/sallyport-host/sallyport/e2e/internal/radicale"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const newCard = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:5f6f1d5e-edsger\r\nFN:Edsger Dijkstra\r\nN:Dijkstra;Edsger;;;\r\nEND:VCARD\r\n"

// mailbox is what the contacts connector needs to collect from a Radicale.
type mailbox struct {
	*world
	server    *radicale.Server
	connector *host.Connector
}

func contactsOf(t *testing.T, server *radicale.Server) *mailbox {
	t.Helper()
	w := newWorld(t.Context(), t, server.Addr(), nil)
	m := &mailbox{w, server, w.load("contacts")}
	w.approve(m.connector, options(m.connector.Manifest(), server.URL(source)))
	w.put(m.connector, "ACCOUNT", server.User)
	w.put(m.connector, "APP_PASSWORD", server.Password)
	return m
}

// collect runs the connector once, unattended.
func (m *mailbox) collect() (host.Result, *host.MemorySink, error) {
	var sink host.MemorySink
	result, err := m.host.Run(m.t.Context(), m.connector, host.RunOptions{Sink: &sink, Unattended: true})
	return result, &sink, err
}

// changes runs the connector, expects success, and returns what came: each
// contact's and group's name, a minus before one that was deleted.
func (m *mailbox) changes(known map[string]string) []string {
	m.t.Helper()
	result, sink, err := m.collect()
	if err != nil {
		m.t.Fatalf("%v: %s", err, asJSON(m.t, result))
	}
	var names []string
	for _, line := range append(sink.Lines("contacts"), sink.Lines("contact_groups")...) {
		var r struct {
			Key  abi.Key
			Op   string
			Data map[string]any
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			m.t.Fatal(err)
		}
		id := r.Key.Canonical()
		if r.Op == abi.OpDelete {
			names = append(names, "-"+known[id])
			continue
		}
		name, _ := r.Data["display_name"].(string)
		if name == "" {
			name, _ = r.Data["name"].(string)
		}
		known[id] = name
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestContactsFromRadicale collects from a real server: all, then nothing,
// then what was added, changed and deleted.
func TestContactsFromRadicale(t *testing.T) {
	server := radicale.Start(t, "alice", "Canary-right-4Tq9")
	for _, name := range slices.Sorted(maps.Keys(dav.Cards())) {
		server.Put(name, dav.Cards()[name])
	}
	m := contactsOf(t, server)
	known := map[string]string{}

	want := []string{"Ada Lovelace", "Alan Turing", "Grace Hopper", "Hedy Lamarr", "Pioneers"}
	if got := m.changes(known); !slices.Equal(got, want) {
		t.Fatalf("the first run brought %q, want %q", got, want)
	}
	full := server.Requests()
	if got := m.changes(known); len(got) != 0 {
		t.Errorf("a run after nothing changed brought %q", got)
	}
	if again := server.Requests() - full; again >= full {
		t.Errorf("the first run made %d requests, one after nothing changed %d", full, again)
	}

	server.Put("edsger.vcf", newCard)
	server.Put("ada.vcf", strings.Replace(dav.Cards()["ada.vcf"], "FN:Ada Lovelace", "FN:Ada King", 1))
	server.Delete("grace.vcf")
	want = []string{"-Grace Hopper", "Ada King", "Edsger Dijkstra"}
	if got := m.changes(known); !slices.Equal(got, want) {
		t.Errorf("after an addition, a change and a deletion came %q, want %q", got, want)
	}
	if got := m.changes(known); len(got) != 0 {
		t.Errorf("and then %q", got)
	}
}

// TestWrongPasswordIsAskedOnce: the source's refusal ends the run with the
// remedy, marks the credential, and keeps the next run from calling the source
// until the owner has renewed it.
func TestWrongPasswordIsAskedOnce(t *testing.T) {
	server := radicale.Start(t, "alice", "Canary-right-4Tq9")
	server.Put("ada.vcf", dav.Cards()["ada.vcf"])
	m := contactsOf(t, server)
	server.SetPassword("Canary-changed-2Wz7")

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
	if server.Requests() == 0 {
		t.Fatal("the source was not called at all: the test looks in the wrong place")
	}

	before := server.Requests()
	result, _, err = m.collect()
	if !errors.Is(err, host.ErrNeedsOwner) || result.Done.Error == nil || result.Done.Error.Code != abi.CodeCredentialRejected {
		t.Errorf("the next run ended as %s, %v", asJSON(t, result.Done), err)
	}
	if calls := server.Requests() - before; calls != 0 {
		t.Errorf("the next run called the source %d times", calls)
	}

	m.put(m.connector, "APP_PASSWORD", "Canary-changed-2Wz7")
	if _, _, err = m.collect(); err != nil {
		t.Errorf("after the owner renewed it: %v", err)
	}
}
