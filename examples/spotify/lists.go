package main

import (
	"context"
	"net/url"
	"strconv"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

func (s *spotify) profile(ctx context.Context) error {
	all, err := rest.NewInventory(s.run, profileStream, func(p profile) string { return p.ID }, nil, "id")
	if err != nil || !all.Wanted() {
		return err
	}
	var raw apiProfile
	if _, err := s.api.Get(ctx, "/v1/me", &raw); err != nil {
		return err
	}
	if err := all.Take(raw.record()); err != nil {
		return err
	}
	return all.Finish("")
}

// playlists collects the playlists, and what is on those that have another
// snapshot than in the last run.
func (s *spotify) playlists(ctx context.Context) error {
	all, err := rest.NewInventory(s.run, playlistsStream, func(p playlist) string { return p.ID }, nil, "id", "name")
	if err != nil {
		return err
	}
	items, err := newItems(s)
	if err != nil || !all.Wanted() && !items.stream.Wanted() {
		return err
	}
	var found []playlist
	err = each(ctx, s, "/v1/me/playlists?limit=50", func(raw *apiPlaylist) error {
		if raw == nil { // one that cannot be seen any more
			return nil
		}
		found = append(found, raw.record())
		return all.Take(raw.record())
	})
	if err != nil {
		return err
	}
	if err := all.Finish(""); err != nil {
		return err
	}
	return items.collect(ctx, found)
}

func (s *spotify) saved(ctx context.Context) error {
	all, err := rest.NewInventory(s.run, savedStream, func(t savedTrack) string { return t.ID },
		func(t savedTrack) time.Time { return rest.Time(&t.AddedAt) }, "id", "added_at")
	if err != nil || !all.Wanted() {
		return err
	}
	err = each(ctx, s, "/v1/me/tracks?limit=50", func(raw apiSaved) error {
		if raw.Track == nil || raw.Track.ID == nil {
			return nil
		}
		return all.Take(savedTrack{track: raw.Track.record(), ID: *raw.Track.ID, AddedAt: raw.AddedAt})
	})
	if err != nil {
		return err
	}
	return all.Finish("")
}

// playedCursor is the STATE of recently_played.
type playedCursor struct {
	After int64 `json:"after"` // milliseconds since 1970
}

// recent collects what was played since the last run. Spotify remembers the
// last 50 plays and no more: a host that runs seldom misses some.
func (s *spotify) recent(ctx context.Context) error {
	stream := sallyport.NewStream(s.run, recentStream, func(p play) sallyport.Key { return sallyport.Key{p.ID} }, "id", "played_at")
	if !stream.Wanted() {
		return nil
	}
	before, _, err := sallyport.LoadState[playedCursor](s.run, recentStream)
	if err != nil {
		return err
	}
	query := url.Values{"limit": {"50"}}
	if before.After > 0 {
		query.Set("after", strconv.FormatInt(before.After, 10))
	}
	after := before
	err = each(ctx, s, "/v1/me/player/recently-played?"+query.Encode(), func(raw apiPlay) error {
		at, err := time.Parse(time.RFC3339, raw.PlayedAt)
		if err != nil || at.UnixMilli() <= before.After {
			return nil
		}
		after.After = max(after.After, at.UnixMilli())
		if !stream.Scope().WantsTime(at) {
			return nil
		}
		return stream.Emit(raw.record())
	})
	if err != nil || after == before {
		return err
	}
	return stream.SaveState(after)
}
