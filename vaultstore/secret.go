package vaultstore

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret holds a value that must not be printed. However it is formatted,
// logged or marshalled, alone or deep inside a struct, it says "[redacted]"
// or nothing: the value hides in a closure, where no verb of package fmt
// follows. The zero Secret holds nothing. A copy of a Secret shares its value;
// [Secret.Clone] makes a new one. Secrets do not compare with ==.
//
// Go may copy memory as it pleases: that a value is gone after [Secret.Zero]
// is best effort.
type Secret struct {
	reveal func() []byte
}

// NewSecret copies value.
func NewSecret(value []byte) Secret {
	own := make([]byte, len(value))
	copy(own, value)
	return Secret{reveal: func() []byte { return own }}
}

// IsZero reports whether s holds nothing, not even an empty value.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Len returns the value's length in bytes.
func (s Secret) Len() int { return len(s.Reveal()) }

// Reveal returns the value itself, not a copy: do not change or keep it. It
// is nil for the zero Secret.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Equal compares in a time that depends on the lengths alone.
func (s Secret) Equal(t Secret) bool {
	return s.IsZero() == t.IsZero() && subtle.ConstantTimeCompare(s.Reveal(), t.Reveal()) == 1
}

// Clone returns an independent copy.
func (s Secret) Clone() Secret {
	if s.reveal == nil {
		return Secret{}
	}
	return NewSecret(s.reveal())
}

// Zero overwrites the value, in every copy of s but not in its clones.
func (s Secret) Zero() { clear(s.Reveal()) }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes "[redacted]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes "[redacted]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
