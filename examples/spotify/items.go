package main

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// itemsCursor is the STATE of playlist_items: of each playlist the snapshot
// that was collected, and how many items it had.
type itemsCursor struct {
	Playlists map[string]snapshot `json:"playlists"`
}

type snapshot struct {
	ID    string `json:"id"`
	Items int    `json:"items"`
}

// items collects what is on playlists. An item's key is its place: the same
// track may stand on a playlist twice.
type items struct {
	*spotify
	stream        *sallyport.Stream[item]
	before, after itemsCursor
	closed        int // playlists that Spotify shows to no app
}

func newItems(s *spotify) (*items, error) {
	i := &items{spotify: s, after: itemsCursor{map[string]snapshot{}},
		stream: sallyport.NewStream(s.run, itemsStream, func(i item) sallyport.Key { return sallyport.Key{i.ID} }, "id", "playlist_id", "position")}
	var err error
	i.before, _, err = sallyport.LoadState[itemsCursor](s.run, itemsStream)
	return i, err
}

func (i *items) collect(ctx context.Context, playlists []playlist) error {
	if !i.stream.Wanted() {
		return nil
	}
	for _, p := range playlists {
		if err := i.playlist(ctx, p); err != nil {
			return err
		}
	}
	if err := i.tellClosed(); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(i.before.Playlists)) {
		if _, ok := i.after.Playlists[id]; !ok {
			if err := i.drop(id, 0); err != nil {
				return err
			}
		}
	}
	if maps.Equal(i.before.Playlists, i.after.Playlists) {
		return nil
	}
	return i.stream.SaveState(i.after)
}

func (i *items) playlist(ctx context.Context, p playlist) error {
	old, known := i.before.Playlists[p.ID]
	if known && old.ID == p.SnapshotID && p.SnapshotID != "" {
		i.after.Playlists[p.ID] = old
		return nil
	}
	n := 0
	err := each(ctx, i.spotify, "/v1/playlists/"+url.PathEscape(p.ID)+"/tracks?limit=100", func(raw apiItem) error {
		record := raw.record(p.ID, n)
		n++
		return i.stream.Emit(record)
	})
	var source *sallyport.SourceError
	if errors.As(err, &source) && (source.StatusCode == 403 || source.StatusCode == 404) {
		i.closed++
		if known { // what was collected stands
			i.after.Playlists[p.ID] = old
		}
		return nil
	}
	if err != nil {
		return err
	}
	i.after.Playlists[p.ID] = snapshot{p.SnapshotID, n}
	return i.drop(p.ID, n)
}

// tellClosed tells of playlists whose items cannot be read: some that Spotify
// makes itself are listed, and no more.
func (i *items) tellClosed() error {
	if i.closed == 0 {
		return nil
	}
	return i.run.Skip(sallyport.Skip{Stream: itemsStream, Reason: "not_permitted", RecoveryHint: sallyport.NotRetriable,
		Message: "Spotify does not show to apps what is on some of the playlists: " + strconv.Itoa(i.closed)})
}

// drop deletes what stood on a playlist from a place on.
func (i *items) drop(id string, from int) error {
	for n := from; n < i.before.Playlists[id].Items; n++ {
		if err := i.stream.Delete(itemID(id, n)); err != nil {
			return err
		}
	}
	return nil
}

func itemID(playlist string, position int) string { return playlist + ":" + strconv.Itoa(position) }

// item is a record of playlist_items.
type item struct {
	ID         string  `json:"id"`
	PlaylistID string  `json:"playlist_id"`
	Position   int     `json:"position"`
	AddedAt    *string `json:"added_at"`
	AddedBy    *string `json:"added_by_id"`
	TrackID    *string `json:"track_id"`
	track
}

// apiItem is null in the place of a track when Spotify has it no more.
type apiItem struct {
	AddedAt *string `json:"added_at"`
	AddedBy *struct {
		ID *string `json:"id"`
	} `json:"added_by"`
	Track *apiTrack `json:"track"`
}

func (a apiItem) record(playlist string, position int) item {
	i := item{ID: itemID(playlist, position), PlaylistID: playlist, Position: position, AddedAt: a.AddedAt, track: track{Artists: []string{}}}
	if a.AddedBy != nil {
		i.AddedBy = a.AddedBy.ID
	}
	if a.Track != nil {
		i.track, i.TrackID = a.Track.record(), a.Track.ID
	}
	return i
}
