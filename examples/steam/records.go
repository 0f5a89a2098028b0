package main

// The records of the manifest's streams, and what Steam's Web API says of each.

type profile struct {
	ID         string  `json:"steam_id"`
	Name       *string `json:"persona_name"`
	RealName   *string `json:"real_name"`
	URL        *string `json:"profile_url"`
	Avatar     *string `json:"avatar_url"`
	Country    *string `json:"country_code"`
	Visibility *int    `json:"visibility"`
	Created    *string `json:"created_at"`
}

type apiProfile struct {
	ID         string  `json:"steamid"`
	Name       *string `json:"personaname"`
	RealName   *string `json:"realname"`
	URL        *string `json:"profileurl"`
	Avatar     *string `json:"avatarfull"`
	Country    *string `json:"loccountrycode"`
	Visibility *int    `json:"communityvisibilitystate"`
	Created    int64   `json:"timecreated"`
}

func (a apiProfile) record() profile {
	return profile{a.ID, a.Name, a.RealName, a.URL, a.Avatar, a.Country, a.Visibility, moment(a.Created)}
}

type friend struct {
	ID           string  `json:"steam_id"`
	Relationship string  `json:"relationship"`
	Since        *string `json:"friend_since"`
}

type apiFriend struct {
	ID           string `json:"steamid"`
	Relationship string `json:"relationship"`
	Since        int64  `json:"friend_since"`
}

func (a apiFriend) record() friend { return friend{a.ID, a.Relationship, moment(a.Since)} }

// game is a record of owned_games and of recently_played; times are in minutes.
type game struct {
	ID         string  `json:"app_id"`
	Name       string  `json:"name"`
	Total      int64   `json:"playtime_forever_minutes"`
	TwoWeeks   int64   `json:"playtime_2weeks_minutes"`
	Windows    int64   `json:"playtime_windows_minutes"`
	Mac        int64   `json:"playtime_mac_minutes"`
	Linux      int64   `json:"playtime_linux_minutes"`
	LastPlayed *string `json:"last_played_at"`
}

type apiGame struct {
	ID         int64  `json:"appid"`
	Name       string `json:"name"`
	Total      int64  `json:"playtime_forever"`
	TwoWeeks   int64  `json:"playtime_2weeks"`
	Windows    int64  `json:"playtime_windows_forever"`
	Mac        int64  `json:"playtime_mac_forever"`
	Linux      int64  `json:"playtime_linux_forever"`
	LastPlayed int64  `json:"rtime_last_played"`
}

func (a apiGame) record() game {
	return game{number(a.ID), a.Name, a.Total, a.TwoWeeks, a.Windows, a.Mac, a.Linux, moment(a.LastPlayed)}
}
