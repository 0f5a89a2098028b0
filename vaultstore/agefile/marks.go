package agefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// marksBody is the body of an owner's file of marks.
type marksBody struct {
	Format     int          `json:"fmt"`
	StoreID    string       `json:"store_id"`
	Owner      string       `json:"owner"`
	Generation uint64       `json:"generation"` // counts the writes of this file
	Marks      []markRecord `json:"marks"`      // ordered by name
}

type markRecord struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

type marks struct {
	generation uint64
	values     map[string]uint64
}

// Mark implements vaultstore.Marks.
func (s *Store) Mark(ctx context.Context, owner, name string) (uint64, error) {
	fail := failure("mark", vaultstore.Address{Owner: owner})
	if err := validMark(owner, name); err != nil {
		return 0, fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return 0, fail(err)
	}
	defer done()
	m, err := s.readMarks(owner)
	if err != nil {
		m, err = s.readMarksLocked(ctx, owner)
	}
	if err != nil {
		return 0, fail(err)
	}
	return m.values[name], nil
}

func (s *Store) readMarksLocked(ctx context.Context, owner string) (marks, error) {
	release, err := s.lock(ctx, owner)
	if err != nil {
		return marks{}, err
	}
	defer release()
	return s.readMarks(owner)
}

// RaiseMark implements vaultstore.Marks.
func (s *Store) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	fail := failure("raise mark", vaultstore.Address{Owner: owner})
	if err := validMark(owner, name); err != nil {
		return fail(err)
	}
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return fail(err)
	}
	defer done()
	release, err := s.lock(ctx, owner)
	if err != nil {
		return fail(err)
	}
	defer release()
	if err := s.raiseMark(ctx, owner, name, to); err != nil {
		return fail(err)
	}
	return nil
}

func (s *Store) raiseMark(ctx context.Context, owner, name string, to uint64) error {
	seal, err := s.ensureIdentity(s.keys, owner, marksKind, marksPath(owner), func(seal *sealer, first bool) error {
		if first {
			return s.writeMarks(owner, seal, marks{})
		}
		_, err := s.openMarks(owner, seal)
		return err
	})
	if err != nil {
		return err
	}
	m, err := s.openMarks(owner, seal)
	if err != nil {
		return err
	}
	if m.values[name] >= to {
		// It may have got there by a write whose outcome was unknown.
		return s.files.syncDir(path.Dir(marksPath(owner)))
	}
	if err := ended(ctx); err != nil {
		return err
	}
	m.values = maps.Clone(m.values)
	m.values[name] = to
	return s.writeMarks(owner, seal, m)
}

// readMarks returns no marks when none was ever raised.
func (s *Store) readMarks(owner string) (marks, error) {
	seal, err := s.keys.load(owner, marksKind)
	if err != nil {
		return marks{}, err
	}
	if seal == nil {
		_, pending, err := s.keys.pending(owner, marksKind)
		if err != nil {
			return marks{}, err
		}
		return marks{}, s.checkUnused(owner, marksKind, pending)
	}
	return s.openMarks(owner, seal)
}

func (s *Store) openMarks(owner string, seal *sealer) (marks, error) {
	name := marksPath(owner)
	data, err := s.files.read(name, maxMarksFile)
	if errors.Is(err, fs.ErrNotExist) {
		return marks{}, fmt.Errorf("%w: %s; restore the vault from a backup", vaultstore.ErrMissing, s.files.path(name))
	}
	if err != nil {
		return marks{}, err
	}
	body, err := seal.open(marksBinding(owner), data)
	if err == nil {
		var m marks
		if m, err = s.decodeMarks(owner, body); err == nil {
			return m, nil
		}
	}
	return marks{}, fmt.Errorf("%s: %w", s.files.path(name), err)
}

func (s *Store) decodeMarks(owner string, body []byte) (marks, error) {
	var v marksBody
	if err := decodeStrict(body, &v); err != nil {
		return marks{}, err
	}
	if v.Format != formatVersion || v.StoreID != s.id || v.Owner != owner {
		return marks{}, malformed("place")
	}
	m := marks{generation: v.Generation, values: make(map[string]uint64, len(v.Marks))}
	last := ""
	for _, r := range v.Marks {
		if r.Name <= last {
			return marks{}, malformed("order")
		}
		m.values[r.Name], last = r.Value, r.Name
	}
	return m, nil
}

// writeMarks writes the generation that follows m's.
func (s *Store) writeMarks(owner string, seal *sealer, m marks) error {
	v := marksBody{Format: formatVersion, StoreID: s.id, Owner: owner, Generation: m.generation + 1, Marks: []markRecord{}}
	for _, name := range slices.Sorted(maps.Keys(m.values)) {
		v.Marks = append(v.Marks, markRecord{Name: name, Value: m.values[name]})
	}
	body, err := json.Marshal(&v)
	if err != nil {
		return err
	}
	data, err := seal.seal(marksBinding(owner), body)
	if err != nil {
		return err
	}
	if len(data) > maxMarksFile {
		return fmt.Errorf("%w: an owner's marks may have %d bytes", vaultstore.ErrTooLarge, maxMarksFile)
	}
	return s.files.replace(marksPath(owner), data)
}

func validMark(owner, name string) error {
	if err := vaultstore.ValidatePart("owner", owner); err != nil {
		return err
	}
	return vaultstore.ValidatePart("name of the mark", name)
}
