package agefile

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// HostKey returns 32 bytes that belong to this store and label, the same for
// the store's whole life: a seed for the key that signs approvals, a key for
// the audit log's MAC. They are derived from the host's identity, which [Init]
// made, and which neither an owner's identity nor the recovery identity gives
// away. Labels are part of the format: a label that was used is never given
// another meaning.
func (s *Store) HostKey(ctx context.Context, label string) ([]byte, error) {
	fail := failure("host key", vaultstore.Address{})
	if err := vaultstore.ValidatePart("label", label); err != nil {
		return nil, fail(err)
	}
	_, done, err := s.begin(ctx)
	if err != nil {
		return nil, fail(err)
	}
	defer done()
	key, err := s.keys.hostKey(label)
	if err != nil {
		return nil, fail(err)
	}
	return key, nil
}

// Recover opens one secret's file with the recovery identity, where the
// store's own identities are lost. There is then no telling whether the file
// was swapped, rolled back or forged, for the key of its MAC went with the
// identity: show the owner the entry's address before it is used. The entry of
// a deleted address has no stages. The shell can do the same:
//
//	age -d -i recovery.txt FILE.age | tail -c +33
func Recover(file []byte, recovery vaultstore.Secret) (vaultstore.Entry, error) {
	fail := failure("recover", vaultstore.Address{})
	if len(file) > maxSecretFile {
		return vaultstore.Entry{}, fail(vaultstore.ErrTooLarge)
	}
	id, err := parseIdentity(recovery.Reveal(), "the recovery file")
	if err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	r, err := age.Decrypt(bytes.NewReader(file), id.use())
	if err != nil {
		return vaultstore.Entry{}, fail(fmt.Errorf("%w: damaged, or sealed to another recovery identity", vaultstore.ErrSealed))
	}
	plain, err := io.ReadAll(r)
	defer func() { clear(plain) }()
	if err != nil || len(plain) < tagSize {
		return vaultstore.Entry{}, fail(fmt.Errorf("%w: cut short or damaged", vaultstore.ErrTampered))
	}
	_, e, _, err := decodeEnvelope(plain[tagSize:])
	if err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	return e, nil
}
