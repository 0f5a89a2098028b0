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
	domainUse        = "sallyport/use/v1\x00"
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

// SignUse returns the envelope that is kept. A use that [Resolve] would refuse
// is not signed: the error wraps [ErrMalformed].
func SignUse(key ed25519.PrivateKey, u Use) ([]byte, error) {
	if err := u.validate(); err != nil {
		return nil, fmt.Errorf("sign use: %w", err)
	}
	return sign(key, domainUse, u)
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
	o, err := open(raw, key)
	if err == nil && o.approval == nil {
		err = fmt.Errorf("%w: it is signed as something else than an approval", ErrSignature)
	}
	return o.approval, err
}

// OpenRevocation returns the revocation in an envelope. The error wraps
// [ErrSignature] or [ErrMalformed].
func OpenRevocation(raw []byte, key ed25519.PublicKey) (*Revocation, error) {
	o, err := open(raw, key)
	if err == nil && o.revocation == nil {
		err = fmt.Errorf("%w: it is signed as something else than a revocation", ErrSignature)
	}
	return o.revocation, err
}

// opened is what an envelope holds: one of them, or none beside an error.
type opened struct {
	approval   *Approval
	revocation *Revocation
	use        *Use
}

// open reads an envelope. What kind it is, the signature says: nothing in the
// payload is read before it is known to be ours.
func open(raw []byte, key ed25519.PublicKey) (o opened, err error) {
	payload, sig, err := unwrap(raw, key)
	if err != nil {
		return o, err
	}
	switch {
	case ed25519.Verify(key, signed(domainApproval, payload), sig):
		o.approval, err = read[Approval](payload)
	case ed25519.Verify(key, signed(domainRevocation, payload), sig):
		o.revocation, err = read[Revocation](payload)
	case ed25519.Verify(key, signed(domainUse, payload), sig):
		o.use, err = read[Use](payload)
	default:
		err = ErrSignature
	}
	return o, err
}

// unwrap takes an envelope apart. That the signature fits is not yet known.
func unwrap(raw []byte, key ed25519.PublicKey) (payload, sig []byte, err error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, nil, fmt.Errorf("%w: no key to check it with", ErrSignature)
	}
	var e envelope
	if err := decode(raw, &e); err != nil {
		return nil, nil, err
	}
	if payload, err = base64url(e.Payload); err != nil {
		return nil, nil, malformedf("payload is not base64url")
	}
	if sig, err = base64url(e.Sig); err != nil || len(sig) != ed25519.SignatureSize {
		return nil, nil, malformedf("sig is not a signature in base64url")
	}
	if e.KeyID != KeyID(key) {
		return nil, nil, fmt.Errorf("%w: signed with key %q, not with %s", ErrSignature, brief(e.KeyID), KeyID(key))
	}
	return payload, sig, nil
}

// read reads a payload that is known to be ours, strictly all the same.
func read[T any, P interface {
	*T
	validate() error
}](payload []byte) (*T, error) {
	v := new(T)
	err := decode(payload, v)
	if err == nil {
		err = P(v).validate()
	}
	if err != nil {
		return nil, err
	}
	return v, nil
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
