package agefile

import (
	"fmt"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
)

// box is how a store's identities rest in their folder: as plain files, or
// sealed to the one identity that a custody keeps. Sealed, each is bound to
// its store, owner and kind: an exchanged file, or one that was made by who
// knows only the recipient, is not taken for an identity.
type box struct {
	storeID string
	sealer  *sealer // nil: plain files
}

// newBox returns the box of an identity that a custody gave.
func newBox(storeID string, slot custody.Slot, kept vaultstore.Secret) (box, error) {
	id, err := parseIdentity(kept.Reveal(), fmt.Sprintf("the custody of the vault's %s", slot))
	if err != nil {
		return box{}, err
	}
	s, err := newSealer(id.use(), []age.Recipient{id.use().Recipient()})
	return box{storeID: storeID, sealer: s}, err
}

func (b box) binding(owner, kind string) binding {
	return binding{"sallyport/vault/key/v1", b.storeID, owner, kind}
}

// open reads an identity's file. A plain one is refused where they are sealed:
// whoever put it there would know it.
func (b box) open(data []byte, owner, kind, where string) (identity, error) {
	if b.sealer == nil {
		return parseIdentity(data, where)
	}
	plain, err := b.sealer.open(b.binding(owner, kind), data)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %w; restore the keys from a backup", where, err)
	}
	defer clear(plain)
	return parseIdentity(plain, where)
}

// seal is the text of an identity's file.
func (b box) seal(id identity, owner, kind string) ([]byte, error) {
	comment := "the identity of a sallyport vault: never share it"
	if kind == hostKind {
		comment = "the host identity of a sallyport vault: never share it"
	}
	plain := id.file(comment)
	if b.sealer == nil {
		return plain, nil
	}
	defer clear(plain)
	return b.sealer.seal(b.binding(owner, kind), plain)
}
