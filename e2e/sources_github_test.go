package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const githubAPI = "api.github.com"

// githubServer is GitHub's REST API as documented, for one user: pages of two
// items that link to the next, ETags, since, and rate limits.
type githubServer struct {
	mu     sync.Mutex
	token  string
	lists  map[string][]object // path to items, of issues in the order of their changes
	user   object
	reset  time.Time // of the rate limit that is used up; zero when none is
	after  time.Duration
	astray string // where next leads, if not on
	denied string // a path that the token does not reach
	known  int    // answers of 304
}

func newGitHub() *githubServer {
	at := "2026-01-02T03:04:05Z"
	repo := func(id int, name, about string) object {
		return object{"id": id, "name": name, "full_name": "ada/" + name, "owner": object{"login": "ada", "id": 7}, "description": about, "private": false,
			"topics": []string{"math"}, "stargazers_count": 3, "size": 12, "license": object{"key": "mit"}, "created_at": at, "updated_at": at, "pushed_at": at}
	}
	return &githubServer{
		user: object{"id": 7, "login": "ada", "name": "Ada Lovelace", "created_at": at, "updated_at": at, "followers": 3},
		lists: map[string][]object{
			"/user/repos": {repo(1, "engine", "computes"), repo(2, "notes", ""), repo(3, "loom", "")},
			"/user/starred": {
				{"starred_at": at, "repo": repo(8, "abacus", "")}, {"starred_at": at, "repo": nil}, {"starred_at": at, "repo": repo(9, "slate", "")},
			},
			"/gists": {{"id": "a1", "description": "cards", "public": true, "files": object{"b.txt": object{"filename": "b.txt", "size": 3}, "a.txt": object{"filename": "a.txt"}}, "comments": 1, "created_at": at, "updated_at": at}},
			"/issues": {
				githubIssue(21, "2026-02-01T00:00:00Z", "jams"), githubIssue(22, "2026-02-02T00:00:00Z", "overheats"), githubIssue(23, "2026-02-02T00:00:00Z", "squeaks"),
			},
		},
	}
}

func githubIssue(id int, updated, title string) object {
	return object{"id": id, "number": id, "title": title, "state": "open", "user": object{"login": "bob", "id": 5}, "labels": []object{{"name": "bug"}},
		"assignees": []object{{"login": "ada", "id": 7}}, "repository": object{"id": 1, "full_name": "ada/engine"}, "reactions": object{"total_count": 2},
		"created_at": "2026-01-30T00:00:00Z", "updated_at": updated, "pull_request": nil}
}

// change changes the server between runs.
func (g *githubServer) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func (g *githubServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("X-RateLimit-Limit", "5000")
	switch {
	case r.Method != http.MethodGet || r.Host != githubAPI || r.Header.Get("User-Agent") == "":
		answer(w, http.StatusForbidden, object{"message": "Request forbidden by administrative rules."})
	case r.Header.Get("Authorization") != "Bearer "+g.token:
		answer(w, http.StatusUnauthorized, object{"message": "Bad credentials"})
	case !g.reset.IsZero():
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(g.reset.Unix(), 10))
		answer(w, http.StatusForbidden, object{"message": "API rate limit exceeded for user ID 7."})
	case g.after > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(g.after.Seconds())))
		answer(w, http.StatusForbidden, object{"message": "You have exceeded a secondary rate limit."})
	case r.URL.Path == g.denied:
		answer(w, http.StatusForbidden, object{"message": "Resource not accessible by personal access token"})
	case r.URL.Path == "/user":
		g.tagged(w, r, g.user)
	default:
		g.list(w, r)
	}
}

func (g *githubServer) list(w http.ResponseWriter, r *http.Request) {
	items, ok := g.lists[r.URL.Path]
	if !ok {
		answer(w, http.StatusNotFound, object{"message": "Not Found"})
		return
	}
	q := r.URL.Query()
	if r.URL.Path == "/issues" {
		items = issuesSince(items, q)
	}
	page, _ := strconv.Atoi(q.Get("page"))
	page = max(page, 1)
	const size = 2
	begin, end := min((page-1)*size, len(items)), min(page*size, len(items))
	if end < len(items) {
		q.Set("page", strconv.Itoa(page+1))
		next := "https://" + githubAPI + r.URL.Path + "?" + q.Encode()
		if g.astray != "" {
			next = g.astray
		}
		w.Header().Set("Link", fmt.Sprintf(`<https://%s%s?page=1>; rel="first", <%s>; rel="next"`, githubAPI, r.URL.Path, next))
	}
	if r.URL.Path == "/user/starred" && !strings.Contains(r.Header.Get("Accept"), "star+json") {
		answer(w, http.StatusOK, []object{}) // without the time, and not what is wanted
		return
	}
	g.tagged(w, r, items[begin:end])
}

// issuesSince is what /issues lists.
func issuesSince(items []object, q url.Values) (found []object) {
	for _, item := range items {
		if item["updated_at"].(string) >= q.Get("since") {
			found = append(found, item)
		}
	}
	if q.Get("direction") == "desc" {
		slices.Reverse(found)
	}
	if q.Get("state") != "all" || q.Get("filter") != "all" {
		return nil
	}
	return found
}

// tagged answers with an ETag, or that it is known.
func (g *githubServer) tagged(w http.ResponseWriter, r *http.Request, v any) {
	raw, _ := json.Marshal(v)
	tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(raw))
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		g.known++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, v)
}

// githubOf is the connector beside a server, with the token stored.
func githubOf(t *testing.T) (*source443, *githubServer) {
	t.Helper()
	api := newGitHub()
	s := newSource(t, "github", nil, standIn(t, api, githubAPI), githubAPI)
	api.change(func() { api.token = s.secret("the token") })
	s.put(s.connector, "GITHUB_PERSONAL_ACCESS_TOKEN", api.token)
	return s, api
}
