package vaultstore

import "errors"

// The errors of a store. Test with errors.Is; what is returned wraps one of
// them, or the context's error, or the operating system's, and names the
// address, never a value.
var (
	ErrNotFound       = errors.New("not found")
	ErrConflict       = errors.New("changed by someone else")
	ErrLocked         = errors.New("locked by another process")
	ErrSealed         = errors.New("sealed: the identity that opens it is not here")
	ErrTampered       = errors.New("not what was written here")
	ErrRollback       = errors.New("older than what was last written here")
	ErrMissing        = errors.New("gone, though it was written")
	ErrTooLarge       = errors.New("too large")
	ErrClass          = errors.New("class refused")
	ErrInvalid        = errors.New("invalid")
	ErrNotInitialised = errors.New("no vault here")
	ErrUnknownOutcome = errors.New("outcome unknown: it may have been written")
	ErrClosed         = errors.New("store is closed")
	// ErrPermissions: others on this machine could read or replace what has
	// to be the owner's alone.
	ErrPermissions = errors.New("open to others")
)

// Error says which operation failed on what, why, and what helps. It is one
// line and holds no value.
type Error struct {
	Op      string  // "get", "put", "delete", "list", "mark", "open", …
	Address Address // the parts that are known
	Err     error
	Remedy  string // what would help; "" when nothing would
}

// Error is "get alice/github/default/self/TOKEN: why; remedy".
func (e *Error) Error() string {
	s := e.Op
	if a := e.Address.String(); a != "" {
		s += " " + a
	}
	s += ": " + e.Err.Error()
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }
