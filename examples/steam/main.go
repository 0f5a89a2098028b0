// Command steam is a Sallyport connector that collects what Steam knows of the
// owner: the profile, the games in the library and how long they were played,
// and the friends.
//
// Steam takes its Web API key in the query of each URL, where it ends up in
// logs and error messages. Here a surrogate stands there: what the connector
// can log is worthless, and the key is put in on the way out.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

// The names in the manifest.
const (
	keyName     = "STEAM_API_KEY"
	steamOption = "steam_id"

	profileStream = "profile"
	gamesStream   = "owned_games"
	recentStream  = "recently_played"
	friendsStream = "friends"
)

const origin = "https://api.steampowered.com"

func main() { sallyport.Main(collect) }

func collect(ctx context.Context, run *sallyport.Run) error {
	key, err := run.Credential(keyName)
	if err != nil {
		return err
	}
	s := &steam{run: run, id: run.Option(steamOption), api: rest.New(run, rest.API{
		Name: "Steam", Origin: origin, Query: url.Values{"key": {string(key)}},
	})}
	// Friends come first: Steam answers 401 when their list is private, as it
	// does to a wrong key, and what comes after tells which it was.
	for _, collect := range []func(context.Context) error{s.friends, s.profile, s.games, s.recent} {
		if err := collect(ctx); err != nil {
			return err
		}
	}
	return nil
}

type steam struct {
	run *sallyport.Run
	api *rest.Client
	id  string // SteamID64
}

// get calls a method of the Web API. Steam's 403 is about the key, as its 401
// is.
func (s *steam) get(ctx context.Context, method string, query url.Values, into any) error {
	_, err := s.api.Get(ctx, method+"?"+query.Encode(), into)
	var source *sallyport.SourceError
	if errors.As(err, &source) && source.StatusCode == 403 {
		return fmt.Errorf("%w: %w", sallyport.ErrRejected, err)
	}
	return err
}

func (s *steam) friends(ctx context.Context) error {
	all, err := rest.NewInventory(s.run, friendsStream, func(f friend) string { return f.ID },
		func(f friend) time.Time { return rest.Time(f.Since) }, "steam_id")
	if err != nil || !all.Wanted() {
		return err
	}
	var answer struct {
		List struct {
			Friends []apiFriend `json:"friends"`
		} `json:"friendslist"`
	}
	err = s.get(ctx, "/ISteamUser/GetFriendList/v1/", url.Values{"steamid": {s.id}, "relationship": {"friend"}}, &answer)
	var source *sallyport.SourceError
	if errors.As(err, &source) && source.StatusCode == 401 {
		return s.private(friendsStream, "the list of friends")
	}
	if err != nil {
		return err
	}
	for _, f := range answer.List.Friends {
		if err := all.Take(f.record()); err != nil {
			return err
		}
	}
	return all.Finish("")
}

// profile is asked for in any case: it tells whether the key is good.
func (s *steam) profile(ctx context.Context) error {
	all, err := rest.NewInventory(s.run, profileStream, func(p profile) string { return p.ID },
		func(p profile) time.Time { return rest.Time(p.Created) }, "steam_id")
	if err != nil {
		return err
	}
	var answer struct {
		Response struct {
			Players []apiProfile `json:"players"`
		} `json:"response"`
	}
	if err := s.get(ctx, "/ISteamUser/GetPlayerSummaries/v2/", url.Values{"steamids": {s.id}}, &answer); err != nil {
		return err
	}
	if len(answer.Response.Players) == 0 {
		return &sallyport.Failure{Message: "Steam knows nobody of that SteamID: correct the option " + steamOption, Code: "unknown_account", Recovery: sallyport.ManualActionRequired}
	}
	for _, p := range answer.Response.Players {
		if err := all.Take(p.record()); err != nil {
			return err
		}
	}
	return all.Finish("")
}

func (s *steam) games(ctx context.Context) error {
	return s.played(ctx, gamesStream, "/IPlayerService/GetOwnedGames/v1/", "the library",
		url.Values{"steamid": {s.id}, "include_appinfo": {"1"}, "include_played_free_games": {"1"}})
}

func (s *steam) recent(ctx context.Context) error {
	return s.played(ctx, recentStream, "/IPlayerService/GetRecentlyPlayedGames/v1/", "what was played", url.Values{"steamid": {s.id}})
}

// played collects one of the lists of games. One that is private has no count.
func (s *steam) played(ctx context.Context, stream, method, what string, query url.Values) error {
	all, err := rest.NewInventory(s.run, stream, func(g game) string { return g.ID }, nil, "app_id", "name")
	if err != nil || !all.Wanted() {
		return err
	}
	var answer struct {
		Response struct {
			GameCount  *int      `json:"game_count"`
			TotalCount *int      `json:"total_count"`
			Games      []apiGame `json:"games"`
		} `json:"response"`
	}
	if err := s.get(ctx, method, query, &answer); err != nil {
		return err
	}
	if answer.Response.GameCount == nil && answer.Response.TotalCount == nil {
		return s.private(stream, what)
	}
	for _, g := range answer.Response.Games {
		if err := all.Take(g.record()); err != nil {
			return err
		}
	}
	return all.Finish("")
}

// private tells that the owner shows something to nobody: what was collected of
// it stands.
func (s *steam) private(stream, what string) error {
	return s.run.Skip(sallyport.Skip{Stream: stream, Reason: "private", RecoveryHint: sallyport.ManualActionRequired,
		Message: what + " is private: Steam's Web API tells it to nobody; change it in the profile's privacy settings, or leave the stream out"})
}

// moment writes Steam's seconds as a time, nil for none.
func moment(seconds int64) *string {
	if seconds == 0 {
		return nil
	}
	text := time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	return &text
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
