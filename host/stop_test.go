package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// blocking is a sink that never returns, whatever its context says.
type blocking struct{ in chan struct{} }

func (b blocking) Write(context.Context, host.Message) error {
	close(b.in)
	select {}
}
func (blocking) Flush(context.Context) error { return nil }

// TestCancelStopsARunWhereverItIs cancels a run in each place where it can be
// blocked, and holds it to abi.CancelDelay (with room for a slow machine).
func TestCancelStopsARunWhereverItIs(t *testing.T) {
	for _, name := range []string{"hang", "sleep", "spin", "calls", "asking", "emitting", "sink"} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{})
			w := newWorld(t, func(c host.Config) host.Config {
				return c.WithPrompter(host.PrompterFunc(func(context.Context, host.Prompt) (host.Answer, error) {
					close(asked)
					select {} // a prompter that ignores its context
				}))
			})
			o := host.RunOptions{}
			guestCase := name
			started := make(chan struct{})
			if name == "sink" {
				guestCase, o.Sink = "emitting", blocking{started}
			}
			w.approve(guestCase)
			w.store("TOKEN", canary, abi.ClassToken)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			var res host.Result
			go func() {
				var err error
				res, err = w.host.Run(ctx, w.connector, o)
				ended <- err
			}()
			waitFor(t, func() bool {
				switch name {
				case "hang":
					return w.source.hung.Load() > 0
				case "asking":
					return closed(asked)
				case "sink":
					return closed(started)
				}
				return len(w.audit.Events()) >= 2
			})
			if name == "sleep" || name == "spin" {
				time.Sleep(50 * time.Millisecond) // into the guest: nothing tells when
			}
			began := time.Now()
			cancel()
			err := <-ended
			if took := time.Since(began); took > 2*abi.CancelDelay {
				t.Errorf("it went on for %v", took)
			}
			if !errors.Is(err, context.Canceled) || res.Done.Status != abi.Cancelled {
				t.Errorf("%v, %+v", err, res.Done)
			}
		})
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

func TestRevocationStopsARun(t *testing.T) {
	w := newWorld(t)
	w.approve("hang")
	w.store("TOKEN", canary, abi.ClassToken)
	ended := make(chan error, 1)
	go func() {
		res, err := w.again(host.RunOptions{})
		if res.Done.Error == nil || res.Done.Error.Code != abi.CodeRevoked {
			t.Errorf("done = %+v", res.Done)
		}
		ended <- err
	}()
	waitFor(t, func() bool { return w.source.hung.Load() > 0 })
	began := time.Now()
	if err := w.approvals.Revoke(capabilities.Revocation{Scope: w.scope, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	err := <-ended
	if took := time.Since(began); !errors.Is(err, host.ErrRefused) || took > 2*abi.RevocationDelay {
		t.Errorf("%v after %v", err, took)
	}
	if len(w.audited(host.EventDecision, "approval_revoked")) == 0 {
		t.Error("the revocation is not in the audit log")
	}
}

func TestAnApprovalThatEndsStopsARun(t *testing.T) {
	w := newWorld(t)
	b, err := w.connector.Manifest().Bind(map[string]any{"base": w.base, "case": "hang"})
	if err != nil {
		t.Fatal(err)
	}
	w.store("TOKEN", canary, abi.ClassToken)
	w.approveBound(b, func(a *capabilities.Approval) { a.ExpiresAt = time.Now().Add(300 * time.Millisecond) })
	_, err = w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrNeedsOwner) || !strings.Contains(err.Error(), "ended while it ran") {
		t.Errorf("%v", err)
	}
}

func TestClosingAHostStopsItsRuns(t *testing.T) {
	w := newWorld(t)
	w.approve("hang")
	w.store("TOKEN", canary, abi.ClassToken)
	ended := make(chan error, 1)
	go func() { _, err := w.again(host.RunOptions{}); ended <- err }()
	waitFor(t, func() bool { return w.source.hung.Load() > 0 })
	if err := w.host.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the run succeeded")
	}
	if _, err := w.again(host.RunOptions{}); err == nil {
		t.Error("a closed host runs")
	}
}

func TestWallTime(t *testing.T) {
	w := newWorld(t)
	w.connector = w.load(strings.Replace(testManifest, `"modules"`, `"limits": {"wall": "PT1S"}, "modules"`, 1), guest(t))
	w.approve("sleep")
	w.store("TOKEN", canary, abi.ClassToken)
	res, err := w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrRefused) || res.Done.Error.Code != abi.CodeLimitExceeded {
		t.Errorf("%v, %+v", err, res.Done.Error)
	}
}

func TestMemoryLimit(t *testing.T) {
	w := newWorld(t)
	w.connector = w.load(strings.Replace(testManifest, `"modules"`, `"limits": {"memory_mib": 64}, "modules"`, 1), guest(t))
	w.approve("grow")
	w.store("TOKEN", canary, abi.ClassToken)
	res, err := w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "limit memory_mib: it came to ") || !strings.Contains(err.Error(), "and may to 64 MiB; raise /limits/memory_mib") {
		t.Errorf("error %v", err)
	}
	if d := res.Done.Error; d == nil || d.Code != abi.CodeLimitExceeded || !strings.HasPrefix(d.Message, "limit memory_mib: ") || !strings.Contains(d.Message, "out of memory") {
		t.Errorf("done %+v", d)
	}
}
