package e2e_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const githubToken = "GITHUB_PERSONAL_ACCESS_TOKEN"

// TestGitHub collects all, then nothing, then what was added, changed and
// deleted. The source repeats its own token, and the record says so by name.
func TestGitHub(t *testing.T) {
	s, api := githubOf(t)
	api.change(func() { api.lists["/user/repos"][1]["description"] = "the token is " + api.token + ", of all things" })
	all := s.expect("in the first run", "user 7", "repositories 1", "repositories 2", "repositories 3", "starred 8", "starred 9", "gists a1",
		"issues 21", "issues 22", "issues 23")
	for _, r := range all {
		if r.Stream == "repositories" && r.Key.Canonical() == "2" && r.Data["description"] != "the token is [redacted:"+githubToken+"], of all things" {
			t.Errorf("the repository that holds its own token is %q", r.Data["description"])
		}
		if r.Stream == "gists" && len(r.Data["files"].([]any)) != 2 {
			t.Errorf("the gist is %v", r.Data)
		}
	}

	full := len(s.server.calls())
	s.expect("after nothing changed")
	if again := len(s.server.calls()); again >= full || api.known != 2 { // of the lists that fit on a page
		t.Errorf("the first run made %d calls, the second %d, %d of which cost nothing", full, again, api.known)
	}

	api.change(func() {
		api.lists["/user/repos"][0]["description"] = "computes faster"
		api.lists["/user/starred"] = api.lists["/user/starred"][1:]
		api.lists["/issues"] = append(api.lists["/issues"], githubIssue(24, "2026-02-02T00:00:00Z", "at the same time as the last"), githubIssue(21, "2026-02-03T00:00:00Z", "jams again"))
		api.user["bio"] = "countess"
	})
	s.expect("after changes", "user 7", "repositories 1", "-starred 8", "issues 24", "issues 21")
	s.expect("and then")
}

// TestGitHubRevokedToken: a token that GitHub no longer takes is tried once,
// until its owner has stored another.
func TestGitHubRevokedToken(t *testing.T) {
	s, api := githubOf(t)
	next := s.secret("the next token")
	api.change(func() { api.token = next })
	s.expectRejected(githubToken)
	s.put(s.connector, githubToken, next)
	if len(s.records()) == 0 {
		t.Error("nothing came with the new token")
	}
}

// TestGitHubRateLimits: both kinds end the run with the time at which to come
// back; the token keeps its standing.
func TestGitHubRateLimits(t *testing.T) {
	s, api := githubOf(t)
	reset := time.Now().Add(40 * time.Minute).UTC()
	api.change(func() { api.reset = reset })
	s.expectFailure(githubToken, abi.CodeLimitExceeded, true, reset.Format(time.RFC3339))
	api.change(func() { api.reset, api.after = time.Time{}, 5*time.Minute })
	s.expectFailure(githubToken, abi.CodeLimitExceeded, true, "GitHub: the rate limit is used up until "+time.Now().UTC().Format("2006-01-02T"))
	api.change(func() { api.after = 0 })
	if len(s.records()) == 0 {
		t.Error("nothing came once the limits were gone")
	}
}

// TestGitHubLinksElsewhere: a next page on another site is not asked for.
func TestGitHubLinksElsewhere(t *testing.T) {
	for _, next := range []string{"https://evil.example/user/repos?page=2", "http://api.github.com/user/repos?page=2", "https://api.github.com.evil.example/", "//evil.example/x", "https://x@api.github.com/user/repos"} {
		s, api := githubOf(t)
		api.change(func() { api.astray = next })
		s.expectFailure(githubToken, "unexpected_answer", false, "GitHub: linked to another site")
		if calls := s.server.calls(); len(calls) != 2 {
			t.Errorf("%s: called %q", next, calls)
		}
	}
}

// TestGitHubWithoutPermission: what the token does not reach is said, and the
// rest is collected.
func TestGitHubWithoutPermission(t *testing.T) {
	s, api := githubOf(t)
	api.change(func() { api.denied = "/gists" })
	s.expect("without permission for gists", "user 7", "repositories 1", "repositories 2", "repositories 3", "starred 8", "starred 9",
		"issues 21", "issues 22", "issues 23")
	messages, _ := s.sinks[0].Messages()
	if !slices.ContainsFunc(messages, func(m host.Message) bool { return strings.Contains(string(m.Line), "not_permitted") }) {
		t.Error("nothing said that the gists are missing")
	}
}

// TestGitHubProbe: a token is verified before it is stored, and tells whose it
// is.
func TestGitHubProbe(t *testing.T) {
	s, api := githubOf(t)
	account, err := s.host.Verify(t.Context(), s.connector, host.RunOptions{}, githubToken, vaultstore.NewSecret([]byte(api.token)))
	if err != nil || account != "ada" {
		t.Errorf("the account is %q, %v", account, err)
	}
	_, err = s.host.Verify(t.Context(), s.connector, host.RunOptions{}, githubToken, vaultstore.NewSecret([]byte(s.secret("a wrong token"))))
	if !errors.Is(err, host.ErrNotAccepted) {
		t.Errorf("a wrong token: %v", err)
	}
	if calls := s.server.calls(); len(calls) != 2 || calls[0] != "GET api.github.com/user" {
		t.Errorf("called %q", calls)
	}
	s.records()
}
