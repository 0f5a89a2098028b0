package approvals

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

var (
	noon    = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
	scope   = capabilities.Scope{Owner: "Ann", Connector: "contacts", Instance: "default", Grant: "self"}
	another = capabilities.Scope{Owner: "Ann", Connector: "contacts", Instance: "default", Grant: "https://as.example/grants/" + strings.Repeat("X", 150)}
)

func testKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("a key for tests, of 32 bytes....")[:ed25519.SeedSize])
}

func approval(s capabilities.Scope) capabilities.Approval {
	digest := strings.Repeat("0f", 32)
	return capabilities.Approval{
		Scope: s, ManifestSHA256: digest, Modules: map[abi.Role]string{abi.RoleCollector: digest},
		Options: map[string]any{}, Credentials: []capabilities.ApprovedCredential{}, Egress: []capabilities.ApprovedEgress{},
		Mode: capabilities.ModeLocal,
	}
}

func open(t testing.TB, dir string, marks vaultstore.Marks) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, Key: testKey(), Marks: marks, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *Store) mustApprove(t testing.TB, scope capabilities.Scope) capabilities.Approval {
	t.Helper()
	a, err := s.Approve(context.Background(), approval(scope))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *Store) mustStand(t testing.TB, scope capabilities.Scope) capabilities.Standing {
	t.Helper()
	standing, err := s.Standing(context.Background(), scope)
	if err != nil {
		t.Fatal(err)
	}
	return standing
}

