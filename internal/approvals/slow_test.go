package approvals

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// slowMarks is a vault that does not answer for as long as it is slow.
type slowMarks struct {
	vaultstore.Marks
	slow    bool          // to be raised
	mute    bool          // to be read
	raising chan struct{} // told when a raise waits
}

func (m *slowMarks) Mark(ctx context.Context, owner, name string) (uint64, error) {
	if m.mute {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return m.Marks.Mark(ctx, owner, name)
}

func (m *slowMarks) RaiseMark(ctx context.Context, owner, name string, to uint64) error {
	if m.slow {
		m.raising <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Marks.RaiseMark(ctx, owner, name, to)
}

// TestSlowVault: a vault that does not answer holds up no revocation, nor,
// while it is told of one, anyone else.
func TestSlowVault(t *testing.T) {
	marks := &slowMarks{Marks: memory.New(), raising: make(chan struct{}, 1)}
	dir := t.TempDir()
	s := open(t, dir, marks)
	s.mustApprove(t, scope)
	wake := s.subscribe(scope)
	marks.slow, marks.mute = true, true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		r   capabilities.Revocation
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := s.Revoke(ctx, scope)
		done <- result{r, err}
	}()
	<-marks.raising // and there it stays
	if n := len(s.envelopeFiles(t, scope)); n != 2 {
		t.Fatalf("%d files: no tombstone while the vault is waited for", n)
	}
	select {
	case <-wake:
	default:
		t.Error("nobody was told while the vault is waited for")
	}
	unlock, err := s.dir.Lock(t.Context())
	if err != nil {
		t.Fatalf("the folder is locked while the vault is waited for: %v", err)
	}
	unlock()
	cancel()
	if got := <-done; !errors.Is(got.err, ErrMark) || got.r.Serial != 2 {
		t.Errorf("revoke: %+v, %v", got.r, got.err)
	}
	marks.slow, marks.mute = false, false
	if got := s.mustStand(t, scope); !got.Revoked || got.Replayed {
		t.Errorf("got %+v", got)
	}
	if markWait+raiseWait >= privatedir.LockWait {
		t.Error("who waits for the vault outlasts who waits to revoke")
	}
}

// TestApproveGivesASlowVaultUp, so that a revocation gets its turn.
func TestApproveGivesASlowVaultUp(t *testing.T) {
	marks := &slowMarks{Marks: memory.New(), slow: true, raising: make(chan struct{}, 1)}
	s := open(t, t.TempDir(), marks)
	begun := time.Now()
	if _, err := s.Approve(t.Context(), approval(scope)); !errors.Is(err, ErrMark) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("approve: %v", err)
	}
	if took := time.Since(begun); took > privatedir.LockWait {
		t.Errorf("it took %v", took)
	}
}

// TestMarkCatchesUp: a tombstone that the vault was not told of is made good
// by the next look, and then cannot be taken away any more.
func TestMarkCatchesUp(t *testing.T) {
	marks := &lockedMarks{Marks: memory.New()}
	s := open(t, t.TempDir(), marks)
	s.mustApprove(t, scope)
	approved := s.envelopeFiles(t, scope)
	marks.sealed = true
	if _, err := s.Revoke(t.Context(), scope); !errors.Is(err, ErrMark) {
		t.Fatal(err)
	}
	marks.sealed = false
	s.mustStand(t, scope)
	if mark, err := marks.Mark(t.Context(), scope.Owner, markName(scope)); mark != 2 || err != nil {
		t.Errorf("the mark is %d, %v", mark, err)
	}
	for _, name := range s.envelopeFiles(t, scope) {
		if name != approved[0] {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.mustStand(t, scope); got.InForce() {
		t.Errorf("it lives again: %+v", got)
	}
}
