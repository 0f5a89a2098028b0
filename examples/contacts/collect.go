package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// collector emits what has changed in address books.
type collector struct {
	run      *sallyport.Run
	server   *dav
	contacts *sallyport.Stream[contact]
	groups   *sallyport.Stream[group]
}

// collectCards brings contacts and contact_groups up to date.
func collectCards(ctx context.Context, run *sallyport.Run, server *dav, books []book) error {
	c := collector{run: run, server: server,
		contacts: sallyport.NewStream(run, contactsStream, func(c contact) sallyport.Key { return sallyport.Key{c.ID} }, "id", "addressbook_url"),
		groups:   sallyport.NewStream(run, groupsStream, func(g group) sallyport.Key { return sallyport.Key{g.ID} }, "id", "addressbook_url", "name"),
	}
	if !c.contacts.Wanted() && !c.groups.Wanted() {
		return nil
	}
	oldContacts, err := load(run, contactsStream)
	if err != nil {
		return err
	}
	oldGroups, err := load(run, groupsStream)
	if err != nil {
		return err
	}
	newContacts, newGroups := &cursor{Books: map[string]*progress{}}, &cursor{Books: map[string]*progress{}}
	for _, b := range books {
		next, nextGroups, err := c.collect(ctx, b, oldContacts.of(b.URL), oldGroups.of(b.URL))
		if err != nil {
			return fmt.Errorf("address book %s: %w", b.name(), err)
		}
		newContacts.Books[b.URL], newGroups.Books[b.URL] = next, nextGroups
	}
	if err := c.forget(oldContacts, oldGroups, books); err != nil {
		return err
	}
	if err := save(c.contacts, oldContacts, newContacts); err != nil {
		return err
	}
	return save(c.groups, oldGroups, newGroups)
}

// collect brings both streams up to date with one book, from how far each had
// come: that may differ, when one of them was not in scope of an earlier run.
// It returns how far they come.
func (c *collector) collect(ctx context.Context, b book, oldContacts, oldGroups *progress) (nextContacts, nextGroups *progress, err error) {
	l, lGroups, err := c.list(ctx, b, oldContacts.Token, oldGroups.Token)
	if err != nil {
		return nil, nil, err
	}
	nextContacts, staleContacts, gone := oldContacts.advance(l)
	nextGroups, staleGroups, _ := oldGroups.advance(lGroups)
	for _, name := range gone {
		if err := c.deleteContact(oldContacts, b.URL, name); err != nil {
			return nil, nil, err
		}
	}
	if err := c.sayWhatIsUnknown(l, oldContacts); err != nil {
		return nil, nil, err
	}
	names := c.toRead(staleContacts, staleGroups)
	if len(names) > 0 {
		if err := c.run.Progress("reading " + b.name()); err != nil {
			return nil, nil, err
		}
	}
	done := int64(0)
	err = c.server.fetch(ctx, b, names, func(f fetched) error {
		// A stream takes what it asked for and no more: what has changed since
		// its listing is what its next one tells of.
		if staleGroups[f.name] {
			nextGroups.take(f.listedIn(lGroups))
		}
		if staleContacts[f.name] {
			f := f.listedIn(l)
			nextContacts.take(f)
			if err := c.emitContact(b, oldContacts, f); err != nil {
				return err
			}
		}
		if done++; done%(batchCards*parallel) == 0 {
			return c.contacts.Progress("reading "+b.name(), done, int64(len(names)))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	nextContacts.Tagged, nextContacts.Groups = nil, nil // of no use there
	return nextContacts, nextGroups, emitGroups(c.groups, oldGroups.groups(b.URL), nextGroups.groups(b.URL))
}

// list lists what has changed for each stream. Where they have come equally
// far, or one is not wanted, one listing does for both.
func (c *collector) list(ctx context.Context, b book, contactsToken, groupsToken string) (contacts, groups listing, err error) {
	token := contactsToken
	if !c.contacts.Wanted() {
		token = groupsToken
	}
	if contacts, err = c.server.list(ctx, b, token); err != nil {
		return contacts, groups, err
	}
	if contactsToken == groupsToken || !c.contacts.Wanted() || !c.groups.Wanted() {
		return contacts, contacts, nil
	}
	groups, err = c.server.list(ctx, b, groupsToken)
	return contacts, groups, err
}

// toRead returns the names of the cards that a wanted stream needs, in order.
func (c *collector) toRead(contacts, groups map[string]bool) []string {
	needed := map[string]bool{}
	if c.contacts.Wanted() {
		maps.Copy(needed, contacts)
	}
	if c.groups.Wanted() {
		maps.Copy(needed, groups)
	}
	return slices.Sorted(maps.Keys(needed))
}

// sayWhatIsUnknown tells of deletions that cannot be seen.
func (c *collector) sayWhatIsUnknown(l listing, old *progress) error {
	if !l.complete || old.Token == "" || old.Cards != nil || !c.contacts.Wanted() {
		return nil
	}
	return c.run.Skip(sallyport.Skip{Stream: contactsStream, Reason: "deletions_unknown",
		Message: "the server no longer knows how far the last run had come, and the address book is too large for " +
			"the connector to remember its cards: contacts that were deleted since then are not reported"})
}

// emitContact emits the record of a card that is new or has changed.
func (c *collector) emitContact(b book, old *progress, f fetched) error {
	switch {
	case f.gone:
		return c.deleteContact(old, b.URL, f.name)
	case f.card == nil:
		slog.Warn("passed over: not a vCard", "name", f.name)
		return nil
	case old.has(f.name, f.version()):
		return nil // as it was; the server has no etags to say so
	case f.card.isGroup():
		return c.deleteContact(old, b.URL, f.name) // it may have been a contact
	}
	return c.contacts.Emit(contactOf(f.card, b.URL+f.name, b.URL, f.etag))
}

// deleteContact deletes what was emitted for a card. Where it is not known
// what was, it deletes in any case.
func (c *collector) deleteContact(old *progress, bookURL, name string) error {
	seen, known := old.Cards[name]
	switch {
	case known && strings.HasPrefix(seen, groupMark):
		return nil
	case !known && (old.Cards != nil || old.Token == ""):
		return nil
	}
	return c.contacts.Delete(bookURL + name)
}

// forget deletes what was collected from address books that are gone.
func (c *collector) forget(oldContacts, oldGroups *cursor, books []book) error {
	left := map[string]*progress{}
	for _, b := range books {
		left[b.URL] = nil
	}
	if oldContacts != nil {
		for _, url := range missing(oldContacts.Books, left) {
			for _, name := range slices.Sorted(maps.Keys(oldContacts.Books[url].Cards)) {
				if err := c.deleteContact(oldContacts.Books[url], url, name); err != nil {
					return err
				}
			}
		}
	}
	if oldGroups != nil {
		for _, url := range missing(oldGroups.Books, left) {
			if err := emitGroups(c.groups, oldGroups.Books[url].groups(url), nil); err != nil {
				return err
			}
		}
	}
	return nil
}
