package app

import (
	"bytes"
	"context"
	"os"

	"github.com/sallyport-host/sallyport/internal/dotenv"
	"github.com/sallyport-host/sallyport/internal/storagestate"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Profile is what was read of a browser's profile.
type Profile struct {
	State storagestate.State
	// Unread says which cookies could not be read, and why; "" when all were.
	Unread string
}

// OpenProfile reads the cookies of a browser's profile folder.
type OpenProfile func(ctx context.Context, dir string) (Profile, error)

// importSource is a file or folder whose secrets are taken in.
type importSource struct {
	path    string
	text    []byte         // of a file, to see that it has not changed
	entries []dotenv.Entry // of an environment file
	state   *storagestate.State
	profile bool
	unread  string
}

func (s *importSource) zero() {
	for _, e := range s.entries {
		e.Value.Zero()
	}
	clear(s.text)
}

func (a *App) readSource(ctx context.Context, path string) (*importSource, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError("import", path, err)
	}
	if info.IsDir() {
		if a.ReadProfile == nil {
			return nil, usage("import %s is a folder, and this program reads no browser profiles", path)
		}
		p, err := a.ReadProfile(ctx, path)
		if err != nil {
			return nil, err
		}
		return &importSource{path: path, state: &p.State, profile: true, unread: p.Unread}, nil
	}
	if !info.Mode().IsRegular() {
		return nil, usage("import %s: it is no file; write it to one with mode 0600, or use vault set --stdin", path)
	}
	text, err := readLimited(path, storagestate.MaxBytes)
	if err != nil {
		return nil, fileError("import", path, err)
	}
	return parseSource(path, text)
}

func parseSource(path string, text []byte) (*importSource, error) {
	s := &importSource{path: path, text: text}
	if storagestate.Looks(text) {
		state, err := storagestate.Parse(text)
		if err != nil {
			return nil, usage("import %s: %w", path, err)
		}
		s.state = &state
		return s, nil
	}
	if len(text) > dotenv.MaxBytes {
		return nil, usage("import %s: too large", path)
	}
	entries, err := dotenv.Parse(text)
	if err != nil {
		return nil, usage("import %s: %w; nothing was stored", path, err)
	}
	s.entries = entries
	return s, nil
}

// find makes a row of everything in the source.
func (a *App) find(s *importSource, c *catalogue) []*ImportRow {
	if s.state != nil {
		return a.findSessions(s, c)
	}
	last := map[string]int{}
	for i, e := range s.entries {
		last[e.Key] = i
	}
	var rows []*ImportRow
	for i := range s.entries {
		e := &s.entries[i]
		row := &ImportRow{Source: s.path, Line: e.Line, Key: e.Key, Note: e.Note, Action: ActionLeft, source: s, entry: e, value: e.Value}
		rows = append(rows, row)
		if later := last[e.Key]; later != i && !s.entries[later].Value.Equal(e.Value) {
			row.Why = "a later line gives it another value, and the last one counts"
			continue
		} else if later != i {
			row.Why = "a later line gives it again"
			row.follows = true
			continue
		}
		a.match(row, c)
	}
	return rows
}

// match finds whose the row is.
func (a *App) match(row *ImportRow, c *catalogue) {
	found := c.byName[row.Key]
	switch {
	case len(found) == 0:
		row.Why = "no connector that is known here declares it"
	case len(found) > 1:
		row.Why = "declared by " + connectorsOf(found) + "; give --connector KEY"
	case found[0].option:
		row.Connector, row.Name = found[0].connector, found[0].name
		row.Why = "a setting, no secret: give it at approval, with --option " + found[0].name + "=…"
	case row.value.Len() == 0:
		row.Connector, row.Why = found[0].connector, "it has no value"
	default:
		row.to(a, found[0])
	}
}

func connectorsOf(list []declaration) string {
	var b bytes.Buffer
	for i, d := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.connector)
	}
	return b.String()
}

// findSessions makes a row for each connector whose cookies are in s. They are
// taken in where the connector is named only: a profile holds those of much
// that no connector has a business with.
func (a *App) findSessions(s *importSource, c *catalogue) []*ImportRow {
	var rows []*ImportRow
	taken := 0
	for _, d := range c.sessions {
		part := s.state.Of(d.sites)
		if len(part.Cookies) == 0 {
			continue
		}
		row := &ImportRow{Source: s.path, Key: "cookies of " + d.sites[0], Connector: d.connector, Name: d.name, Action: ActionLeft, source: s}
		rows = append(rows, row)
		text, err := part.Text()
		switch {
		case len(c.only) == 0:
			row.Why = "to take them in, give --connector " + d.connector
		case len(part.Cookies) > storagestate.MaxCookies || err != nil:
			row.Why = "there are too many cookies for a session"
		default:
			row.value = vaultstore.NewSecret(text)
			row.to(a, d)
			taken += len(part.Cookies)
		}
		clear(text)
	}
	if rest := len(s.state.Cookies) - taken; rest > 0 || s.unread != "" {
		row := &ImportRow{Source: s.path, Key: "other cookies", Action: ActionLeft, Why: "of no connector that was named", source: s}
		if s.unread != "" {
			row.Why = s.unread
		}
		rows = append(rows, row)
	}
	return rows
}
