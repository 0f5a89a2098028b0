package remote

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Keys are what a store seals with. They stay with the host: a provider that
// has all of the items has none of these.
type Keys interface {
	// Names is the key of the names: at least 32 secret bytes, the same for
	// the store's whole life.
	Names(ctx context.Context) (vaultstore.Secret, error)
	// Identity is the age identity (AGE-SECRET-KEY-1…) of an owner's values of
	// a class, always the same, and the recipients (age1…) that they are sealed
	// to beside it. It wraps vaultstore.ErrSealed when it is not here.
	Identity(ctx context.Context, owner string, class abi.Class) (identity vaultstore.Secret, recovery []string, err error)
}

// MinRootBytes is the least that [Derive] takes.
const MinRootBytes = 32

// Derive returns keys that are all derived from one secret, such as agefile's
// HostKey under a label of its own. Whoever has the root can read everything;
// who lost it needs the identity of a recovery recipient, with which
//
//	tail -c +7 ITEM | age -d -i recovery.txt | tail -c +33
//
// reads an item, without being able to tell that it is genuine.
func Derive(root vaultstore.Secret, recovery ...string) (Keys, error) {
	if root.Len() < MinRootBytes {
		return nil, fmt.Errorf("remote: %w: the root of the keys has fewer than %d bytes", vaultstore.ErrInvalid, MinRootBytes)
	}
	for _, r := range recovery {
		if _, err := age.ParseX25519Recipient(r); err != nil {
			return nil, fmt.Errorf("remote: %w: a recovery recipient is not an X25519 recipient; one begins with age1", vaultstore.ErrInvalid)
		}
	}
	return &derived{root: root.Clone(), recovery: append([]string(nil), recovery...)}, nil
}

type derived struct {
	root     vaultstore.Secret
	recovery []string
}

func (d *derived) Names(context.Context) (vaultstore.Secret, error) {
	return d.derive("sallyport/remote/v1/names")
}

func (d *derived) Identity(_ context.Context, owner string, class abi.Class) (vaultstore.Secret, []string, error) {
	// The class has no slash in it, so the two cannot be told apart wrongly.
	key, err := d.derive("sallyport/remote/v1/identity/" + string(class) + "/" + owner)
	if err != nil {
		return vaultstore.Secret{}, nil, err
	}
	defer key.Zero()
	return vaultstore.NewSecret([]byte(ageIdentity(key.Reveal()))), d.recovery, nil
}

func (d *derived) derive(info string) (vaultstore.Secret, error) {
	key, err := hkdf.Key(sha256.New, d.root.Reveal(), nil, info, sha256.Size)
	if err != nil {
		return vaultstore.Secret{}, err
	}
	defer clear(key)
	return vaultstore.NewSecret(key), nil
}

// ageIdentity words an X25519 scalar as age does: in Bech32 (BIP 173), for
// which age exports no function.
func ageIdentity(key []byte) string {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	const prefix = "age-secret-key-"
	var groups []byte
	acc, bits := uint(0), 0
	for _, b := range key {
		for acc, bits = acc<<8|uint(b), bits+8; bits >= 5; {
			bits -= 5
			groups = append(groups, byte(acc>>bits&31))
		}
	}
	if bits > 0 {
		groups = append(groups, byte(acc<<(5-bits)&31))
	}
	var sum []byte
	for _, c := range []byte(prefix) {
		sum = append(sum, c>>5)
	}
	sum = append(sum, 0)
	for _, c := range []byte(prefix) {
		sum = append(sum, c&31)
	}
	check := bech32Checksum(append(append(sum, groups...), 0, 0, 0, 0, 0, 0)) ^ 1
	for i := range 6 {
		groups = append(groups, byte(check>>(5*(5-i))&31))
	}
	text := []byte(prefix + "1")
	for _, g := range groups {
		text = append(text, alphabet[g])
	}
	return strings.ToUpper(string(text))
}

func bech32Checksum(groups []byte) uint32 {
	sum := uint32(1)
	for _, g := range groups {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(g)
		for i, generator := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= generator
			}
		}
	}
	return sum
}
