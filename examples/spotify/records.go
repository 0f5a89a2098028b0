package main

// The records of the manifest's streams, and what Spotify's Web API says of
// each.

type profile struct {
	ID      string  `json:"id"`
	Name    *string `json:"display_name"`
	URI     *string `json:"uri"`
	Image   *string `json:"image_url"`
	Country *string `json:"country"`
	Email   *string `json:"email"`
	Product *string `json:"product"`
}

type apiProfile struct {
	profile
	Images []struct {
		URL *string `json:"url"`
	} `json:"images"`
}

func (a apiProfile) record() profile {
	p := a.profile
	if len(a.Images) > 0 {
		p.Image = a.Images[0].URL
	}
	return p
}

type playlist struct {
	ID            string  `json:"id"`
	Name          string  `json:"name"`
	Description   *string `json:"description"`
	OwnerID       *string `json:"owner_id"`
	Public        *bool   `json:"public"`
	Collaborative bool    `json:"collaborative"`
	Tracks        int     `json:"tracks_total"`
	SnapshotID    string  `json:"snapshot_id"`
	URI           *string `json:"uri"`
}

type apiPlaylist struct {
	playlist
	Owner *struct {
		ID *string `json:"id"`
	} `json:"owner"`
	Tracks *struct {
		Total int `json:"total"`
	} `json:"tracks"`
}

func (a apiPlaylist) record() playlist {
	p := a.playlist
	if a.Owner != nil {
		p.OwnerID = a.Owner.ID
	}
	if a.Tracks != nil {
		p.Tracks = a.Tracks.Total
	}
	return p
}

// track is what several streams say of a track or an episode.
type track struct {
	Name     *string  `json:"track_name"`
	URI      *string  `json:"track_uri"`
	Artists  []string `json:"artists"`
	Album    *string  `json:"album_name"`
	Duration *int64   `json:"duration_ms"`
	ISRC     *string  `json:"isrc"`
}

type apiTrack struct {
	ID      *string `json:"id"` // null of a local file
	Name    *string `json:"name"`
	URI     *string `json:"uri"`
	Artists []struct {
		Name string `json:"name"`
	} `json:"artists"`
	Album *struct {
		Name *string `json:"name"`
	} `json:"album"`
	Duration *int64 `json:"duration_ms"`
	External struct {
		ISRC *string `json:"isrc"`
	} `json:"external_ids"`
}

func (a apiTrack) record() track {
	t := track{Name: a.Name, URI: a.URI, Artists: []string{}, Duration: a.Duration, ISRC: a.External.ISRC}
	for _, one := range a.Artists {
		t.Artists = append(t.Artists, one.Name)
	}
	if a.Album != nil {
		t.Album = a.Album.Name
	}
	return t
}

type savedTrack struct {
	ID      string `json:"id"`
	AddedAt string `json:"added_at"`
	track
}

type apiSaved struct {
	AddedAt string    `json:"added_at"`
	Track   *apiTrack `json:"track"`
}

// play is a record of recently_played. One can play one thing at a time, so
// the moment is its key.
type play struct {
	ID       string  `json:"id"`
	PlayedAt string  `json:"played_at"`
	TrackID  *string `json:"track_id"`
	Context  *string `json:"context_uri"`
	track
}

type apiPlay struct {
	PlayedAt string   `json:"played_at"`
	Track    apiTrack `json:"track"`
	Context  *struct {
		URI *string `json:"uri"`
	} `json:"context"`
}

func (a apiPlay) record() play {
	p := play{ID: a.PlayedAt, PlayedAt: a.PlayedAt, TrackID: a.Track.ID, track: a.Track.record()}
	if a.Context != nil {
		p.Context = a.Context.URI
	}
	return p
}
