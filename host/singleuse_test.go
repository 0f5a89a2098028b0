package host_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// once is a grant for a single use, approved for a case.
func (w *world) once(name string) *capabilities.Grant {
	w.t.Helper()
	g := capabilities.SelfGrant(w.connector.Manifest(), "owner", time.Now())
	g.GrantID, g.ClientID, g.PurposeCode, g.Continuous = "grt_once", "app", "urn:purpose", false
	w.scope.Grant = g.GrantID
	w.approve(name)
	return g
}

func TestASingleUseIsOneRun(t *testing.T) {
	w := newWorld(t)
	grant := w.once("bearer")
	// What keeps a run from starting costs no use.
	if _, err := w.again(host.RunOptions{Grant: grant, Unattended: true}); !errors.Is(err, host.ErrNeedsOwner) {
		t.Fatalf("with nothing stored: %v", err)
	}
	if used := w.audited(host.EventApproval, "single_use"); len(used) != 0 {
		t.Fatalf("a run that did not start spent the grant: %+v", used)
	}
	w.store("TOKEN", canary, abi.ClassToken)
	w.store("ACCOUNT", "ada", abi.ClassNone)
	first, err := w.again(host.RunOptions{Grant: grant, Unattended: true})
	if err != nil {
		t.Fatal(err)
	}
	used := w.audited(host.EventApproval, "single_use")
	if len(used) != 1 || used[0].Op != "spend" || !used[0].Allowed || used[0].Serial != 2 || used[0].RunID != first.RunID {
		t.Errorf("audited as %+v", used)
	}
	sent := len(w.source.requests())
	w.approve("bearer") // does not revive it
	_, err = w.again(host.RunOptions{Grant: grant, Unattended: true})
	if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "spent at") || !strings.Contains(err.Error(), first.RunID) || !strings.Contains(err.Error(), "ask for a new grant") {
		t.Errorf("the second run: %v", err)
	}
	if len(w.source.requests()) != sent {
		t.Error("the second run reached the source")
	}
	if len(w.audited(host.EventDecision, "single_use")) != 1 {
		t.Error("the refusal was not audited")
	}
}

// A run that fails has used the grant up all the same.
func TestAFailedRunSpendsTheSingleUse(t *testing.T) {
	w := newWorld(t)
	grant := w.once("unavailable")
	w.store("TOKEN", canary, abi.ClassToken)
	_, _ = w.again(host.RunOptions{Grant: grant, Unattended: true})
	if len(w.audited(host.EventApproval, "single_use")) != 1 {
		t.Fatal("not spent")
	}
	if _, err := w.again(host.RunOptions{Grant: grant, Unattended: true}); !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "single use") {
		t.Errorf("the second run: %v", err)
	}
}

func TestRunsAtOnceShareOneUse(t *testing.T) {
	w := newWorld(t)
	grant := w.once("bearer")
	w.store("TOKEN", canary, abi.ClassToken)
	w.store("ACCOUNT", "ada", abi.ClassNone)
	var ran atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			_, err := w.again(host.RunOptions{Grant: grant, Unattended: true, Sink: &host.MemorySink{}})
			switch {
			case err == nil:
				ran.Add(1)
			case !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "single use"):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := ran.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// A host that cannot note a use runs no such grant.
func TestASingleUseNeedsARecord(t *testing.T) {
	kept := host.NewMemoryApprovals()
	w := newWorld(t, func(c host.Config) host.Config { return c.WithApprovals(forgetful{kept}) })
	w.approvals = kept
	grant := w.once("bearer")
	_, err := w.again(host.RunOptions{Grant: grant, Unattended: true})
	if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "keeps no record of uses") {
		t.Errorf("got %v", err)
	}
}

// forgetful is an [host.Approvals] and nothing more.
type forgetful struct{ host.Approvals }
