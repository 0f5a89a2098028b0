package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const (
	key = "CANARY0123456789ABCDEF0123456789"
	me  = "76561197960287930"
)

// source answers each path, to who has the key.
func source(answers map[string]string) sallyporttest.Host {
	return sallyporttest.Host{
		Streams: []string{profileStream, gamesStream, recentStream, friendsStream}, Options: map[string]any{steamOption: me},
		Credentials: map[string]string{keyName: key},
		Source: sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("key") != key {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			text, ok := answers[r.URL.Path]
			switch {
			case text == "private":
				w.WriteHeader(http.StatusUnauthorized)
			case !ok && r.URL.Path == players:
				text = `{"response": {"players": [{"steamid": "` + me + `"}]}}`
			case !ok:
				text = `{"response": {"game_count": 0, "total_count": 0}, "friendslist": {}}`
			}
			fmt.Fprint(w, text)
		})),
	}
}

const (
	players = "/ISteamUser/GetPlayerSummaries/v2/"
	owned   = "/IPlayerService/GetOwnedGames/v1/"
	recent  = "/IPlayerService/GetRecentlyPlayedGames/v1/"
	list    = "/ISteamUser/GetFriendList/v1/"
)

func run(t *testing.T, h *sallyporttest.Host) *sallyporttest.Result {
	t.Helper()
	r := h.Run(collect)
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 || r.Open > 0 {
		t.Fatalf("ended as %+v, problems %q, %d open", r.Done, r.Problems, r.Open)
	}
	h.State = r.State
	return r
}

// TestRecords: what Steam answers, and what becomes of it.
func TestRecords(t *testing.T) {
	h := source(map[string]string{
		players: `{"response": {"players": [{"steamid": "` + me + `", "personaname": "Ada", "communityvisibilitystate": 3, "timecreated": 1100000000, "lastlogoff": 1700000000, "personastate": 1}]}}`,
		owned: `{"response": {"game_count": 2, "games": [{"appid": 10, "name": "Whist", "playtime_forever": 90, "playtime_windows_forever": 60, "playtime_linux_forever": 30,
			"rtime_last_played": 1700000000}, {"appid": 4000000000, "name": "Chess", "playtime_forever": 0, "rtime_last_played": 0}]}}`,
		recent: `{"response": {"total_count": 1, "games": [{"appid": 10, "name": "Whist", "playtime_2weeks": 30, "playtime_forever": 90}]}}`,
		list:   `{"friendslist": {"friends": [{"steamid": "7", "relationship": "friend", "friend_since": 1700000000}, {"steamid": "8", "relationship": "friend", "friend_since": 0}]}}`,
	})
	want := map[string][]string{
		profileStream: {`{"steam_id":"` + me + `","persona_name":"Ada","real_name":null,"profile_url":null,"avatar_url":null,"country_code":null,"visibility":3,"created_at":"2004-11-09T11:33:20Z"}`},
		gamesStream: {
			`{"app_id":"10","name":"Whist","playtime_forever_minutes":90,"playtime_2weeks_minutes":0,"playtime_windows_minutes":60,"playtime_mac_minutes":0,"playtime_linux_minutes":30,"last_played_at":"2023-11-14T22:13:20Z"}`,
			`{"app_id":"4000000000","name":"Chess","playtime_forever_minutes":0,"playtime_2weeks_minutes":0,"playtime_windows_minutes":0,"playtime_mac_minutes":0,"playtime_linux_minutes":0,"last_played_at":null}`,
		},
		recentStream:  {`{"app_id":"10","name":"Whist","playtime_forever_minutes":90,"playtime_2weeks_minutes":30,"playtime_windows_minutes":0,"playtime_mac_minutes":0,"playtime_linux_minutes":0,"last_played_at":null}`},
		friendsStream: {`{"steam_id":"7","relationship":"friend","friend_since":"2023-11-14T22:13:20Z"}`, `{"steam_id":"8","relationship":"friend","friend_since":null}`},
	}
	r := run(t, &h)
	if !strings.Contains(r.Requests[0], list) {
		t.Error("the friends' list was not asked for first: its 401 would count against the key")
	}
	for stream, texts := range want {
		var got []string
		for _, record := range r.Of(stream) {
			got = append(got, string(record.Data))
		}
		if !slices.Equal(got, texts) {
			t.Errorf("%s:\n got %q\nwant %q", stream, got, texts)
		}
	}
	if r := run(t, &h); len(r.Records) != 0 {
		t.Errorf("again came %v", r.Records)
	}
}

// TestPrivate: what is private is said to be, and no record is deleted for it.
func TestPrivate(t *testing.T) {
	answers := map[string]string{
		owned: `{"response": {"game_count": 1, "games": [{"appid": 10, "name": "Whist"}]}}`,
		list:  `{"friendslist": {"friends": [{"steamid": "7", "relationship": "friend"}]}}`,
	}
	h := source(answers)
	run(t, &h)
	answers[owned], answers[recent], answers[list] = `{"response": {}}`, `{"response": {}}`, "private"
	r := run(t, &h)
	if len(r.Records) != 0 || len(r.Skips) != 3 {
		t.Errorf("came %v, skipped %s", r.Records, r.Skips)
	}
	answers[owned] = `{"response": {"game_count": 0}}`
	if r := run(t, &h); len(r.Records) != 1 || !r.Records[0].Delete {
		t.Errorf("an empty library: came %v", r.Records)
	}
}

// TestWrongKey: whatever the status, the key is said to be refused, the run is
// over, and what it says has no query.
func TestWrongKey(t *testing.T) {
	h := source(nil)
	h.Credentials = map[string]string{keyName: "another"}
	r := h.Run(collect)
	if r.Done.Code != "credential_rejected" || len(r.Requests) != 1 || strings.Contains(r.Done.Message, "another") || strings.Contains(strings.Join(r.Log, " "), "another") {
		t.Errorf("ended as %+v after %d requests", r.Done, len(r.Requests))
	}
}

// TestNobody: an account that is not there is the owner's to correct.
func TestNobody(t *testing.T) {
	h := source(map[string]string{players: `{"response": {"players": []}}`})
	if r := h.Run(collect); r.Done.Code != "unknown_account" || !strings.Contains(r.Done.Message, steamOption) {
		t.Errorf("ended as %+v", r.Done)
	}
}

// TestScope: lists that are not wanted are not asked for.
func TestScope(t *testing.T) {
	h := source(nil)
	h.Streams = []string{gamesStream}
	if r := run(t, &h); len(r.Requests) != 2 {
		t.Errorf("%d requests", len(r.Requests))
	}
}
