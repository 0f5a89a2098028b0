package agefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/custody"
)

// Passwords, class 3, have a tree like the other classes, but their files are
// sealed to an identity that rests under a custody of its own, and to nobody's
// recovery. It is loaded for as long as someone holds it. The tree's index is
// sealed to an identity that is loaded with the others, so that what is not a
// password can be found, written and deleted without the one that opens them.

const (
	passwordKind      = string(abi.ClassPassword)
	passwordIndexKind = "password-index"
	anchorFile        = "anchor.age" // what an owner's first password identity proves itself by
)

// passwords is the custody of class 3 while a store is open.
type passwords struct {
	fs      *disk
	format  keysFormat
	offered custody.Set

	mu      sync.Mutex
	holders int
	ring    *keyring // nil when nobody holds it
}

// hold loads the identity unless another holder has it loaded.
func (p *passwords) hold(ctx context.Context) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ring == nil {
		b, err := loadBox(ctx, p.fs, p.format, custody.Passwords, p.offered)
		if err != nil {
			return nil, err
		}
		p.ring = newKeyring(p.fs, p.format.StoreID, nil, b)
	}
	p.holders++
	return sync.OnceFunc(p.release), nil
}

func (p *passwords) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holders--; p.holders == 0 {
		p.ring = nil
	}
}

// held returns nil when nobody holds the identity.
func (p *passwords) held() *keyring {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ring
}

var _ vaultstore.Passwords = (*Store)(nil)

// LoadPasswords implements vaultstore.Passwords.
func (s *Store) LoadPasswords(ctx context.Context) (release func(), err error) {
	fail := failure("load passwords", vaultstore.Address{})
	if s.passwords == nil {
		return nil, fail(fmt.Errorf("%w: %s", vaultstore.ErrClass, refusePassword))
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, fail(err)
	}
	defer done()
	release, err = s.passwords.hold(ctx)
	if err != nil {
		return nil, fail(err)
	}
	return release, nil
}

// passwordSealer returns the sealer of an owner's passwords, or why there is
// none now.
func (s *Store) passwordSealer(owner string) (*sealer, error) {
	ring := s.passwords.held()
	if ring == nil {
		return nil, vaultstore.ErrPasswordsSealed
	}
	seal, err := ring.load(owner, passwordKind)
	if err != nil || seal != nil {
		return seal, err
	}
	_, pending, err := ring.pending(owner, passwordKind)
	if err == nil {
		err = s.checkUnused(owner, passwordKind, pending)
	}
	if err == nil {
		err = vaultstore.ErrPasswordsSealed // never stored any
	}
	return nil, err
}

// ensurePasswords makes the identity of an owner's passwords unless it is
// there. The caller holds the owner's lock.
func (s *Store) ensurePasswords(owner string) error {
	ring := s.passwords.held()
	if ring == nil {
		return vaultstore.ErrPasswordsSealed
	}
	anchor := path.Join(classDir(owner, abi.ClassPassword), anchorFile)
	_, err := s.ensureIdentity(ring, owner, passwordKind, anchor, func(seal *sealer, first bool) error {
		if first {
			return s.writeAnchor(owner, anchor, seal)
		}
		return s.checkAnchor(owner, anchor, seal)
	})
	return err
}

// anchorBody is the body of an anchor.
type anchorBody struct {
	Format  int    `json:"fmt"`
	StoreID string `json:"store_id"`
	Owner   string `json:"owner"`
	Class   string `json:"class"`
}

func anchorBinding(owner string) binding {
	return binding{"sallyport/vault/anchor/v1", owner, passwordKind}
}

func (s *Store) writeAnchor(owner, name string, seal *sealer) error {
	body, err := json.Marshal(&anchorBody{Format: formatVersion, StoreID: s.id, Owner: owner, Class: passwordKind})
	if err != nil {
		return err
	}
	data, err := seal.seal(anchorBinding(owner), body)
	if err != nil {
		return err
	}
	return s.files.replace(name, data)
}

func (s *Store) checkAnchor(owner, name string, seal *sealer) error {
	data, err := s.files.read(name, maxKeyFile)
	if err == nil {
		_, err = seal.open(anchorBinding(owner), data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.files.path(name), err)
	}
	return nil
}

// checkPasswordsUnused is checkUnused for the two identities of class 3.
func (s *Store) checkPasswordsUnused(owner, kind string, pending bool) error {
	place := indexPath(owner, abi.ClassPassword)
	if kind == passwordKind {
		place = path.Join(classDir(owner, abi.ClassPassword), anchorFile)
	}
	there, err := s.files.exists(place)
	if err != nil {
		return err
	}
	filled, err := s.files.filled(path.Join(classDir(owner, abi.ClassPassword), secretsDir))
	if err == nil && (there && !pending || filled) {
		err = fmt.Errorf("%w: %s is gone; restore it from a backup; or, to give up this owner's passwords and nothing else, move %s away",
			vaultstore.ErrSealed, s.keys.fs.path(s.keys.base(owner, kind)+keyExt), s.files.path(classDir(owner, abi.ClassPassword)))
	}
	return err
}

// strayPasswords notices passwords that are there although the keys know of
// none: the keys are from before the first.
func (s *Store) strayPasswords(owner string) (unread, bool) {
	name := indexPath(owner, abi.ClassPassword)
	there, err := s.files.exists(name)
	if err == nil && there {
		err = fmt.Errorf("%w: %s has passwords, but the keys are from before they could be kept; restore the keys from a newer backup",
			vaultstore.ErrSealed, s.files.path(classDir(owner, abi.ClassPassword)))
	}
	return unread{abi.ClassPassword, err}, err != nil && !errors.Is(err, fs.ErrNotExist)
}

// sealedSlot is a slot of a tree whose files cannot be opened now. Its file is
// the one that the index knows of, to the last bit, or it is not believed.
func (t *tree) sealedSlot(sl slot, rec record) (slot, error) {
	if rec.state == stateNone || sl.digest != rec.digest {
		return slot{}, fmt.Errorf("a writer was stopped, or it was tampered with: %w", t.sealed)
	}
	sl.entry.Generation, sl.state = rec.generation, rec.state
	return sl, nil
}

// unopened says why what stands cannot be read, nil when it can.
func (p *place) unopened() error {
	if p.live() && p.best.tree.seal == nil {
		return p.best.tree.sealed
	}
	return nil
}
