package vaultstore

import (
	"context"
	"fmt"
)

// Passwords is implemented by stores that keep class 3 under an identity that
// is not loaded with the others. Until it is, a password that is stored is
// [ErrPasswordsSealed] to Get, Put and Delete, listed without stages, and
// everything else works.
type Passwords interface {
	// LoadPasswords loads the identity, and keeps it until release is called:
	// for one login, or one command of the owner's. It is [ErrClass] when the
	// store keeps no passwords.
	LoadPasswords(ctx context.Context) (release func(), err error)
}

// ErrPasswordsSealed is [ErrSealed] of a password, whose identity is not
// loaded.
var ErrPasswordsSealed = fmt.Errorf("%w: a password is opened for a login alone", ErrSealed)

// LoadPasswords is [Passwords.LoadPasswords] of a store that is one; of any
// other, which keeps its passwords like the rest, it does nothing.
func LoadPasswords(ctx context.Context, s Store) (release func(), err error) {
	if p, ok := s.(Passwords); ok {
		return p.LoadPasswords(ctx)
	}
	return func() {}, nil
}
