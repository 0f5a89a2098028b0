package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const token = "CANARY-77ab02"

// source answers each path with its query; what is not there is an empty list.
func source(answers map[string]string) sallyporttest.Host {
	return sallyporttest.Host{
		Streams:     []string{profileStream, playlistsStream, itemsStream, savedStream, recentStream},
		Credentials: map[string]string{tokenName: token},
		Source: sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, ok := answers[r.URL.RequestURI()]
			switch {
			case r.Header.Get("Authorization") != "Bearer "+token:
				w.WriteHeader(http.StatusUnauthorized)
			case text == "closed":
				w.WriteHeader(http.StatusNotFound)
			case !ok && r.URL.Path == "/v1/me":
				text = `{"id": "ada"}`
			case !ok:
				text = `{"items": [], "next": null}`
			}
			fmt.Fprint(w, text)
		})),
	}
}

func run(t *testing.T, h *sallyporttest.Host) *sallyporttest.Result {
	t.Helper()
	r := h.Run(collect)
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 || r.Open > 0 {
		t.Fatalf("ended as %+v, problems %q, %d open", r.Done, r.Problems, r.Open)
	}
	h.State = r.State
	return r
}

func short(r *sallyporttest.Result, stream string) (all []string) {
	for _, record := range r.Of(stream) {
		text := record.Key[0]
		if record.Delete {
			text = "-" + text
		}
		all = append(all, text)
	}
	return all
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: came %q, want %q", what, got, want)
	}
}

const song = `{"id": "t1", "name": "Song", "uri": "spotify:track:t1", "artists": [{"name": "One"}, {"name": "Two"}], "album": {"name": "Cards"}, "duration_ms": 1000, "external_ids": {"isrc": "X1"}}`

// TestRecords: what Spotify answers, and what becomes of it.
func TestRecords(t *testing.T) {
	h := source(map[string]string{
		"/v1/me": `{"id": "ada", "display_name": "Ada", "images": [{"url": "https://i/1"}, {"url": "https://i/2"}], "followers": {"total": 3}}`,
		"/v1/me/playlists?limit=50": `{"items": [null, {"id": "p", "name": "Work", "owner": {"id": "bob"}, "tracks": {"total": 2}, "snapshot_id": "s", "public": null, "collaborative": true}],
			"next": null}`,
		"/v1/playlists/p/tracks?limit=100": `{"items": [{"added_at": "2026-01-01T00:00:00Z", "added_by": {"id": "bob"}, "track": ` + song + `}, {"added_at": null, "added_by": null, "track": null}], "next": null}`,
		"/v1/me/tracks?limit=50":           `{"items": [{"added_at": "2026-01-01T00:00:00Z", "track": ` + song + `}, {"added_at": "2026-01-01T00:00:00Z", "track": null}], "next": null}`,
		"/v1/me/player/recently-played?limit=50": `{"items": [{"played_at": "2026-01-05T10:00:00.123Z", "track": ` + song + `, "context": {"uri": "spotify:playlist:p"}},
			{"played_at": "not a time", "track": ` + song + `}], "next": null}`,
	})
	const track = `"track_name":"Song","track_uri":"spotify:track:t1","artists":["One","Two"],"album_name":"Cards","duration_ms":1000,"isrc":"X1"}`
	want := map[string][]string{
		profileStream:   {`{"id":"ada","display_name":"Ada","uri":null,"image_url":"https://i/1","country":null,"email":null,"product":null}`},
		playlistsStream: {`{"id":"p","name":"Work","description":null,"owner_id":"bob","public":null,"collaborative":true,"tracks_total":2,"snapshot_id":"s","uri":null}`},
		itemsStream: {`{"id":"p:0","playlist_id":"p","position":0,"added_at":"2026-01-01T00:00:00Z","added_by_id":"bob","track_id":"t1",` + track,
			`{"id":"p:1","playlist_id":"p","position":1,"added_at":null,"added_by_id":null,"track_id":null,"track_name":null,"track_uri":null,"artists":[],"album_name":null,"duration_ms":null,"isrc":null}`},
		savedStream:  {`{"id":"t1","added_at":"2026-01-01T00:00:00Z",` + track},
		recentStream: {`{"id":"2026-01-05T10:00:00.123Z","played_at":"2026-01-05T10:00:00.123Z","track_id":"t1","context_uri":"spotify:playlist:p",` + track},
	}
	r := run(t, &h)
	for stream, texts := range want {
		var got []string
		for _, record := range r.Of(stream) {
			got = append(got, string(record.Data))
		}
		if !slices.Equal(got, texts) {
			t.Errorf("%s:\n got %q\nwant %q", stream, got, texts)
		}
	}
}

