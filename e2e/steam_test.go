package e2e_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const steamKeyName = "STEAM_API_KEY"

// TestSteam collects all, then nothing, then what was changed and deleted, with
// a key that stands in every URL and in nothing that the guest has or says.
func TestSteam(t *testing.T) {
	s, api := steamOf(t)
	all := s.expect("in the first run", "friends 76561197960000001", "friends 76561197960000002", "profile "+steamID, "owned_games 10", "owned_games 20", "recently_played 10")
	for _, r := range all {
		if r.short() == "owned_games 10" && (r.Data["playtime_forever_minutes"] != 90. || r.Data["last_played_at"] != "2023-11-14T22:13:20Z") {
			t.Errorf("the game is %v", r.Data)
		}
	}
	if n := len(api.queries); n != 4 || slices.ContainsFunc(api.queries, func(q string) bool { return !strings.Contains(q, "key="+api.key) }) {
		t.Errorf("%d queries, not each with the key", n)
	}
	s.expect("after nothing changed")
	api.change(func() {
		api.friends, api.personas = api.friends[1:], "Ada King"
		api.games[1]["playtime_forever"] = 65
	})
	s.expect("after changes", "-friends 76561197960000001", "profile "+steamID, "owned_games 20")
	s.expect("and then")
}

// TestSteamPrivate: a list that is private is said to be, its 401 says nothing
// against the key, and what was collected of it stands.
func TestSteamPrivate(t *testing.T) {
	s, api := steamOf(t)
	s.records()
	api.change(func() { api.private = true })
	s.expect("when all is private")
	if status := s.stored(s.connector, steamKeyName).Status; status != vaultstore.Active {
		t.Errorf("the key is stored as %s", status)
	}
	said := 0
	messages, _ := s.sinks[1].Messages()
	for _, m := range messages {
		said += strings.Count(string(m.Line), `"private"`)
	}
	if said != 3 {
		t.Errorf("%d lists were said to be private", said)
	}
	api.change(func() { api.private = false })
	s.expect("when it is public again")
}

// TestSteamRevokedKey: a key that Steam no longer takes is tried in one run.
func TestSteamRevokedKey(t *testing.T) {
	s, api := steamOf(t)
	next := s.steamKey("the next key")
	api.change(func() { api.key = next })
	s.expectRejected(steamKeyName)
	s.put(s.connector, steamKeyName, next)
	if len(s.records()) == 0 {
		t.Error("nothing came with the new key")
	}
}

// TestSteamForbidden: Steam's other answer to a wrong key ends the run the same
// way.
func TestSteamForbidden(t *testing.T) {
	s, api := steamOf(t)
	api.change(func() { api.key, api.refusal = "another", 403 })
	result, _, err := s.collect()
	if !errors.Is(err, host.ErrNeedsOwner) || result.Done.Error == nil || result.Done.Error.Code != abi.CodeCredentialRejected {
		t.Errorf("it ended as %s, %v", asJSON(t, result.Done), err)
	}
	if calls := s.server.calls(); len(calls) != 1 {
		t.Errorf("called %q", calls)
	}
}

// TestSteamRateLimit: a used up day ends the run with the time to come back.
func TestSteamRateLimit(t *testing.T) {
	s, api := steamOf(t)
	api.change(func() { api.limited = true })
	s.expectFailure(steamKeyName, abi.CodeLimitExceeded, true, "Steam: the rate limit is used up until 20")
}

// TestSteamProbe: a key is tried out before it is stored, by the summary of the
// account itself: what Steam does not take is refused, and what Steam did not
// say is not held against it.
func TestSteamProbe(t *testing.T) {
	s, api := steamOf(t)
	verify := func(key string) error {
		_, err := s.host.Verify(t.Context(), s.connector, host.RunOptions{}, steamKeyName, vaultstore.NewSecret([]byte(key)))
		return err
	}
	if err := verify(api.key); err != nil {
		t.Errorf("the key: %v", err)
	}
	if err := verify(s.steamKey("a wrong key")); !errors.Is(err, host.ErrNotAccepted) {
		t.Errorf("a wrong key: %v", err)
	}
	api.change(func() { api.refusal = 502 })
	if err := verify(s.steamKey("another key")); !errors.Is(err, host.ErrSourceFailed) || errors.Is(err, host.ErrNotAccepted) {
		t.Errorf("Steam is down: %v", err)
	}
	for _, q := range api.queries {
		if !strings.Contains(q, "steamids="+steamID) {
			t.Error("asked without the account")
		}
	}
	s.records()
}
