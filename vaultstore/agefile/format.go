package agefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
)

const (
	storeFormatName = "sallyport-vault"
	keysFormatName  = "sallyport-vault-keys"
)

// storeFormat is the file "format" at the top of a store; it is what makes a
// folder a store, and is written last.
type storeFormat struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	StoreID string `json:"store_id"` // 26 random characters
}

// keysFormat is the file "format" at the top of a folder of keys.
//
// Version 2 has a custody: its identities are sealed to the one that the
// custody keeps. Version 1 has none, and its identities are plain files.
type keysFormat struct {
	Format   string         `json:"format"`
	Version  int            `json:"version"`
	StoreID  string         `json:"store_id"`
	Recovery []string       `json:"recovery"` // recipients that everything but class 3 is sealed to
	Custody  *custodyFormat `json:"custody,omitempty"`
}

// custodyFormat names who keeps the identity of each slot.
type custodyFormat struct {
	Keys      custody.Kind `json:"keys"`
	Passwords custody.Kind `json:"passwords,omitempty"` // "" is that no passwords are kept
}

// kind is the custody of a slot, "" for none.
func (v keysFormat) kind(slot custody.Slot) custody.Kind {
	switch {
	case v.Custody == nil && slot == custody.Keys:
		return custody.File
	case v.Custody == nil:
		return ""
	case slot == custody.Keys:
		return v.Custody.Keys
	}
	return v.Custody.Passwords
}

// newKeysFormat is of the lowest version that can say it, so that a vault
// without custodies opens in every program that ever wrote one.
func newKeysFormat(storeID string, recovery []string, keys, passwords custody.Kind) keysFormat {
	v := keysFormat{Format: keysFormatName, Version: formatVersion, StoreID: storeID, Recovery: recovery}
	if keys != custody.File || passwords != "" {
		v.Version, v.Custody = custodyVersion, &custodyFormat{Keys: keys, Passwords: passwords}
	}
	return v
}

// custodyVersion is the version of keys with a custody.
const custodyVersion = 2

func readStoreFormat(d *disk) (storeFormat, error) {
	var v storeFormat
	if err := readFormat(d, formatFile, &v); err != nil {
		return v, err
	}
	return v, checkFormat(d, v.Format, storeFormatName, v.Version, formatVersion)
}

// readKeysFormat also says whether the format is that of an Init that did not
// come to its end, as far as the keys know.
func readKeysFormat(d *disk) (v keysFormat, pending bool, err error) {
	err = readFormat(d, formatFile, &v)
	if errors.Is(err, fs.ErrNotExist) {
		pending = true
		err = readFormat(d, pendingFormatFile, &v)
	}
	if err == nil {
		err = v.check(d)
	}
	return v, pending, err
}

func (v keysFormat) check(d *disk) error {
	want := formatVersion
	if v.Custody != nil {
		want = custodyVersion
	}
	if err := checkFormat(d, v.Format, keysFormatName, v.Version, want); err != nil {
		return err
	}
	if v.Custody != nil && (v.Custody.Keys == "" || v.Custody.Passwords == custody.File) {
		return fmt.Errorf("%w: %s names no custody for the keys, or a file for passwords", vaultstore.ErrTampered, d.path(formatFile))
	}
	if len(v.Recovery) == 0 {
		return fmt.Errorf("%w: %s names no recovery recipient", vaultstore.ErrTampered, d.path(formatFile))
	}
	for _, r := range v.Recovery {
		if _, err := parseRecipient(r); err != nil {
			return fmt.Errorf("%s: %w", d.path(formatFile), err)
		}
	}
	return nil
}

// readFormat wraps fs.ErrNotExist when there is none.
func readFormat(d *disk, name string, v any) error {
	data, err := d.read(name, maxFormatFile)
	if err != nil {
		return err
	}
	if err := decodeStrict(data, v); err != nil {
		return fmt.Errorf("%s: %w", d.path(name), err)
	}
	return nil
}

func checkFormat(d *disk, got, want string, version, reads int) error {
	if got != want {
		return fmt.Errorf("%w: %s is not of a %s", vaultstore.ErrTampered, d.path(formatFile), want)
	}
	if version != reads {
		return fmt.Errorf("%w: %s is of version %d, this program reads %d; use a newer sallyport",
			vaultstore.ErrInvalid, d.path(formatFile), version, reads)
	}
	return nil
}

// pendingFormatFile is the keys' format until the store has its own: keys that
// have a format for good belong to a store that was there.
const pendingFormatFile = "format-pending"

func writeFormat(d *disk, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return d.createNew(name, append(data, '\n'))
}

// replaceFormat changes the keys' format for good.
func replaceFormat(keys *disk, v keysFormat) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return keys.replace(formatFile, append(data, '\n'))
}

// promoteFormat gives the keys' format its final name.
func promoteFormat(keys *disk) error {
	err := keys.link(pendingFormatFile, formatFile)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := keys.syncDir("."); err != nil {
		return err
	}
	_ = keys.remove(pendingFormatFile)
	return nil
}
