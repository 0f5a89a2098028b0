package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// cursorVersion is the version of this file's types. A cursor of another
// version is not read: the run then collects everything.
const cursorVersion = 1

// cursor is the STATE of contacts and of contact_groups: what of each address
// book, by URL, has been collected.
type cursor struct {
	Version int                  `json:"version"`
	Books   map[string]*progress `json:"books"`
}

// progress is how far one stream has come with one address book.
type progress struct {
	// Token is the server's sync token, empty where it has none.
	Token string `json:"token,omitempty"`
	// Cards are the cards' names below the book's URL, and digests of their
	// versions. nil when there were too many to keep.
	Cards map[string]string `json:"cards"`
	// Of contact_groups only: of each card with categories its UID and
	// these, of each group card its name and its members' UIDs.
	Tagged map[string][]string `json:"tagged,omitempty"`
	Groups map[string][]string `json:"groups,omitempty"`
	// What stands for those in a cursor that is too large: see shrink.go.
	Packed  []byte            `json:"packed,omitempty"`
	Hashed  []byte            `json:"hashed,omitempty"`
	Emitted map[string]string `json:"emitted,omitempty"`
	Forgot  bool              `json:"forgot,omitempty"`
	Lost    bool              `json:"lost,omitempty"`

	hashes hashes // Hashed, as it is used
}

// groupMark stands before the digest of a card that is no record of contacts:
// a group, mostly.
const groupMark = "g:"

// load reads a stream's cursor; nil when there is none to go on from.
func load(run *sallyport.Run, stream string) (*cursor, error) {
	c, ok, err := sallyport.LoadState[cursor](run, stream)
	if err != nil || !ok || c.Version != cursorVersion {
		return nil, err
	}
	if err := c.unpack(); err != nil {
		return nil, fmt.Errorf("state of %s: %w", stream, err)
	}
	return &c, nil
}

// save stages a stream's cursor, within a size in bytes, unless it is what the
// run began with.
func save[T any](s *sallyport.Stream[T], before, after *cursor, most int) error {
	raw, err := after.fit(most, s.Name() == groupsStream)
	if err != nil {
		return err
	}
	var saved cursor // as it will be read back
	if err := json.Unmarshal(raw, &saved); err != nil {
		return err
	}
	if err := saved.unpack(); err != nil {
		return err
	}
	if before != nil && reflect.DeepEqual(*before, saved) {
		return nil
	}
	return s.SaveState(json.RawMessage(raw))
}

// of returns what is known of a book, never nil.
func (c *cursor) of(url string) *progress {
	if c == nil || c.Books[url] == nil {
		return &progress{}
	}
	return c.Books[url]
}

// missing returns the books that are not in left, in order.
func (c *cursor) missing(left map[string]*progress) []string {
	if c == nil {
		return nil
	}
	return missing(c.Books, left)
}

// update takes a stream from what it knows of a book to what a listing says.
type update struct {
	listing
	old, next *progress
	stale     map[string]bool // cards to be read, by name; of next once they are
	gone      []string        // cards that are gone, no longer of next
	nameless  int             // contacts that are gone and whose names were not kept
}

// advance begins the update to a listing.
func (p *progress) advance(l listing) *update {
	u := &update{listing: l, old: p, stale: map[string]bool{},
		next: &progress{Token: l.token, Tagged: maps.Clone(p.Tagged), Groups: maps.Clone(p.Groups)}}
	for name, etag := range l.cards {
		// Without an etag there is no telling but by reading the card.
		if etag == "" || !p.has(name, etag) {
			u.stale[name] = true
		}
	}
	if l.complete {
		u.all()
	} else {
		u.some()
	}
	for _, name := range u.gone {
		u.next.drop(name)
	}
	return u
}

