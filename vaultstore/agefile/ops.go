package agefile

import (
	"context"
	"errors"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Get implements vaultstore.Store. It takes no lock unless it meets a writer,
// or something that is wrong.
func (s *Store) Get(ctx context.Context, a vaultstore.Address) (vaultstore.Entry, error) {
	fail := failure("get", a)
	if err := a.Validate(); err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	defer done()
	p, err := s.locate(a)
	if err != nil {
		p, err = s.locateLocked(ctx, a)
	}
	if err == nil && !p.live() {
		err = vaultstore.ErrNotFound
	}
	if err == nil {
		err = p.unopened()
	}
	if err != nil {
		return vaultstore.Entry{}, fail(err)
	}
	return p.entry(), nil
}

// locateLocked is locate with no writer about.
func (s *Store) locateLocked(ctx context.Context, a vaultstore.Address) (*place, error) {
	release, err := s.lock(ctx, a.Owner)
	if err != nil {
		return nil, err
	}
	defer release()
	return s.locate(a)
}

func (s *Store) lock(ctx context.Context, owner string) (release func(), err error) {
	return s.locks.acquire(ctx, ownerLock(owner))
}

// Put implements vaultstore.Store.
func (s *Store) Put(ctx context.Context, e vaultstore.Entry, expect uint64) (uint64, error) {
	fail := failure("put", e.Address)
	if err := vaultstore.CheckPut(s.Capabilities(), e); err != nil {
		return 0, fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return 0, fail(err)
	}
	defer done()
	release, err := s.lock(ctx, e.Address.Owner)
	if err != nil {
		return 0, fail(err)
	}
	defer release()
	generation, err := s.put(ctx, e, expect)
	if err != nil {
		return 0, fail(err)
	}
	return generation, nil
}

// put works under the owner's lock.
func (s *Store) put(ctx context.Context, e vaultstore.Entry, expect uint64) (uint64, error) {
	p, err := s.locate(e.Address)
	if err != nil {
		return 0, err
	}
	if err := p.unopened(); err != nil {
		return 0, err
	}
	next, err := vaultstore.Apply(s.Capabilities(), p.entry(), e, expect)
	if err != nil {
		return 0, err
	}
	defer next.Zero()
	if err := s.heal(p); err != nil {
		return 0, err
	}
	t, err := s.ensureTree(e.Address.Owner, next.Class)
	if err != nil {
		return 0, err
	}
	if err := ended(ctx); err != nil {
		return 0, err
	}
	if _, err := s.write(t, next, stateLive); err != nil {
		return 0, err
	}
	// A raise of the class: from here on the new entry stands, whatever
	// happens to the old one; the next writer would finish this.
	if p.live() && p.best.tree.class != next.Class {
		if err := s.writeMoved(p.best, next.Generation); err != nil {
			return 0, unknown(err)
		}
	}
	return next.Generation, nil
}

// Delete implements vaultstore.Store. The tombstone takes the place of the
// values in their file.
func (s *Store) Delete(ctx context.Context, a vaultstore.Address, expect uint64) error {
	fail := failure("delete", a)
	if err := a.Validate(); err != nil {
		return fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	release, err := s.lock(ctx, a.Owner)
	if err != nil {
		return fail(err)
	}
	defer release()
	if err := s.delete(ctx, a, expect); err != nil {
		return fail(err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, a vaultstore.Address, expect uint64) error {
	p, err := s.locate(a)
	if err != nil {
		if expect == vaultstore.AnyGeneration && damaged(err) {
			return s.forget(ctx, a, err)
		}
		return err
	}
	if err := p.unopened(); err != nil {
		return err
	}
	tombstone, err := vaultstore.ApplyDelete(p.entry(), expect)
	if err != nil {
		return err
	}
	if err := s.heal(p); err != nil {
		return err
	}
	if err := ended(ctx); err != nil {
		return err
	}
	_, err = s.write(p.best.tree, tombstone, stateDeleted)
	return err
}

// damaged reports whether an error is about one address, whose file is lost or
// is not what was written there.
func damaged(err error) bool {
	return errors.Is(err, vaultstore.ErrMissing) || errors.Is(err, vaultstore.ErrTampered) || errors.Is(err, vaultstore.ErrRollback)
}

// forget deletes an address that cannot be read, so that it is of use again:
// its tombstone goes where an index knows of it, past every generation that
// was ever written. Where no index does, or one cannot be read, why stands.
func (s *Store) forget(ctx context.Context, a vaultstore.Address, why error) error {
	trees, faults := s.trees(a.Owner)
	if len(faults) > 0 {
		return why
	}
	var at *tree
	var known uint64
	for _, t := range trees {
		if rec := t.index.records[a]; rec.state != stateNone && rec.generation >= known {
			at, known = t, rec.generation
		}
	}
	if at == nil {
		return why
	}
	if err := ended(ctx); err != nil {
		return err
	}
	// One more than a writer that was stopped before its index may have used.
	_, err := s.write(at, vaultstore.Entry{Address: a, Class: at.class, Generation: known + 2}, stateDeleted)
	return err
}
