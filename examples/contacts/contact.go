package main

import (
	"slices"
	"strings"
)

// contact is a record of contacts. What a card does not say is null or empty.
type contact struct {
	ID             string        `json:"id"` // the card's URL
	AddressBookURL string        `json:"addressbook_url"`
	UID            *string       `json:"uid"`
	DisplayName    *string       `json:"display_name"`
	FamilyName     *string       `json:"family_name"`
	GivenName      *string       `json:"given_name"`
	Org            *string       `json:"org"`
	Title          *string       `json:"title"`
	Note           *string       `json:"note"`
	Birthday       *string       `json:"birthday"`
	Emails         []typedValue  `json:"emails"`
	Phones         []typedValue  `json:"phones"`
	Addresses      []postAddress `json:"addresses"`
	HasPhoto       bool          `json:"has_photo"`
	PhotoMediaType *string       `json:"photo_media_type"`
	PhotoBase64    *string       `json:"photo_base64"`
	ETag           *string       `json:"etag"`
	Rev            *string       `json:"rev"`
}

type typedValue struct {
	Types []string `json:"types"`
	Value string   `json:"value"`
}

type postAddress struct {
	Types      []string `json:"types"`
	Value      string   `json:"value"` // the parts in one line
	POBox      *string  `json:"po_box"`
	Extended   *string  `json:"extended"`
	Street     *string  `json:"street"`
	City       *string  `json:"city"`
	Region     *string  `json:"region"`
	PostalCode *string  `json:"postal_code"`
	Country    *string  `json:"country"`
}

// contactOf makes a record of a card.
func contactOf(c vcard, id, book, etag string) contact {
	name := append(c.list("N", ';'), "", "")
	org := join(c.list("ORG", ';'), ", ")
	out := contact{
		ID: id, AddressBookURL: book, UID: optional(c.uid()),
		FamilyName: optional(name[0]), GivenName: optional(name[1]), Org: optional(org),
		Title: optional(c.text("TITLE")), Note: optional(c.text("NOTE")), Birthday: optional(c.birthday()),
		Emails: c.values("EMAIL", ""), Phones: c.values("TEL", "tel:"), Addresses: c.addresses(),
		ETag: optional(etag), Rev: optional(c.text("REV")),
	}
	display := c.text("FN")
	for _, instead := range []string{join([]string{name[1], name[0]}, " "), org, first(out.Emails)} {
		if display == "" {
			display = instead
		}
	}
	out.DisplayName = optional(display)
	out.HasPhoto, out.PhotoMediaType, out.PhotoBase64 = c.photo()
	return out
}

// uid returns the card's UID, bare: version 4 writes it as a URN.
func (c vcard) uid() string { return bareUID(c.text("UID")) }

func bareUID(s string) string {
	const urn = "urn:uuid:"
	if len(s) > len(urn) && strings.EqualFold(s[:len(urn)], urn) {
		return s[len(urn):]
	}
	return s
}

// values returns the addresses of a kind, such as EMAIL, without the scheme
// that version 4 may write before them.
func (c vcard) values(name, scheme string) []typedValue {
	out := []typedValue{}
	for _, p := range c.all(name) {
		value := unescape(p.value)
		if scheme != "" && len(value) > len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
			value = value[len(scheme):]
		}
		if value != "" {
			out = append(out, typedValue{c.types(p), value})
		}
	}
	return out
}

func (c vcard) addresses() []postAddress {
	out := []postAddress{}
	for _, p := range c.all("ADR") {
		parts := splitEscaped(p.value, ';')
		line := join(parts, ", ")
		if line == "" {
			continue
		}
		for len(parts) < 7 {
			parts = append(parts, "")
		}
		out = append(out, postAddress{c.types(p), line, optional(parts[0]), optional(parts[1]), optional(parts[2]),
			optional(parts[3]), optional(parts[4]), optional(parts[5]), optional(parts[6])})
	}
	return out
}

// types returns what a property says of its kind: TYPE, whether it is
// preferred, and the label that Apple writes beside it.
func (c vcard) types(p property) []string {
	out := []string{}
	add := func(s string) {
		s = strings.ToLower(strings.TrimSpace(s))
		if s != "" && s != "internet" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, list := range p.params["TYPE"] {
		for t := range strings.SplitSeq(list, ",") { // TYPE="home,cell"
			add(t)
		}
	}
	if len(p.params["PREF"]) > 0 {
		add("pref")
	}
	if p.group != "" {
		for _, label := range c.all("X-ABLABEL") {
			if label.group == p.group {
				add(strings.TrimSuffix(strings.TrimPrefix(unescape(label.value), "_$!<"), ">!$_"))
			}
		}
	}
	return out
}

// birthday returns BDAY as YYYY-MM-DD or, without a year, --MM-DD, where it is
// written in one of the ways of either version, and else as it stands.
func (c vcard) birthday() string {
	p := c.all("BDAY")
	if len(p) == 0 {
		return ""
	}
	s, _, _ := strings.Cut(unescape(p[0].value), "T")
	switch {
	case len(s) == 8 && digits(s):
		s = s[:4] + "-" + s[4:6] + "-" + s[6:]
	case len(s) == 6 && s[:2] == "--" && digits(s[2:]):
		s = s[:4] + "-" + s[4:]
	case !startsLikeDate(s):
		return unescape(p[0].value) // a text
	}
	if omit := p[0].params["X-APPLE-OMIT-YEAR"]; len(omit) > 0 && len(s) == 10 && s[:4] == omit[0] {
		s = "-" + s[4:] // Apple writes 1604 for no year
	}
	return s
}

func startsLikeDate(s string) bool {
	return len(s) >= 4 && (digits(s[:4]) || s[:2] == "--" && digits(s[2:4]))
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// photo returns the photograph that stands in the card itself. One that is
// elsewhere is only said to be there: the connector does not go and get it.
func (c vcard) photo() (has bool, mediaType, base64 *string) {
	for _, p := range c.all("PHOTO") {
		value := strings.TrimSpace(p.value)
		if value == "" {
			continue
		}
		if rest, ok := strings.CutPrefix(value, "data:"); ok { // version 4
			head, data, _ := strings.Cut(strings.ReplaceAll(rest, `\`, ""), ",") // some escape it like a text
			media, isBase64 := strings.CutSuffix(head, ";base64")
			if !isBase64 {
				return true, optional(media), nil
			}
			return true, optional(media), optional(data)
		}
		for _, encoding := range p.params["ENCODING"] { // version 3
			if strings.EqualFold(encoding, "b") || strings.EqualFold(encoding, "BASE64") {
				return true, optional(imageType(p.params["TYPE"])), optional(strings.Join(strings.Fields(value), ""))
			}
		}
		return true, nil, nil
	}
	return false, nil, nil
}

func imageType(types []string) string {
	for _, t := range types {
		switch t = strings.ToLower(t); {
		case t == "jpg":
			return "image/jpeg"
		case strings.HasPrefix(t, "image/"):
			return t
		case t != "" && t != "base64":
			return "image/" + t
		}
	}
	return ""
}

// join joins what is not empty.
func join(parts []string, sep string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), sep)
}

func first(values []typedValue) string {
	if len(values) == 0 {
		return ""
	}
	return values[0].Value
}