// TestPlaylistItems: what is on a playlist is read when it has another
// snapshot, places that are gone are deleted, and one that is closed keeps what
// was collected of it.
func TestPlaylistItems(t *testing.T) {
	lists := func(p, q string) string {
		return fmt.Sprintf(`{"items": [{"id": "p", "name": "P", "snapshot_id": %q}, {"id": "q", "name": "Q", "snapshot_id": %q}], "next": null}`, p, q)
	}
	songs := func(n int) string {
		return `{"items": [` + strings.TrimSuffix(strings.Repeat(`{"track": `+song+`},`, n), ",") + `], "next": null}`
	}
	const all, p, q = "/v1/me/playlists?limit=50", "/v1/playlists/p/tracks?limit=100", "/v1/playlists/q/tracks?limit=100"
	answers := map[string]string{all: lists("1", "1"), p: songs(3), q: songs(1)}
	h := source(answers)
	h.Streams = []string{itemsStream}
	expect(t, "at first", short(run(t, &h), itemsStream), "p:0", "p:1", "p:2", "q:0")

	r := run(t, &h)
	expect(t, "the same", short(r, itemsStream))
	if len(r.Requests) != 1 {
		t.Errorf("asked %q", r.Requests)
	}
	answers[all], answers[p], answers[q] = lists("2", "2"), songs(1), "closed"
	r = run(t, &h)
	expect(t, "one is shorter, one is closed", short(r, itemsStream), "p:0", "-p:1", "-p:2")
	if len(r.Skips) != 1 || !strings.Contains(string(r.Skips[0]), "not_permitted") {
		t.Errorf("skipped %s", r.Skips)
	}
	answers[all], answers[q] = `{"items": [{"id": "q", "name": "Q", "snapshot_id": "2"}], "next": null}`, songs(2)
	expect(t, "one is gone, one is open", short(run(t, &h), itemsStream), "q:0", "q:1", "-p:0")
	answers[all] = `{"items": [{"id": "q", "name": "Q", "snapshot_id": ""}], "next": null}`
	run(t, &h)
	expect(t, "without a snapshot there is no telling", short(run(t, &h), itemsStream), "q:0", "q:1")
}

// TestRecentlyPlayed: plays are asked for after the last one, and come once.
func TestRecentlyPlayed(t *testing.T) {
	play := func(times ...string) string {
		var items []string
		for _, at := range times {
			items = append(items, fmt.Sprintf(`{"played_at": %q, "track": %s}`, at, song))
		}
		return `{"items": [` + strings.Join(items, ",") + `], "next": null}`
	}
	const first, second = "2026-01-05T10:00:00.123Z", "2026-01-05T11:00:00Z"
	answers := map[string]string{
		"/v1/me/player/recently-played?limit=50":                     play(first, "2025-01-01T00:00:00Z"),
		"/v1/me/player/recently-played?after=1767607200123&limit=50": play(second, first),
	}
	h := source(answers)
	h.Streams = []string{recentStream}
	h.Scopes = map[string]sallyport.Scope{recentStream: {Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	expect(t, "at first", short(run(t, &h), recentStream), first)
	expect(t, "then", short(run(t, &h), recentStream), second)
	r := run(t, &h)
	expect(t, "when nothing was played", short(r, recentStream))
	if len(r.Saved) != 0 {
		t.Errorf("saved %q", r.Saved)
	}
}

// TestNextElsewhere: the next page of a list is on Spotify, or nowhere.
func TestNextElsewhere(t *testing.T) {
	for next, ok := range map[string]bool{
		"https://api.spotify.com/v1/me/tracks?offset=50": true, "https://api.spotify.com.evil.example/v1/me/tracks": false, "http://api.spotify.com/v1/me/tracks": false,
	} {
		h := source(map[string]string{"/v1/me/tracks?limit=50": `{"items": [], "next": "` + next + `"}`})
		h.Streams = []string{savedStream}
		r := h.Run(collect)
		if (r.Done.Status == "succeeded") != ok || !ok && r.Done.Code != "unexpected_answer" || (len(r.Requests) == 2) != ok {
			t.Errorf("%s: ended as %+v after %q", next, r.Done, r.Requests)
		}
	}
}

// TestTokenEnds: a request that is refused is sent once more, as the host may
// have a new token by then; refused again, it is the owner's.
func TestTokenEnds(t *testing.T) {
	for refusals, want := range map[int]string{1: "succeeded", 2: "failed"} {
		h := source(nil)
		h.Source = sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if refusals--; refusals >= 0 {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprint(w, `{"id": "ada"}`)
		}))
		h.Streams = []string{profileStream}
		r := h.Run(collect)
		if r.Done.Status != want || len(r.Requests) != 2 || want == "failed" && r.Done.Code != "credential_rejected" {
			t.Errorf("ended as %+v after %q", r.Done, r.Requests)
		}
	}
}
