package agefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sallyport-host/sallyport/vaultstore"
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
type keysFormat struct {
	Format   string   `json:"format"`
	Version  int      `json:"version"`
	StoreID  string   `json:"store_id"`
	Recovery []string `json:"recovery"` // recipients that everything but class 3 is sealed to
}

func readStoreFormat(d *disk) (storeFormat, error) {
	var v storeFormat
	if err := readFormat(d, formatFile, &v); err != nil {
		return v, err
	}
	return v, checkFormat(d, v.Format, storeFormatName, v.Version)
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
	if err := checkFormat(d, v.Format, keysFormatName, v.Version); err != nil {
		return err
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

func checkFormat(d *disk, got, want string, version int) error {
	if got != want {
		return fmt.Errorf("%w: %s is not of a %s", vaultstore.ErrTampered, d.path(formatFile), want)
	}
	if version != formatVersion {
		return fmt.Errorf("%w: %s is of version %d, this program reads %d; use a newer sallyport",
			vaultstore.ErrInvalid, d.path(formatFile), version, formatVersion)
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
