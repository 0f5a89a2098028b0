package vaultstore

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
)

// MaxPartBytes bounds each part of an [Address]; its Name is bounded by
// abi.MaxNameBytes.
const MaxPartBytes = 256

// Address names one credential of one owner's one account under one grant.
// Each is a partition of its own: nothing is inherited between them.
type Address struct {
	Owner     string
	Connector string // the manifest's connector_key
	Instance  string // one account at the source; "default" when the owner has one
	Grant     string // "self" for the owner's own runs
	Name      string // as in credentials_schema
}

// DefaultInstance and SelfGrant are the parts of an [Address] that an owner
// who never heard of them has.
const (
	DefaultInstance = "default"
	SelfGrant       = "self"
)

// Parts returns the five parts, from owner to name.
func (a Address) Parts() [5]string {
	return [5]string{a.Owner, a.Connector, a.Instance, a.Grant, a.Name}
}

var partNames = [5]string{"owner", "connector", "instance", "grant", "name"}

// Validate returns [ErrInvalid] unless every part is UTF-8 without control
// characters, not empty and within its bound.
func (a Address) Validate() error {
	for i, part := range a.Parts() {
		if err := ValidatePart(partNames[i], part); err != nil {
			return err
		}
	}
	if len(a.Name) > abi.MaxNameBytes {
		return fmt.Errorf("%w: the name is longer than %d bytes", ErrInvalid, abi.MaxNameBytes)
	}
	return nil
}

// ValidatePart checks one part of an address, or the name of a mark; what is
// how the error calls it.
func ValidatePart(what, part string) error {
	switch {
	case part == "":
		return fmt.Errorf("%w: the %s is empty", ErrInvalid, what)
	case len(part) > MaxPartBytes:
		return fmt.Errorf("%w: the %s is longer than %d bytes", ErrInvalid, what, MaxPartBytes)
	case !utf8.ValidString(part):
		return fmt.Errorf("%w: the %s is not UTF-8", ErrInvalid, what)
	case strings.ContainsFunc(part, unicode.IsControl):
		return fmt.Errorf("%w: the %s has a control character", ErrInvalid, what)
	}
	return nil
}

// Compare orders addresses by their parts, byte by byte, owner first.
func (a Address) Compare(b Address) int {
	p, q := a.Parts(), b.Parts()
	for i := range p {
		if c := cmp.Compare(p[i], q[i]); c != 0 {
			return c
		}
	}
	return 0
}

// String is the parts with slashes between them, for people: a part that
// could be misread is quoted, one that is too long is cut, and what follows
// the last known part is left out.
func (a Address) String() string {
	parts := a.Parts()
	known := len(parts)
	for known > 0 && parts[known-1] == "" {
		known--
	}
	words := make([]string, known)
	for i := range words {
		words[i] = displayPart(parts[i])
	}
	return strings.Join(words, "/")
}

func displayPart(part string) string {
	cut := ""
	if len(part) > MaxPartBytes {
		part, cut = part[:MaxPartBytes], "…"
	}
	odd := func(r rune) bool { return r == '/' || r == '"' || r == utf8.RuneError || !unicode.IsGraphic(r) }
	if part == "" || strings.ContainsFunc(part, odd) {
		part = strconv.Quote(part)
	}
	return part + cut
}
