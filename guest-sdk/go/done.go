package sallyport

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Failure is an error that says itself what DONE is to say. A connector
// returns one, also wrapped, when it knows better than the sentinels what
// would help.
//
// One with a Code says it all. Without a Code it only adds to what Err, or
// another error that it is wrapped with, says by its sentinel: the code is the
// sentinel's, and so are Retryable and Recovery where they are not set here.
// Where there is no sentinel either, the code is connector_failed.
type Failure struct {
	Message   string
	Code      string // ^[a-z][a-z0-9_]{0,63}$; may be empty
	Retryable bool
	Recovery  RecoveryAction // may be empty
	Err       error          // the cause, may be nil
}

var _ error = (*Failure)(nil)

// Error returns the message, with the cause's behind it.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Message
	}
	if f.Message == "" {
		return f.Err.Error()
	}
	return f.Message + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// PanicError is a panic, as an error: of the connector's function, or of a
// goroutine of a [Group].
type PanicError struct {
	Value any
	Stack string
}

var _ error = (*PanicError)(nil)

// Error is the panic's value and where it happened, over several lines.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the panic's value when it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// protect calls f and turns a panic into an error.
func protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: stack()}
		}
	}()
	return f()
}

// stack is the stack of the panic that is being recovered, from the frame
// that panicked on.
func stack() string {
	s := string(debug.Stack())
	head, rest, _ := strings.Cut(s, "\n")
	if _, after, ok := strings.Cut(rest, "\npanic("); ok {
		if _, after, ok = strings.Cut(after, "\n"); ok { // its file and line
			_, rest, _ = strings.Cut(after, "\n")
		}
	}
	return head + "\n" + strings.TrimRight(rest, "\n")
}

type wireDone struct {
	Type           string     `json:"type"`
	Status         string     `json:"status"`
	RecordsEmitted int64      `json:"records_emitted"`
	Error          *doneError `json:"error,omitempty"`
}

type doneError struct {
	Message      string         `json:"message"`
	Retryable    bool           `json:"retryable"`
	Code         string         `json:"code,omitempty"`
	RecoveryHint RecoveryAction `json:"recovery_hint,omitempty"`
}

// ending is what DONE says of an error, by what the error wraps. The first
// that fits counts, so what ends a run from outside stands before what it
// causes inside.
type ending struct {
	err       error
	code      string
	retryable bool
	recovery  RecoveryAction
}

var endings = [...]ending{
	{ErrRevoked, abi.CodeRevoked, false, ManualActionRequired},
	{ErrCancelled, abi.CodeCancelled, true, ""},
	{ErrLeakBlocked, abi.CodeLeakBlocked, false, RetryOnConnectorUpgrade},
	{ErrRejected, abi.CodeCredentialRejected, false, RefreshCredentials},
	{ErrDenied, abi.CodeCredentialDenied, false, RefreshCredentials},
	{ErrNotFound, abi.CodeCredentialDenied, false, RefreshCredentials},
	{ErrExpired, abi.CodeCredentialDenied, false, RefreshCredentials},
	{ErrDeclined, abi.CodeCredentialDenied, false, RefreshCredentials},
	{ErrRateLimited, abi.CodeLimitExceeded, true, RetryByRuntime},
	{ErrExhausted, abi.CodeLimitExceeded, false, NotRetriable},
	{ErrTooLarge, abi.CodeLimitExceeded, false, NotRetriable},
	{ErrTimeout, abi.CodeSourceUnavailable, true, RetryByRuntime},
	{ErrUnavailable, abi.CodeSourceUnavailable, true, RetryByRuntime},
	{context.DeadlineExceeded, abi.CodeSourceUnavailable, true, RetryByRuntime},
}

// doneFor words DONE for the error that the connector ended with.
func doneFor(err error, records int64) wireDone {
	d := wireDone{Type: abi.TypeDone, Status: abi.Succeeded, RecordsEmitted: records}
	if err == nil {
		return d
	}
	d.Status = abi.Failed
	d.Error = &doneError{Message: message(err), Code: abi.CodeConnectorFailed}
	var own *Failure
	var crash *PanicError
	switch {
	case errors.As(err, &crash):
		d.Error.Code = abi.CodeConnectorCrashed
		return d
	case errors.As(err, &own) && own.Code != "":
		d.Error.Code, d.Error.Retryable, d.Error.RecoveryHint = own.Code, own.Retryable, own.Recovery
		return d
	}
	for _, e := range endings {
		if errors.Is(err, e.err) {
			d.Error.Code, d.Error.Retryable, d.Error.RecoveryHint = e.code, e.retryable, e.recovery
			break
		}
	}
	if own != nil {
		d.Error.Retryable = d.Error.Retryable || own.Retryable
		if own.Recovery != "" {
			d.Error.RecoveryHint = own.Recovery
		}
	}
	if errors.Is(err, ErrCancelled) {
		d.Status = abi.Cancelled
	}
	return d
}

func message(err error) string {
	m := cut(err.Error(), abi.MaxErrorBytes)
	if strings.TrimSpace(m) == "" {
		return fmt.Sprintf("%T without a message", err)
	}
	return m
}
