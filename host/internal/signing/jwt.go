package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/sallyport-host/sallyport/manifests"
)

// MaxTokenBytes bounds a token before it is signed: more fits into no header.
const MaxTokenBytes = 32 << 10

// p256Bytes is the length of each half of a signature on P-256.
const p256Bytes = 32

// JWT returns a signed token in its compact form (RFC 7519, RFC 7515). alg is
// manifests.AlgRS256, AlgES256 or AlgEdDSA and has to be the key's; the
// header's own "alg" is replaced by it. Members are written in the order of
// their names.
func (k *Key) JWT(alg string, header, claims map[string]any) (string, error) {
	header = maps.Clone(header)
	if header == nil {
		header = map[string]any{}
	}
	header["alg"] = alg
	head, err := tokenPart(header)
	if err != nil {
		return "", err
	}
	body, err := tokenPart(claims)
	if err != nil {
		return "", err
	}
	signed := head + "." + body
	if len(signed) > MaxTokenBytes {
		return "", fmt.Errorf("%w: the token has more than %d bytes", ErrData, MaxTokenBytes)
	}
	signature, err := k.sign(alg, []byte(signed))
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// tokenPart encodes an object without escaping what only HTML minds.
func tokenPart(v map[string]any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("%w: it is not JSON", ErrData)
	}
	return base64.RawURLEncoding.EncodeToString(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

func (k *Key) sign(alg string, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	switch key := k.private().(type) {
	case *rsa.PrivateKey:
		if alg == manifests.AlgRS256 {
			return signed(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]))
		}
	case *ecdsa.PrivateKey:
		if alg == manifests.AlgES256 {
			return signP256(key, digest[:])
		}
	case ed25519.PrivateKey:
		if alg == manifests.AlgEdDSA {
			return ed25519.Sign(key, message), nil
		}
	}
	return nil, badKey("it is a key of another kind than " + known(alg) + " needs; store the one that the source issued for it")
}

// signP256 writes a signature as JOSE has it (RFC 7518 section 3.4): both
// numbers at full length.
func signP256(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		return signed(nil, err)
	}
	out := make([]byte, 2*p256Bytes)
	r.FillBytes(out[:p256Bytes])
	s.FillBytes(out[p256Bytes:])
	return out, nil
}

// signed drops an error of the library's own words.
func signed(signature []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, badKey("it is damaged: signing fails")
	}
	return signature, nil
}

// known keeps what is none of our words out of an error.
func known(alg string) string {
	switch alg {
	case manifests.AlgRS256, manifests.AlgES256, manifests.AlgEdDSA:
		return alg
	}
	return "this algorithm"
}

// nonce returns 128 random bits as text.
func nonce() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the process instead
	return base64.RawURLEncoding.EncodeToString(random[:])
}
