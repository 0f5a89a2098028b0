package main

import (
	"context"
	"strings"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

func (g *github) user(ctx context.Context) error {
	all, err := rest.NewInventory(g.run, userStream, func(u user) string { return u.ID }, func(u user) time.Time { return rest.Time(u.CreatedAt) }, "id", "login")
	if err != nil || !all.Wanted() {
		return err
	}
	var raw apiUser
	answer, err := g.api.GetIfChanged(ctx, "/user", all.ETag(), &raw)
	if err != nil || answer.Unchanged {
		return err
	}
	if err := all.Take(raw.record()); err != nil {
		return err
	}
	return all.Finish(answer.Header.Get("ETag"))
}

func (g *github) repositories(ctx context.Context) error {
	all, err := rest.NewInventory(g.run, repositoriesStream, func(r repository) string { return r.ID },
		func(r repository) time.Time { return rest.Time(r.CreatedAt) }, "id", "full_name")
	if err != nil {
		return err
	}
	return list(ctx, g, g.api, all, "/user/repos?per_page=100&sort=full_name", func(r apiRepository) error { return all.Take(r.record()) })
}

func (g *github) starred(ctx context.Context) error {
	all, err := rest.NewInventory(g.run, starredStream, func(s star) string { return s.ID },
		func(s star) time.Time { return rest.Time(s.StarredAt) }, "id", "full_name")
	if err != nil {
		return err
	}
	missing := 0
	err = list(ctx, g, g.stars, all, "/user/starred?per_page=100", func(s apiStar) error {
		if s.Repo == nil {
			missing++
			return nil
		}
		return all.Take(s.record())
	})
	if err == nil && missing > 0 {
		err = g.run.Skip(sallyport.Skip{Stream: starredStream, Reason: "starred_entry_missing_repo", Message: "a starred repository cannot be seen with this token"})
	}
	return err
}

func (g *github) gists(ctx context.Context) error {
	all, err := rest.NewInventory(g.run, gistsStream, func(g gist) string { return g.ID },
		func(g gist) time.Time { return rest.Time(g.CreatedAt) }, "id")
	if err != nil {
		return err
	}
	return list(ctx, g, g.api, all, "/gists?per_page=100", func(g apiGist) error { return all.Take(g.record()) })
}

// list reads a list whole. One that fits on a page has an ETag that stands for
// all of it.
func list[T, R any](ctx context.Context, g *github, api *rest.Client, all *rest.Inventory[R], first string, take func(T) error) error {
	if !all.Wanted() {
		return nil
	}
	pages, etag, unchanged := 0, "", false
	err := api.Pages(first, func(address string) (string, error) {
		var page []T
		answer, err := api.GetIfChanged(ctx, address, ifFirst(pages, all.ETag()), &page)
		if err != nil || answer.Unchanged {
			unchanged = answer.Unchanged
			return "", err
		}
		etag = ifFirst(pages, answer.Header.Get("ETag"))
		pages++
		for _, item := range page {
			if err := take(item); err != nil {
				return "", err
			}
		}
		return nextLink(answer.Header), nil
	})
	switch {
	case err != nil:
		return g.unlessForbidden(all.Name(), err)
	case unchanged:
		return nil
	}
	return all.Finish(etag)
}

func ifFirst(page int, text string) string {
	if page > 0 {
		return ""
	}
	return text
}

// nextLink returns the address of the next page in a Link header (RFC 8288),
// "" at the end.
func nextLink(h sallyport.Header) string {
	for _, line := range h.Values("Link") {
		for line != "" {
			_, rest, ok := strings.Cut(line, "<")
			if !ok {
				break
			}
			address, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			params, rest, _ := strings.Cut(rest, ",")
			for param := range strings.SplitSeq(params, ";") {
				if param = strings.ReplaceAll(strings.TrimSpace(param), `"`, ""); strings.EqualFold(param, "rel=next") {
					return address
				}
			}
			line = rest
		}
	}
	return ""
}