// all is of a listing that is complete: whatever of the cards was forgotten,
// their names are known again.
func (u *update) all() {
	u.next.Cards = map[string]string{}
	for name, etag := range u.cards {
		if !u.stale[name] {
			u.next.set(name, etag, u.old.mayHaveEmitted(name))
		}
	}
	u.gone = missing(u.old.Cards, u.cards)
	if u.old.Cards == nil {
		u.gone = slices.Concat(missing(u.old.Tagged, u.cards), missing(u.old.Groups, u.cards))
	}
	u.nameless = u.old.hashes.records()
	for name := range u.cards {
		if u.old.hashes != nil && u.old.mayHaveEmitted(name) {
			u.nameless--
		}
	}
}

// some is of a listing of changes.
func (u *update) some() {
	u.next.Cards, u.next.hashes, u.next.Forgot = maps.Clone(u.old.Cards), maps.Clone(u.old.hashes), u.old.Forgot
	u.gone = slices.Sorted(maps.Keys(u.removed))
}

// take notes a card that was read.
func (u *update) take(f fetched, emitted bool) {
	if f.gone {
		u.next.drop(f.name)
		return
	}
	u.next.set(f.name, f.version(), emitted)
}

// has reports whether a card was collected in that version.
func (p *progress) has(name, version string) bool {
	if p.hashes != nil {
		return p.hashes.has(name, version)
	}
	seen, ok := p.Cards[name]
	return ok && strings.TrimPrefix(seen, groupMark) == digest(version)
}

// mayHaveEmitted reports whether a record of contacts stands for a card, as
// far as is known.
func (p *progress) mayHaveEmitted(name string) bool {
	switch {
	case p.Forgot:
		return true
	case p.hashes != nil:
		return p.hashes.emitted(name)
	}
	seen, ok := p.Cards[name]
	return ok && !strings.HasPrefix(seen, groupMark)
}

// set notes that a card was collected in a version, and whether a record of
// contacts stands for it.
func (p *progress) set(name, version string, emitted bool) {
	switch {
	case p.hashes != nil:
		p.hashes.set(name, digest(version), emitted)
	case p.Cards == nil: // there were too many to keep
	case emitted:
		p.Cards[name] = digest(version)
	default:
		p.Cards[name] = groupMark + digest(version)
	}
}

// drop forgets a card.
func (p *progress) drop(name string) {
	delete(p.Cards, name)
	p.hashes.drop(name)
	p.note(name, nil)
}

// digest shortens a version, or a record, to tell it from another. Some servers
// mark the very same etag as weak in one answer and not in the next.
func digest(s string) string {
	h := fnv.New64a()
	h.Write([]byte(strings.TrimPrefix(s, "W/")))
	return strconv.FormatUint(h.Sum64(), 36)
}

// seenBooks is the STATE of address_books.
type seenBooks struct {
	Version int               `json:"version"`
	Books   map[string]string `json:"books"` // URL to a digest of the record
}

// collectBooks emits the address books that are new, changed or gone.
func collectBooks(run *sallyport.Run, books []book) error {
	stream := sallyport.NewStream(run, booksStream, func(b book) sallyport.Key { return sallyport.Key{b.ID} }, "id", "url")
	if !stream.Wanted() {
		return nil
	}
	before, ok, err := sallyport.LoadState[seenBooks](run, booksStream)
	if err != nil {
		return err
	}
	if !ok || before.Version != cursorVersion {
		before = seenBooks{}
	}
	after := seenBooks{Version: cursorVersion, Books: map[string]string{}}
	for _, b := range books {
		raw, err := json.Marshal(b)
		if err != nil {
			return fmt.Errorf("address book: %w", err)
		}
		after.Books[b.ID] = digest(string(raw))
		if before.Books[b.ID] == after.Books[b.ID] {
			continue
		}
		if err := stream.Emit(b); err != nil {
			return err
		}
	}
	for _, id := range missing(before.Books, after.Books) {
		if err := stream.Delete(id); err != nil {
			return err
		}
	}
	if reflect.DeepEqual(before, after) {
		return nil
	}
	return stream.SaveState(after)
}
