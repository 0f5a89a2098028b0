// Package custody is about who keeps the one identity that opens a vault's own
// identities: a file, the OS keyring, a passphrase, the service manager, a
// plugin of age.
//
// # Promise
//
// A vault's configuration names its custody, and no other is ever tried: one
// that is locked, absent or out of reach is an error that says so and what to
// do, and never a fallback to a file or to a fresh identity. An error holds no
// part of an identity or a passphrase. Implementations are safe for concurrent
// use and return soon after their context is done.
//
// # Limits
//
// A custody protects an identity at rest. While a vault is open the identity
// is in its process, and whoever is this user can in most cases ask the
// custody just as the vault does.
package custody

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Kind is what a vault's configuration calls a custody.
type Kind string

// The kinds that this tree has.
const (
	File        Kind = "file"        // the identities are plain files
	Keyring     Kind = "keyring"     // the operating system's; package oskeyring
	Phrase      Kind = "passphrase"  // age's scrypt, once per unlock
	Credentials Kind = "credentials" // $CREDENTIALS_DIRECTORY, from the service manager
	Plugin      Kind = "plugin"      // an age plugin: a hardware key, a TPM
)

// Kinds lists them, for help texts.
func Kinds() []Kind { return []Kind{File, Keyring, Phrase, Credentials, Plugin} }

// Slot is what an identity opens.
type Slot string

// The slots. Each has an identity of its own, and may have a custody of its
// own.
const (
	Keys      Slot = "keys"      // everything but passwords: the host's key too
	Passwords Slot = "passwords" // class 3
)

// Ref names one identity.
type Ref struct {
	Store string // the vault's id
	Slot  Slot
}

// MaxNoteBytes bounds the note of a custody.
const MaxNoteBytes = 16 << 10

// Custody keeps identities of age, as their lines ("AGE-SECRET-KEY-1…").
type Custody interface {
	Kind() Kind
	// Make makes an identity and keeps it, or takes the one that is kept there
	// already where others bring it. The note is what the vault stores beside
	// its keys and shows again to Load, nil for none. Nothing that is kept is
	// overwritten.
	Make(ctx context.Context, ref Ref) (identity vaultstore.Secret, note []byte, err error)
	// Load returns the identity, or an [*Error].
	Load(ctx context.Context, ref Ref, note []byte) (vaultstore.Secret, error)
}

// Forgetter is implemented by custodies that keep something outside the
// vault's folders, to be dropped with it.
type Forgetter interface {
	Forget(ctx context.Context, ref Ref) error
}

// The ways in which an identity cannot be had. All of them are also
// vaultstore.ErrSealed.
var (
	ErrLocked      = errors.New("locked")
	ErrAbsent      = errors.New("not there")
	ErrUnavailable = errors.New("out of reach")
	ErrWrong       = errors.New("does not open it")
)

// Error says which custody could not give which identity, why, and what to do.
type Error struct {
	Kind   Kind
	Slot   Slot
	Err    error  // wraps one of the sentinels
	Remedy string // what to do
}

// Error is "the identity that opens the vault's keys cannot be had from its OS
// keyring: why; remedy".
func (e *Error) Error() string {
	s := fmt.Sprintf("the identity that opens the vault's %s cannot be had from its %s: %v", e.Slot, place(e.Kind), e.Err)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns e.Err and vaultstore.ErrSealed.
func (e *Error) Unwrap() []error { return []error{e.Err, vaultstore.ErrSealed} }

// place is a kind as a sentence has it.
func place(k Kind) string {
	switch k {
	case Keyring:
		return "OS keyring"
	case Credentials:
		return "service manager"
	case Plugin:
		return "age plugin"
	}
	return string(k)
}

// Set is the custodies that a program offers, by kind.
type Set map[Kind]Custody

// NewSet returns the custodies of all.
func NewSet(all ...Custody) Set {
	s := make(Set, len(all))
	for _, c := range all {
		s[c.Kind()] = c
	}
	return s
}

// Find returns the custody of kind for slot. One that the program does not
// have is [ErrUnavailable].
func (s Set) Find(kind Kind, slot Slot) (Custody, error) {
	if c, ok := s[kind]; ok {
		return c, nil
	}
	return nil, &Error{Kind: kind, Slot: slot, Err: fmt.Errorf("%w: this program has no such custody", ErrUnavailable),
		Remedy: "open the vault with a program that has it"}
}
