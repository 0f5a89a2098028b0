package e2e_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"testing"
)

const (
	steamAPI = "api.steampowered.com"
	steamID  = "76561197960287930"
)

// steamServer is Steam's Web API as documented, for one account.
type steamServer struct {
	mu       sync.Mutex
	key      string
	refusal  int // the status for a wrong key
	private  bool
	limited  bool
	friends  []object
	games    []object
	queries  []string // as they came
	personas string
}

func newSteam() *steamServer {
	return &steamServer{
		refusal: http.StatusUnauthorized, personas: "Ada",
		friends: []object{{"steamid": "76561197960000001", "relationship": "friend", "friend_since": 1700000000}, {"steamid": "76561197960000002", "relationship": "friend", "friend_since": 0}},
		games: []object{
			{"appid": 10, "name": "Whist", "playtime_forever": 90, "playtime_2weeks": 30, "playtime_windows_forever": 90, "rtime_last_played": 1700000000},
			{"appid": 20, "name": "Chess", "playtime_forever": 5},
		},
	}
}

func (s *steamServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *steamServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, r.URL.RawQuery)
	q := r.URL.Query()
	forbidden := func(status int) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
		fmt.Fprint(w, "<html><body><h1>Access is denied.</h1>Please verify your <pre>key=</pre> parameter.</body></html>")
	}
	switch {
	case r.Host != steamAPI || len(q["key"]) != 1 || q.Get("key") != s.key:
		forbidden(s.refusal)
	case s.limited:
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	case r.URL.Path == "/ISteamUser/GetPlayerSummaries/v2/":
		answer(w, http.StatusOK, object{"response": object{"players": []object{
			{"steamid": q.Get("steamids"), "personaname": s.personas, "communityvisibilitystate": 3, "profileurl": "https://steamcommunity.com/id/ada/", "timecreated": 1100000000, "personastate": 1},
		}}})
	case q.Get("steamid") != steamID:
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Path == "/ISteamUser/GetFriendList/v1/" && s.private:
		forbidden(http.StatusUnauthorized)
	case r.URL.Path == "/ISteamUser/GetFriendList/v1/":
		answer(w, http.StatusOK, object{"friendslist": object{"friends": s.friends}})
	case s.private:
		answer(w, http.StatusOK, object{"response": object{}})
	case r.URL.Path == "/IPlayerService/GetOwnedGames/v1/":
		answer(w, http.StatusOK, object{"response": object{"game_count": len(s.games), "games": s.games}})
	case r.URL.Path == "/IPlayerService/GetRecentlyPlayedGames/v1/":
		answer(w, http.StatusOK, object{"response": object{"total_count": 1, "games": s.games[:1]}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// steamKey makes a key of the form that Steam's have.
func (s *source443) steamKey(what string) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	key := fmt.Sprintf("%X", b)
	s.add(what, key)
	s.memory.never(what, key)
	return key
}

// steamOf is the connector beside a server, with the key stored.
func steamOf(t *testing.T) (*source443, *steamServer) {
	t.Helper()
	api := newSteam()
	s := newSource(t, "steam", map[string]any{"steam_id": steamID}, standIn(t, api, steamAPI), steamAPI)
	key := s.steamKey("the key")
	api.change(func() { api.key = key })
	s.put(s.connector, steamKeyName, key)
	return s, api
}
