package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// fault is what is wrong with a card: the reason of a SKIP_RESULT.
type fault string

const (
	notVCard    fault = "not_a_vcard"
	truncated   fault = "card_truncated"
	several     fault = "several_cards"
	undecodable fault = "text_not_decodable"
	tooLarge    fault = "record_too_large"
)

// means says what became of cards with the fault.
func (f fault) means() string {
	switch f {
	case notVCard:
		return "no vCards, and not collected"
	case truncated:
		return "cut off, and collected as far as they go"
	case several:
		return "more than one vCard in one place, and the first was collected"
	case undecodable:
		return "written in an encoding that is not understood, in part, and collected as far as it is"
	}
	return "larger than a record may be, and not collected"
}

// faults are the names of an address book's cards, by what is wrong with them.
type faults map[fault][]string

func (f faults) add(name string, found ...fault) {
	for _, one := range found {
		f[one] = append(f[one], name)
	}
}

// report says what is wrong, in one SKIP_RESULT for each fault.
func (f faults) report(run *sallyport.Run, stream string, b book) error {
	const most = 10 // names
	for _, one := range slices.Sorted(maps.Keys(f)) {
		names := f[one]
		which := strings.Join(names[:min(most, len(names))], ", ")
		if more := len(names) - most; more > 0 {
			which += fmt.Sprintf(" and %d more", more)
		}
		if err := run.Skip(sallyport.Skip{Stream: stream, Reason: string(one),
			Message: fmt.Sprintf("%d in %s are %s: %s", len(names), b.name(), one.means(), which)}); err != nil {
			return err
		}
	}
	return nil
}
