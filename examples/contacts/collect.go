package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// collector emits what has changed in address books.
type collector struct {
	run      *sallyport.Run
	server   *dav
	contacts *sallyport.Stream[contact]
	groups   *sallyport.Stream[group]
}

// collectCards brings contacts and contact_groups up to date.
func collectCards(ctx context.Context, run *sallyport.Run, server *dav, books []book, most int) error {
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
	if err := save(c.contacts, oldContacts, newContacts, most); err != nil {
		return err
	}
	return save(c.groups, oldGroups, newGroups, most)
}

// collect brings both streams up to date with one book, from how far each had
// come: that may differ, when one of them was not in scope of an earlier run.
// It returns how far they come.
func (c *collector) collect(ctx context.Context, b book, oldContacts, oldGroups *progress) (nextContacts, nextGroups *progress, err error) {
	lContacts, lGroups, err := c.list(ctx, b, oldContacts.Token, oldGroups.Token)
	if err != nil {
		return nil, nil, err
	}
	contacts, groups := oldContacts.advance(lContacts), oldGroups.advance(lGroups)
	for _, name := range contacts.gone {
		if err := c.deleteContact(oldContacts, b.URL, name); err != nil {
			return nil, nil, err
		}
	}
	if err := c.sayWhatIsUnknown(b, contacts, groups); err != nil {
		return nil, nil, err
	}
	if err := c.read(ctx, b, contacts, groups); err != nil {
		return nil, nil, err
	}
	contacts.next.Tagged, contacts.next.Groups = nil, nil // of no use there
	return contacts.next, groups.next, emitGroups(c.groups, oldGroups.emittedGroups(b.URL), groups.next.groups(b.URL))
}

