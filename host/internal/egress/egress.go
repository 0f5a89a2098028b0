// Package egress connects to sources: only to addresses that are allowed, and
// over nothing but what was checked.
//
// # Promise
//
// A name is resolved once for each connection, every address it has is
// checked, and the connection goes to a checked address: a resolver that
// changes its answer gains nothing, for a later connection is resolved and
// checked anew and an open one stays where it is. Loopback, private,
// link-local, shared (CGNAT), metadata and all other special-purpose
// addresses are refused, in any spelling, unless the operator excepted that
// exact name for that exact address. No proxy is asked, no redirect followed,
// and TLS is always verified.
//
// A [Client] keeps the manifest's rate and number of requests for each origin,
// asks again after 429 and 503 where that is safe, and bounds each phase. What
// it sends has one reading: a request that could be read in two ways does not
// leave. Trailers of an answer, and informational answers (1xx), are dropped;
// an answer that changes the protocol (101) is an error.
//
// # Limits
//
// A network's own translation of IPv4 addresses into its public IPv6 range
// (RFC 6052, section 2.2) cannot be told from other addresses; the one that
// is well known (64:ff9b::/96) is refused. An operator who runs another one
// filters there.
//
// net/http writes what a source sends unasked, after an answer's end, to the
// log package's standard logger, up to 4 KiB of it. That logger is the main
// program's: it has to discard what comes there, or to scrub it.
//
// Errors of this package name the host that the owner wrote, never an address
// or a URL. What they wrap, and errors of crypto/tls, may quote the source:
// they are to be sorted with [errors.As], not shown.
//
// # Concurrency
//
// Everything is safe for concurrent use, and nothing runs on after a call has
// returned, save the connections that a transport keeps.
package egress

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The times that each phase may take. The whole of an exchange is bounded by
// its context.
const (
	DialTimeout     = 15 * time.Second // to look up a name and connect
	TLSTimeout      = 15 * time.Second
	HeadTimeout     = 2 * time.Minute  // from the request's last byte to the answer's head
	BodyIdleTimeout = 1 * time.Minute  // for the next byte of the answer's body, once it is asked for
	IdleTimeout     = 90 * time.Second // for which a connection without a request is kept
)

// The errors of this package, beside [*AddressError] and [*TimeoutError].
var (
	// ErrAddress is wrapped when an address is refused.
	ErrAddress = errors.New("address refused")
	// ErrNoAddress is wrapped when a name has none.
	ErrNoAddress = errors.New("its name does not resolve")
	// ErrConnect is wrapped when no address of a name answers.
	ErrConnect = errors.New("no connection")
	// ErrTimeout is wrapped when a phase took too long.
	ErrTimeout = errors.New("took too long")
	// ErrRequest is wrapped when a request could be read in two ways.
	ErrRequest = errors.New("request refused")
	// ErrAnswer is returned for an answer whose head could be read in two ways.
	ErrAnswer = errors.New("the answer's head is malformed")
	// ErrSwitched is returned when a source answers with another protocol.
	ErrSwitched = errors.New("the source changed the protocol unasked")
)

// AddressError says which name was refused, and why.
type AddressError struct {
	Host   string
	Reason string
}

func (e *AddressError) Error() string { return e.Host + ": " + e.Reason }

// Unwrap returns [ErrAddress].
func (e *AddressError) Unwrap() error { return ErrAddress }

// Phase is a part of an exchange.
type Phase string

// The phases, in their order. They complete "it took too long to …".
const (
	PhaseTurn    Phase = "come to its turn"
	PhaseResolve Phase = "resolve its name"
	PhaseConnect Phase = "connect"
	PhaseTLS     Phase = "agree on TLS"
	PhaseHead    Phase = "answer"
	PhaseBody    Phase = "send more of its answer"
)

// TimeoutError says which phase of an exchange took too long. It is an
// [ErrTimeout] and a [context.DeadlineExceeded], and a net.Error.
type TimeoutError struct {
	Host  string // without its port
	Phase Phase
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: it took too long to %s", e.Host, string(e.Phase))
}

// Unwrap returns [ErrTimeout] and [context.DeadlineExceeded].
func (e *TimeoutError) Unwrap() []error { return []error{ErrTimeout, context.DeadlineExceeded} }

// Timeout returns true.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary returns false: asking again is decided elsewhere.
func (e *TimeoutError) Temporary() bool { return false }