// envelopeFiles lists what is in a scope's folder, by path.
func (s *Store) envelopeFiles(t testing.TB, scope capabilities.Scope) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.dir.Path(folder(scope)), "*"+extension))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestApproveAndRevoke(t *testing.T) {
	ctx := t.Context()
	dir, marks := t.TempDir(), memory.New()
	s := open(t, dir, marks)
	if got := s.mustStand(t, scope); got.Approval != nil || got.Revoked || got.HighWater != 0 || got.Problems != nil {
		t.Fatalf("nothing yet: %+v", got)
	}
	if _, err := s.Revoke(ctx, scope); !errors.Is(err, ErrNothing) {
		t.Errorf("revoked nothing: %v", err)
	}
	first := s.mustApprove(t, scope)
	if first.Serial != 1 || first.ApprovalID == "" || first.Version != 1 || !first.ApprovedAt.Equal(noon) {
		t.Errorf("got %+v", first)
	}
	second := s.mustApprove(t, scope)
	got := s.mustStand(t, scope)
	if !got.InForce() || got.Approval.ApprovalID != second.ApprovalID || got.HighWater != 2 || got.Problems != nil {
		t.Errorf("got %+v", got)
	}
	r, err := s.Revoke(ctx, scope)
	if err != nil || r.Serial != 3 || r.Revokes != second.ApprovalID || r.Scope != scope {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := s.mustStand(t, scope); got.InForce() || !got.Revoked || got.Replayed {
		t.Errorf("got %+v", got)
	}
	if again, err := s.Revoke(ctx, scope); err != nil || again != r {
		t.Errorf("again: %+v, %v", again, err)
	}
	reopened := open(t, dir, marks)
	if got := reopened.mustStand(t, scope); !got.Revoked {
		t.Errorf("reopened: %+v", got)
	}
	if third := reopened.mustApprove(t, scope); third.Serial != 4 || !s.mustStand(t, scope).InForce() {
		t.Errorf("approved anew: %+v", third)
	}
}

// TestOldApprovalPutBack: nothing that was ever written brings back what was
// revoked, nor what was replaced.
func TestOldApprovalPutBack(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	s.mustApprove(t, scope)
	old := s.envelopeFiles(t, scope)
	raw, err := os.ReadFile(old[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	for _, name := range s.envelopeFiles(t, scope) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.mustStand(t, scope); !got.Revoked || !got.Replayed || len(got.Problems) == 0 {
		t.Errorf("all deleted: %+v", got)
	}
	if err := os.WriteFile(old[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	got := s.mustStand(t, scope)
	if got.InForce() || !got.Replayed || got.Approval == nil || len(got.Problems) == 0 {
		t.Errorf("put back: %+v", got)
	}
	// The owner can revoke that too, and approve again.
	if r, err := s.Revoke(t.Context(), scope); err != nil || r.Serial != 3 {
		t.Errorf("revoke: %+v, %v", r, err)
	}
	if a := s.mustApprove(t, scope); a.Serial != 4 || !s.mustStand(t, scope).InForce() {
		t.Errorf("approve: %+v", a)
	}
}

func TestScopesAreApart(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	s.mustApprove(t, scope)
	for _, other := range []capabilities.Scope{
		another,
		{Owner: "ann", Connector: "contacts", Instance: "default", Grant: "self"}, // case
		{Owner: "Ann", Connector: "contacts/default", Instance: "self", Grant: "self"},
	} {
		if got := s.mustStand(t, other); got.Approval != nil || got.HighWater != 0 {
			t.Errorf("%+v has %+v", other, got)
		}
	}
	// A file moved into another scope's folder is a problem there.
	if err := os.MkdirAll(s.dir.Path(folder(another)), 0o700); err != nil {
		t.Fatal(err)
	}
	from := s.envelopeFiles(t, scope)[0]
	if err := os.Rename(from, filepath.Join(s.dir.Path(folder(another)), filepath.Base(from))); err != nil {
		t.Fatal(err)
	}
	if got := s.mustStand(t, another); got.Approval != nil || len(got.Problems) == 0 {
		t.Errorf("moved: %+v", got)
	}
}

// TestBrokenFiles: what cannot be understood is said, and what cannot be read
// refuses.
func TestBrokenFiles(t *testing.T) {
	problem := map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 20) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"flipped": func(path string) error { return flip(path) },
		"large": func(path string) error {
			return os.WriteFile(path, make([]byte, capabilities.MaxBytes+1), 0o600)
		},
		"stray": func(path string) error { return os.Rename(path, path+".bak") },
		"folder": func(path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		},
	}
	for name, spoil := range problem {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), memory.New())
			s.mustApprove(t, scope)
			if err := spoil(s.envelopeFiles(t, scope)[0]); err != nil {
				t.Fatal(err)
			}
			got := s.mustStand(t, scope)
			if got.InForce() || len(got.Problems) == 0 {
				t.Errorf("got %+v", got)
			}
			if !strings.Contains(strings.Join(got.Problems, "\n"), s.dir.Path(folder(scope))) {
				t.Errorf("the problems do not say where: %q", got.Problems)
			}
			if _, err := s.Revoke(t.Context(), scope); err != nil {
				t.Errorf("it cannot be revoked: %v", err)
			}
		})
	}
	if runtime.GOOS == "windows" {
		return
	}
	refused := map[string]func(path string) error{
		"others write": func(path string) error { return os.Chmod(path, 0o622) },
		"link": func(path string) error {
			return errors.Join(os.Rename(path, path+".json"), os.Symlink(filepath.Base(path)+".json", path))
		},
		"folder others write": func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
	}
	for name, spoil := range refused {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), memory.New())
			s.mustApprove(t, scope)
			if err := spoil(s.envelopeFiles(t, scope)[0]); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Standing(t.Context(), scope); !errors.Is(err, privatedir.ErrUnsafe) || got.Approval != nil {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func flip(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[len(raw)/2] ^= 1
	return os.WriteFile(path, raw, 0o600)
}

// lockedMarks is a vault that does not open.
type lockedMarks struct {
	vaultstore.Marks
	sealed bool
}

func (m *lockedMarks) Mark(ctx context.Context, owner, name string) (uint64, error) {
	if m.sealed {
		return 0, vaultstore.ErrSealed
	}
	return m.Marks.Mark(ctx, owner, name)
}

func (m *lockedMarks) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	if m.sealed {
		return vaultstore.ErrSealed
	}
	return m.Marks.RaiseMark(ctx, owner, name, to)
}

// TestSealedVault: without the marks nothing is allowed, and still everything
// can be revoked.
func TestSealedVault(t *testing.T) {
	marks := &lockedMarks{Marks: memory.New()}
	s := open(t, t.TempDir(), marks)
	s.mustApprove(t, scope)
	marks.sealed = true
	if _, err := s.Standing(t.Context(), scope); !errors.Is(err, vaultstore.ErrSealed) || !errors.Is(err, ErrMark) {
		t.Errorf("standing: %v", err)
	}
	if _, err := s.Approve(t.Context(), approval(scope)); !errors.Is(err, vaultstore.ErrSealed) {
		t.Errorf("approve: %v", err)
	}
	r, err := s.Revoke(t.Context(), scope)
	if !errors.Is(err, ErrMark) || r.Serial != 2 {
		t.Errorf("revoke: %+v, %v", r, err)
	}
	marks.sealed = false
	if got := s.mustStand(t, scope); !got.Revoked {
		t.Errorf("not revoked: %+v", got)
	}
	if again, err := s.Revoke(t.Context(), scope); err != nil || again != r {
		t.Errorf("again: %+v, %v", again, err)
	}
	if high, err := marks.Mark(t.Context(), scope.Owner, markName(scope)); err != nil || high != 2 {
		t.Errorf("the mark was not raised in the end: %d, %v", high, err)
	}
}

