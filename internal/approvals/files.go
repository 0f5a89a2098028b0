package approvals

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/pathname"
	"github.com/sallyport-host/sallyport/internal/privatedir"
)

const (
	kindApproval   = "approval"
	kindRevocation = "revocation"
	kindUse        = "use"
	extension      = ".json"

	// maxFiles bounds what is read of one scope. Writing keeps well below.
	maxFiles = 1024
	// keepFiles is how many of a scope's newest envelopes stay when another is
	// written: for the owner to look at, as only the newest matter.
	keepFiles = 64
)

// folder is where the envelopes of scope are.
func folder(scope capabilities.Scope) string {
	return path.Join(pathname.Escape(scope.Owner), pathname.Escape(scope.Connector),
		pathname.Escape(scope.Instance), pathname.Escape(scope.Grant))
}

// fileName orders by serial; the id keeps what another process writes apart.
func fileName(serial uint64, kind, id string) string {
	sum := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%016x-%s-%s%s", serial, kind, hex.EncodeToString(sum[:4]), extension)
}

// markName is the name of the scope's mark among its owner's.
func markName(scope capabilities.Scope) string { return "approvals/" + scopeDigest(scope) }

// useMark is the name of the mark that outlives the folder of a scope whose
// single use is spent.
func useMark(scope capabilities.Scope) string { return "uses/" + scopeDigest(scope) }

func scopeDigest(scope capabilities.Scope) string {
	h := sha256.New()
	for _, part := range []string{scope.Connector, scope.Instance, scope.Grant} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		_, _ = h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Standing implements host.Approvals.
func (s *Store) Standing(ctx context.Context, scope capabilities.Scope) (capabilities.Standing, error) {
	standing, err := s.read(ctx, scope)
	if err != nil || standing.Replayed {
		// It may have been read while another process was between two writes.
		unlock, lockErr := s.dir.Lock(ctx)
		if lockErr != nil {
			return capabilities.Standing{}, fmt.Errorf("approvals: %w", errors.Join(lockErr, err))
		}
		defer unlock()
		standing, err = s.read(ctx, scope)
	}
	if err != nil {
		return capabilities.Standing{}, fmt.Errorf("approvals: %w", err)
	}
	return standing, nil
}

// read resolves what is there, and tells the vault of a serial that it should
// know of and does not: a writer was stopped before that, or the vault was put
// back. The mark is read first: whatever raises it after that is newer than
// what the files say, and not older.
func (s *Store) read(ctx context.Context, scope capabilities.Scope) (capabilities.Standing, error) {
	if err := s.dir.InPlace(); err != nil {
		return capabilities.Standing{}, err
	}
	mark, err := s.mark(ctx, scope)
	if err != nil {
		return capabilities.Standing{}, err
	}
	envelopes, problems, err := s.envelopes(scope)
	if err != nil {
		return capabilities.Standing{}, err
	}
	standing := capabilities.Resolve(envelopes, s.pub, scope, mark.highest)
	standing.Problems = append(standing.Problems, problems...)
	if mark.vault < standing.HighWater {
		limited, cancel := context.WithTimeout(ctx, raiseWait)
		defer cancel()
		if err := s.raise(limited, scope, standing.HighWater); err != nil {
			standing.Problems = append(standing.Problems, err.Error())
		}
	}
	if len(standing.Problems) > 0 {
		standing.Problems = append(standing.Problems, "the files are in "+s.dir.Path(folder(scope)))
	}
	return standing, nil
}

// witness is the highest serial of a scope that is known from elsewhere than
// its files.
type witness struct {
	vault   uint64 // to the vault
	highest uint64 // to the vault or Options.Seen
}

// mark asks the witnesses. With an error it is what those say that answered.
func (s *Store) mark(ctx context.Context, scope capabilities.Scope) (witness, error) {
	limited, cancel := context.WithTimeout(ctx, markWait)
	defer cancel()
	mark, err := s.marks.Mark(limited, scope.Owner, markName(scope))
	w := witness{vault: mark, highest: mark}
	if s.seen != nil {
		seen, seenErr := s.seen(ctx, scope)
		w.highest, err = max(mark, seen), errors.Join(err, seenErr)
	}
	if err != nil {
		return w, fmt.Errorf("%w: %w", ErrMark, err)
	}
	return w, nil
}

// envelopes reads the files of a scope, ordered by name. What is there and is
// no envelope at all is a problem; what cannot be read is an error.
func (s *Store) envelopes(scope capabilities.Scope) (envelopes [][]byte, problems []string, err error) {
	dir := folder(scope)
	list, err := s.dir.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if len(list) > maxFiles {
		return nil, nil, fmt.Errorf("%w: %s holds more than %d files", privatedir.ErrTooLarge, s.dir.Path(dir), maxFiles)
	}
	for _, e := range list {
		if e.Name() == strikesFile {
			continue
		}
		if !e.Type().IsRegular() && e.Type()&fs.ModeSymlink == 0 || !strings.HasSuffix(e.Name(), extension) {
			problems = append(problems, fmt.Sprintf("%q is no envelope", e.Name()))
			continue
		}
		raw, err := s.dir.ReadFile(path.Join(dir, e.Name()), capabilities.MaxBytes)
		switch {
		case errors.Is(err, privatedir.ErrTooLarge):
			problems = append(problems, fmt.Sprintf("%q has more than %d bytes", e.Name(), capabilities.MaxBytes))
		case err != nil: // gone in between, too: the caller looks again under the lock
			return nil, nil, err
		default:
			envelopes = append(envelopes, raw)
		}
	}
	return envelopes, problems, nil
}

// tidy removes what a crash left, and the oldest envelopes past keepFiles:
// those that newer ones outlive in any case. A use stays, and so does what is not
// ours.
func (s *Store) tidy(scope capabilities.Scope) error {
	dir := folder(scope)
	if err := s.dir.Sweep(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	list, err := s.dir.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(e fs.DirEntry) bool {
		return !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), extension) || strings.Contains(e.Name(), "-"+kindUse+"-")
	})
	for len(list) > keepFiles {
		if err := s.dir.Remove(path.Join(dir, list[0].Name())); err != nil {
			return err
		}
		list = list[1:]
	}
	return nil
}

