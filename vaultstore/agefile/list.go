package agefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// List implements vaultstore.Store. It opens every file of the owner: what it
// yields is what Get would return, less the values.
func (s *Store) List(ctx context.Context, owner string) iter.Seq2[vaultstore.Info, error] {
	return func(yield func(vaultstore.Info, error) bool) {
		infos, err := s.list(ctx, owner)
		for _, info := range infos {
			if cause := ctx.Err(); cause != nil {
				err = failure("list", vaultstore.Address{Owner: owner})(cause)
				break
			}
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(vaultstore.Info{}, err)
		}
	}
}

// list returns what can be read, and the first thing that cannot.
func (s *Store) list(ctx context.Context, owner string) ([]vaultstore.Info, error) {
	fail := failure("list", vaultstore.Address{Owner: owner})
	if err := vaultstore.ValidatePart("owner", owner); err != nil {
		return nil, fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, fail(err)
	}
	defer done()
	release, err := s.lock(ctx, owner)
	if err != nil {
		return nil, fail(err)
	}
	defer release()

	trees, faults := s.trees(owner)
	all, err := s.addresses(trees)
	if len(faults) > 0 {
		err = faults[0].err
	}
	var fault error
	if err != nil {
		fault = fail(err)
	}
	var infos []vaultstore.Info
	for _, a := range all {
		if err := ended(ctx); err != nil {
			return infos, fail(err)
		}
		p, err := s.locateIn(trees, faults, a)
		if err != nil {
			fault = cmp.Or(fault, failure("list", a)(err))
			continue
		}
		if e := p.entry(); p.live() {
			infos = append(infos, e.Info())
			e.Zero()
		}
	}
	return infos, fault
}

// addresses lists what the indexes know of, and what a writer that was stopped
// between a file and its index left. It also returns the first file that
// cannot be told.
func (s *Store) addresses(trees []*tree) (all []vaultstore.Address, fault error) {
	seen := make(map[vaultstore.Address]bool)
	for _, t := range trees {
		listed := make(map[string]bool)
		for a := range t.index.records {
			seen[a] = true
			listed[secretPath(a, t.class)] = true
		}
		s.files.sweep(classDir(t.index.owner, t.class))
		dir := path.Join(classDir(t.index.owner, t.class), secretsDir)
		err := s.walk(dir, secretsDepth, func(name string) error {
			if listed[name] {
				return nil
			}
			a, err := s.readAddress(t, name)
			if err == nil {
				seen[a] = true
			}
			return err
		})
		fault = cmp.Or(fault, err)
	}
	return slices.SortedFunc(maps.Keys(seen), vaultstore.Address.Compare), fault
}

// secretsDepth is how many folders lie between secretsDir and a file:
// connector, instance, grant.
const secretsDepth = 3

// walk calls found with every sealed file below dir and returns the first
// error. It removes temporary files, whose writers are dead: the caller holds
// the owner's lock. Other people's files, such as a file manager's, are passed
// over.
func (s *Store) walk(dir string, depth int, found func(name string) error) (fault error) {
	entries, err := s.files.readDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case isTemp(e.Name()):
			_ = s.files.remove(name)
		case depth > 0 && e.IsDir():
			fault = cmp.Or(fault, s.walk(name, depth-1, found))
		case depth == 0 && path.Ext(name) == sealedExt:
			fault = cmp.Or(fault, found(name))
		}
	}
	return cmp.Or(fault, err)
}

// readAddress returns the address of a file that no index has, if it is
// authentic and lies where it belongs.
func (s *Store) readAddress(t *tree, name string) (vaultstore.Address, error) {
	if t.seal == nil {
		return vaultstore.Address{}, fmt.Errorf("%s: %w", s.files.path(name), t.sealed)
	}
	data, err := s.files.read(name, maxSecretFile)
	if err != nil {
		return vaultstore.Address{}, err
	}
	var a vaultstore.Address
	body, err := t.seal.openClaimed(func(body []byte) (binding, error) {
		_, e, _, err := decodeEnvelope(body)
		e.Zero()
		a = e.Address
		return secretBinding(a, t.class), err
	}, data)
	if err == nil && secretPath(a, t.class) != name {
		err = fmt.Errorf("%w: it belongs elsewhere", vaultstore.ErrTampered)
	}
	if err != nil {
		return vaultstore.Address{}, fmt.Errorf("%s: %w", s.files.path(name), err)
	}
	clear(body)
	return a, nil
}