func TestContextBoundsTheLock(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	unlock, err := s.dir.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Approve(ctx, approval(scope)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("approve: %v", err)
	}
	if _, err := s.Revoke(ctx, scope); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("revoke: %v", err)
	}
}

func TestOldEnvelopesAreTidied(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	s.mustApprove(t, scope)
	const old = keepFiles + 10
	for serial := uint64(2); serial <= old; serial++ { // as Approve would, without waiting for the disk
		a := approval(scope)
		a.Version, a.ApprovalID, a.Serial, a.ApprovedAt = capabilities.ApprovalVersion, "apr", serial, noon
		raw, err := capabilities.SignApproval(s.key, a)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(s.dir.Path(folder(scope)), fileName(serial, kindApproval, "apr"))
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.mustApprove(t, scope)
	if n := len(s.envelopeFiles(t, scope)); n != keepFiles+1 {
		t.Errorf("%d files stay", n)
	}
	if got := s.mustStand(t, scope); !got.InForce() || got.Approval.Serial != old+1 || len(got.Problems) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestList(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	if got, err := s.List(t.Context(), "Ann"); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
	other := scope
	other.Owner = "bob"
	for _, one := range []capabilities.Scope{scope, another, other} {
		s.mustApprove(t, one)
	}
	if _, err := s.Revoke(t.Context(), another); err != nil {
		t.Fatal(err)
	}
	got, err := s.List(t.Context(), "Ann")
	if err != nil || len(got) != 2 || got[0] != another || got[1] != scope {
		t.Errorf("got %v, %v", got, err)
	}
	// A name that tells nothing, and nothing in it that does.
	for _, name := range s.envelopeFiles(t, another) {
		if err := os.Truncate(name, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.List(t.Context(), "Ann"); err == nil || len(got) != 1 || got[0] != scope {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestReadersSeeNoGap: who reads while another approves again never finds
// the scope refused.
func TestReadersSeeNoGap(t *testing.T) {
	dir, marks := t.TempDir(), memory.New()
	writer, reader := open(t, dir, marks), open(t, dir, marks)
	writer.mustApprove(t, scope)
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := reader.mustStand(t, scope); !got.InForce() || len(got.Problems) > 0 {
					t.Errorf("got %+v", got)
					return
				}
			}
		})
	}
	for range 12 {
		writer.mustApprove(t, scope)
	}
	close(done)
	all.Wait()
}

// hookedMarks calls back between the raising of a mark and the envelope's
// getting into place.
type hookedMarks struct {
	vaultstore.Marks
	raised func()
}

func (m hookedMarks) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	err := m.Marks.RaiseMark(ctx, owner, name, to)
	m.raised()
	return err
}

// TestReaderInTheGap: who reads just then waits for the writer.
func TestReaderInTheGap(t *testing.T) {
	dir, marks := t.TempDir(), memory.New()
	reader := open(t, dir, marks)
	reader.mustApprove(t, scope)
	read := make(chan capabilities.Standing, 1)
	early := false
	writer := open(t, dir, hookedMarks{marks, func() {
		go func() { read <- reader.mustStand(t, scope) }()
		select {
		case got := <-read:
			early = true
			read <- got
		case <-time.After(100 * time.Millisecond): // time enough to answer wrongly
		}
	}})
	writer.mustApprove(t, scope)
	if got := <-read; early || !got.InForce() || got.Approval.Serial != 2 {
		t.Errorf("answered before the writer was done: %v; %+v", early, got)
	}
}

func TestOpenNeedsAll(t *testing.T) {
	for name, o := range map[string]Options{
		"key":   {Dir: t.TempDir(), Marks: memory.New()},
		"marks": {Dir: t.TempDir(), Key: testKey()},
		"dir":   {Dir: filepath.Join(t.TempDir(), "\x00"), Key: testKey(), Marks: memory.New()},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("opened without %s", name)
		}
	}
}

// TestAnotherKey: envelopes signed by another host are problems.
func TestAnotherKey(t *testing.T) {
	dir, marks := t.TempDir(), memory.New()
	open(t, dir, marks).mustApprove(t, scope)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir, Key: key, Marks: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.mustStand(t, scope); got.Approval != nil || len(got.Problems) == 0 {
		t.Errorf("got %+v", got)
	}
}
