// Package signing does with a key what a connector asks for, so that the key
// itself never leaves the host: message authentication codes, JSON Web
// Tokens, AWS signatures and one-time codes.
//
// # Promise
//
// Nothing here does any I/O or reads a clock: the time is given. What differs
// from call to call all the same is an ES256 signature and a token's
// ${random}. No error, and nothing that can be printed, holds a key, a part of one, or
// what was signed. A key that is not what its algorithm needs is refused:
// an RSA key below 2048 bits, another curve than P-256, a key under a
// passphrase. Input of any kind is an error at worst, never a panic.
//
// # Limits
//
// What is computed is as good as a secret for as long as it is valid: the
// caller hands it on as a surrogate, bound to where the credential may go.
// Whether a connector may have something signed at all is decided before.
// Keys are wiped by nobody: Go copies memory as it likes.
//
// # Concurrency
//
// Everything is safe for concurrent use.
package signing

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/manifests"
)

// The ways in which signing fails.
var (
	// ErrKey is wrapped where the stored value is not a key for the
	// algorithm. It is the owner's to mend.
	ErrKey = errors.New("the stored value is not a key for this")
	// ErrData is wrapped where what is to be signed is too large, or not what
	// the template allows.
	ErrData = errors.New("the data cannot be signed")
	// ErrRequest is wrapped where a request cannot be signed: it has two
	// readings, or is signed already.
	ErrRequest = errors.New("the request cannot be signed")
	// ErrUse is wrapped where the caller asks for what a template or an
	// algorithm is not for.
	ErrUse = errors.New("not a use of this algorithm")
)

// KeyError says what a key would have to be. It wraps [ErrKey].
type KeyError struct {
	Reason string // what is wrong, and the remedy; nothing of the key
}

func (e *KeyError) Error() string { return ErrKey.Error() + ": " + e.Reason }

// Unwrap returns [ErrKey].
func (e *KeyError) Unwrap() error { return ErrKey }

func badKey(reason string) error { return &KeyError{Reason: reason} }

// Template does what a template of a bound manifest says, with the
// credential's value as the key: the text of the code, or the token. data is
// what the connector gave. A template of AWS's signs requests, not data: that
// is [ErrUse], see [AWS].
func Template(t manifests.SignTemplate, value, data []byte, now time.Time) (string, error) {
	switch {
	case t.MAC != nil:
		if len(data) > t.MAC.MaxBytes {
			return "", fmt.Errorf("%w: it has more than the %d bytes that the template allows", ErrData, t.MAC.MaxBytes)
		}
		key, err := DecodeKey(value, t.MAC.KeyEncoding)
		if err != nil {
			return "", err
		}
		return MAC(t.Alg, key, data, t.MAC.Encoding)
	case t.JWT != nil:
		key, err := ParseKey(value)
		if err != nil {
			return "", err
		}
		header, claims, err := t.JWT.Render(now, nonce(), data)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrData, err)
		}
		return key.JWT(t.Alg, header, claims)
	}
	return "", fmt.Errorf("%w: %s signs requests as they are sent", ErrUse, t.Alg)
}

// MAC returns the HMAC (RFC 2104) of data as text. alg is one of
// manifests.AlgHMAC…, encoding "hex", "base64" or "base64url", the last
// without padding.
func MAC(alg string, key, data []byte, encoding string) (string, error) {
	if len(key) == 0 {
		return "", badKey("it is empty")
	}
	sum, err := newHash(strings.TrimPrefix(alg, "HMAC-"))
	if err != nil || !strings.HasPrefix(alg, "HMAC-") {
		return "", fmt.Errorf("%w: there is no such HMAC", ErrUse)
	}
	encode, err := encoder(encoding)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sum, key)
	mac.Write(data)
	return encode(mac.Sum(nil)), nil
}

// newHash returns the hash of that name: SHA1, SHA256 or SHA512.
func newHash(name string) (func() hash.Hash, error) {
	switch name {
	case "SHA1":
		return sha1.New, nil
	case "SHA256":
		return sha256.New, nil
	case "SHA512":
		return sha512.New, nil
	}
	return nil, fmt.Errorf("%w: there is no such hash", ErrUse)
}

func encoder(name string) (func([]byte) string, error) {
	switch name {
	case "hex":
		return hex.EncodeToString, nil
	case "base64":
		return base64.StdEncoding.EncodeToString, nil
	case "base64url":
		return base64.RawURLEncoding.EncodeToString, nil
	}
	return nil, fmt.Errorf("%w: there is no such encoding", ErrUse)
}

// DecodeKey returns the key that a value stands for: its bytes for "text", or
// what they say in "hex" or "base64", the latter in either alphabet, with
// padding or without. White space around it is cut off, save in text.
func DecodeKey(value []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "text":
		return value, nil
	case "hex":
		key, err := hex.DecodeString(string(trimmed(value)))
		if err != nil {
			return nil, badKey("it is not hexadecimal; store it as it was issued, or correct key_encoding in the manifest")
		}
		return key, nil
	case "base64":
		key, ok := decodeBase64(string(trimmed(value)))
		if !ok {
			return nil, badKey("it is not base64; store it as it was issued, or correct key_encoding in the manifest")
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: there is no such encoding of a key", ErrUse)
}

// decodeBase64 reads either alphabet.
func decodeBase64(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	key, err := base64.RawStdEncoding.DecodeString(s)
	return key, err == nil && !strings.ContainsAny(s, "\r\n")
}
