package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const token = "CANARY-8c1f07"

// source answers each path with a text; what is not there is an empty list.
func source(answers map[string]string) sallyporttest.Host {
	return sallyporttest.Host{
		Streams:     []string{userStream, repositoriesStream, starredStream, issuesStream, gistsStream},
		Credentials: map[string]string{tokenName: token},
		Source: sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("X-GitHub-Api-Version") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			text, ok := answers[r.URL.Path]
			if !ok && r.URL.Path == "/user" {
				text = `{"id": 7, "login": "ada"}`
			} else if !ok {
				text = "[]"
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

// TestRecords: what GitHub answers, and what becomes of it.
func TestRecords(t *testing.T) {
	h := source(map[string]string{
		"/user": `{"id": 7, "login": "ada", "name": null, "twitter_username": "ada", "followers": 3, "created_at": "2020-01-01T00:00:00Z"}`,
		"/user/repos": `[{"id": 9007199254740993, "name": "engine", "full_name": "ada/engine", "owner": {"login": "ada", "id": 7}, "private": true, "size": 12,
			"topics": null, "license": {"key": "mit"}, "stargazers_count": 0, "pushed_at": null}]`,
		"/user/starred": `[{"starred_at": "2026-01-01T00:00:00Z", "repo": {"id": 5, "full_name": "bob/loom", "language": "Go"}}]`,
		"/issues": `[{"id": 3, "number": 1, "title": "jams", "body": null, "user": null, "labels": [{"name": "bug"}], "assignees": [{"login": "ada", "id": 7}],
			"milestone": {"title": "first"}, "repository": {"id": 4, "full_name": "ada/engine"}, "reactions": {"total_count": 2},
			"pull_request": {"html_url": "https://github.com/ada/engine/pull/1"}, "draft": true, "updated_at": "2026-01-01T00:00:00Z"}]`,
		"/gists": `[{"id": "aa", "public": false, "comments": 1, "files": {"b": {"filename": "b", "size": 1}, "a": {"filename": "a"}}}]`,
	})
	want := map[string]string{
		userStream: `{"id":"7","login":"ada","name":null,"email":null,"bio":null,"company":null,"location":null,"blog":null,"twitter_username":"ada",` +
			`"created_at":"2020-01-01T00:00:00Z","updated_at":null,"avatar_url":null}`,
		repositoriesStream: `{"id":"9007199254740993","name":"engine","full_name":"ada/engine","owner_login":"ada","description":null,"private":true,"fork":false,` +
			`"archived":false,"disabled":false,"default_branch":null,"language":null,"topics":[],"stargazers_count":0,"forks_count":null,"open_issues_count":null,` +
			`"watchers_count":null,"size_kb":12,"license_key":"mit","html_url":null,"homepage":null,"created_at":null,"updated_at":null,"pushed_at":null}`,
		starredStream: `{"id":"5","full_name":"bob/loom","description":null,"language":"Go","stargazers_count":null,"html_url":null,"starred_at":"2026-01-01T00:00:00Z"}`,
		issuesStream: `{"id":"3","number":1,"title":"jams","body":null,"state":null,"state_reason":null,"user_login":null,"user_id":null,"assignees":["ada"],` +
			`"labels":["bug"],"milestone_title":"first","repository_full_name":"ada/engine","repository_id":"4","html_url":null,"comments":null,` +
			`"reactions_total_count":2,"created_at":null,"updated_at":"2026-01-01T00:00:00Z","closed_at":null,"is_pull_request":true,` +
			`"pull_request_url":"https://github.com/ada/engine/pull/1","draft":true}`,
		gistsStream: `{"id":"aa","description":null,"public":false,"html_url":null,"files":[{"filename":"a","type":null,"language":null,"raw_url":null,"size":null},` +
			`{"filename":"b","type":null,"language":null,"raw_url":null,"size":1}],"files_truncated":false,"files_total_count":2,"comments_count":1,` +
			`"created_at":null,"updated_at":null}`,
	}
	r := run(t, &h)
	for stream, text := range want {
		if got := r.Of(stream); len(got) != 1 || string(got[0].Data) != text {
			t.Errorf("%s:\n got %+v\nwant %s", stream, got, text)
		}
	}
	if r := run(t, &h); len(r.Records) != 0 {
		t.Errorf("again came %v", r.Records)
	}
}

// TestETagOfOnePage: the ETag of a list of several pages stands for its first
// alone, and is not relied on.
func TestETagOfOnePage(t *testing.T) {
	second := `[{"id": "b"}]`
	h := source(nil)
	h.Streams = []string{gistsStream}
	h.Source = sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("page") == "2":
			fmt.Fprint(w, second)
		case r.Header.Get("If-None-Match") == `"first"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", `"first"`)
			w.Header().Set("Link", `<https://api.github.com/gists?page=2>; rel="next"`)
			fmt.Fprint(w, `[{"id": "a"}]`)
		}
	}))
	run(t, &h)
	second = `[{"id": "c"}]`
	if r := run(t, &h); len(r.Records) != 2 { // c, and that b is gone
		t.Errorf("came %+v", r.Records)
	}
}

