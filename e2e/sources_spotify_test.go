package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	spotifyAPI      = "api.spotify.com"
	spotifyAccounts = "accounts.spotify.com"
	spotifyClient   = "0123456789abcdef0123456789abcdef"
)

// spotifyServer is Spotify's accounts service and Web API as documented, for
// one user and a client without a secret: each refresh token is good once, and
// lists link to their next page with whole URLs.
type spotifyServer struct {
	mu              sync.Mutex
	source          *source443
	access, refresh string
	lifetime        int // of an access token, in seconds
	refreshes       int
	playlists       []object
	items           map[string][]object // of a playlist
	saved, plays    []object
	astray          string // where next leads, if not on
	limited         bool
	after           []string // of the plays that were asked for
}

func newSpotify() *spotifyServer {
	return &spotifyServer{
		lifetime:  3600,
		playlists: []object{spotifyPlaylist("pl1", "Working", "s1"), spotifyPlaylist("pl2", "Resting", "s1"), spotifyPlaylist("closed", "Made for you", "s1")},
		items: map[string][]object{
			"pl1": {{"added_at": "2026-01-01T00:00:00Z", "added_by": object{"id": "ada"}, "track": spotifyTrack("t1")}, {"added_at": nil, "track": nil}, {"added_at": "2026-01-02T00:00:00Z", "track": spotifyTrack("t2")}},
			"pl2": {{"added_at": "2026-01-03T00:00:00Z", "track": spotifyTrack("t1")}},
		},
		saved: []object{{"added_at": "2026-01-03T00:00:00Z", "track": spotifyTrack("t3")}, {"added_at": "2026-01-02T00:00:00Z", "track": spotifyTrack("t2")}, {"added_at": "2026-01-01T00:00:00Z", "track": spotifyTrack("t1")}},
		plays: []object{{"played_at": "2026-01-05T10:00:00.123Z", "track": spotifyTrack("t1"), "context": object{"uri": "spotify:playlist:pl1"}}, {"played_at": "2026-01-05T09:00:00Z", "track": spotifyTrack("t2"), "context": nil}},
	}
}

func spotifyPlaylist(id, name, snapshot string) object {
	return object{"id": id, "name": name, "snapshot_id": snapshot, "owner": object{"id": "ada"}, "public": false, "collaborative": false, "tracks": object{"total": 3}, "uri": "spotify:playlist:" + id}
}

func spotifyTrack(id string) object {
	return object{"id": id, "name": "Song " + id, "uri": "spotify:track:" + id, "artists": []object{{"name": "The Looms"}}, "album": object{"name": "Cards"}, "duration_ms": 1000, "external_ids": object{"isrc": "X" + id}}
}

func (s *spotifyServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *spotifyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Host == spotifyAccounts && r.Method == http.MethodPost && r.URL.Path == "/api/token":
		s.token(w, r)
	case r.Host != spotifyAPI || r.Method != http.MethodGet:
		w.WriteHeader(http.StatusNotFound)
	case s.access == "" || r.Header.Get("Authorization") != "Bearer "+s.access:
		w.Header().Set("WWW-Authenticate", `Bearer realm="spotify", error="invalid_token"`)
		answer(w, http.StatusUnauthorized, object{"error": object{"status": 401, "message": "The access token expired"}})
	case s.limited:
		w.Header().Set("Retry-After", "7200")
		answer(w, http.StatusTooManyRequests, object{"error": object{"status": 429, "message": "API rate limit exceeded"}})
	default:
		s.api(w, r)
	}
}

// token answers a refresh with the next pair.
func (s *spotifyServer) token(w http.ResponseWriter, r *http.Request) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.refresh}, "client_id": {spotifyClient}}
	if err := r.ParseForm(); err != nil || s.refresh == "" || r.PostForm.Encode() != form.Encode() {
		answer(w, http.StatusBadRequest, object{"error": "invalid_grant", "error_description": "Invalid refresh token"})
		return
	}
	s.refreshes++
	s.access = s.source.secret(fmt.Sprintf("access token %d", s.refreshes))
	s.refresh = s.source.secret(fmt.Sprintf("refresh token %d", s.refreshes))
	answer(w, http.StatusOK, object{"access_token": s.access, "token_type": "Bearer", "expires_in": s.lifetime, "refresh_token": s.refresh, "scope": "user-read-private"})
}

func (s *spotifyServer) api(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; path {
	case "/v1/me":
		answer(w, http.StatusOK, object{"id": "ada", "display_name": "Ada", "country": "GB", "images": []object{{"url": "https://i.scdn.co/ada"}}})
	case "/v1/me/playlists":
		s.page(w, r, s.playlists)
	case "/v1/me/tracks":
		s.page(w, r, s.saved)
	case "/v1/me/player/recently-played":
		after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if after > 0 {
			s.after = append(s.after, r.URL.Query().Get("after"))
		}
		found := []object{}
		for _, p := range s.plays {
			if at, _ := time.Parse(time.RFC3339, p["played_at"].(string)); at.UnixMilli() > after {
				found = append(found, p)
			}
		}
		s.page(w, r, found)
	default:
		for id, items := range s.items {
			if path == "/v1/playlists/"+id+"/tracks" {
				s.page(w, r, items)
				return
			}
		}
		answer(w, http.StatusNotFound, object{"error": object{"status": 404, "message": "Resource not found"}})
	}
}

// page answers with two items and a link to the next ones.
func (s *spotifyServer) page(w http.ResponseWriter, r *http.Request, all []object) {
	q := r.URL.Query()
	const size = 2
	begin, _ := strconv.Atoi(q.Get("offset"))
	begin = min(begin, len(all))
	end := min(begin+size, len(all))
	var next any
	if end < len(all) {
		q.Set("offset", strconv.Itoa(end))
		next = "https://" + spotifyAPI + r.URL.Path + "?" + q.Encode()
		if s.astray != "" {
			next = s.astray
		}
	}
	answer(w, http.StatusOK, object{"items": all[begin:end], "next": next, "total": len(all)})
}

// spotifyOf is the connector beside a server, with a refresh token stored and
// no access token.
func spotifyOf(t *testing.T) (*source443, *spotifyServer) {
	t.Helper()
	api := newSpotify()
	names := []string{spotifyAPI, spotifyAccounts}
	s := newSource(t, "spotify", map[string]any{"client_id": spotifyClient}, standIn(t, api, names...), names...)
	first := s.secret("the first refresh token")
	api.change(func() { api.source, api.refresh = s, first })
	s.put(s.connector, spotifyRefresh, first)
	return s, api
}
