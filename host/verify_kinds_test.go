package host_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// keyed are credentials whose probes say more than a position.
const keyed = `"KEY": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "paths": ["/players"], "as": "query:key"}],
      "probe": {"origin": "BASE", "path": "/players", "query": {"ids": "7&8", "at": "${options.base}"}, "as": "query:key", "rejected": [403], "found": "/players/0"}},
    "BOT": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "paths": ["/*/me"], "as": "path"}],
      "probe": {"origin": "BASE", "path": "/bot${credential}/me", "as": "path", "account": "/name"}},
    "FEED": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "paths": ["/feeds/**"], "as": "url"}],
      "probe": {"origin": "BASE", "as": "url"}}`

// rightBot is a value that a path can hold.
const rightBot = "right-6Yt3:Kb 8"

func newKeyed(t *testing.T) *ops {
	o := newOps(t, keyed, "", func(w http.ResponseWriter, r received) {
		key := r.URL.Query().Get("key")
		switch {
		case key == right && r.URL.Query().Get("ids") == "7&8" && strings.HasPrefix(r.URL.Query().Get("at"), "https://"):
			fmt.Fprint(w, `{"players": [{"id": 7}]}`)
		case strings.HasPrefix(key, "empty"):
			fmt.Fprint(w, `{"players": []}`)
		case strings.HasPrefix(key, "null"):
			fmt.Fprint(w, `{"players": [null]}`)
		case strings.HasPrefix(key, "portal"):
			fmt.Fprint(w, `<html>Welcome to our network</html>`)
		case strings.HasPrefix(key, "gone"):
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Path == "/bot"+rightBot+"/me", r.URL.Path == "/feeds/right-6Yt3Kb8/basic.ics" && r.URL.RawQuery == "x=1":
			fmt.Fprint(w, `{"name": "ada"}`)
		case strings.Contains(r.URL.Path, "broken"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(r.URL.Path, "early"):
			w.WriteHeader(http.StatusTooEarly)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	})
	o.allow(nil)
	return o
}

// TestVerifySorts: an answer says yes, no, or nothing of the credential.
func TestVerifySorts(t *testing.T) {
	o := newKeyed(t)
	feed := func(rest string) string { return o.origin + rest }
	for _, c := range []struct {
		name, value string
		want        error
		account     string
	}{
		{"KEY", right, nil, ""},
		{"KEY", "empty-5Hc9Ws2Lk", host.ErrNotAccepted, ""}, {"KEY", "null-5Hc9Ws2Lk", host.ErrNotAccepted, ""}, {"KEY", "wrong-5Hc9Ws2Lk", host.ErrNotAccepted, ""},
		{"KEY", "portal-5Hc9Ws2Lk", host.ErrSourceFailed, ""}, {"KEY", "gone-5Hc9Ws2Lk", host.ErrSourceFailed, ""},
		{"BOT", rightBot, nil, "ada"}, {"BOT", "wrong-5Hc9Ws2Lk", host.ErrNotAccepted, ""}, {"BOT", "broken-5Hc9Ws2Lk", host.ErrSourceFailed, ""}, {"BOT", "early-5Hc9Ws2Lk", host.ErrSourceFailed, ""},
		{"BOT", "a/../5Hc9Ws2Lk", host.ErrRefused, ""}, {"BOT", right, host.ErrRefused, ""},
		{"FEED", feed("/feeds/right-6Yt3Kb8/basic.ics?x=1"), nil, ""}, {"FEED", feed("/feeds/wrong-5Hc9Ws2Lk/basic.ics"), host.ErrNotAccepted, ""},
		{"FEED", feed("/feeds/broken-5Hc9Ws2Lk"), host.ErrSourceFailed, ""}, {"FEED", feed("/other/5Hc9Ws2Lk"), host.ErrRefused, ""},
		{"FEED", o.other + "/feeds/5Hc9Ws2Lk", host.ErrRefused, ""}, {"FEED", "ftp://5Hc9Ws2Lk.example/feeds", host.ErrRefused, ""}, {"FEED", "https://u:5Hc9Ws2Lk@example.com/feeds/x", host.ErrRefused, ""},
	} {
		if !o.connector.CanVerify(c.name) {
			t.Fatalf("%s cannot be verified", c.name)
		}
		before := len(o.requests)
		account, err := o.host.Verify(t.Context(), o.connector, host.RunOptions{}, c.name, vaultstore.NewSecret([]byte(c.value)))
		shown := strings.NewReplacer("5Hc9Ws2Lk", "…", o.origin, "HOME", o.other, "OTHER").Replace(c.value)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || account != c.account {
			t.Errorf("%s, %s: account %q, %v; want %v", c.name, shown, account, err, c.want)
		}
		for _, other := range []error{host.ErrNotAccepted, host.ErrSourceFailed} {
			if other != c.want && errors.Is(err, other) {
				t.Errorf("%s, %s: %v is %v as well", c.name, shown, err, other)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "5Hc9Ws2Lk") || strings.Contains(err.Error(), "/feeds")) {
			t.Errorf("%s, %s: the error says too much: %v", c.name, shown, err)
		}
		if asked := len(o.requests) - before; c.want == host.ErrRefused && asked > 0 {
			t.Errorf("%s, %s: the source was asked", c.name, shown)
		}
	}
	if text := fmt.Sprintf("%+v", o.audit.Events()); strings.Contains(text, "6Yt") || strings.Contains(text, "5Hc9Ws2Lk") {
		t.Error("a value is in the audit log")
	}
}

// TestVerifyStored asks about what the vault holds, and only where that may be
// used.
func TestVerifyStored(t *testing.T) {
	o := newKeyed(t)
	verify := func(name string) (string, error) {
		return o.host.VerifyStored(t.Context(), o.connector, host.RunOptions{Unattended: true}, name)
	}
	if _, err := verify("BOT"); !errors.Is(err, host.ErrNeedsOwner) || len(o.requests) > 0 {
		t.Errorf("nothing stored: %v", err)
	}
	o.store("BOT", rightBot, "long_lived_token")
	if account, err := verify("BOT"); account != "ada" || err != nil {
		t.Errorf("account %q, %v", account, err)
	}
	o.store("BOT", "wrong-5Hc9Ws2Lk", "long_lived_token")
	if _, err := verify("BOT"); !errors.Is(err, host.ErrNotAccepted) {
		t.Errorf("a wrong one: %v", err)
	}
	if _, err := verify("UNDECLARED"); !errors.Is(err, host.ErrRefused) {
		t.Errorf("an undeclared one: %v", err)
	}
}
