package surrogate

import (
	"errors"
	"strconv"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

var (
	// ErrBadValue is wrapped by every [ValueError].
	ErrBadValue = errors.New("the stored value cannot be sent in this position")
	// ErrMisplaced is wrapped by every [PlaceError].
	ErrMisplaced = errors.New("a surrogate stands where none may")
	// ErrPartial is wrapped by a [PlaceError] too: in Basic authentication a
	// surrogate is the whole user or the whole password, or it does not belong
	// there.
	ErrPartial = errors.New("a surrogate must be the whole user or the whole password in basic authentication")
	// ErrTooMany: more than [MaxPlaces] surrogates in a head or in a body.
	ErrTooMany = errors.New("more than " + strconv.Itoa(MaxPlaces) + " surrogates in one request: send several requests")
	// ErrURL: the URL cannot be read, or not in one way only. What
	// [manifests.TargetOf] refuses is its error.
	ErrURL = errors.New("the URL cannot be read, or not in one way only: escape it, and leave out the fragment")
	// ErrURLTooLong: a URL longer than abi.MaxURLBytes.
	ErrURLTooLong = errors.New("the URL is longer than " + strconv.Itoa(abi.MaxURLBytes) + " bytes: send what is long in a body")
	// ErrChanged: the value of a whole URL is no longer the one that was opened.
	ErrChanged = errors.New("the stored value changed while the request was being built: send it again")

	// ErrMethod: the request names another method than its own. What is decided
	// is the method that it is sent by.
	ErrMethod = errors.New("the request names another method than its own, by a header or by " + methodField)
	// ErrRepeated: a name is there again after a value was put in at it.
	ErrRepeated = errors.New("a JSON member with a surrogate in it is there twice: name each member once")

	errNotOpened = errors.New("the request's URL is a surrogate that was not opened")
)

// PlaceError says that a live surrogate stands where none may. Its text does
// not hold the token.
type PlaceError struct {
	Token  string
	Where  string // "the fragment", "a query key": goes on from "stands in"
	Remedy string // "" where the remedy is to put it where send_to says

	partial bool
}

func (e *PlaceError) Error() string {
	s := "a surrogate stands in " + e.Where
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// Is makes it an [ErrMisplaced], and an [ErrPartial] where it is one.
func (e *PlaceError) Is(target error) bool {
	return target == ErrMisplaced || e.partial && target == ErrPartial
}

// ValueError says that a stored value cannot stand at a position. Its text
// holds neither.
type ValueError struct {
	Token  string
	At     manifests.Position
	Reason string // what is wrong with the value, and the remedy where there is one
}

func (e *ValueError) Error() string { return ErrBadValue.Error() + ": " + e.Reason }

// Unwrap returns [ErrBadValue].
func (e *ValueError) Unwrap() error { return ErrBadValue }
