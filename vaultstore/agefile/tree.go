package agefile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// tree is one owner's files of one class, with its index as last read or
// written.
type tree struct {
	class  abi.Class
	seal   *sealer // of the files; nil when it is not to be had
	sealed error   // why seal is nil
	index  *index
	ixSeal *sealer // of the index: another one where the files are passwords
}

// unread is a tree that is there and cannot be read.
type unread struct {
	class abi.Class
	err   error // why, and what helps
}

// trees reads the indexes of an owner, lowest class first. A tree that cannot
// be read is left out, and told beside the others: losing the sessions'
// identity must not take the tokens along.
func (s *Store) trees(owner string) (trees []*tree, faults []unread) {
	for _, class := range s.classes() {
		t, err := s.tree(owner, class)
		switch {
		case err != nil:
			faults = append(faults, unread{class, err})
		case t != nil:
			trees = append(trees, t)
		}
	}
	if s.passwords == nil {
		if f, stray := s.strayPasswords(owner); stray {
			faults = append(faults, f)
		}
	}
	return trees, faults
}

// indexKind is the kind whose identity a class's index is sealed to.
func indexKind(class abi.Class) string {
	if class == abi.ClassPassword {
		return passwordIndexKind
	}
	return classComponent(class)
}

// tree returns nil when the owner never stored anything of the class.
func (s *Store) tree(owner string, class abi.Class) (*tree, error) {
	kind := indexKind(class)
	seal, err := s.keys.load(owner, kind)
	if err != nil {
		return nil, err
	}
	if seal == nil {
		_, pending, err := s.keys.pending(owner, kind)
		if err != nil {
			return nil, err
		}
		return nil, s.checkUnused(owner, kind, pending)
	}
	ix, err := s.readIndex(owner, class, seal)
	if err != nil {
		return nil, err
	}
	t := &tree{class: class, seal: seal, index: ix, ixSeal: seal}
	if class == abi.ClassPassword {
		t.seal, t.sealed = s.passwordSealer(owner)
	}
	return t, nil
}

// checkUnused tells a kind that was never used, or whose first write was cut
// short before it had anything, from one that lost its identity.
func (s *Store) checkUnused(owner, kind string, pending bool) (err error) {
	if kind == passwordKind || kind == passwordIndexKind {
		return s.checkPasswordsUnused(owner, kind, pending)
	}
	used, place := false, path.Join(ownerDir(owner), kind)
	switch {
	case kind == marksKind:
		place = marksPath(owner)
		used, err = s.files.exists(place)
		used = used && !pending
	case pending:
		used, err = s.files.filled(path.Join(place, secretsDir))
	default:
		used, err = s.files.filled(place)
	}
	if err == nil && used {
		err = fmt.Errorf("%w: %s is gone; restore it from a backup, or recover what is in %s with the recovery identity and move it away to start anew",
			vaultstore.ErrSealed, s.keys.fs.path(s.keys.base(owner, kind)+keyExt), s.files.path(place))
	}
	return err
}

func (s *Store) readIndex(owner string, class abi.Class, seal *sealer) (*index, error) {
	name := indexPath(owner, class)
	data, err := s.files.read(name, maxIndexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s, the index itself; %s", vaultstore.ErrMissing, s.files.path(name), s.wayOn(owner, class))
	}
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	if ix := s.cached(name, digest); ix != nil {
		return ix, nil
	}
	ix, err := s.openIndex(owner, class, seal, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; %s", s.files.path(name), err, s.wayOn(owner, class))
	}
	s.cache(name, cachedIndex{digest: digest, index: ix})
	return ix, nil
}

// wayOn says what helps where an index is lost or damaged: without it nothing
// tells which of the tree's files were put back or taken away.
func (s *Store) wayOn(owner string, class abi.Class) string {
	kind := indexKind(class)
	return fmt.Sprintf("restore the vault from a backup; or, to give up what this owner has stored of class %s and nothing else, move both %s and %s away",
		classComponent(class), s.files.path(classDir(owner, class)), s.keys.fs.path(s.keys.base(owner, kind)+keyExt))
}

func (s *Store) openIndex(owner string, class abi.Class, seal *sealer, data []byte) (*index, error) {
	body, err := seal.open(indexBinding(owner, class), data)
	if err != nil {
		return nil, err
	}
	storeID, ix, err := decodeIndex(body)
	if err != nil {
		return nil, err
	}
	if storeID != s.id || ix.owner != owner || ix.class != class {
		return nil, malformed("place")
	}
	return ix, nil
}

