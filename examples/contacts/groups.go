package main

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// group is a record of contact_groups: the contacts that share a category, or
// those that a group card names.
type group struct {
	ID             string   `json:"id"`
	AddressBookURL string   `json:"addressbook_url"`
	Name           string   `json:"name"`
	MemberUIDs     []string `json:"member_uids"`
}

// isGroup reports whether a card is a group: KIND of version 4, or what Apple
// wrote before there was one.
func (c vcard) isGroup() bool {
	return strings.EqualFold(c.text("KIND"), "group") || strings.EqualFold(c.text("X-ADDRESSBOOKSERVER-KIND"), "group")
}

// members returns a group card's name and its members' UIDs, as progress keeps
// them.
func (c vcard) members() []string {
	out := []string{c.text("FN")}
	for _, p := range c.all("MEMBER", "X-ADDRESSBOOKSERVER-MEMBER") {
		out = append(out, bareUID(unescape(p.value)))
	}
	return out
}

// categories returns a card's UID and its categories, as progress keeps them;
// nil when there are none. A card without a UID is named by its own name.
func (c vcard) categories(name string) []string {
	var out []string
	for _, p := range c.all("CATEGORIES") {
		for _, category := range splitEscaped(p.value, ',') {
			if category != "" && !slices.Contains(out, category) {
				out = append(out, category)
			}
		}
	}
	if out == nil {
		return nil
	}
	uid := c.uid()
	if uid == "" {
		uid = name
	}
	return append([]string{uid}, out...)
}

// note keeps what a card says of groups.
func (p *progress) note(name string, c vcard) {
	delete(p.Tagged, name)
	delete(p.Groups, name)
	if c == nil {
		return
	}
	if c.isGroup() {
		set(&p.Groups, name, c.members())
	} else if tags := c.categories(name); tags != nil {
		set(&p.Tagged, name, tags)
	}
}

func set(m *map[string][]string, name string, value []string) {
	if *m == nil {
		*m = map[string][]string{}
	}
	(*m)[name] = value
}

// groups returns the groups of a book, by id.
func (p *progress) groups(bookURL string) map[string]group {
	all := map[string]group{}
	for name, card := range p.Groups {
		if len(card) == 0 {
			continue
		}
		all[bookURL+name] = group{bookURL + name, bookURL, card[0], card[1:]}
	}
	for _, card := range p.Tagged {
		for _, category := range card[min(1, len(card)):] {
			id := bookURL + "#category=" + url.QueryEscape(category)
			g := all[id]
			all[id] = group{id, bookURL, category, append(g.MemberUIDs, card[0])}
		}
	}
	for id, g := range all {
		g.MemberUIDs = slices.Compact(slices.Sorted(slices.Values(g.MemberUIDs)))
		if g.MemberUIDs == nil {
			g.MemberUIDs = []string{}
		}
		all[id] = g
	}
	return all
}

// emittedGroups returns digests of the groups of a book that were emitted, by
// id.
func (p *progress) emittedGroups(bookURL string) map[string]string {
	if p.Forgot {
		return p.Emitted
	}
	return digests(p.groups(bookURL))
}

func digests(groups map[string]group) map[string]string {
	out := map[string]string{}
	for id, g := range groups {
		out[id] = digest(strings.Join(append([]string{g.Name}, g.MemberUIDs...), "\x00"))
	}
	return out
}

// emitGroups emits what differs between two times, in order of the ids: before
// are digests.
func emitGroups(stream *sallyport.Stream[group], before map[string]string, after map[string]group) error {
	now := digests(after)
	for _, id := range slices.Sorted(maps.Keys(after)) {
		if before[id] == now[id] {
			continue
		}
		if err := stream.Emit(after[id]); err != nil {
			return err
		}
	}
	for _, id := range missing(before, now) {
		if err := stream.Delete(id); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the keys of before that are not in after, in order.
func missing[V, W any](before map[string]V, after map[string]W) []string {
	var gone []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[key]; !ok {
			gone = append(gone, key)
		}
	}
	return gone
}
