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

// maxCursor is how large a cursor may grow before it is thinned out: a host
// takes one of 1 MiB.
const maxCursor = 1000 << 10

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
	// versions. nil when there were too many to keep: then a token is all.
	Cards map[string]string `json:"cards"`
	// Of contact_groups only: of each card with categories its UID and
	// these, of each group card its name and its members' UIDs.
	Tagged map[string][]string `json:"tagged,omitempty"`
	Groups map[string][]string `json:"groups,omitempty"`
}

// groupMark stands before the digest of a card that is a group, which is no
// record of contacts.
const groupMark = "g:"

// load reads a stream's cursor; nil when there is none to go on from.
func load(run *sallyport.Run, stream string) (*cursor, error) {
	c, ok, err := sallyport.LoadState[cursor](run, stream)
	if err != nil || !ok || c.Version != cursorVersion {
		return nil, err
	}
	return &c, nil
}

// of returns what is known of a book, never nil.
func (c *cursor) of(url string) *progress {
	if c == nil || c.Books[url] == nil {
		return &progress{}
	}
	return c.Books[url]
}

// advance returns how far a stream has come with a listing: the cards that are
// gone are no longer in next, those that have to be read, by name in stale,
// are not in it yet.
func (p *progress) advance(l listing) (next *progress, stale map[string]bool, gone []string) {
	next = &progress{Token: l.token, Tagged: maps.Clone(p.Tagged), Groups: maps.Clone(p.Groups)}
	if p.Cards != nil || l.complete {
		next.Cards = map[string]string{}
		maps.Copy(next.Cards, p.Cards)
	}
	gone = slices.Sorted(maps.Keys(l.removed))
	if l.complete {
		gone = missing(p.Cards, l.cards)
	}
	for _, name := range gone {
		next.take(fetched{name: name, gone: true})
	}
	stale = map[string]bool{}
	for name, etag := range l.cards {
		// Without an etag there is no telling but by reading the card.
		if etag == "" || !p.has(name, etag) {
			stale[name] = true
		}
	}
	return next, stale, gone
}

// has reports whether a card was collected in that version.
func (p *progress) has(name, version string) bool {
	seen, ok := p.Cards[name]
	return ok && strings.TrimPrefix(seen, groupMark) == digest(version)
}

// take notes a card that was read.
func (p *progress) take(f fetched) {
	switch {
	case f.gone:
		delete(p.Cards, f.name)
	case p.Cards != nil && f.card.isGroup():
		p.Cards[f.name] = groupMark + digest(f.version())
	case p.Cards != nil:
		p.Cards[f.name] = digest(f.version())
	}
	p.note(f.name, f.card)
}

// save stages a stream's cursor, unless it is what the run began with.
func save[T any](s *sallyport.Stream[T], before, after *cursor) error {
	after.Version = cursorVersion
	for _, p := range after.Books { // as they will be read back
		if len(p.Tagged) == 0 {
			p.Tagged = nil
		}
		if len(p.Groups) == 0 {
			p.Groups = nil
		}
	}
	if err := after.thin(); err != nil {
		return err
	}
	if before != nil && reflect.DeepEqual(before, after) {
		return nil
	}
	return s.SaveState(after)
}

// thin drops what can be asked for again from a cursor that is too large: the
// tokens stay, and with them the changes and deletions of servers that have
// them.
func (c *cursor) thin() error {
	raw, err := json.Marshal(c)
	if err != nil || len(raw) <= maxCursor {
		return err
	}
	for url, p := range c.Books {
		if p.Tagged != nil || p.Groups != nil {
			delete(c.Books, url) // groups cannot be told from a token alone
			continue
		}
		p.Cards = nil
	}
	return nil
}

// digest shortens an etag, or a record, to tell it from another. Some servers
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