// writeIndex puts ix in the place of t's index.
func (s *Store) writeIndex(t *tree, ix *index) error {
	body, err := encodeIndex(s.id, ix)
	if err != nil {
		return err
	}
	data, err := t.ixSeal.seal(indexBinding(ix.owner, ix.class), body)
	if err != nil {
		return err
	}
	if len(data) > maxIndexFile {
		return fmt.Errorf("%w: an owner's index of one class may have %d bytes", vaultstore.ErrTooLarge, maxIndexFile)
	}
	name := indexPath(ix.owner, ix.class)
	if err := s.files.replace(name, data); err != nil {
		return err
	}
	t.index = ix
	s.cache(name, cachedIndex{digest: sha256.Sum256(data), index: ix, durable: true})
	return nil
}

func (s *Store) cached(name string, digest [sha256.Size]byte) *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.indexes[name]; ok && c.digest == digest {
		return c.index
	}
	return nil
}

func (s *Store) cache(name string, c cachedIndex) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexes[name] = c
}

// settleIndex makes sure that t's index is durable: its writer may have been
// killed between the rename and the fsync. Else the files could come to be two
// generations ahead of it. The caller holds the owner's lock.
func (s *Store) settleIndex(t *tree) error {
	name := indexPath(t.index.owner, t.class)
	s.mu.Lock()
	c := s.indexes[name]
	s.mu.Unlock()
	if c.index == t.index && c.durable {
		return nil
	}
	if err := s.files.syncDir(path.Dir(name)); err != nil {
		return err
	}
	if c.index == t.index {
		c.durable = true
		s.cache(name, c)
	}
	return nil
}

// ensureTree returns the tree that a put writes to, with a new identity the
// first time. The caller holds the owner's lock.
func (s *Store) ensureTree(owner string, class abi.Class) (*tree, error) {
	if class == abi.ClassPassword {
		if err := s.ensurePasswords(owner); err != nil {
			return nil, err
		}
	}
	anchor := indexPath(owner, class)
	_, err := s.ensureIdentity(s.keys, owner, indexKind(class), anchor, func(seal *sealer, first bool) error {
		if first {
			return s.writeIndex(&tree{class: class, ixSeal: seal}, newIndex(owner, class, 1))
		}
		_, err := s.readIndex(owner, class, seal)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.tree(owner, class)
}

// ensureIdentity makes the identity of an owner's kind in ring unless it is
// there.
// anchor is the file that goes with it for good; prove writes the first one,
// or checks that the one that an interrupted first write left opens. The
// caller holds the owner's lock.
func (s *Store) ensureIdentity(ring *keyring, owner, kind, anchor string, prove func(seal *sealer, first bool) error) (*sealer, error) {
	seal, err := ring.load(owner, kind)
	if err != nil {
		return nil, err
	}
	if seal != nil {
		return seal, s.settleOnce(owner, kind)
	}
	id, pending, err := ring.pending(owner, kind)
	if err != nil {
		return nil, err
	}
	if err := s.checkUnused(owner, kind, pending); err != nil {
		return nil, err
	}
	if !pending {
		if id, err = ring.stage(owner, kind); err != nil {
			return nil, err
		}
	}
	if seal, err = ring.list(owner, kind, id); err != nil {
		return nil, err
	}
	anchored, err := s.files.exists(anchor)
	if err != nil {
		return nil, err
	}
	if err := prove(seal, !anchored); err != nil {
		return nil, err
	}
	if anchored { // its writer may not have come to this
		if err := errors.Join(s.files.mkdirAll(path.Dir(anchor)), s.files.syncDir(path.Dir(anchor))); err != nil {
			return nil, err
		}
	}
	if err := ring.promote(owner, kind, seal); err != nil {
		return nil, err
	}
	return seal, s.settleOnce(owner, kind)
}

// settleOnce sees, the first time that this store writes to a kind, to what
// another process may have left there. The caller holds the owner's lock.
func (s *Store) settleOnce(owner, kind string) error {
	key := s.keys.base(owner, kind)
	s.mu.Lock()
	again := s.settled[key]
	s.mu.Unlock()
	if again {
		return nil
	}
	if err := s.keys.settle(owner, kind); err != nil {
		return err
	}
	s.files.sweep(ownerDir(owner))
	s.files.sweep(path.Join(ownerDir(owner), kind))
	s.mu.Lock()
	s.settled[key] = true
	s.mu.Unlock()
	return nil
}
