package sallyport

import (
	"errors"
	"strings"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Status is a refusal as the host tells it to a guest: a kind, no reason. The
// reason and the remedy go to the owner, so that no connector can feel its way
// around what it is not given. A Status is an error, and the sentinels below
// are all there are:
//
//	if errors.Is(err, sallyport.ErrDenied) { … }
type Status abi.Status

// The sentinels. An [*Error] is the one of its Status.
const (
	// ErrDenied: not declared, not approved, or not for this role.
	ErrDenied = Status(abi.StatusDenied)
	// ErrNotFound: a declared and approved credential has no stored value.
	ErrNotFound = Status(abi.StatusNotFound)
	// ErrInvalid: a malformed argument or message.
	ErrInvalid = Status(abi.StatusInvalid)
	// ErrExpired: the credential or the approval is past its time.
	ErrExpired = Status(abi.StatusExpired)
	// ErrRevoked: the owner took the approval back; the run is over.
	ErrRevoked = Status(abi.StatusRevoked)
	// ErrTimeout: a stated time ran out.
	ErrTimeout = Status(abi.StatusTimeout)
	// ErrUnavailable: the source, the vault or the audit log could not be
	// reached.
	ErrUnavailable = Status(abi.StatusUnavailable)
	// ErrTooLarge: past a bound of the ABI.
	ErrTooLarge = Status(abi.StatusTooLarge)
	// ErrCancelled: the run is being stopped.
	ErrCancelled = Status(abi.StatusCancelled)
	// ErrLeakBlocked: a surrogate or a secret where it may not be.
	ErrLeakBlocked = Status(abi.StatusLeakBlocked)
	// ErrRateLimited: past a rate, the host's or the source's.
	ErrRateLimited = Status(abi.StatusRateLimited)
	// ErrExhausted: past a limit of the run.
	ErrExhausted = Status(abi.StatusExhausted)
	// ErrRejected: the source refused the credential.
	ErrRejected = Status(abi.StatusRejected)
)

// ErrEnded is the error of what is asked of a [Run] whose function has
// returned.
var ErrEnded = errors.New("the run has ended")

// Error returns the status's generic message: "denied", "not found".
func (s Status) Error() string { return abi.Status(s).Text() }

// Error is a refusal by the host.
type Error struct {
	Op     string // what was asked: "use", "emit", "GET", …
	Name   string // of what: a credential, a stream, a URL without its query; may be empty
	Status Status
	// Text is the host's generic message, when it says something else than
	// the status itself.
	Text string
}

var _ error = (*Error)(nil)

// Error is one line: what was asked, of what, and the status.
func (e *Error) Error() string {
	s := e.Op
	if e.Name != "" {
		s += " " + e.Name
	}
	s += ": " + e.Status.Error()
	if e.Text != "" && e.Text != e.Status.Error() {
		s += " (" + e.Text + ")"
	}
	return s
}

// Unwrap makes errors.Is match the sentinels.
func (e *Error) Unwrap() error { return e.Status }

// withoutQuery cuts a URL for messages: a query may hold a surrogate or what
// is the owner's.
func withoutQuery(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	const most = 200
	if len(url) > most {
		url = url[:most] + "…"
	}
	return url
}
