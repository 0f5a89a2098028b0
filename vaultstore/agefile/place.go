package agefile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// place is what all trees of an owner say of one address. An address lives in
// one tree at a time. Its generations count across the trees: the highest one
// says how things stand, and a lower one that is still live is what a raise of
// its class, cut short, left behind.
type place struct {
	address vaultstore.Address
	slots   []slot
	best    *slot // the slot that stands, nil when nothing was ever written
}

// slot is what one tree says of an address.
type slot struct {
	tree   *tree
	entry  vaultstore.Entry // Generation 0 when there is nothing
	state  state
	digest [sha256.Size]byte
	ahead  bool // the file was written, its index was not: a writer was stopped there
}

// entry returns what stands, as vaultstore.Apply takes it.
func (p *place) entry() vaultstore.Entry {
	if p.best == nil {
		return vaultstore.Entry{Address: p.address}
	}
	return p.best.entry
}

func (p *place) live() bool { return p.best != nil && p.best.state == stateLive }

// locate reads an address in all trees. Every doubt is an error. It needs no
// lock: who meets a writer half-way gets an error too, and asks again under
// the lock.
func (s *Store) locate(a vaultstore.Address) (*place, error) {
	trees, faults := s.trees(a.Owner)
	return s.locateIn(trees, faults, a)
}

// locateIn is locate with the owner's trees read already, those among them
// that could not be are faults.
func (s *Store) locateIn(trees []*tree, faults []unread, a vaultstore.Address) (*place, error) {
	p, err := s.gather(trees, a)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		if hides, err := s.hides(f, p); hides {
			return nil, err
		}
	}
	if p.best != nil && p.best.state == stateMoved {
		return nil, fmt.Errorf("%w: its class was raised, and it is not where it went", vaultstore.ErrMissing)
	}
	return p, nil
}

// hides reports whether a tree that cannot be read may know better than p, and
// why it cannot be read. A class is never lowered while there is a live entry,
// so a tree of a lower class than that has nothing to say. One of a higher
// class may have the other half of a raise that was cut short: its file, then,
// which is written first.
func (s *Store) hides(f unread, p *place) (bool, error) {
	if !p.live() {
		return true, f.err
	}
	order := []abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession, abi.ClassPassword}
	if slices.Index(order, f.class) < slices.Index(order, p.best.tree.class) {
		return false, nil
	}
	there, err := s.files.exists(secretPath(p.address, f.class))
	if err == nil && !there {
		// A folder without any file may have lost that one with the rest.
		there, err = s.files.filled(path.Join(classDir(p.address.Owner, f.class), secretsDir))
		there = !there
	}
	if !there && err == nil {
		return false, nil
	}
	return true, fmt.Errorf("it may have been raised to a class whose files cannot be read: %w", f.err)
}

// gather reads an address in the trees that can be read.
func (s *Store) gather(trees []*tree, a vaultstore.Address) (*place, error) {
	var known uint64
	for _, t := range trees {
		known = max(known, t.index.records[a].generation)
	}
	p := &place{address: a}
	for _, t := range trees {
		sl, err := s.readSlot(t, a, known)
		if err != nil {
			return nil, err
		}
		if sl.state != stateNone {
			p.slots = append(p.slots, sl)
		}
	}
	return p, p.choose()
}

func (p *place) choose() error {
	for i := range p.slots {
		sl := &p.slots[i]
		switch b := p.best; {
		case b == nil || sl.entry.Generation > b.entry.Generation:
			p.best = sl
		case sl.entry.Generation < b.entry.Generation:
		case sl.state == stateLive && b.state == stateMoved:
			p.best = sl
		case !(sl.state == stateMoved && b.state == stateLive):
			return fmt.Errorf("%w: two classes have it at generation %d", vaultstore.ErrTampered, b.entry.Generation)
		}
	}
	return nil
}

// readSlot reads an address in one tree and holds it against the index. known
// is the highest generation that any index has for the address.
func (s *Store) readSlot(t *tree, a vaultstore.Address, known uint64) (slot, error) {
	rec := t.index.records[a]
	name := secretPath(a, t.class)
	data, err := s.files.read(name, maxSecretFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && rec.state == stateNone:
		return slot{tree: t}, nil
	case errors.Is(err, fs.ErrNotExist):
		return slot{}, fmt.Errorf("%w: %s; restore the vault from a backup", vaultstore.ErrMissing, s.files.path(name))
	case err != nil:
		return slot{}, err
	}
	if t.seal == nil {
		sl, err := t.sealedSlot(slot{tree: t, entry: vaultstore.Entry{Address: a, Class: t.class}, digest: sha256.Sum256(data)}, rec)
		if err != nil {
			err = fmt.Errorf("%s: %w", s.files.path(name), err)
		}
		return sl, err
	}
	sl, err := s.openSlot(t, a, data)
	if err != nil {
		return slot{}, fmt.Errorf("%s: %w", s.files.path(name), err)
	}
	if err := sl.judge(rec, known); err != nil {
		sl.entry.Zero()
		return slot{}, fmt.Errorf("%s: %w", s.files.path(name), err)
	}
	return sl, nil
}

