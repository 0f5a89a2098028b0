package remote

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// An item is
//
//	"SPRV1" || class (1 byte) || age( tag (32 bytes) || body )
//
// where the class says which identity opens it, and tag is an HMAC-SHA256 of
// the owner, the class, the item's revision and name, and the body. The body
// names the address, and the name is that address's keyed hash.
const (
	magic   = "SPRV1"
	macInfo = "sallyport/remote/v1/mac"
	tagSize = sha256.Size
	// padTo is the multiple to which a plaintext is filled up.
	padTo = 256
)

// classLetters are how an item says its class.
var classLetters = [...]abi.Class{'n': abi.ClassNone, 't': abi.ClassToken, 's': abi.ClassSession, 'p': abi.ClassPassword}

var (
	errElsewhere = fmt.Errorf("%w: it belongs to another address", vaultstore.ErrTampered)
	errDamaged   = fmt.Errorf("%w: damaged, cut short, or written by someone else or for another place", vaultstore.ErrTampered)
)

// sealer seals and opens items. Identities stay in closures: age's own type
// prints as its secret.
type sealer struct {
	keys  Keys
	names vaultstore.Secret

	mu    sync.Mutex
	boxes map[boxKey]*box
}

type boxKey struct {
	owner string
	class abi.Class
}

// box is one identity.
type box struct {
	encrypt func(plain []byte) ([]byte, error)
	decrypt func(sealed []byte) ([]byte, error)
	mac     func() []byte
}

func newSealer(ctx context.Context, keys Keys) (*sealer, error) {
	names, err := keys.Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("remote: the key of the names: %w", err)
	}
	if names.Len() < MinRootBytes {
		return nil, fmt.Errorf("remote: %w: the key of the names has fewer than %d bytes", vaultstore.ErrInvalid, MinRootBytes)
	}
	return &sealer{keys: keys, names: names, boxes: make(map[boxKey]*box)}, nil
}

var letters = base32.StdEncoding.WithPadding(base32.NoPadding)

func (s *sealer) hash(parts ...string) string {
	return strings.ToLower(letters.EncodeToString(tag(s.names.Reveal(), parts, nil)))
}

func (s *sealer) shelf(owner string) string { return s.hash("shelf", owner) }

func (s *sealer) name(a vaultstore.Address) string {
	parts := a.Parts()
	return s.hash(append([]string{"item"}, parts[:]...)...)
}

func (s *sealer) seal(ctx context.Context, e vaultstore.Entry) ([]byte, error) {
	b, err := s.box(ctx, e.Address.Owner, e.Class)
	if err != nil {
		return nil, err
	}
	body, err := encode(e)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	size := tagSize + len(body)
	size += (padTo - size%padTo) % padTo
	plain := make([]byte, size)
	defer clear(plain)
	copy(plain[tagSize:], body)
	copy(plain, tag(b.mac(), binding(e.Address.Owner, e.Class, s.name(e.Address), e.Generation), plain[tagSize:]))
	sealed, err := b.encrypt(plain)
	if err != nil {
		return nil, err
	}
	return append([]byte(magic+string(letterOf(e.Class))), sealed...), nil
}

// open returns the entry in an item, once all of it was checked.
func (s *sealer) open(ctx context.Context, owner string, item Item) (vaultstore.Entry, error) {
	head, sealed := item.Data[:min(len(magic)+1, len(item.Data))], item.Data[min(len(magic)+1, len(item.Data)):]
	if len(head) <= len(magic) || string(head[:len(magic)]) != magic {
		return vaultstore.Entry{}, fmt.Errorf("%w: it is no item of this program's, or of a later version of it", vaultstore.ErrTampered)
	}
	class, ok := classOf(head[len(magic)])
	if !ok {
		return vaultstore.Entry{}, errDamaged
	}
	b, err := s.box(ctx, owner, class)
	if err != nil {
		return vaultstore.Entry{}, err
	}
	plain, err := b.decrypt(sealed)
	defer clear(plain)
	if err != nil || len(plain) < tagSize {
		return vaultstore.Entry{}, errDamaged
	}
	body := plain[tagSize:]
	if !hmac.Equal(plain[:tagSize], tag(b.mac(), binding(owner, class, item.Name, item.Revision), body)) {
		return vaultstore.Entry{}, errDamaged
	}
	e, err := decode(body)
	if err != nil || e.Address.Owner != owner || e.Class != class || e.Generation != item.Revision {
		e.Zero()
		return vaultstore.Entry{}, errDamaged
	}
	return e, nil
}

func binding(owner string, class abi.Class, name string, revision uint64) []string {
	return []string{"sallyport/remote/item/v1", owner, string(class), name, string(binary.BigEndian.AppendUint64(nil, revision))}
}

func letterOf(class abi.Class) byte { return byte(max(slices.Index(classLetters[:], class), 'n')) }

func classOf(letter byte) (abi.Class, bool) {
	if int(letter) >= len(classLetters) || letter != 'n' && classLetters[letter] == abi.ClassNone {
		return "", false
	}
	return classLetters[letter], true
}

// box returns the identity of an owner's class.
func (s *sealer) box(ctx context.Context, owner string, class abi.Class) (*box, error) {
	s.mu.Lock()
	b := s.boxes[boxKey{owner, class}]
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	secret, recovery, err := s.keys.Identity(ctx, owner, class)
	if err != nil {
		return nil, err
	}
	defer secret.Zero()
	if b, err = newBox(secret, recovery); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boxes[boxKey{owner, class}] = b
	return b, nil
}

func (s *sealer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.boxes {
		clear(b.mac())
	}
	clear(s.boxes)
}

// newBox words its own errors: age's quote what they read.
func newBox(secret vaultstore.Secret, recovery []string) (*box, error) {
	id, err := age.ParseX25519Identity(string(secret.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("%w: what stands for the identity is not an X25519 identity", vaultstore.ErrSealed)
	}
	to := []age.Recipient{id.Recipient()}
	for _, r := range recovery {
		recipient, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, fmt.Errorf("%w: a recovery recipient is not an X25519 recipient", vaultstore.ErrInvalid)
		}
		to = append(to, recipient)
	}
	key, err := hkdf.Key(sha256.New, secret.Reveal(), nil, macInfo, sha256.Size)
	if err != nil {
		return nil, err
	}
	return &box{
		mac:     func() []byte { return key },
		encrypt: func(plain []byte) ([]byte, error) { return encrypt(to, plain) },
		decrypt: func(sealed []byte) ([]byte, error) {
			r, err := age.Decrypt(bytes.NewReader(sealed), id)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
	}, nil
}

func encrypt(to []age.Recipient, plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
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

func tag(key []byte, parts []string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		io.WriteString(mac, part)
	}
	mac.Write(body)
	return mac.Sum(nil)
}
