package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// book is an address book as the server has it. Its JSON is its record.
type book struct {
	ID          string  `json:"id"` // the URL: it is what a contact names its book by
	DisplayName *string `json:"display_name"`
	URL         string  `json:"url"`
	Sync        bool    `json:"supports_sync_collection"`
}

const (
	wellKnown = "/.well-known/carddav" // RFC 6764, section 5

	propfindStart = `<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop>` +
		`<current-user-principal/><C:addressbook-home-set/>` + bookProps + `</prop></propfind>`
	propfindBooks = `<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop>` + bookProps + `</prop></propfind>`
	bookProps     = `<resourcetype/><displayname/><supported-report-set/>`
)

// addressBooks finds the account's address books from what the owner gave as
// the server's address: the server itself, a folder on it, or an address book.
// They are ordered by URL.
func (d *dav) addressBooks(ctx context.Context, base string) ([]book, error) {
	start, err := d.startingPoint(ctx, base)
	if err != nil {
		return nil, err
	}
	if start.prop.ResourceType.AddressBook != nil {
		return []book{bookOf(start)}, nil
	}
	homes, told, err := d.homes(ctx, start)
	if err != nil {
		return nil, err
	}
	found := map[string]book{}
	for _, home := range homes {
		_, err := d.ask(ctx, "PROPFIND", home, "1", propfindBooks, func(it item) error {
			if it.failed() {
				return incomplete("the list of address books")
			}
			if it.prop.ResourceType.AddressBook != nil {
				b := bookOf(it)
				found[b.ID] = b
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(found) == 0 && !told {
		// To go on would be to report all that was ever collected as deleted.
		return nil, &sallyport.Failure{Message: "the server names no place for address books, and none was found; give the address of one as base_url", Recovery: sallyport.ManualActionRequired}
	}
	books := make([]book, 0, len(found))
	for _, b := range found {
		books = append(books, b)
	}
	slices.SortFunc(books, func(a, b book) int { return strings.Compare(a.ID, b.ID) })
	return books, nil
}

// startingPoint asks, in turn, the places where a server may answer.
func (d *dav) startingPoint(ctx context.Context, base string) (item, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return item{}, &sallyport.Failure{Message: "the option base_url is not a server's address", Recovery: sallyport.ManualActionRequired}
	}
	root := &url.URL{Scheme: u.Scheme, Host: u.Host}
	places := []string{base, root.String() + wellKnown}
	if strings.Trim(u.Path, "/") == "" {
		places = []string{root.String() + wellKnown, root.String() + "/"}
	}
	for i, place := range places {
		it, err := d.one(ctx, place, propfindStart)
		if i < len(places)-1 && notHere(err) {
			continue
		}
		if notHere(err) {
			return item{}, fmt.Errorf("no CardDAV server was found: %w", err)
		}
		if err != nil || it.url != "" {
			return it, err
		}
	}
	return item{}, &sallyport.Failure{Message: "no CardDAV server was found: " + root.String() + " names no resource"}
}

// notHere reports whether an answer says that a place is no WebDAV resource,
// and not that it could not answer.
func notHere(err error) bool {
	var answer *sallyport.SourceError
	if !errors.As(err, &answer) {
		return false
	}
	return answer.Unwrap() == nil || answer.StatusCode == 501
}

// one asks for the properties of one resource; the item has no URL when the
// server names none.
func (d *dav) one(ctx context.Context, target, body string) (found item, err error) {
	_, err = d.ask(ctx, "PROPFIND", target, "0", body, func(it item) error {
		if found.url == "" {
			found = it
		}
		return nil
	})
	return found, err
}

// homes returns the collections that hold the account's address books. told
// says that the server named them, and not only the place that was asked.
func (d *dav) homes(ctx context.Context, start item) (homes []string, told bool, err error) {
	if href := start.prop.Principal.Href; href != "" {
		principal, err := resolveFrom(start.url, href)
		if err != nil {
			return nil, false, err
		}
		if start, err = d.one(ctx, principal, propfindStart); err != nil {
			return nil, false, err
		}
		start.url = principal // some servers answer for another one
	}
	for _, href := range start.prop.HomeSet.Hrefs {
		home, err := resolveFrom(start.url, href)
		if err != nil {
			return nil, false, err
		}
		homes = append(homes, home)
	}
	if len(homes) == 0 { // a folder of address books that says nothing of homes
		return []string{start.url}, false, nil
	}
	return homes, true, nil
}

func resolveFrom(base, href string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	return resolve(u, href)
}

func bookOf(it item) book {
	at := strings.TrimSuffix(it.url, "/") + "/" // a card's name is appended to it
	b := book{ID: at, URL: at, DisplayName: optional(it.prop.DisplayName)}
	for _, r := range it.prop.Reports.List {
		b.Sync = b.Sync || r.Report.Sync != nil
	}
	return b
}

// name is what the owner knows a book by.
func (b book) name() string {
	if b.DisplayName != nil {
		return *b.DisplayName
	}
	return pathOf(b.URL)
}

// pathOf is an absolute URL's escaped path.
func pathOf(absolute string) string {
	u, err := url.Parse(absolute)
	if err != nil {
		return absolute // unreachable: URLs are from resolve
	}
	return u.EscapedPath()
}

// optional is nil for an empty text: the record then says null.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
