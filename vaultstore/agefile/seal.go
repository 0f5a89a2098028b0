package agefile

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/protect"
)

const (
	tagSize = sha256.Size
	macInfo = "sallyport/vault/v1/mac"
)

// binding is what a sealed file is bound to: what kind of file it is, and for
// which owner, address and class. It stands in no file; a reader states it
// from what it asked for.
type binding []string

func secretBinding(a vaultstore.Address, class abi.Class) binding {
	return binding{"sallyport/vault/secret/v1", a.Owner, a.Connector, a.Instance, a.Grant, a.Name, string(class)}
}

func indexBinding(owner string, class abi.Class) binding {
	return binding{"sallyport/vault/index/v1", owner, string(class)}
}

func marksBinding(owner string) binding {
	return binding{"sallyport/vault/marks/v1", owner}
}

// sealer seals and opens the files of one identity. The identity and the MAC
// key live in its closures only: age's identities print as their secret.
type sealer struct {
	seal func(b binding, body []byte) ([]byte, error)
	open func(b binding, ciphertext []byte) ([]byte, error)
	// openClaimed is open for a file of which it is not known what it should
	// be: claim reads that from the body, which proves it true or is refused.
	openClaimed func(claim func(body []byte) (binding, error), ciphertext []byte) ([]byte, error)
}

func newSealer(id *age.X25519Identity, recipients []age.Recipient) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, []byte(id.String()), nil, macInfo, sha256.Size)
	if err != nil {
		return nil, err
	}
	return &sealer{
		seal: func(b binding, body []byte) (sealed []byte, err error) {
			protect.Do(func() { sealed, err = seal(recipients, key, b, body) })
			return sealed, err
		},
		open: func(b binding, ciphertext []byte) (body []byte, err error) {
			protect.Do(func() {
				body, err = unseal(id, key, func([]byte) (binding, error) { return b, nil }, ciphertext)
			})
			return body, err
		},
		openClaimed: func(claim func([]byte) (binding, error), ciphertext []byte) ([]byte, error) {
			return unseal(id, key, claim, ciphertext)
		},
	}, nil
}

// seal fills body up with newlines, puts the tag before it and encrypts both.
func seal(recipients []age.Recipient, key []byte, b binding, body []byte) ([]byte, error) {
	size := tagSize + len(body)
	size += (padTo - size%padTo) % padTo
	plain := make([]byte, tagSize, size)
	defer func() { clear(plain) }()
	plain = append(plain, body...)
	for len(plain) < size {
		plain = append(plain, '\n')
	}
	copy(plain, tag(key, b, plain[tagSize:]))

	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unseal returns the body, still filled up, after the last byte was read and
// the tag agreed. age's own errors stay here: they quote what they read.
func unseal(id *age.X25519Identity, key []byte, claim func([]byte) (binding, error), ciphertext []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(ciphertext), id)
	if err != nil {
		return nil, fmt.Errorf("%w: damaged, or sealed to another identity", vaultstore.ErrTampered)
	}
	plain := make([]byte, len(ciphertext)) // longer than what comes, so it never moves
	n, err := io.ReadFull(r, plain)
	plain = plain[:n]
	if err != io.ErrUnexpectedEOF {
		clear(plain)
		return nil, fmt.Errorf("%w: cut short or damaged", vaultstore.ErrTampered)
	}
	if len(plain) < tagSize {
		clear(plain)
		return nil, fmt.Errorf("%w: cut short", vaultstore.ErrTampered)
	}
	b, err := claim(plain[tagSize:])
	if err != nil {
		clear(plain)
		return nil, err
	}
	if !hmac.Equal(plain[:tagSize], tag(key, b, plain[tagSize:])) {
		clear(plain)
		return nil, fmt.Errorf("%w: it was written by someone else, or for another place", vaultstore.ErrTampered)
	}
	return plain[tagSize:], nil
}

func tag(key []byte, b binding, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	var n [8]byte
	for _, part := range b {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		mac.Write(n[:])
		io.WriteString(mac, part)
	}
	mac.Write(body)
	return mac.Sum(nil)
}
