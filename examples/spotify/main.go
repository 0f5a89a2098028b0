// Command spotify is a Sallyport connector that collects the owner's Spotify
// profile, playlists with what is on them, saved tracks, and what was played
// lately.
//
// Its credential is an OAuth 2.0 access token, good for an hour, which the host
// renews with a refresh token when it has to: the connector knows of neither,
// and has no part in it.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

// The names in the manifest.
const (
	tokenName = "SPOTIFY_ACCESS_TOKEN"

	profileStream   = "profile"
	playlistsStream = "playlists"
	itemsStream     = "playlist_items"
	savedStream     = "saved_tracks"
	recentStream    = "recently_played"
)

const origin = "https://api.spotify.com"

func main() { sallyport.Main(collect) }

func collect(ctx context.Context, run *sallyport.Run) error {
	token, err := run.Credential(tokenName)
	if err != nil {
		return err
	}
	s := &spotify{run, rest.New(run, rest.API{
		Name: "Spotify", Origin: origin, Renewable: true,
		Header: sallyport.Header{"Authorization": {sallyport.Bearer(token)}},
	})}
	for _, collect := range []func(context.Context) error{s.profile, s.playlists, s.saved, s.recent} {
		if err := collect(ctx); err != nil {
			return err
		}
	}
	return nil
}

type spotify struct {
	run *sallyport.Run
	api *rest.Client
}

// page is a page of any of Spotify's lists. Next is a whole URL.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// each reads a list to its end.
func each[T any](ctx context.Context, s *spotify, first string, take func(T) error) error {
	return s.api.Pages(first, func(address string) (string, error) {
		var p page[T]
		if _, err := s.api.Get(ctx, address, &p); err != nil {
			return "", err
		}
		for _, item := range p.Items {
			if err := take(item); err != nil {
				return "", err
			}
		}
		if p.Next == nil {
			return "", nil
		}
		return *p.Next, nil
	})
}
