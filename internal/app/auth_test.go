package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const musicManifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.test/connectors/music", "connector_key": "music",
  "version": "1.0.0", "display_name": "Music", "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "songs", "primary_key": ["id"], "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}],
  "credentials_schema": {"type": "object", "required": ["ACCESS", "REFRESH", "SECRET"], "properties": {
    "ACCESS": {"type": "string", "class": "long_lived_token", "send_to": [{"origin": "https://music.example", "paths": ["/v1/**"], "as": "header:Authorization"}],
      "oauth2": {"token_url": "https://music.example/token", "authorization_url": "https://music.example/authorize", "client_id": "SECRET", "refresh_token": "REFRESH"}},
    "REFRESH": {"type": "string", "class": "long_lived_token", "send_to": [{"origin": "https://music.example", "methods": ["POST"], "paths": ["/token"], "as": "form:refresh_token"}]},
    "SECRET": {"type": "string", "class": "long_lived_token", "send_to": [{"origin": "https://music.example", "methods": ["POST"], "paths": ["/token"], "as": "form:client_secret"}]}}},
  "egress": [{"origin": "https://music.example", "methods": ["GET"], "paths": ["/v1/**"]}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// What the owner is told to do next can be done, in that order, and ends.
func TestWhatComesNextOfAnAuthorization(t *testing.T) {
	f := newFixture(t)
	m, err := manifests.Parse([]byte(musicManifest))
	if err != nil {
		t.Fatal(err)
	}
	c := &connector{path: "music", manifest: m}
	next := func() string { return f.afterGiving(t.Context(), &f.files.stores, "music", c) }
	give := func(name string) {
		t.Helper()
		_, err := f.files.stores.Vault.Put(t.Context(), vaultstore.Entry{
			Address: f.scope("music").Address(name), Class: abi.ClassToken,
			Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
				Value: vaultstore.NewSecret([]byte(canary)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now()}},
		}, vaultstore.AnyGeneration)
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		if got := next(); got != want {
			t.Errorf("next is %q, want %q", got, want)
		}
	}
	expect("sallyport grant approve music")
	f.approve(t, musicManifest, nil)
	expect("sallyport auth music ACCESS")
	give("REFRESH") // the access token is got when it is needed
	expect("sallyport vault set music SECRET")
	give("SECRET")
	expect("sallyport run music")
}

func TestAuthorizationIsPrintedNotOpened(t *testing.T) {
	const address = "https://music.example/authorize?state=s&code_challenge=c"
	f := newFixture(t)
	opened := ""
	f.Browse = func(_ context.Context, address string) error { opened = address; return nil }
	if err := f.showAddress(t.Context(), Authorize{}, address); err != nil || opened != "" {
		t.Errorf("%v: a program was given the address", err)
	}
	if got := f.errs.String(); !strings.Contains(got, "\n"+address+"\n") || !strings.HasPrefix(got, "open this address") {
		t.Errorf("printed %q", got)
	}
	if err := f.showAddress(t.Context(), Authorize{Browser: true}, address); err != nil || opened != address {
		t.Errorf("%v: the browser was given %q", err, opened)
	}
	f.errs.Reset()
	if err := f.showAddress(t.Context(), Authorize{JSON: true}, address); err != nil || f.errs.String() != `{"authorize":{"address":"`+address+`"}}`+"\n" {
		t.Errorf("%v: as JSON %q", err, f.errs.String())
	}
	if err := f.showAddress(t.Context(), Authorize{}, "https://music.example/\x1b[2J"); Exit(err) != Refused {
		t.Errorf("an address with a control character: %v", err)
	}
	f.errs.Reset()
	f.showCode(Authorize{}, "AB\x1b[31mCD", "https://music.example/\u202eactivate")
	if got := f.errs.String(); strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, "activate\n") {
		t.Errorf("printed %q", got)
	}
}

// A browser that does not start leaves the address to be opened by hand.
func TestNoBrowser(t *testing.T) {
	f := newFixture(t)
	f.Browse = func(context.Context, string) error { return context.DeadlineExceeded }
	if err := f.showAddress(t.Context(), Authorize{Browser: true}, "https://music.example/a"); err != nil || !strings.HasPrefix(f.errs.String(), "open this address") {
		t.Errorf("%v: %q", err, f.errs.String())
	}
	if err := openBrowser(t.Context(), "http://music.example/a"); err == nil {
		t.Error("an address of another scheme was opened")
	}
}
