package main

import (
	"context"
	"encoding/xml"
	"errors"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

const (
	// maxSyncRounds bounds the answers that a server may cut short in a row.
	maxSyncRounds = 1000

	propfindCards = `<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>`
)

// listing is what of an address book is new: all of it, or what has changed
// since a sync token.
type listing struct {
	complete bool
	cards    map[string]string // by name below the book's URL: the etag
	removed  map[string]bool   // of a listing that is not complete
	token    string            // what the next one goes on from, may be empty
}

// list asks what has changed since a token; "" asks for everything. A server
// that has forgotten the token, or never had any, is asked for everything.
func (d *dav) list(ctx context.Context, b book, token string) (listing, error) {
	if !b.Sync {
		return d.listAll(ctx, b)
	}
	l, err := d.changes(ctx, b, token)
	// RFC 6578, 3.2: 403 or 409 with valid-sync-token; what else servers say.
	forgotten := []int{400, 403, 404, 409, 410, 412, 415, 501, 507}
	if token != "" && (refusedWith(err, forgotten...) || errors.Is(err, errCutShort)) {
		l, err = d.changes(ctx, b, "")
	}
	if refusedWith(err, forgotten...) || errors.Is(err, errCutShort) {
		return d.listAll(ctx, b)
	}
	return l, err
}

// errCutShort is the error of a list of changes that is cut short and cannot be
// gone on with: by no token, or by one that was there before.
var errCutShort = errors.New("the server cuts its list of changes short without end")

// changes is the report of RFC 6578.
func (d *dav) changes(ctx context.Context, b book, token string) (listing, error) {
	l := listing{complete: token == "", cards: map[string]string{}, removed: map[string]bool{}, token: token}
	seen := map[string]bool{"": true, token: true}
	for range maxSyncRounds {
		var quoted strings.Builder
		if err := xml.EscapeText(&quoted, []byte(l.token)); err != nil {
			return l, err
		}
		cut := false
		body := `<sync-collection xmlns="DAV:"><sync-token>` + quoted.String() + `</sync-token><sync-level>1</sync-level>` +
			`<prop><getetag/><resourcetype/></prop></sync-collection>`
		a, err := d.ask(ctx, "REPORT", b.URL, "0", body, func(it item) error {
			if it.status == 507 {
				cut = true // more to come: section 3.6
				return nil
			}
			name, ok, err := cardName(b, it)
			switch {
			case err != nil:
				return err
			case !ok:
			case it.gone():
				delete(l.cards, name)
				l.removed[name] = true
			case it.failed():
				return incomplete("a contact that has changed")
			default:
				delete(l.removed, name)
				l.cards[name] = it.prop.ETag
			}
			return nil
		})
		if err != nil {
			return l, err
		}
		l.token = a.syncToken
		if !cut {
			return l, nil
		}
		if seen[l.token] {
			break
		}
		seen[l.token] = true
	}
	return l, errCutShort
}

// listAll lists a book's cards with their etags.
func (d *dav) listAll(ctx context.Context, b book) (listing, error) {
	l := listing{complete: true, cards: map[string]string{}}
	itself := false
	_, err := d.ask(ctx, "PROPFIND", b.URL, "1", propfindCards, func(it item) error {
		if it.failed() {
			return incomplete("an address book's list")
		}
		itself = itself || isBook(b, it)
		name, ok, err := cardName(b, it)
		if ok && !it.gone() {
			l.cards[name] = it.prop.ETag
		}
		return err
	})
	if err == nil && !itself {
		// RFC 4918, 9.1: a listing names the collection too. One that does
		// not is some other answer, and no sign that all is deleted.
		err = incomplete("an address book's list")
	}
	return l, err
}

// cardName returns a card's name below its book's URL. What lies deeper is no
// card of the book. What lies elsewhere is an error: the server names things
// in a way that is not understood, and to pass over them would lose them.
func cardName(b book, it item) (name string, ok bool, err error) {
	if isBook(b, it) {
		return "", false, nil
	}
	name, below := strings.CutPrefix(it.url, b.URL)
	switch {
	case !below:
		return "", false, &sallyport.Failure{Message: "the server names a resource outside the address book that was asked about"}
	case strings.Contains(name, "/") || it.prop.ResourceType.Collection != nil:
		return "", false, nil
	}
	return name, true, nil
}

func isBook(b book, it item) bool {
	return strings.TrimSuffix(it.url, "/") == strings.TrimSuffix(b.URL, "/")
}

// incomplete is the error of an answer that leaves something out: the run
// fails, its cursors stay, and a later run asks again.
func incomplete(what string) error {
	return &sallyport.Failure{Message: "the server did not deliver " + what, Retryable: true, Code: "source_unavailable", Recovery: sallyport.RetryByRuntime}
}
