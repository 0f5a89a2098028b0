package app

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// leave puts a value where a run leaves one.
func (f *fixture) leave(t *testing.T, name, value string, stage vaultstore.Stage) {
	t.Helper()
	_, err := f.files.stores.Vault.Put(t.Context(), vaultstore.Entry{
		Address: f.scope("notes").Address(name), Class: abi.ClassToken,
		Stages: map[vaultstore.Stage]vaultstore.Version{stage: {
			Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Active,
			ObtainedAt: time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC),
		}},
	}, vaultstore.AnyGeneration)
	if err != nil {
		t.Fatal(err)
	}
}

// A value that a guest has left pending would come after the owner's.
func TestVaultSetDropsWhatIsPending(t *testing.T) {
	f := newFixture(t)
	f.leave(t, "NOTES_TOKEN", canary+"-old", vaultstore.Current)
	f.leave(t, "NOTES_TOKEN", canary+"-minted", vaultstore.Pending)
	if _, err := f.set(t, canary); err != nil {
		t.Fatal(err)
	}
	e, _ := f.stored(t, "NOTES_TOKEN")
	if _, ok := e.Stages[vaultstore.Pending]; ok {
		t.Error("the guest's value is still pending")
	}
	if string(e.Stages[vaultstore.Current].Value.Reveal()) != canary || string(e.Stages[vaultstore.Previous].Value.Reveal()) != canary+"-old" {
		t.Error("current and previous are not the owner's and the one before")
	}
	if !e.Stages[vaultstore.Current].LastVerified.IsZero() {
		t.Error("it was not verified, and says so")
	}
}

func TestVaultListShowsWhatIsPending(t *testing.T) {
	f := newFixture(t)
	f.leave(t, "BOTH", canary, vaultstore.Current)
	f.leave(t, "BOTH", canary+"-minted", vaultstore.Pending)
	f.leave(t, "ONLY", canary+"-minted", vaultstore.Pending)
	f.leave(t, "USED", canary, vaultstore.Current)
	r, err := f.VaultList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Credential{}
	for _, c := range r.(Credentials).Credentials {
		byName[c.Name] = c
	}
	if c := byName["BOTH"]; c.Status != vaultstore.Active || c.Pending == nil || !strings.HasSuffix(c.Pending.Remedy, "run: sallyport vault set notes BOTH") {
		t.Errorf("got %+v, %+v", c, c.Pending)
	}
	if c := byName["ONLY"]; c.Status != "pending" || c.Provenance != vaultstore.AutoBootstrapped || c.Pending == nil {
		t.Errorf("got %+v", c)
	}
	if byName["USED"].Pending != nil {
		t.Error("what is in use is pending")
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "\npending: notes/default/self "); n != 2 || strings.Contains(text.String(), canary) {
		t.Errorf("%d lines: %s", n, text.String())
	}
	doc, err := json.Marshal(r)
	if err != nil || strings.Contains(string(doc), canary) {
		t.Errorf("%v: %s", err, doc)
	}
}

func TestAuditWords(t *testing.T) {
	s := capabilities.Scope{Connector: "notes"}
	for want, e := range map[string]host.Event{
		"no connector ran | succeeded | ":                                              {Kind: host.EventRunEnded, Allowed: true, Rule: "aside"},
		"2 records | FAILED | source_unavailable":                                      {Kind: host.EventRunEnded, Rule: "failed", Reason: "source_unavailable", Count: 2},
		"the guard found TOKEN | STOPPED | a record: it held the value; do not run it": {Kind: host.EventLeak, Op: "guard", Name: "TOKEN", Rule: "guard", Reason: "a record: it held the value", Remedy: "do not run it"},
		"suspended the connector (serial 4) | SUSPENDED | 3 runs; find out why":        {Kind: host.EventRevocation, Op: "suspend", Serial: 4, Rule: "suspended", Reason: "3 runs", Remedy: "find out why"},
		"renewed TOKEN | succeeded | oauth2":                                           {Kind: host.EventCredential, Op: "renew", Name: "TOKEN", Allowed: true, Rule: "oauth2"},
		"renewed TOKEN | FAILED | it is spent":                                         {Kind: host.EventCredential, Op: "renew", Name: "TOKEN", Reason: "it is spent"},
		"Sallyport's own call for TOKEN POST https://a.example | allowed | ":           {Kind: host.EventDecision, Op: "host_call", Name: "TOKEN", Allowed: true, Rule: "allow", Method: "POST", Origin: "https://a.example"},
		"a run stores TOKEN | REFUSED | the owner entered it; run: x":                  {Kind: host.EventDecision, Op: "store", Name: "TOKEN", Rule: "user_entered", Reason: "the owner entered it", Remedy: "run: x"},
		"Sallyport's own call for TOKEN GET https://a.example (3 times) | allowed | ":  {Kind: host.EventRepeats, Op: "host_call", Name: "TOKEN", Allowed: true, Rule: "allow", Method: "GET", Origin: "https://a.example", Count: 3},
		"put into use TOKEN | FAILED | TOKEN: another account":                         {Kind: host.EventVault, Op: "promote", Name: "TOKEN", Reason: "TOKEN: another account"},
		"revoke (serial 3) | allowed | ":                                               {Kind: host.EventRevocation, Op: "revoke", Allowed: true, Serial: 3},
		"send TOKEN GET https://a.example | REFUSED | destination":                     {Kind: host.EventDecision, Op: "send", Name: "TOKEN", Method: "GET", Origin: "https://a.example", Rule: "destination"},
	} {
		e.Scope = s
		if got := what(e) + " | " + verdict(e) + " | " + why(e); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestGrantListSaysSuspended(t *testing.T) {
	f := newFixture(t)
	store := f.files.stores.Approvals.(*memoryApprovals)
	f.approve(t, noteManifest, map[string]any{"pages": 1})
	status := func(want string) {
		t.Helper()
		r, err := f.GrantList(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.(Grants).Grants; len(got) != 1 || got[0].Status != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	for range host.MaxStrikes {
		status("active")
		if _, err := store.Strike(t.Context(), f.scope("notes")); err != nil {
			t.Fatal(err)
		}
	}
	status("suspended")
	f.approve(t, noteManifest, map[string]any{"pages": 1})
	if _, err := store.Revoke(t.Context(), f.scope("notes")); err != nil {
		t.Fatal(err)
	}
	status("revoked")
}

// approve puts an approval of a manifest in force, with no module.
func (f *fixture) approve(t *testing.T, manifest string, options map[string]any) *manifests.Manifest {
	t.Helper()
	m, err := manifests.Parse([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bind(options)
	if err != nil {
		t.Fatal(err)
	}
	digest := map[abi.Role]string{abi.RoleCollector: strings.Repeat("0", 64)}
	a := capabilities.NewApproval(b, f.scope(m.ConnectorKey), digest, capabilities.ModeLocal, time.Now())
	if _, err := f.files.stores.Approvals.Approve(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return m
}