// List returns the scopes of owner for which there is any file, in order of
// their parts. Of a folder that does not tell which scope it is, what it holds
// has to: if nothing in it does, that is an error beside the other scopes.
func (s *Store) List(ctx context.Context, owner string) ([]capabilities.Scope, error) {
	var (
		scopes []capabilities.Scope
		faults []error
	)
	top := pathname.Escape(owner)
	err := s.walk(ctx, top, 3, func(dir string) {
		scope, err := s.scopeOf(owner, dir)
		if err != nil {
			faults = append(faults, err)
			return
		}
		scopes = append(scopes, scope)
	})
	if err != nil {
		faults = append(faults, err)
	}
	slices.SortFunc(scopes, func(a, b capabilities.Scope) int { return a.Address("").Compare(b.Address("")) })
	if len(faults) > 0 {
		return scopes, fmt.Errorf("list approvals: %w", errors.Join(faults...))
	}
	return scopes, nil
}

// walk calls visit for each folder that is depth levels below dir.
func (s *Store) walk(ctx context.Context, dir string, depth int, visit func(dir string)) error {
	if depth == 0 {
		visit(dir)
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	list, err := s.dir.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Type().IsRegular() {
			continue // a file manager's, say
		}
		if err := s.walk(ctx, path.Join(dir, e.Name()), depth-1, visit); err != nil {
			return err
		}
	}
	return nil
}

// scopeOf tells the scope of a folder by its name, or else by what it holds.
func (s *Store) scopeOf(owner, dir string) (capabilities.Scope, error) {
	parts := strings.Split(dir, "/")
	scope, known := capabilities.Scope{Owner: owner}, true
	for i, part := range []*string{&scope.Connector, &scope.Instance, &scope.Grant} {
		text, ok, err := pathname.Unescape(parts[i+1])
		if err != nil {
			return scope, fmt.Errorf("%s: %w", s.dir.Path(dir), err)
		}
		*part, known = text, known && ok
	}
	if known {
		return scope, nil
	}
	list, err := s.dir.ReadDir(dir)
	if err != nil {
		return scope, err
	}
	for _, e := range list {
		raw, err := s.dir.ReadFile(path.Join(dir, e.Name()), capabilities.MaxBytes)
		if err != nil {
			continue
		}
		if a, err := capabilities.OpenApproval(raw, s.pub); err == nil && folder(a.Scope) == dir {
			return a.Scope, nil
		}
		if r, err := capabilities.OpenRevocation(raw, s.pub); err == nil && folder(r.Scope) == dir {
			return r.Scope, nil
		}
	}
	return scope, fmt.Errorf("%s: nothing in it says whose it is", s.dir.Path(dir))
}
