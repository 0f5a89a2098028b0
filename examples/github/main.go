// Command github is a Sallyport connector that collects what is the owner's at
// GitHub: the profile, repositories, stars, issues and pull requests, and gists.
//
// It authenticates with a personal access token that it never sees. After the
// first run it asks for issues by the time of their last change, and for the
// other lists by ETag; what has not changed is not emitted again.
package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

// The names in the manifest.
const (
	tokenName = "GITHUB_PERSONAL_ACCESS_TOKEN"

	userStream         = "user"
	repositoriesStream = "repositories"
	starredStream      = "starred"
	issuesStream       = "issues"
	gistsStream        = "gists"
)

const origin = "https://api.github.com"

func main() { sallyport.Main(collect) }

func collect(ctx context.Context, run *sallyport.Run) error {
	token, err := run.Credential(tokenName)
	if err != nil {
		return err
	}
	g := &github{
		run:   run,
		api:   client(run, token, "application/vnd.github+json"),
		stars: client(run, token, "application/vnd.github.star+json"), // with the time of each
	}
	for _, collect := range []func(context.Context) error{g.user, g.repositories, g.starred, g.issues, g.gists} {
		if err := collect(ctx); err != nil {
			return err
		}
	}
	return nil
}

type github struct {
	run        *sallyport.Run
	api, stars *rest.Client
}

func client(run *sallyport.Run, token sallyport.Surrogate, accept string) *rest.Client {
	return rest.New(run, rest.API{
		Name: "GitHub", Origin: origin, Limited: limited,
		Header: sallyport.Header{
			"Authorization":        {sallyport.Bearer(token)},
			"Accept":               {accept},
			"X-Github-Api-Version": {"2022-11-28"},
			"User-Agent":           {"sallyport-github"}, // GitHub wants one
		},
	})
}

// limited reads GitHub's rate limits: the primary one, a 403 or 429 with
// nothing remaining, and the secondary ones, which come with Retry-After.
func limited(resp *sallyport.Response) (rest.Limit, bool) {
	if resp.StatusCode != 403 && resp.StatusCode != 429 {
		return rest.Limit{}, false
	}
	if until := rest.RetryAfter(resp.Header); !until.IsZero() {
		return rest.Limit{Until: until}, true
	}
	if resp.Header.Get("X-Ratelimit-Remaining") == "0" {
		at, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64)
		if err != nil {
			return rest.Limit{}, true
		}
		return rest.Limit{Until: time.Unix(at, 0)}, true
	}
	return rest.Limit{}, resp.StatusCode == 429
}

// unlessForbidden returns err unless it says that the token does not reach a
// list: that is told, and the other lists are collected.
func (g *github) unlessForbidden(stream string, err error) error {
	var source *sallyport.SourceError
	if errors.Is(err, sallyport.ErrRateLimited) || !errors.As(err, &source) || source.StatusCode != 403 && source.StatusCode != 404 {
		return err
	}
	return g.run.Skip(sallyport.Skip{Stream: stream, Reason: "not_permitted", RecoveryHint: sallyport.RefreshCredentials,
		Message: "the token has no permission for it: make one that has, or leave the stream out"})
}