func (s *Store) openSlot(t *tree, a vaultstore.Address, data []byte) (slot, error) {
	body, err := t.seal.open(secretBinding(a, t.class), data)
	if err != nil {
		return slot{}, err
	}
	defer clear(body)
	storeID, e, st, err := decodeEnvelope(body)
	if err != nil {
		return slot{}, err
	}
	if storeID != s.id || e.Address != a || e.Class != t.class {
		return slot{}, malformed("place")
	}
	return slot{tree: t, entry: e, state: st, digest: sha256.Sum256(data)}, nil
}

// judge holds a file that is authentic against what the indexes know. One
// write may be ahead of them: its process was stopped between the two. The
// tombstone of a raised class has the generation of the entry that it was
// raised to, which stands in another index already.
func (sl *slot) judge(rec record, known uint64) error {
	switch g := sl.entry.Generation; {
	case g < rec.generation:
		return fmt.Errorf("%w: it has generation %d, the index %d; restore the vault from a backup",
			vaultstore.ErrRollback, g, rec.generation)
	case g == rec.generation && sl.digest == rec.digest && sl.state == rec.state:
	case g == rec.generation:
		return fmt.Errorf("%w: another file of generation %d", vaultstore.ErrTampered, g)
	case g == known+1, sl.state == stateMoved && g == known:
		sl.ahead = true
	default:
		return fmt.Errorf("%w: it has generation %d, the index %d; was an older index put back?",
			vaultstore.ErrTampered, g, known)
	}
	return nil
}

// heal finishes what a writer that was stopped left of p. The caller holds the
// owner's lock.
func (s *Store) heal(p *place) error {
	for i := range p.slots {
		if err := s.settleIndex(p.slots[i].tree); err != nil {
			return err
		}
	}
	for i := range p.slots {
		sl := &p.slots[i]
		if sl.ahead {
			// The rename may not be durable yet, and the index must not be
			// before it.
			if err := s.files.syncDir(path.Dir(secretPath(p.address, sl.tree.class))); err != nil {
				return err
			}
			if err := s.record(sl.tree, p.address, sl.recorded()); err != nil {
				return err
			}
			sl.ahead = false
		}
	}
	for i := range p.slots {
		sl := &p.slots[i]
		if sl.state == stateLive && sl != p.best {
			if err := s.writeMoved(sl, p.best.entry.Generation); err != nil {
				return err
			}
		}
	}
	return nil
}

func (sl *slot) recorded() record {
	return record{
		generation: sl.entry.Generation, state: sl.state, digest: sl.digest,
		expires: sl.entry.Stages[vaultstore.Current].ExpiresAt,
	}
}

func (s *Store) record(t *tree, a vaultstore.Address, r record) error {
	return s.writeIndex(t, t.index.with(a, r))
}

// write seals e into its tree: the file first, then the index. An error that
// wraps ErrUnknownOutcome means that the file may stand; any other that
// nothing changed.
func (s *Store) write(t *tree, e vaultstore.Entry, st state) (slot, error) {
	if t.seal == nil {
		return slot{}, t.sealed
	}
	body, err := encodeEnvelope(s.id, e, st, s.now())
	if err != nil {
		return slot{}, err
	}
	defer clear(body)
	data, err := t.seal.seal(secretBinding(e.Address, t.class), body)
	if err != nil {
		return slot{}, err
	}
	if len(data) > maxSecretFile {
		return slot{}, fmt.Errorf("%w: all stages together", vaultstore.ErrTooLarge)
	}
	if err := s.settleIndex(t); err != nil {
		return slot{}, err
	}
	name := secretPath(e.Address, t.class)
	if err := s.files.replace(name, data); err != nil {
		return slot{}, err
	}
	sl := slot{tree: t, entry: e, state: st, digest: sha256.Sum256(data)}
	if err := s.record(t, e.Address, sl.recorded()); err != nil {
		return slot{}, unknown(err)
	}
	return sl, nil
}

// writeMoved leaves a tombstone where an entry was whose class was raised.
func (s *Store) writeMoved(old *slot, generation uint64) error {
	e := vaultstore.Entry{Address: old.entry.Address, Class: old.tree.class, Generation: generation}
	next, err := s.write(old.tree, e, stateMoved)
	if err != nil {
		return err
	}
	old.entry.Zero()
	*old = next
	return nil
}
