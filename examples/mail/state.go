package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// cursorVersion is the version of this file's types. A cursor of another
// version is not read: the run then collects everything.
const cursorVersion = 1

// maxCursor is how large a cursor may be: the host's bound, less what JSON
// may still do to it.
const maxCursor = 1<<20 - 4<<10

// cursor is the STATE of messages, message_bodies and attachments: how far each
// folder, by name, has been collected.
type cursor struct {
	Version int                  `json:"version"`
	Folders map[string]*progress `json:"folders"`
}

// progress is how far one stream has come with one folder.
type progress struct {
	// Validity is the folder's UIDVALIDITY: UIDs are of use under the same
	// one alone.
	Validity uint32 `json:"validity"`
	// Next is the first UID that has not been looked at.
	Next uint32 `json:"next"`

	// Of messages only: the UIDs that were collected, and the modification
	// sequence up to which their flags are known; where the server has none,
	// the UIDs by their flags.
	UIDs   string            `json:"uids,omitempty"`
	ModSeq uint64            `json:"modseq,omitempty,string"`
	Flags  map[string]string `json:"flags,omitempty"`
	// What of these was dropped from a cursor that was too large.
	NoFlags bool `json:"no_flags,omitempty"`
	NoUIDs  bool `json:"no_uids,omitempty"`

	uids  uidSet            // UIDs, as it is used
	flags map[uint32]string // Flags, likewise; nil where modseq is kept
}

// load reads a stream's cursor, never nil.
func load(run *sallyport.Run, stream string) (*cursor, error) {
	c, ok, err := sallyport.LoadState[cursor](run, stream)
	if err != nil {
		return nil, err
	}
	if !ok || c.Version != cursorVersion {
		return &cursor{Folders: map[string]*progress{}}, nil
	}
	for name, p := range c.Folders {
		if p == nil {
			delete(c.Folders, name)
			continue
		}
		if err := p.unpack(); err != nil {
			return nil, fmt.Errorf("state of %s: folder %s: %w", stream, name, err)
		}
	}
	return &c, nil
}

func (p *progress) unpack() (err error) {
	if p.uids, err = unpack(p.UIDs); err != nil || len(p.Flags) == 0 {
		return err
	}
	p.flags = map[uint32]string{}
	for flags, packed := range p.Flags {
		uids, err := unpack(packed)
		if err != nil {
			return err
		}
		for _, uid := range uids {
			p.flags[uid] = flags
		}
	}
	return nil
}

func (p *progress) pack() {
	p.UIDs, p.Flags = p.uids.pack(), nil
	if p.flags == nil {
		return
	}
	by := map[string][]uint32{}
	for uid, flags := range p.flags {
		by[flags] = append(by[flags], uid)
	}
	p.Flags = make(map[string]string, len(by))
	for flags, uids := range by {
		p.Flags[flags] = setOf(uids).pack()
	}
}

// of returns how far the stream has come with a folder of that UIDVALIDITY,
// never nil.
func (c *cursor) of(folder string, validity uint32) *progress {
	if p := c.Folders[folder]; p != nil && p.Validity == validity {
		return p
	}
	return &progress{Validity: validity, Next: 1}
}

// write packs the cursor into at most that many bytes. What does not fit is
// dropped from the largest folders first, flags before UIDs; the folder's
// progress then says so.
func (c *cursor) write(most int) (json.RawMessage, error) {
	c.Version = cursorVersion
	for _, p := range c.Folders {
		p.pack()
	}
	for {
		raw, err := json.Marshal(c)
		if err != nil || len(raw) <= most {
			return raw, err
		}
		if !c.shrink() {
			return nil, fmt.Errorf("the names of %d folders are more than a cursor holds: %w", len(c.Folders), sallyport.ErrTooLarge)
		}
	}
}

// shrink drops what is largest, and reports whether there was anything.
func (c *cursor) shrink() bool {
	flagBytes := func(p *progress) (n int) {
		for flags, uids := range p.Flags {
			n += len(flags) + len(uids)
		}
		return n
	}
	if p := c.largest(flagBytes); p != nil {
		p.Flags, p.flags, p.NoFlags = nil, nil, true
		return true
	}
	if p := c.largest(func(p *progress) int { return len(p.UIDs) }); p != nil {
		p.UIDs, p.uids, p.NoUIDs = "", nil, true
		return true
	}
	return false
}

// largest returns the folder of which there is most, nil where there is
// nothing.
func (c *cursor) largest(size func(*progress) int) (largest *progress) {
	most := 0
	for _, name := range slices.Sorted(maps.Keys(c.Folders)) {
		if n := size(c.Folders[name]); n > most {
			largest, most = c.Folders[name], n
		}
	}
	return largest
}

// save stages a cursor, unless it is what the run began with.
func save[T any](s *sallyport.Stream[T], before, after *cursor, most int) error {
	if !s.Wanted() {
		return nil
	}
	raw, err := after.write(most)
	if err != nil {
		return fmt.Errorf("state of %s: %w", s.Name(), err)
	}
	if before.Version == cursorVersion {
		old, err := before.write(most)
		if err == nil && string(old) == string(raw) {
			return nil
		}
	}
	return s.SaveState(raw)
}

// flagsUnread are the flags of a message that could not be read: when they come
// to be known, nothing has changed.
const flagsUnread = "?"

// flagsText is a message's flags as a cursor keeps them.
func flagsText(flags []string) string {
	flags = slices.Clone(flags)
	slices.Sort(flags)
	return strings.Join(slices.Compact(flags), " ")
}
