// Command contacts is a Sallyport connector that collects the owner's address
// books, contacts and contact groups from a CardDAV server (RFC 6352).
//
// It finds the address books from the server's address alone (RFC 6764), reads
// vCard 2.1, 3 and 4, and after the first run asks only for what has changed: by
// sync token where the server has them (RFC 6578), else by etag. It logs in
// with an app password that it never sees.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// The names in the manifest.
const (
	accountName  = "ACCOUNT"
	passwordName = "APP_PASSWORD"

	booksStream    = "address_books"
	contactsStream = "contacts"
	groupsStream   = "contact_groups"
)

func main() { sallyport.Main(collect) }

func collect(ctx context.Context, run *sallyport.Run) error {
	return collectWithin(ctx, run, maxCursor)
}

// collectWithin is collect with cursors of at most that many bytes.
func collectWithin(ctx context.Context, run *sallyport.Run, most int) error {
	server, err := connect(run)
	if err != nil {
		return err
	}
	books, err := server.addressBooks(ctx, run.Option("base_url"))
	if err != nil {
		return err
	}
	if err := collectBooks(run, books); err != nil {
		return err
	}
	return collectCards(ctx, run, server, books, most)
}
