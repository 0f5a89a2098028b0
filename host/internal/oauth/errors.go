package oauth

import (
	"errors"
	"fmt"
	"time"
)

// The ways in which a call fails. Every error of this package wraps one of
// them, or is the context's.
var (
	// ErrNeedsReauthorisation: the refresh token is of no use any more
	// (invalid_grant): the owner has to go through the authorization again.
	ErrNeedsReauthorisation = errors.New("it needs re-authorisation by its owner")
	// ErrClient: the source does not know the client, or not with this
	// secret (invalid_client, unauthorized_client).
	ErrClient = errors.New("the source refuses the client's id or secret")
	// ErrRefused: the source refuses the request for another reason.
	ErrRefused = errors.New("the source refuses the request")
	// ErrDenied: the owner, or the source for them, said no.
	ErrDenied = errors.New("the authorization was denied")
	// ErrExpired: the owner did not answer in time.
	ErrExpired = errors.New("the authorization was not given in time")
	// ErrRetry: it may work later; a [*RetryError] says when.
	ErrRetry = errors.New("the source cannot answer now")
	// ErrAnswer: the answer is not one that RFC 6749 allows.
	ErrAnswer = errors.New("the source's answer cannot be used")
	// ErrConfig: what the caller gave cannot make a request.
	ErrConfig = errors.New("the request cannot be made")
	// ErrLoopback: this machine does not let the browser's answer come back.
	ErrLoopback = errors.New("the browser's answer cannot come back here")
	// ErrNotStored: the source gave new tokens that could not be written. The
	// process keeps them and tries again at the next Renew.
	ErrNotStored = errors.New("new tokens could not be stored")
)

// RetryError says that a call may work later. It wraps [ErrRetry].
type RetryError struct {
	// After is how long to wait; 0 where the source does not say.
	After time.Duration
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Uncertain: the request may have reached the source, which may have
	// acted on it. A single-use refresh token may be spent.
	Uncertain bool
	cause     error
}

func (e *RetryError) Error() string {
	text := ErrRetry.Error()
	switch {
	case e.Status != 0:
		text += fmt.Sprintf(": it answered with status %d", e.Status)
	case e.Uncertain:
		text += ": the connection was lost before its answer was complete"
	default:
		text += ": it could not be reached"
	}
	if e.After > 0 {
		text += fmt.Sprintf("; try again in %v", e.After.Round(time.Second))
	}
	return text
}

// Unwrap returns [ErrRetry], and what the transport said, which is not in the
// text: it may name addresses.
func (e *RetryError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrRetry}
	}
	return []error{ErrRetry, e.cause}
}

// CodeError is a refusal with a code of RFC 6749 or RFC 8628. It wraps
// [ErrNeedsReauthorisation], [ErrClient], [ErrDenied], [ErrExpired] or
// [ErrRefused].
type CodeError struct {
	Code string // "" when it is none of the standard's
	kind error
}

func (e *CodeError) Error() string {
	if e.Code == "" {
		return e.kind.Error()
	}
	if errors.Is(e.kind, ErrNeedsReauthorisation) {
		return (&ReauthError{}).Error()
	}
	return e.kind.Error() + " (" + e.Code + ")"
}

// Unwrap returns the kind.
func (e *CodeError) Unwrap() error { return e.kind }

// ReauthError is [ErrNeedsReauthorisation] with what is known of the reason.
type ReauthError struct {
	// InterruptedSince is when a refresh began whose answer was never stored:
	// the process ended, or the connection. Zero when there was none: the
	// source took the authorization back, or it ran out.
	InterruptedSince time.Time
	// Missing: no refresh token is stored at all.
	Missing bool
}

func (e *ReauthError) Error() string {
	why := "the source no longer accepts the refresh token"
	switch {
	case e.Missing:
		why = "no refresh token is stored"
	case !e.InterruptedSince.IsZero():
		why += ", as a refresh that began at " + e.InterruptedSince.UTC().Format(time.RFC3339) + " was cut off before its answer was stored"
	}
	return why + "; " + ErrNeedsReauthorisation.Error()
}

// Unwrap returns [ErrNeedsReauthorisation].
func (e *ReauthError) Unwrap() error { return ErrNeedsReauthorisation }

// codeError sorts the codes of RFC 6749 sections 4.1.2.1 and 5.2 and RFC 8628
// section 3.5. Any other text is the source's own and is dropped.
func codeError(code string) error {
	switch code {
	case "invalid_grant":
		return &CodeError{code, ErrNeedsReauthorisation}
	case "invalid_client", "unauthorized_client":
		return &CodeError{code, ErrClient}
	case "access_denied":
		return &CodeError{code, ErrDenied}
	case "expired_token":
		return &CodeError{code, ErrExpired}
	case "invalid_request", "invalid_scope", "unsupported_grant_type", "unsupported_response_type", codePending, codeSlowDown:
		return &CodeError{code, ErrRefused}
	case "temporarily_unavailable", "server_error":
		return &RetryError{}
	}
	return &CodeError{"", ErrRefused}
}

// The codes that keep a device waiting.
const (
	codePending  = "authorization_pending"
	codeSlowDown = "slow_down"
)

// noRefresh says of an invalid_grant that is about a code what it is: no
// refresh token is the worse for it.
func noRefresh(t Tokens, err error) (Tokens, error) {
	if errors.Is(err, ErrNeedsReauthorisation) {
		return Tokens{}, &CodeError{"invalid_grant", ErrRefused}
	}
	return t, err
}

func badAnswer(why string) error { return fmt.Errorf("%w: %s", ErrAnswer, why) }

func badConfig(why string) error { return fmt.Errorf("%w: %s", ErrConfig, why) }
