package agefile

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// The names in the folder of keys. An owner's identities have one file per
// kind, and beside it the recipients that its files are sealed to: they stay
// out of the store's tree, where they would help whoever wants to forge.
const (
	hostKeyFile   = "host.key"
	keyExt        = ".key"
	pendingExt    = ".key-pending"
	recipientsExt = ".recipients"
	marksKind     = "marks" // a kind is this or a class's component
	hostKind      = "host"  // of the host's identity, which is no owner's
)

const hostKeyInfo = "sallyport/vault/v1/host-key/"

// keyring is the folder of keys of one store. Identities are loaded when they
// are first needed, and stay for as long as the store is open.
type keyring struct {
	fs       *disk
	storeID  string
	recovery []string // recipients
	box      box      // how the identities rest

	mu      sync.Mutex
	sealers map[string]*sealer // by path of the identity
}

func newKeyring(d *disk, storeID string, recovery []string, b box) *keyring {
	return &keyring{fs: d, storeID: storeID, recovery: recovery, box: b, sealers: make(map[string]*sealer)}
}

func (k *keyring) base(owner, kind string) string {
	return path.Join(ownersDir, escape(owner), kind)
}

// load returns the sealer of an owner's kind, nil when it was never made.
func (k *keyring) load(owner, kind string) (*sealer, error) {
	base := k.base(owner, kind)
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.sealers[base]; s != nil {
		return s, nil
	}
	id, err := k.read(base+keyExt, owner, kind)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	recipients, err := k.readRecipients(base+recipientsExt, id)
	if err != nil {
		return nil, err
	}
	s, err := newSealer(id.use(), recipients)
	if err == nil {
		k.sealers[base] = s
	}
	return s, err
}

// read reads the identity of an owner's kind in the file name.
func (k *keyring) read(name, owner, kind string) (identity, error) {
	data, err := k.fs.read(name, maxKeyFile)
	if err != nil {
		return identity{}, err
	}
	defer clear(data)
	return k.box.open(data, owner, kind, k.fs.path(name))
}

// readRecipients reads the list beside an identity: its own first, then those
// for recovery, of which only a keyring of passwords has none.
func (k *keyring) readRecipients(name string, id identity) ([]age.Recipient, error) {
	where := k.fs.path(name)
	data, err := k.fs.read(name, maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is gone; restore it from a backup", vaultstore.ErrSealed, where)
	}
	if err != nil {
		return nil, err
	}
	lines := contentLines(data)
	if len(lines) < 1+min(1, len(k.recovery)) {
		return nil, fmt.Errorf("%w: %s names no recovery recipient", vaultstore.ErrTampered, where)
	}
	if lines[0] != id.recipient() {
		return nil, fmt.Errorf("%w: the identity beside %s is another one; restore both from one backup", vaultstore.ErrSealed, where)
	}
	var recipients []age.Recipient
	for _, line := range lines {
		r, err := parseRecipient(line)
		if err != nil {
			return nil, fmt.Errorf("%w: %s has a line that is no X25519 recipient", vaultstore.ErrTampered, where)
		}
		recipients = append(recipients, r)
	}
	return recipients, nil
}

// Making an identity takes three steps, so that one that stands there for
// good always has data: it is written as pending; the first file is sealed to
// it in the store; it gets its final name. Without the middle step "nothing
// was stored yet" and "all of it was taken away" would look the same.

// pending returns the identity that an interrupted first write left, ok false
// when there is none.
func (k *keyring) pending(owner, kind string) (id identity, ok bool, err error) {
	id, err = k.read(k.base(owner, kind)+pendingExt, owner, kind)
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, false, nil
	}
	return id, err == nil, err
}

// stage makes a pending identity. The caller holds the owner's lock.
func (k *keyring) stage(owner, kind string) (identity, error) {
	id, err := generateIdentity()
	if err != nil {
		return identity{}, err
	}
	data, err := k.box.seal(id, owner, kind)
	if err != nil {
		return identity{}, err
	}
	return id, k.fs.createNew(k.base(owner, kind)+pendingExt, data)
}

// list writes the recipients beside a pending identity and returns its
// sealer. The caller holds the owner's lock.
func (k *keyring) list(owner, kind string, id identity) (*sealer, error) {
	name := k.base(owner, kind) + recipientsExt
	lines := append([]string{"# this identity, then the recovery recipients", id.recipient()}, k.recovery...)
	if err := k.fs.replace(name, []byte(strings.Join(lines, "\n")+"\n")); err != nil {
		return nil, err
	}
	recipients, err := k.readRecipients(name, id)
	if err != nil {
		return nil, err
	}
	return newSealer(id.use(), recipients)
}

// promote gives a pending identity its final name, which nothing ever
// overwrites; settle makes that durable. The caller holds the owner's lock.
func (k *keyring) promote(owner, kind string, s *sealer) error {
	base := k.base(owner, kind)
	if err := k.fs.link(base+pendingExt, base+keyExt); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sealers[base] = s
	return nil
}

// settle makes durable what the maker of an identity may not have come to, and
// removes what it left. The caller holds the owner's lock.
func (k *keyring) settle(owner, kind string) error {
	base := k.base(owner, kind)
	dir := path.Dir(base)
	if err := k.fs.mkdirAll(dir); err != nil {
		return err
	}
	if err := k.fs.syncDir(dir); err != nil {
		return err
	}
	_ = k.fs.remove(base + pendingExt)
	k.fs.sweep(dir)
	return nil
}

// hostKey derives 32 bytes from the host's identity.
func (k *keyring) hostKey(label string) ([]byte, error) {
	id, err := k.hostIdentity()
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, []byte(id.use().String()), []byte(k.storeID), hostKeyInfo+label, 32)
}

func (k *keyring) hostIdentity() (identity, error) {
	id, err := k.read(hostKeyFile, "", hostKind)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s is gone; restore it from a backup", vaultstore.ErrSealed, k.fs.path(hostKeyFile))
	}
	return id, err
}

// forget drops the loaded identities.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.sealers)
}
