package host_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// Each test here is of a hole that was once found.

func TestRevocationWhileTheOwnerIsAsked(t *testing.T) {
	asked := make(chan struct{})
	w := newWorld(t, func(c host.Config) host.Config {
		return c.WithPrompter(host.PrompterFunc(func(ctx context.Context, _ host.Prompt) (host.Answer, error) {
			close(asked)
			<-ctx.Done() // the run is stopped under the prompt
			return host.Answer{"TOKEN": vaultstore.NewSecret([]byte(canary))}, nil
		}))
	})
	w.approve("bearer")
	ended := make(chan error, 1)
	go func() { _, err := w.again(host.RunOptions{}); ended <- err }()
	<-asked
	if err := w.approvals.Revoke(capabilities.Revocation{Scope: w.scope, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, host.ErrRefused) {
		t.Errorf("%v", err)
	}
	if _, err := w.vault.Get(t.Context(), w.scope.Address("TOKEN")); !errors.Is(err, vaultstore.ErrNotFound) {
		t.Errorf("the answer was stored after the revocation: %v", err)
	}
	expect(t, w.source.requests())
}

func TestAnAnswerThatIsMissingOrDoesNotFitEndsTheRun(t *testing.T) {
	for name, answer := range map[string]map[string]string{"empty": {}, "another": {"X": "y"}, "too short": {"TOKEN": "abc"}} {
		w := newWorld(t, func(c host.Config) host.Config { return c.WithPrompter(host.Scripted(answer)) })
		w.approve("bearer")
		_, err := w.again(host.RunOptions{})
		if !errors.Is(err, host.ErrNeedsOwner) {
			t.Errorf("%s: %v", name, err)
		}
		expect(t, w.source.requests())
	}
}

func TestAQuestionThatNobodyAnswersEndsTheRun(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", canary, abi.ClassToken)
	w.approve("ask")
	for _, unattended := range []bool{true, false} {
		res, err := w.again(host.RunOptions{Unattended: unattended})
		if !errors.Is(err, host.ErrNeedsOwner) || res.Done.Error == nil || res.Done.Error.RecoveryHint.Action != abi.RefreshCredentials {
			t.Errorf("unattended %v: %v, %+v", unattended, err, res.Done.Error)
		}
		if len(w.audited(host.EventInteraction, "unattended")) == 0 {
			t.Error("that nobody answered is not in the audit log")
		}
	}
}

func TestACredentialAndItsAliasAreAskedForOnce(t *testing.T) {
	script := host.Scripted(map[string]string{"TOKEN": canary})
	w := newWorld(t, func(c host.Config) host.Config { return c.WithPrompter(script) })
	w.store("TOKEN", "older", abi.ClassToken)
	w.approve("ask twice")
	if _, err := w.again(host.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "ask: 0 2 true")
	if n := len(script.Asked()[0].Fields); n != 1 {
		t.Errorf("%d fields", n)
	}
}

func TestAFreshCredentialIsNotBlamedForItsPredecessor(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", "stale-value", abi.ClassToken)
	w.approve("reject, then 503")
	ended := make(chan host.Result, 1)
	go func() { res, _ := w.again(host.RunOptions{}); ended <- res }()
	waitFor(t, func() bool { return len(w.source.requests()) == 1 })
	w.store("TOKEN", "a-fresh-and-good-one", abi.ClassToken)
	res := <-ended
	entry, err := w.vault.Get(t.Context(), w.scope.Address("TOKEN"))
	if err != nil || entry.Stages[vaultstore.Current].Status != vaultstore.Active || len(res.Rejected) > 0 {
		t.Errorf("rejected %v, stored %+v, %v", res.Rejected, entry.Stages[vaultstore.Current], err)
	}
	if got := w.source.requests(); len(got) < 2 || !strings.HasSuffix(got[1], "a-fresh-and-good-one") { // a 503 is asked again
		t.Errorf("sent %q: the current value is not the one that goes out", got)
	}
}

// racing makes another run's write come before each put.
type racing struct {
	vaultstore.Store
	races int
}

func (r *racing) Put(ctx context.Context, e vaultstore.Entry, expect uint64) (uint64, error) {
	if r.races--; r.races >= 0 {
		now, err := r.Get(ctx, e.Address)
		if err != nil {
			return 0, err
		}
		if _, err := r.Store.Put(ctx, now, now.Generation); err != nil {
			return 0, err
		}
	}
	return r.Store.Put(ctx, e, expect)
}

func TestARejectionIsNotLostToAnotherRunsLastUse(t *testing.T) {
	vault := &racing{memory.New(), 3}
	w := newWorld(t, func(c host.Config) host.Config { return c.WithVault(vault) })
	w.approve("reject")
	w.vault = vault.Store.(*memory.Store)
	w.store("TOKEN", canary, abi.ClassToken)
	res, err := w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("%v", err)
	}
	expect(t, res.Rejected, "TOKEN")
	entry, err := vault.Get(t.Context(), w.scope.Address("TOKEN"))
	if err != nil || entry.Stages[vaultstore.Current].Status != vaultstore.Rejected {
		t.Errorf("stored %+v, %v", entry.Stages[vaultstore.Current], err)
	}
}

