package dav

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-vcard"
	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/carddav"
)

// backend keeps the cards of one address book of one user.
type backend struct {
	mu    sync.Mutex
	cards map[string]carddav.AddressObject // by path
}

var _ carddav.Backend = (*backend)(nil)

func newBackend() *backend { return &backend{cards: map[string]carddav.AddressObject{}} }

func (b *backend) put(path, text string) error {
	card, err := vcard.NewDecoder(strings.NewReader(text)).Decode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cards[path] = carddav.AddressObject{Path: path, ETag: hex.EncodeToString(sum[:8]), Card: card}
	return nil
}

func (b *backend) remove(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.cards, path)
}

// CurrentUserPrincipal, and what follows, is the interface that go-webdav
// serves.
func (b *backend) CurrentUserPrincipal(context.Context) (string, error) { return "/alice/", nil }

func (b *backend) AddressBookHomeSetPath(context.Context) (string, error) {
	return "/alice/contacts/", nil
}

func (b *backend) ListAddressBooks(context.Context) ([]carddav.AddressBook, error) {
	return []carddav.AddressBook{book()}, nil
}

func book() carddav.AddressBook {
	return carddav.AddressBook{Path: Book, Name: "Friends", Description: "Alice's friends"}
}

func (b *backend) GetAddressBook(_ context.Context, path string) (*carddav.AddressBook, error) {
	if path != Book {
		return nil, errNotFound
	}
	found := book()
	return &found, nil
}

var (
	errNotFound = webdav.NewHTTPError(http.StatusNotFound, errors.New("no such resource"))
	errReadOnly = webdav.NewHTTPError(http.StatusForbidden, errors.New("this server is read-only"))
)

func (b *backend) GetAddressObject(_ context.Context, path string, _ *carddav.AddressDataRequest) (*carddav.AddressObject, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	card, ok := b.cards[path]
	if !ok {
		return nil, errNotFound
	}
	return &card, nil
}

func (b *backend) ListAddressObjects(_ context.Context, path string, _ *carddav.AddressDataRequest) ([]carddav.AddressObject, error) {
	if path != Book {
		return nil, errNotFound
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []carddav.AddressObject
	for _, card := range b.cards {
		all = append(all, card)
	}
	slices.SortFunc(all, func(x, y carddav.AddressObject) int { return strings.Compare(x.Path, y.Path) })
	return all, nil
}

func (b *backend) QueryAddressObjects(ctx context.Context, path string, query *carddav.AddressBookQuery) ([]carddav.AddressObject, error) {
	all, err := b.ListAddressObjects(ctx, path, nil)
	if err != nil || len(query.PropFilters) == 0 { // no filter lets all pass (RFC 6352, 10.5), unlike Filter
		return all, err
	}
	return carddav.Filter(query, all)
}

func (b *backend) CreateAddressBook(context.Context, *carddav.AddressBook) error { return errReadOnly }

func (b *backend) DeleteAddressBook(context.Context, string) error { return errReadOnly }

func (b *backend) PutAddressObject(context.Context, string, vcard.Card, *carddav.PutAddressObjectOptions) (*carddav.AddressObject, error) {
	return nil, errReadOnly
}

func (b *backend) DeleteAddressObject(context.Context, string) error { return errReadOnly }
