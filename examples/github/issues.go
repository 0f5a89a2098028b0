package main

import (
	"context"
	"net/url"
	"slices"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

// issueCursor is the STATE of issues. GitHub's since is inclusive: what was
// last changed at that very moment comes again, and At says what of it is
// known.
type issueCursor struct {
	Since string   `json:"since"`
	At    []string `json:"at"` // ids
}

// issues collects what has changed since the last run. GitHub does not say
// what was deleted or transferred away.
//
// The newest come first: an issue that changes while its list is read moves to
// the front, and is then read in the next run. In the other order it would take
// another one with it over a page's edge, unseen.
func (g *github) issues(ctx context.Context) error {
	stream := sallyport.NewStream(g.run, issuesStream, func(i issue) sallyport.Key { return sallyport.Key{i.ID} }, "id")
	if !stream.Wanted() {
		return nil
	}
	before, _, err := sallyport.LoadState[issueCursor](g.run, issuesStream)
	if err != nil {
		return err
	}
	query := url.Values{"filter": {"all"}, "state": {"all"}, "sort": {"updated"}, "direction": {"desc"}, "per_page": {"100"}}
	if before.Since != "" {
		query.Set("since", before.Since)
	}
	after, seen := issueCursor{}, map[string]bool{}
	err = g.api.Pages("/issues?"+query.Encode(), func(address string) (string, error) {
		var page []apiIssue
		answer, err := g.api.Get(ctx, address, &page)
		if err != nil {
			return "", err
		}
		for _, raw := range page {
			record := raw.record()
			after.add(raw.UpdatedAt, record.ID)
			if seen[record.ID] || before.has(raw.UpdatedAt, record.ID) {
				continue
			}
			seen[record.ID] = true
			if at := rest.Time(record.CreatedAt); !at.IsZero() && !stream.Scope().WantsTime(at) {
				continue
			}
			if err := stream.Emit(record); err != nil {
				return "", err
			}
		}
		return nextLink(answer.Header), nil
	})
	if err != nil {
		return g.unlessForbidden(issuesStream, err)
	}
	if after.Since == "" || after.Since == before.Since && slices.Equal(after.At, before.At) {
		return nil
	}
	return stream.SaveState(after)
}

// add notes an issue that was read. The times are all in UTC and of one
// length, so that they are in order as texts.
func (c *issueCursor) add(updated, id string) {
	if _, err := time.Parse(time.RFC3339, updated); err != nil || updated < c.Since {
		return
	}
	if updated > c.Since {
		c.Since, c.At = updated, nil
	}
	if !slices.Contains(c.At, id) {
		c.At = append(c.At, id)
		slices.Sort(c.At)
	}
}

func (c issueCursor) has(updated, id string) bool {
	return updated == c.Since && slices.Contains(c.At, id)
}
