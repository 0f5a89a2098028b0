package app

import (
	"encoding/json"
	"path/filepath"

	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// A connector is given as a path. As the host's remedies can name only its
// key, the folder that a key was last seen in is kept, and the key will do
// from then on. It is a convenience, no authority: whatever is found there is
// held against the digests of the approval.

const (
	knownFile     = "connectors.json"
	maxKnownBytes = 1 << 20
)

func (a *App) known() map[string]string {
	raw, err := readLimited(filepath.Join(a.Home.State, knownFile), maxKnownBytes)
	if err != nil {
		return map[string]string{}
	}
	known := map[string]string{}
	if _, err := strictjson.Parse(raw, strictjson.Limits{MaxBytes: maxKnownBytes}); err != nil {
		return map[string]string{}
	}
	if err := json.Unmarshal(raw, &known); err != nil {
		return map[string]string{}
	}
	return known
}

// remember notes where c was found. That it cannot is logged, no more.
func (a *App) remember(c *connector) {
	path, err := filepath.Abs(c.path)
	if err != nil {
		return
	}
	known := a.known()
	if known[c.manifest.ConnectorKey] == path {
		return
	}
	known[c.manifest.ConnectorKey] = path
	if err := a.writeKnown(known); err != nil {
		a.Log.Warn("the connector's folder was not noted", "why", err.Error())
	}
}

func (a *App) writeKnown(known map[string]string) error {
	raw, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	dir, err := privatedir.Open(a.Home.State)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.WriteFile(knownFile, append(raw, '\n'))
}
