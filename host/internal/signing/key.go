package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
)

// The bounds of a key.
const (
	MaxKeyBytes = 32 << 10 // of the stored text
	MinRSABits  = 2048
	MaxRSABits  = 8192 // beyond it one signature takes too long
)

// maxPEMBlocks is how many blocks of a text are looked at: an EC key may come
// after its parameters, a key before its certificates.
const maxPEMBlocks = 8

// Key is a private key. However it is formatted or logged it says
// "[redacted]". Parsing one costs a good part of signing with it: keep it
// while it is in use.
type Key struct {
	private func() crypto.Signer // in a closure, where no verb of package fmt follows
}

// Format writes "[redacted]" for every verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// LogValue returns "[redacted]".
func (k *Key) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText writes "[redacted]".
func (k *Key) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// ParseKey reads a private key: PEM with PKCS#8, PKCS#1 or SEC 1 in it, not
// encrypted, or 32 bytes of an Ed25519 seed (RFC 8032) in hex or base64. Line
// breaks may be written as \n, as they are in a .env file or in JSON. The
// error is a [*KeyError].
func ParseKey(value []byte) (*Key, error) {
	text := trimmed(value)
	switch {
	case len(text) == 0:
		return nil, badKey("it is empty")
	case len(text) > MaxKeyBytes:
		return nil, badKey(fmt.Sprintf("it has more than %d bytes", MaxKeyBytes))
	}
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		return parseSeed(text)
	}
	if !bytes.ContainsRune(text, '\n') {
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte(`\r`), nil), []byte(`\n`), []byte("\n"))
	}
	for range maxPEMBlocks {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		signer, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		if signer != nil {
			return newKey(signer)
		}
		text = rest
	}
	return nil, badKey("there is no private key in it; store the PEM text whole, from -----BEGIN to -----END")
}

// parseBlock returns the key in a block, nil when it is something else.
func parseBlock(b *pem.Block) (any, error) {
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		if b.Headers["DEK-Info"] != "" {
			return nil, errEncrypted()
		}
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		if b.Headers["DEK-Info"] != "" {
			return nil, errEncrypted()
		}
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errEncrypted()
	case "OPENSSH PRIVATE KEY":
		return nil, badKey("it is in OpenSSH's own form; convert a copy (ssh-keygen -p -m PKCS8 -f FILE) and store that")
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, badKey("it is the public key; store the private one")
	default:
		return nil, nil
	}
	if err != nil { // whose text may tell more than the reason
		return nil, badKey("it is damaged, or of a kind that is not known; store the PEM text whole")
	}
	return key, nil
}

func errEncrypted() error {
	return badKey("it is under a passphrase; store it without one (openssl pkcs8 -topk8 -nocrypt): the vault encrypts it")
}

// newKey refuses the keys that no algorithm here is for.
func newKey(parsed any) (*Key, error) {
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
			return nil, badKey(fmt.Sprintf("an RSA key has %d to %d bits", MinRSABits, MaxRSABits))
		}
		return &Key{func() crypto.Signer { return k }}, nil
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, badKey("it is on another curve than P-256")
		}
		return &Key{func() crypto.Signer { return k }}, nil
	case ed25519.PrivateKey:
		return &Key{func() crypto.Signer { return k }}, nil
	}
	return nil, badKey("it is neither RSA, nor ECDSA on P-256, nor Ed25519")
}

// parseSeed reads an Ed25519 seed: 64 digits are hexadecimal, which as base64
// would be of another length.
func parseSeed(text []byte) (*Key, error) {
	seed, err := hex.DecodeString(string(text))
	if err != nil {
		seed, _ = decodeBase64(string(text))
	}
	if len(seed) != ed25519.SeedSize {
		return nil, badKey("it is neither PEM nor the 32 bytes of an Ed25519 seed, in hex or base64")
	}
	return newKey(ed25519.NewKeyFromSeed(seed))
}

func trimmed(value []byte) []byte { return bytes.Trim(value, " \t\r\n") }
