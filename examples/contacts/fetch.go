package main

import (
	"context"
	"encoding/xml"
	"errors"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

const (
	// batchCards is how many cards one request asks for, and parallel how
	// many such requests are under way: enough to hide the network, few enough
	// that photographs fit the guest's memory.
	batchCards = 20
	parallel   = 3
	// maxHeld bounds the cards that are read ahead, in bytes: what is beyond
	// is read after these, a card at a time.
	maxHeld = 16 << 20
)

// fetched is a card as it was read; gone when it has been deleted meanwhile,
// card nil when it is no vCard.
type fetched struct {
	name, etag string
	text       string // a digest of the card as it was delivered
	card       vcard
	faults     []fault
	gone       bool
	later      bool // to be read again
}

// version tells what was read from what was before and comes after: the etag
// or, of a server that has none, the card itself.
func (f fetched) version() string {
	if f.etag == "" {
		return f.text
	}
	return f.etag
}

// listedIn is f with the etag that a listing gave, where the card came without.
func (f fetched) listedIn(l listing) fetched {
	if f.etag == "" {
		f.etag = l.cards[f.name]
	}
	return f
}

// fetch reads cards and hands them to each in the order of names, some at a
// time.
func (d *dav) fetch(ctx context.Context, b book, names []string, each func(fetched) error) error {
	for wave := range slices.Chunk(names, batchCards*parallel) {
		batches := slices.Collect(slices.Chunk(wave, batchCards))
		results := make([][]fetched, len(batches))
		g := sallyport.NewGroup(ctx, parallel)
		for i, batch := range batches {
			g.Go(func(ctx context.Context) (err error) {
				results[i], err = d.multiget(ctx, b, batch, maxHeld/parallel)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, batch := range results {
			for i, f := range batch {
				batch[i] = fetched{} // so that its memory can be used again
				if err := d.now(ctx, b, f, each); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// now hands a card on, and reads it again if it was not held.
func (d *dav) now(ctx context.Context, b book, f fetched, each func(fetched) error) error {
	if f.later {
		again, err := d.multiget(ctx, b, []string{f.name}, maxHeld)
		if err != nil {
			return err
		}
		f = again[0]
	}
	return each(f)
}

// errFull ends the reading of an answer.
var errFull = errors.New("no more cards can be held")

// multiget is the report of RFC 6352, section 8.7. It holds at most that many
// bytes of cards, but one in any case; what is beyond is for later.
func (d *dav) multiget(ctx context.Context, b book, names []string, most int) ([]fetched, error) {
	var body strings.Builder
	body.WriteString(`<C:addressbook-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><prop><getetag/><C:address-data/></prop>`)
	for _, name := range names {
		body.WriteString("<href>")
		if err := xml.EscapeText(&body, []byte(pathOf(b.URL+name))); err != nil {
			return nil, err
		}
		body.WriteString("</href>")
	}
	body.WriteString(`</C:addressbook-multiget>`)
	found, held := map[string]fetched{}, 0
	_, err := d.ask(ctx, "REPORT", b.URL, "1", body.String(), func(it item) error {
		name, ok, err := cardName(b, it)
		switch {
		case err != nil || !ok:
			return err
		case it.gone():
			found[name] = fetched{name: name, gone: true}
			return nil
		case it.prop.Card == nil:
			return nil // not delivered, whatever the reason: below
		}
		if held > 0 && held+len(*it.prop.Card) > most {
			return errFull
		}
		held += len(*it.prop.Card)
		f := fetched{name: name, etag: it.prop.ETag, text: digest(*it.prop.Card)}
		f.card, f.faults = parseCard(*it.prop.Card)
		found[name] = f
		return nil
	})
	full := errors.Is(err, errFull)
	if err != nil && !full {
		return nil, err
	}
	out := make([]fetched, 0, len(names))
	for _, name := range names {
		f, ok := found[name]
		switch {
		case !ok && full:
			f = fetched{name: name, later: true}
		case !ok:
			// Only a server that says so has deleted a card. The cursor stays
			// where it was, and the next run asks again.
			return nil, incomplete("a contact that it had listed")
		}
		out = append(out, f)
	}
	return out, nil
}