// TestLongTexts: an issue's text is cut between characters, a gist's files are
// counted.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("ö", maxBody) + "end"
	if got := cut(&long, maxBody); *got != strings.Repeat("ö", maxBody) {
		t.Errorf("cut to %d bytes", len(*got))
	}
	short := strings.Repeat("ö", maxBody) // more bytes than that
	if got := cut(&short, maxBody); *got != short {
		t.Errorf("a text that is short enough was cut to %d bytes", len(*got))
	}
	many := apiGist{Files: map[string]gistFile{}}
	for n := range 12 {
		name := fmt.Sprintf("%02d", n)
		many.Files[name] = gistFile{Filename: name}
	}
	if g := many.record(); len(g.Files) != maxFiles || !g.FilesTruncated || g.FilesTotal != 12 || g.Files[9].Filename != "09" {
		t.Errorf("%+v", g)
	}
}

// TestScope: streams, fields and times that are not wanted are not collected,
// and lists that are not wanted are not asked for.
func TestScope(t *testing.T) {
	h := source(map[string]string{"/issues": `[
		{"id": 1, "title": "old", "created_at": "2025-01-01T00:00:00Z", "updated_at": "2026-02-01T00:00:00Z"},
		{"id": 2, "title": "new", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}]`})
	h.Streams = []string{issuesStream}
	h.Scopes = map[string]sallyport.Scope{issuesStream: {Fields: []string{"title"}, Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	r := run(t, &h)
	if got := r.Records; len(got) != 1 || string(got[0].Data) != `{"id":"2","title":"new"}` {
		t.Errorf("came %+v", got)
	}
	if len(r.Requests) != 1 || !strings.HasPrefix(r.Requests[0], "GET https://api.github.com/issues?") {
		t.Errorf("asked %q", r.Requests)
	}
}

func TestIssueCursor(t *testing.T) {
	var c issueCursor
	c.add("2026-01-02T00:00:00Z", "b")
	c.add("2026-01-02T00:00:00Z", "a")
	c.add("2026-01-01T00:00:00Z", "old")
	c.add("not a time", "x")
	if c.Since != "2026-01-02T00:00:00Z" || !slices.Equal(c.At, []string{"a", "b"}) {
		t.Errorf("%+v", c)
	}
	if !c.has("2026-01-02T00:00:00Z", "a") || c.has("2026-01-03T00:00:00Z", "a") || c.has("2026-01-02T00:00:00Z", "c") {
		t.Errorf("%+v does not know what it has", c)
	}
}

// TestWithoutToken: the run says what is missing, and asks GitHub nothing.
func TestWithoutToken(t *testing.T) {
	h := source(nil)
	h.Credentials = map[string]string{tokenName: ""}
	if r := h.Run(collect); r.Done.Code != "credential_denied" || r.Done.Recovery != sallyport.RefreshCredentials || len(r.Requests) != 0 {
		t.Errorf("ended as %+v after %q", r.Done, r.Requests)
	}
}

func TestLimited(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		header  map[string]string
		limited bool
		until   time.Time
	}{
		"a primary limit":      {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000000"}, true, time.Unix(1800000000, 0)},
		"without a time":       {403, map[string]string{"X-RateLimit-Remaining": "0"}, true, time.Time{}},
		"with 429":             {429, nil, true, time.Time{}},
		"no permission":        {403, map[string]string{"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": "1800000000"}, false, time.Time{}},
		"the last one allowed": {200, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000000"}, false, time.Time{}},
	} {
		resp := &sallyport.Response{StatusCode: c.status, Header: sallyport.Header{}}
		for name, value := range c.header {
			resp.Header.Set(name, value)
		}
		if l, ok := limited(resp); ok != c.limited || !l.Until.Equal(c.until) {
			t.Errorf("%s: %v, %t", name, l.Until, ok)
		}
	}
}

func TestNextLink(t *testing.T) {
	const next = "https://api.github.com/user/repos?page=2"
	for header, want := range map[string]string{
		"<" + next + `>; rel="next"`:                                    next,
		"<" + next + `>;rel=next`:                                       next,
		`<https://x/1>; rel="prev", <` + next + `>; rel="next"`:         next,
		"<" + next + `>; title="x"; REL="NEXT", <y>; rel="last"`:        next,
		`<https://x/?a=1,2>; rel="last"`:                                "",
		"<https://x/?a=1,2>; rel=\"first\", <" + next + `>; rel="next"`: next,
		`<https://x/`: "", `rel="next"`: "", "": "", "<>": "",
	} {
		if got := nextLink(sallyport.Header{"Link": {header}}); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// FuzzNextLink: any header is read, and the address stood in it in brackets.
func FuzzNextLink(f *testing.F) {
	f.Add(`<https://api.github.com/user/repos?page=2>; rel="next", <https://api.github.com/user/repos?page=9>; rel="last"`)
	f.Add(`<a,b>;rel="next`)
	f.Add(`<<>>;,;rel=next`)
	f.Fuzz(func(t *testing.T, header string) {
		if got := nextLink(sallyport.Header{"Link": {header}}); got != "" && !strings.Contains(header, "<"+got+">") {
			t.Errorf("%q is not in %q", got, header)
		}
	})
}

// FuzzRecords: whatever JSON GitHub answers makes records that are JSON, or
// none.
func FuzzRecords(f *testing.F) {
	f.Add(`{"id": 1, "files": {"a": null}, "labels": [null], "user": {}, "license": {}, "owner": {}, "repository": {}, "pull_request": {}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var r apiRepository
		var i apiIssue
		var g apiGist
		if json.Unmarshal([]byte(text), &r) != nil || json.Unmarshal([]byte(text), &i) != nil || json.Unmarshal([]byte(text), &g) != nil {
			return
		}
		for _, record := range []any{r.record(), i.record(), g.record()} {
			if _, err := json.Marshal(record); err != nil {
				t.Error(err)
			}
		}
	})
}
