package e2e_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const (
	spotifyAccess  = "SPOTIFY_ACCESS_TOKEN"
	spotifyRefresh = "SPOTIFY_REFRESH_TOKEN"
)

var spotifyAll = []string{
	"profile ada", "playlists pl1", "playlists pl2", "playlists closed", "playlist_items pl1:0", "playlist_items pl1:1", "playlist_items pl1:2", "playlist_items pl2:0",
	"saved_tracks t1", "saved_tracks t2", "saved_tracks t3", "recently_played 2026-01-05T10:00:00.123Z", "recently_played 2026-01-05T09:00:00Z",
}

// TestSpotify collects all with a token that the host gets by itself, then
// nothing, then what was changed and deleted.
func TestSpotify(t *testing.T) {
	s, api := spotifyOf(t)
	for _, r := range s.expect("in the first run", spotifyAll...) {
		if r.short() == "playlist_items pl1:2" && (r.Data["track_name"] != "Song t2" || r.Data["position"] != 2. || r.Data["artists"].([]any)[0] != "The Looms") {
			t.Errorf("the item is %v", r.Data)
		}
	}
	if said, _ := s.sinks[0].Messages(); !slices.ContainsFunc(said, func(m host.Message) bool { return strings.Contains(string(m.Line), "not_permitted") }) {
		t.Error("nothing said that a playlist cannot be read")
	}
	full := len(s.server.calls())
	s.expect("after nothing changed")
	if again := s.server.calls(); len(again) >= full || slices.Contains(again, "GET "+spotifyAPI+"/v1/playlists/pl1/tracks") {
		t.Errorf("the first run made %d calls, the second %q", full, again)
	}
	if want := []string{"1767607200123"}; !slices.Equal(api.after, want) {
		t.Errorf("asked for plays after %q, want %q", api.after, want)
	}
	api.change(func() {
		api.playlists = append(api.playlists[:1:1], spotifyPlaylist("closed", "Made for you", "s2"))
		api.playlists[0] = spotifyPlaylist("pl1", "Working", "s2")
		api.items["pl1"] = api.items["pl1"][1:]
		api.saved = api.saved[1:]
		api.plays = append([]object{{"played_at": "2026-01-06T00:00:00Z", "track": spotifyTrack("t9")}}, api.plays...)
	})
	s.expect("after changes", "playlists pl1", "playlists closed", "-playlists pl2", "playlist_items pl1:0", "playlist_items pl1:1", "-playlist_items pl1:2", "-playlist_items pl2:0",
		"-saved_tracks t3", "recently_played 2026-01-06T00:00:00Z")
	s.expect("and then")
	if api.refreshes != 1 {
		t.Errorf("%d refreshes in an hour", api.refreshes)
	}
}

// TestSpotifyRenews: a token at its end is renewed before it is used, with the
// refresh token that came last; one that Spotify takes back in between is
// renewed within the run.
func TestSpotifyRenews(t *testing.T) {
	s, api := spotifyOf(t)
	s.expect("in the first run", spotifyAll...)
	entry, err := s.vault.Get(t.Context(), scope(s.connector.Manifest()).Address(spotifyAccess))
	if err != nil {
		t.Fatal(err)
	}
	aged := entry.Stages[vaultstore.Current]
	aged.ObtainedAt, aged.ExpiresAt = time.Now().Add(-time.Hour), time.Now().Add(10*time.Second)
	entry.Stages[vaultstore.Current] = aged
	if _, err := s.vault.Put(t.Context(), entry, vaultstore.AnyGeneration); err != nil {
		t.Fatal(err)
	}
	s.server.calls()
	s.expect("with a token near its end")
	if calls := s.server.calls(); api.refreshes != 2 || calls[0] != "POST "+spotifyAccounts+"/api/token" {
		t.Errorf("%d refreshes, calls %q", api.refreshes, calls)
	}
	api.change(func() { api.access = s.secret("what nobody was given") })
	s.expect("with a token that was taken back")
	if api.refreshes != 3 {
		t.Errorf("%d refreshes", api.refreshes)
	}
	if stored := s.stored(s.connector, spotifyRefresh); string(stored.Value.Reveal()) != api.refresh {
		t.Error("the vault does not hold the refresh token that came last")
	}
}

// TestSpotifyNeedsAuthorisation: once Spotify takes no refresh token, the owner
// is told, and no run calls it before the owner has authorised it again.
func TestSpotifyNeedsAuthorisation(t *testing.T) {
	s, api := spotifyOf(t)
	next := s.secret("the next refresh token")
	api.change(func() { api.refresh = next })
	result, _, err := s.collect()
	if !errors.Is(err, host.ErrNeedsOwner) || result.Done.Error == nil || result.Done.Error.RecoveryHint == nil || result.Done.Error.RecoveryHint.Action != abi.RefreshCredentials {
		t.Errorf("it ended as %s, %v", asJSON(t, result.Done), err)
	}
	if calls := s.server.calls(); !slices.Equal(calls, []string{"POST " + spotifyAccounts + "/api/token"}) {
		t.Errorf("called %q", calls)
	}
	if result, _, err = s.collect(); !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("the next run ended as %s, %v", asJSON(t, result.Done), err)
	}
	if calls := s.server.calls(); len(calls) != 0 {
		t.Errorf("the next run called %q", calls)
	}
	s.put(s.connector, spotifyRefresh, next)
	s.expect("after the owner authorised it again", spotifyAll...)
}

// TestSpotifyLinksElsewhere: a next page on another site is not asked for, and
// the token endpoint is none of the connector's.
func TestSpotifyLinksElsewhere(t *testing.T) {
	for _, next := range []string{"https://evil.example/v1/me/playlists?offset=2", "https://accounts.spotify.com/api/token", "http://api.spotify.com/v1/me/playlists?offset=2"} {
		s, api := spotifyOf(t)
		api.change(func() { api.astray = next })
		s.expectFailure(spotifyAccess, "unexpected_answer", false, "Spotify: linked to another site")
		if calls := s.server.calls(); len(calls) != 3 {
			t.Errorf("%s: called %q", next, calls)
		}
	}
}

// TestSpotifyTokenEndpoint: the connector may not call what the host renews the
// token with, whatever it holds.
func TestSpotifyTokenEndpoint(t *testing.T) {
	s, _ := spotifyOf(t)
	bound, err := s.connector.Manifest().Bind(map[string]any{"client_id": spotifyClient})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{"https://accounts.spotify.com/api/token": false, "https://accounts.spotify.com/authorize": false, "https://api.spotify.com/v1/me": true} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			target, err := manifests.TargetOf(method, u)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := manifests.AllowEgress(bound.Egress, target); got != (want && method == http.MethodGet) {
				t.Errorf("%s %s is allowed: %t", method, address, got)
			}
		}
	}
	s.records() // and the host may
}

// TestSpotifyRateLimit: a limit that is too long to wait for ends the run with
// the time to come back.
func TestSpotifyRateLimit(t *testing.T) {
	s, api := spotifyOf(t)
	api.change(func() { api.limited = true })
	s.expectFailure(spotifyAccess, abi.CodeLimitExceeded, true, "Spotify: the rate limit is used up until 20")
}
