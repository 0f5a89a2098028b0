package approvals

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// strikeFor strikes and demands that it suspends, or that it does not.
func (s *Store) strikeFor(t testing.TB, want bool) {
	t.Helper()
	if serial, err := s.Strike(context.Background(), scope); err != nil || serial > 0 != want {
		t.Fatalf("suspended by %d, %v; want it: %v", serial, err, want)
	}
}

func (s *Store) mustBeSuspended(t testing.TB, want bool) {
	t.Helper()
	strikes := 0
	if want {
		strikes = host.MaxStrikes
	}
	if got := s.mustStand(t, scope); got.Strikes != strikes {
		t.Fatalf("%d strikes in the standing, want %d", got.Strikes, strikes)
	}
}

func TestStrikesSuspend(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	s.strikeFor(t, false) // nothing was approved
	for round := range 2 {
		s.mustApprove(t, scope) // and counts from 0
		for range host.MaxStrikes - 1 {
			s.strikeFor(t, false)
			if got := s.mustStand(t, scope); !got.InForce() || len(got.Problems) > 0 {
				t.Fatalf("round %d: struck, and the standing is %+v", round, got)
			}
		}
		s.mustBeSuspended(t, false)
		s.strikeFor(t, true)
		if got := s.mustStand(t, scope); !got.Revoked || got.Replayed || len(got.Problems) > 0 {
			t.Fatalf("round %d: suspended, and the standing is %+v", round, got)
		}
		s.mustBeSuspended(t, true)
		s.strikeFor(t, false) // by a run that was stopped after that
	}
	s.mustApprove(t, scope)
	s.mustBeSuspended(t, false)
	if _, err := s.Revoke(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	s.mustBeSuspended(t, false) // it was the owner
}

// A new approval begins at 0, and another scope has a count of its own.
func TestStrikesAreOfOneApproval(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	s.mustApprove(t, another)
	for range 2 * host.MaxStrikes {
		s.mustApprove(t, scope)
		for range host.MaxStrikes - 1 {
			s.strikeFor(t, false)
		}
	}
	if !s.mustStand(t, another).InForce() || !s.mustStand(t, scope).InForce() {
		t.Error("strikes of several approvals were added up")
	}
	if scopes, err := s.List(t.Context(), scope.Owner); err != nil || len(scopes) != 2 {
		t.Errorf("listed %v, %v", scopes, err)
	}
}

// The count is on disk: every process goes on from it, and of many that strike
// at once one suspends.
func TestProcessesShareStrikes(t *testing.T) {
	dir, s := shared(t)
	others := []*process{start(t, dir, "strike", ""), start(t, dir, "strike", "")}
	elsewhere := func(i int) {
		t.Helper()
		if _, ok := others[i%len(others)].do(); !ok {
			t.Fatal("the other process ended")
		}
	}
	s.mustApprove(t, scope)
	for i := range host.MaxStrikes - 1 {
		elsewhere(i)
	}
	if !s.mustStand(t, scope).InForce() {
		t.Fatal("suspended too early")
	}
	s.strikeFor(t, true)
	s.mustApprove(t, scope)
	for i := range host.MaxStrikes {
		elsewhere(i)
	}
	if !s.mustStand(t, scope).Revoked {
		t.Error("another process did not suspend")
	}
}

func TestStrikesAtOnce(t *testing.T) {
	dir, marks := t.TempDir(), memory.New()
	stores := []*Store{open(t, dir, marks), open(t, dir, marks)}
	stores[0].mustApprove(t, scope)
	var suspended atomic.Int32
	var all sync.WaitGroup
	for i := range 4 * host.MaxStrikes {
		all.Go(func() {
			serial, err := stores[i%2].Strike(t.Context(), scope)
			if err != nil {
				t.Error(err)
			}
			if serial > 0 {
				suspended.Add(1)
			}
		})
	}
	all.Wait()
	if n := suspended.Load(); n != 1 || !stores[1].mustStand(t, scope).Revoked {
		t.Errorf("suspended %d times", n)
	}
}

// A count that cannot be believed is full; one of an approval that was
// replaced is of no account.
func TestStrikesThatMakeNoSense(t *testing.T) {
	for what, text := range map[string]string{
		"empty": "", "no JSON": "x", "a list": "[]", "no members": "{}", "null": "null",
		"unknown": `{"approval_id":"a","serial":1,"count":0,"more":1}`,
		"twice":   `{"approval_id":"a","serial":1,"count":0,"count":0}`,
		"case":    `{"approval_id":"a","serial":1,"Count":0}`,
		"below 0": `{"approval_id":"a","serial":1,"count":-1}`,
		"a text":  `{"approval_id":"a","serial":1,"count":"0"}`,
		"long":    `{"approval_id":"` + string(make([]byte, maxStrikesBytes)),
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, t.TempDir(), memory.New())
			s.mustApprove(t, scope)
			path := filepath.Join(s.dir.Path(folder(scope)), strikesFile)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s.strikeFor(t, true)
			s.mustApprove(t, scope)
			s.strikeFor(t, false)
		})
	}
}

// What was counted and not carried through, by a process that ended in
// between, the next strike makes good.
func TestStrikesOfACrash(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	a := s.mustApprove(t, scope)
	if err := s.keepStrikes(scope, strikes{ApprovalID: a.ApprovalID, Serial: a.Serial, Count: host.MaxStrikes}); err != nil {
		t.Fatal(err)
	}
	s.strikeFor(t, true)
}

// A vault that does not answer holds up no suspension.
func TestStrikesWithoutAVault(t *testing.T) {
	vault := &deafMarks{Store: memory.New()}
	s := open(t, t.TempDir(), vault)
	s.mustApprove(t, scope)
	for range host.MaxStrikes - 1 {
		s.strikeFor(t, false)
	}
	vault.deaf = true
	s.strikeFor(t, true)
	vault.deaf = false
	if got := s.mustStand(t, scope); !got.Revoked || got.Replayed {
		t.Errorf("got %+v", got)
	}
	if mark, err := s.mark(t.Context(), scope); err != nil || mark.vault != 2 {
		t.Errorf("the vault knows of %d, %v", mark.vault, err)
	}
}

// deafMarks cannot be told of a serial.
type deafMarks struct {
	*memory.Store
	deaf bool
}

func (d *deafMarks) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	if d.deaf {
		return errors.New("sealed")
	}
	return d.Store.RaiseMark(ctx, owner, name, to)
}

func TestStrikeRefusesAFolderThatWasMoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "approvals")
	s := open(t, dir, memory.New())
	s.mustApprove(t, scope)
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Skipf("skip: needs a file system that moves a folder in use: %v", err)
	}
	if _, err := s.Strike(t.Context(), scope); !errors.Is(err, privatedir.ErrUnsafe) {
		t.Errorf("got %v", err)
	}
}