// slow is a vault whose reads wait for their context once it is told to.
type slow struct {
	vaultstore.Store
	stuck chan struct{}
	on    bool
}

func (s *slow) Get(ctx context.Context, a vaultstore.Address) (vaultstore.Entry, error) {
	if s.on {
		close(s.stuck)
		s.on = false
		<-ctx.Done()
		return vaultstore.Entry{}, ctx.Err()
	}
	return s.Store.Get(ctx, a)
}

func TestASlowVaultDoesNotHoldUpARevocation(t *testing.T) {
	store := memory.New()
	vault := &slow{Store: store, stuck: make(chan struct{})}
	w := newWorld(t, func(c host.Config) host.Config { return c.WithVault(vault) })
	w.vault = store
	w.store("TOKEN", canary, abi.ClassToken)
	w.approve("bearer")
	vault.on = true
	ended := make(chan error, 1)
	go func() { _, err := w.again(host.RunOptions{}); ended <- err }()
	<-vault.stuck
	began := time.Now()
	if err := w.approvals.Revoke(capabilities.Revocation{Scope: w.scope, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, host.ErrRefused) || time.Since(began) > 2*abi.RevocationDelay {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestTheApprovalsEgressCounts(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", canary, abi.ClassToken)
	b, err := w.connector.Manifest().Bind(map[string]any{"base": w.base, "case": "bearer"})
	if err != nil {
		t.Fatal(err)
	}
	w.approveBound(b, func(a *capabilities.Approval) { a.Egress = []capabilities.ApprovedEgress{} })
	res, err := w.again(host.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.source.requests())
	if !slices.ContainsFunc(res.Refusals, func(f host.Refusal) bool { return f.Rule == "egress_not_approved" }) {
		t.Errorf("refusals %+v", res.Refusals)
	}
}

func TestAnotherApprovalEndsARun(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", canary, abi.ClassToken)
	w.approve("hang")
	ended := make(chan error, 1)
	go func() { _, err := w.again(host.RunOptions{}); ended <- err }()
	waitFor(t, func() bool { return w.source.hung.Load() > 0 })
	w.approve("hang") // the same once more is a renewal
	select {
	case err := <-ended:
		t.Fatalf("a renewal ended the run: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	w.approve("bearer")
	if err := <-ended; !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("%v", err)
	}
}

func TestAGuestCannotBlurTheAuditLog(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("flood")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(w.audit.Events()); n > 800 {
		t.Errorf("%d events", n)
	}
	sent := 0
	for _, e := range w.audited(host.EventDecision, "allow") {
		if e.Op == "send" && e.Name == "TOKEN" && e.Origin == w.base {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("the send that was allowed is told %d times", sent)
	}
	if n := len(res.Refusals); n > 512 {
		t.Errorf("%d refusals", n)
	}
}

func TestAnotherProtocolIsNotSpoken(t *testing.T) {
	w := newWorld(t)
	before := runtime.NumGoroutine()
	if _, err := w.run("switch"); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings())
	waitFor(t, func() bool { return runtime.NumGoroutine() < before+15 }) // 20 exchanges, each a goroutine if they leaked
}

func TestBodiesOnTheirWayAreBounded(t *testing.T) {
	w := newWorld(t)
	if _, err := w.run("bodies"); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "bodies: [1 1 -12 -12]")
}

func TestWhatASourceWritesIsNotInErrors(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("malformed")
	if !errors.Is(err, host.ErrSourceFailed) || !strings.Contains(err.Error(), "makes no sense") {
		t.Errorf("%v", err)
	}
	w.noCanary(res, err)
}

func TestHeadsHaveOneReading(t *testing.T) {
	w := newWorld(t)
	if _, err := w.run("heads"); err != nil {
		t.Fatal(err)
	}
	want := slices.Repeat([]string{"head: -3"}, 12)
	want[7] = "head: -1"
	expect(t, w.findings(), want...)
	expect(t, w.source.requests())
}

func TestAGrantEndsARunAndIsAboutItsOwner(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", canary, abi.ClassToken)
	w.approve("wait a little")
	grant := capabilities.SelfGrant(w.connector.Manifest(), "owner", time.Now())
	grant.ExpiresAt = time.Now().Add(300 * time.Millisecond)
	if _, err := w.again(host.RunOptions{Grant: grant}); !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("an expired grant: %v", err)
	}
	grant = capabilities.SelfGrant(w.connector.Manifest(), "somebody-else", time.Now())
	if _, err := w.again(host.RunOptions{Grant: grant}); !errors.Is(err, host.ErrRefused) {
		t.Errorf("somebody else's grant: %v", err)
	}
}

func TestCountsStandUnderTheirVerdict(t *testing.T) {
	w := newWorld(t)
	if _, err := w.run("bearer"); err != nil { // uses TOKEN twice
		t.Fatal(err)
	}
	var n int64
	for _, e := range w.audited(host.EventRepeats, "allow") {
		if e.Op == "issue" && e.Name == "TOKEN" && e.Allowed {
			n += e.Count
		}
	}
	if n != 2 { // one from before the run, by preflight, and two by the guest, less the first
		t.Errorf("%d repeats", n)
	}
}

// stubborn is a vault that heeds no context.
type stubborn struct {
	vaultstore.Store
	in, out chan struct{}
}

func (s stubborn) Get(ctx context.Context, a vaultstore.Address) (vaultstore.Entry, error) {
	close(s.in)
	<-s.out
	return vaultstore.Entry{}, errors.New("late")
}

func TestCloseGivesUpWithoutPullingTheRugAway(t *testing.T) {
	vault := stubborn{in: make(chan struct{}), out: make(chan struct{})}
	w := newWorld(t, func(c host.Config) host.Config { return c.WithVault(vault) })
	w.approve("bearer")
	ended := make(chan struct{})
	go func() { _, _ = w.again(host.RunOptions{}); close(ended) }()
	<-vault.in
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.host.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close with a run going on: %v", err)
	}
	close(vault.out)
	<-ended
}

// TestHostileDebugSections runs a guest that traps and whose DWARF would
// break a reader that trusts it.
func TestHostileDebugSections(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", canary, abi.ClassToken)
	m := wasmtest.New(1)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, wasmtest.Op(0x00)) // unreachable
	module := m.Bytes()
	for name, body := range map[string]string{
		".debug_info": "\x0b\x00\x00\x00\x04\x00\x00\x00\x00\x00\x08\x01\x00\x00\x00", ".debug_abbrev": "\x01\x11\x01\x10\x17\x00\x00\x00",
		".debug_line": "\xff\xff\xff\x7f\x04\x00", ".debug_str": "x", ".debug_ranges": "\x00",
	} {
		content := append(append(wasmtest.U32(uint32(len(name))), name...), body...)
		module = append(append(append(module, 0), wasmtest.U32(uint32(len(content)))...), content...)
	}
	w.connector = w.load(testManifest, module)
	w.approve("trap")
	if _, err := w.again(host.RunOptions{}); !errors.Is(err, host.ErrSourceFailed) {
		t.Errorf("%v", err)
	}
}
