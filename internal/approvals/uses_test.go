package approvals

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

func (s *Store) mustBeSpent(t testing.TB, scope capabilities.Scope) {
	t.Helper()
	if _, err := s.Spend(context.Background(), scope, "run_more"); !errors.Is(err, host.ErrSpent) {
		t.Errorf("spent, and spent again: %v", err)
	}
}

func TestSpendOnce(t *testing.T) {
	dir, marks := t.TempDir(), memory.New()
	s := open(t, dir, marks)
	if _, err := s.Spend(t.Context(), scope, "run_1"); !errors.Is(err, ErrNotInForce) {
		t.Fatalf("spent with nothing approved: %v", err)
	}
	a := s.mustApprove(t, scope)
	s.mustApprove(t, another)
	u, err := s.Spend(t.Context(), scope, "run_1")
	if err != nil || u.RunID != "run_1" || u.Serial != a.Serial+1 || !u.At.Equal(noon) {
		t.Fatalf("got %+v, %v", u, err)
	}
	s.mustBeSpent(t, scope)
	got := s.mustStand(t, scope)
	if !got.InForce() || got.Used == nil || *got.Used != u || got.HighWater != u.Serial || len(got.Problems) > 0 {
		t.Errorf("spent, and the standing is %+v", got)
	}
	if mark, err := s.mark(t.Context(), scope); err != nil || mark.vault != u.Serial {
		t.Errorf("the vault knows of %d, %v", mark.vault, err)
	}
	open(t, dir, marks).mustBeSpent(t, scope)
	if _, err := s.Spend(t.Context(), another, "run_1"); err != nil {
		t.Errorf("another scope's use is spent with it: %v", err)
	}
}

// Neither the owner's approval nor any number of them revives a use.
func TestApprovingDoesNotRevive(t *testing.T) {
	s := open(t, t.TempDir(), memory.New())
	s.mustApprove(t, scope)
	if _, err := s.Spend(t.Context(), scope, "run_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	for range keepFiles + 2 {
		s.mustApprove(t, scope)
	}
	s.mustBeSpent(t, scope)
	if got := s.mustStand(t, scope); got.Used == nil || got.Used.RunID != "run_1" {
		t.Errorf("what used it up was tidied away: %+v", got)
	}
}

// A folder put back to a time before the use is a replay, and approving that
// again does not bring the use back.
func TestARestoredFolderDoesNotRevive(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, memory.New())
	s.mustApprove(t, scope)
	before, err := os.ReadFile(s.envelopeFiles(t, scope)[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Spend(t.Context(), scope, "run_1"); err != nil {
		t.Fatal(err)
	}
	files := s.envelopeFiles(t, scope)
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(files[0], before, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.mustStand(t, scope); !got.Replayed {
		t.Errorf("restored, and the standing is %+v", got)
	}
	s.mustBeSpent(t, scope)
	s.mustApprove(t, scope)
	s.mustBeSpent(t, scope)
}

func TestSpendAtOnce(t *testing.T) {
	dir, s := shared(t)
	s.mustApprove(t, scope)
	var spent atomic.Int32
	var all sync.WaitGroup
	for range 3 {
		p := start(t, dir, "spend", "")
		all.Go(func() {
			at, ok := p.do()
			if !ok {
				t.Error("the other process ended")
			}
			if at.UnixNano() > 0 {
				spent.Add(1)
			}
		})
	}
	for range 4 {
		all.Go(func() {
			_, err := s.Spend(t.Context(), scope, "run_here")
			if err == nil {
				spent.Add(1)
			} else if !errors.Is(err, host.ErrSpent) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := spent.Load(); n != 1 {
		t.Errorf("spent %d times", n)
	}
}

// A process that dies before the mark is raised has spent nothing; from then
// on it has, though its envelope never came.
func TestSpendCrashes(t *testing.T) {
	for _, c := range []struct {
		die   string
		spent bool
	}{{"before", false}, {"after", true}} {
		t.Run(c.die, func(t *testing.T) {
			dir, s := shared(t)
			s.mustApprove(t, scope)
			if _, ok := start(t, dir, "spend", c.die).do(); ok {
				t.Fatal("it did not end")
			}
			if got := s.mustStand(t, scope); !got.InForce() || len(got.Problems) > 0 {
				t.Errorf("got %+v", got)
			}
			_, err := s.Spend(t.Context(), scope, "run_2")
			if is := errors.Is(err, host.ErrSpent); is != c.spent || !is && err != nil {
				t.Errorf("spent: %v", err)
			}
		})
	}
}

// sealedUses is a vault that tells nothing of uses, or takes none.
type sealedUses struct {
	*memory.Store
	noMark, noRaise bool
}

var errSealedUses = errors.New("sealed")

func (s *sealedUses) Mark(ctx context.Context, owner, name string) (uint64, error) {
	if s.noMark && name == useMark(scope) {
		return 0, errSealedUses
	}
	return s.Store.Mark(ctx, owner, name)
}

func (s *sealedUses) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	if s.noRaise {
		return errSealedUses
	}
	return s.Store.RaiseMark(ctx, owner, name, to)
}

func TestAVaultThatDoesNotAnswerSpendsNothing(t *testing.T) {
	marks := &sealedUses{Store: memory.New()}
	s := open(t, t.TempDir(), marks)
	s.mustApprove(t, scope)
	for _, set := range []*bool{&marks.noMark, &marks.noRaise} {
		*set = true
		if _, err := s.Spend(t.Context(), scope, "run_1"); !errors.Is(err, ErrMark) || !errors.Is(err, errSealedUses) {
			t.Errorf("got %v", err)
		}
		*set = false
	}
	if got := s.mustStand(t, scope); got.Used != nil {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Spend(t.Context(), scope, "run_2"); err != nil {
		t.Errorf("the vault answers again: %v", err)
	}
}