// read reads the cards that are needed, and emits the contacts among them.
func (c *collector) read(ctx context.Context, b book, contacts, groups *update) error {
	names := c.toRead(contacts.stale, groups.stale)
	if len(names) > 0 {
		if err := c.run.Progress("reading " + b.name()); err != nil {
			return err
		}
	}
	done, faults := int64(0), faults{}
	err := c.server.fetch(ctx, b, names, func(f fetched) error {
		faults.add(f.name, f.faults...)
		// A stream takes what it asked for and no more: what has changed since
		// its listing is what its next one tells of.
		if groups.stale[f.name] {
			groups.take(f.listedIn(groups.listing), true)
			if f.card != nil { // else who is in which group stays as it was
				groups.next.note(f.name, f.card)
			}
		}
		if contacts.stale[f.name] {
			if err := c.takeContact(b, contacts, f.listedIn(contacts.listing), faults); err != nil {
				return err
			}
		}
		if done++; done%(batchCards*parallel) == 0 {
			return c.contacts.Progress("reading "+b.name(), done, int64(len(names)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	stream := contactsStream
	if !c.contacts.Wanted() {
		stream = groupsStream
	}
	return faults.report(c.run, stream, b)
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

// takeContact emits the record of a card that is new or has changed, and notes
// that it did.
func (c *collector) takeContact(b book, u *update, f fetched, faults faults) error {
	if f.card == nil && !f.gone { // what was collected of it stands
		u.take(f, u.old.mayHaveEmitted(f.name))
		return nil
	}
	if f.gone || f.card.isGroup() { // which may have been a contact
		u.take(f, false)
		return c.deleteContact(u.old, b.URL, f.name)
	}
	same := u.old.mayHaveEmitted(f.name) && u.old.has(f.name, f.version())
	if same { // the server has no etags to say so
		u.take(f, true)
		return nil
	}
	emitted, err := c.emit(contactOf(f.card, b.URL+f.name, b.URL, f.etag))
	if err != nil {
		return err
	}
	if !emitted {
		faults.add(f.name, tooLarge)
	}
	u.take(f, emitted || u.old.mayHaveEmitted(f.name))
	return nil
}

// emit emits a contact; without its photograph, where that makes it larger than
// a message may be, and not at all where it is larger even so.
func (c *collector) emit(record contact) (emitted bool, err error) {
	if photo := record.PhotoBase64; photo == nil || len(*photo) < abi.MaxEmitBytes {
		if err := c.contacts.Emit(record); !errors.Is(err, sallyport.ErrTooLarge) {
			return err == nil, err
		}
	}
	lost := record.PhotoBase64 != nil
	record.PhotoBase64 = nil
	if err := c.contacts.Emit(record); errors.Is(err, sallyport.ErrTooLarge) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if !lost || !c.contacts.Scope().WantsField("photo_base64") || !c.contacts.Scope().WantsKey(record.ID) {
		return true, nil
	}
	return true, c.run.DetailGap(sallyport.DetailGap{Stream: contactsStream, RecordKey: sallyport.Key{record.ID},
		Reason: "too_large", DetailLocator: map[string]string{"field": "photo_base64"}})
}

// deleteContact deletes what was emitted for a card. Where it is not known
// what was, it deletes in any case.
func (c *collector) deleteContact(old *progress, bookURL, name string) error {
	if !old.mayHaveEmitted(name) {
		return nil
	}
	return c.contacts.Delete(bookURL + name)
}

const deletionsUnknown = "deletions_unknown"

// sayWhatIsUnknown tells of deletions that cannot be seen.
func (c *collector) sayWhatIsUnknown(b book, contacts, groups *update) error {
	if groups.old.Lost && c.groups.Wanted() {
		if err := c.skip(groupsStream, b.name()+" has more groups than the connector can remember: all of them are "+
			"collected again, and those that were deleted since the last run are not reported"); err != nil {
			return err
		}
	}
	if !contacts.complete || !c.contacts.Wanted() {
		return nil
	}
	why := "the server cannot list deletions"
	if contacts.old.Token != "" {
		why = "the server no longer knows how far the last run had come"
	}
	switch {
	case contacts.nameless > 0:
		return c.skip(contactsStream, fmt.Sprintf("%s, and %s has too many contacts for the connector to remember their "+
			"names: %d that were deleted since the last run are not reported", why, b.name(), contacts.nameless))
	case contacts.old.Forgot:
		return c.skip(contactsStream, fmt.Sprintf("%s, and %s has too many contacts for the connector to remember: all of "+
			"them are collected again, and those that were deleted since the last run are not reported", why, b.name()))
	}
	return nil
}

func (c *collector) skip(stream, message string) error {
	return c.run.Skip(sallyport.Skip{Stream: stream, Reason: deletionsUnknown, Message: message})
}

// forget deletes what was collected from address books that are gone.
func (c *collector) forget(oldContacts, oldGroups *cursor, books []book) error {
	left := map[string]*progress{}
	for _, b := range books {
		left[b.URL] = nil
	}
	for _, url := range oldContacts.missing(left) {
		if err := c.forgetContacts(url, oldContacts.Books[url]); err != nil {
			return err
		}
	}
	for _, url := range oldGroups.missing(left) {
		old := oldGroups.Books[url]
		if old.Lost && c.groups.Wanted() {
			if err := c.skip(groupsStream, "the address book "+pathOf(url)+" is gone, and it had more groups than the connector "+
				"can remember: that they are gone with it is not reported"); err != nil {
				return err
			}
		}
		if err := emitGroups(c.groups, old.emittedGroups(url), nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) forgetContacts(url string, old *progress) error {
	if (old.Forgot || old.hashes.records() > 0) && c.contacts.Wanted() {
		return c.skip(contactsStream, "the address book "+pathOf(url)+" is gone, and it had too many contacts for the connector "+
			"to remember their names: that they are gone with it is not reported")
	}
	for _, name := range slices.Sorted(maps.Keys(old.Cards)) {
		if err := c.deleteContact(old, url, name); err != nil {
			return err
		}
	}
	return nil
}
