// Package pathname turns any string into the name of a file.
//
// # Promise
//
// No two strings have one name, on any file system: not where case is folded,
// where Unicode is normalised, or where Windows reserves names. (For names of
// more than [MaxBytes] that holds as far as SHA-256 does.) A name never holds
// a separator or a dot, so it never leaves its folder and never ends in an
// extension. [Unescape] accepts exactly what [Escape] returns.
//
// # Limits
//
// A name is a hint where a thing is kept, never the authority on what it is:
// the thing itself has to say.
package pathname

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// MaxBytes bounds a name. It leaves room for an extension where a file system
// allows 255 bytes.
const MaxBytes = 200

// ErrNotEscaped says that [Escape] makes no such name.
var ErrNotEscaped = errors.New("not an escaped name")

const (
	hexDigits = "0123456789abcdef"
	// empty stands for "", and digest begins the name of what is too long:
	// neither begins with two hex digits after the "%".
	empty  = "%"
	digest = "%h"
)

// Escape returns the name of s. It consists of a-z, 0-9, "_", "-" and "%".
func Escape(s string) string {
	if s == "" {
		return empty
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if plain(c) && !(i == 0 && (c == '-' || reserved(s))) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	if b.Len() > MaxBytes {
		sum := sha256.Sum256([]byte(s))
		return digest + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// Unescape returns the string that name is the name of. It is known unless the
// name is a digest, which does not tell. The error is [ErrNotEscaped].
func Unescape(name string) (s string, known bool, err error) {
	if name == empty {
		return "", true, nil
	}
	if sum, ok := strings.CutPrefix(name, digest); ok {
		if len(sum) != 2*sha256.Size || strings.Trim(sum, hexDigits) != "" {
			return "", false, ErrNotEscaped
		}
		return "", false, nil
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' {
			if i+2 >= len(name) {
				return "", false, ErrNotEscaped
			}
			high, low := strings.IndexByte(hexDigits, name[i+1]), strings.IndexByte(hexDigits, name[i+2])
			if high < 0 || low < 0 {
				return "", false, ErrNotEscaped
			}
			c, i = byte(high<<4|low), i+2
		}
		b.WriteByte(c)
	}
	if Escape(b.String()) != name {
		return "", false, ErrNotEscaped
	}
	return b.String(), true, nil
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// reserved reports whether Windows takes s for a device. Its other reserved
// names hold a byte that is escaped anyway.
func reserved(s string) bool {
	switch s {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(s) == 4 && (s[:3] == "com" || s[:3] == "lpt") && '0' <= s[3] && s[3] <= '9'
}
