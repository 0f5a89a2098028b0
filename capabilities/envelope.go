package capabilities

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// The domains keep one kind of signed thing from being read as another.
const (
	domainApproval   = "sallyport/approval/v1\x00"
	domainRevocation = "sallyport/revocation/v1\x00"
	domainKeyID      = "sallyport/key-id/v1\x00"
)

// The errors of envelopes. Every error that concerns one wraps one of these
// or [ErrMalformed].
var (
	ErrSignature = errors.New("signature does not match")
	ErrReplay    = errors.New("older than what was last seen")
)

// envelope is what is kept: the exact bytes that were signed, so that there
// is no canonical form to disagree about.
type envelope struct {
	Payload string `json:"payload"` // base64url, no padding
	KeyID   string `json:"key_id"`
	Sig     string `json:"sig"` // base64url of Ed25519 over domain ‖ payload bytes
}

// KeyID names a public key: a hint which one to try, no proof of anything.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(append([]byte(domainKeyID), pub...))
	return "ed25519-" + hex.EncodeToString(sum[:8])
}

// SignApproval returns the envelope that is kept. An approval that [Resolve]
// would refuse is not signed: the error wraps [ErrMalformed].
func SignApproval(key ed25519.PrivateKey, a Approval) ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, fmt.Errorf("sign approval: %w", err)
	}
	return sign(key, domainApproval, a)
}

// SignRevocation returns the envelope that is kept. A revocation that
// [Resolve] would refuse is not signed: the error wraps [ErrMalformed].
func SignRevocation(key ed25519.PrivateKey, r Revocation) ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("sign revocation: %w", err)
	}
	return sign(key, domainRevocation, r)
}

func sign(key ed25519.PrivateKey, domain string, what any) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("sign: the key has %d bytes, not %d", len(key), ed25519.PrivateKeySize)
	}
	payload, err := json.Marshal(what)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	pub, _ := key.Public().(ed25519.PublicKey)
	raw, err := json.Marshal(envelope{
		Payload: base64.RawURLEncoding.EncodeToString(payload),
		KeyID:   KeyID(pub),
		Sig:     base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, signed(domain, payload))),
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if len(raw) > MaxBytes {
		return nil, fmt.Errorf("sign: %w: the envelope has %d bytes, past %d", ErrMalformed, len(raw), MaxBytes)
	}
	return raw, nil
}

func signed(domain string, payload []byte) []byte {
	return append(append(make([]byte, 0, len(domain)+len(payload)), domain...), payload...)
}

// OpenApproval returns the approval in an envelope. The error wraps
// [ErrSignature] or [ErrMalformed].
func OpenApproval(raw []byte, key ed25519.PublicKey) (*Approval, error) {
	a, _, err := open(raw, key)
	if err == nil && a == nil {
		err = fmt.Errorf("%w: it is signed as a revocation", ErrSignature)
	}
	return a, err
}

// OpenRevocation returns the revocation in an envelope. The error wraps
// [ErrSignature] or [ErrMalformed].
func OpenRevocation(raw []byte, key ed25519.PublicKey) (*Revocation, error) {
	_, r, err := open(raw, key)
	if err == nil && r == nil {
		err = fmt.Errorf("%w: it is signed as an approval", ErrSignature)
	}
	return r, err
}

// open reads an envelope. What kind it is, the signature says: nothing in the
// payload is read before it is known to be ours. Exactly one of the results is
// not nil.
func open(raw []byte, key ed25519.PublicKey) (*Approval, *Revocation, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, nil, fmt.Errorf("%w: no key to check it with", ErrSignature)
	}
	var e envelope
	if err := decode(raw, &e); err != nil {
		return nil, nil, err
	}
	payload, err := base64url(e.Payload)
	if err != nil {
		return nil, nil, malformedf("payload is not base64url")
	}
	sig, err := base64url(e.Sig)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return nil, nil, malformedf("sig is not a signature in base64url")
	}
	if e.KeyID != KeyID(key) {
		return nil, nil, fmt.Errorf("%w: signed with key %q, not with %s", ErrSignature, brief(e.KeyID), KeyID(key))
	}
	switch {
	case ed25519.Verify(key, signed(domainApproval, payload), sig):
		a := new(Approval)
		err := decode(payload, a)
		if err == nil {
			err = a.validate()
		}
		if err != nil {
			return nil, nil, err
		}
		return a, nil, nil
	case ed25519.Verify(key, signed(domainRevocation, payload), sig):
		r := new(Revocation)
		err := decode(payload, r)
		if err == nil {
			err = r.validate()
		}
		if err != nil {
			return nil, nil, err
		}
		return nil, r, nil
	}
	return nil, nil, ErrSignature
}

// base64url decodes s if it is the one way to write its bytes: package base64
// would skip line breaks and take stray bits.
func base64url(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil && base64.RawURLEncoding.EncodeToString(b) != s {
		err = base64.CorruptInputError(0)
	}
	return b, err
}
