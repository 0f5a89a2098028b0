package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
)

func TestDone(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("collect: %w", err) }
	for _, c := range []struct {
		name      string
		err       error
		status    string
		code      string
		recovery  sallyport.RecoveryAction
		retryable bool
	}{
		{"nil", nil, "succeeded", "", "", false},
		{"own", errors.New("no"), "failed", "connector_failed", "", false},
		{"empty", errors.New(""), "failed", "connector_failed", "", false},
		{"denied", wrap(sallyport.ErrDenied), "failed", "credential_denied", sallyport.RefreshCredentials, false},
		{"missing", wrap(sallyport.ErrNotFound), "failed", "credential_denied", sallyport.RefreshCredentials, false},
		{"expired", wrap(sallyport.ErrExpired), "failed", "credential_denied", sallyport.RefreshCredentials, false},
		{"rejected", wrap(sallyport.ErrRejected), "failed", "credential_rejected", sallyport.RefreshCredentials, false},
		{"401", wrap(&sallyport.SourceError{StatusCode: 401}), "failed", "credential_rejected", sallyport.RefreshCredentials, false},
		{"403", wrap(&sallyport.SourceError{StatusCode: 403}), "failed", "connector_failed", "", false},
		{"429", wrap(&sallyport.SourceError{StatusCode: 429}), "failed", "limit_exceeded", sallyport.RetryByRuntime, true},
		{"503", wrap(&sallyport.SourceError{StatusCode: 503}), "failed", "source_unavailable", sallyport.RetryByRuntime, true},
		{"timeout", wrap(sallyport.ErrTimeout), "failed", "source_unavailable", sallyport.RetryByRuntime, true},
		{"own deadline", wrap(context.DeadlineExceeded), "failed", "source_unavailable", sallyport.RetryByRuntime, true},
		{"exhausted", wrap(sallyport.ErrExhausted), "failed", "limit_exceeded", sallyport.NotRetriable, false},
		{"leak", wrap(sallyport.ErrLeakBlocked), "failed", "leak_blocked", sallyport.RetryOnConnectorUpgrade, false},
		{"revoked", wrap(sallyport.ErrRevoked), "failed", "approval_revoked", sallyport.ManualActionRequired, false},
		{"cancelled", wrap(sallyport.ErrCancelled), "cancelled", "run_cancelled", "", true},
		{"rejected in a failure", wrap(&sallyport.Failure{Message: "sso", Code: "sso_wall", Recovery: sallyport.UpstreamUnblock, Err: sallyport.ErrRejected}),
			"failed", "sso_wall", sallyport.UpstreamUnblock, false},
		{"rejected in a failure without a code", wrap(&sallyport.Failure{Message: "sign in", Err: wrap(sallyport.ErrRejected)}),
			"failed", "credential_rejected", sallyport.RefreshCredentials, false},
		{"a failure without a code that says more", wrap(&sallyport.Failure{Message: "busy", Retryable: true, Recovery: sallyport.UpstreamUnblock, Err: sallyport.ErrExhausted}),
			"failed", "limit_exceeded", sallyport.UpstreamUnblock, true},
		{"cancelled in a failure without a code", &sallyport.Failure{Err: sallyport.ErrCancelled}, "cancelled", "run_cancelled", "", true},
		{"a failure of its own", &sallyport.Failure{Message: "odd", Retryable: true}, "failed", "connector_failed", "", true},
		{"a code alone", &sallyport.Failure{Code: "odd", Message: "odd", Err: sallyport.ErrTimeout}, "failed", "odd", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := host().Run(func(context.Context, *sallyport.Run) error { return c.err })
			clean(t, r)
			d := r.Done
			if d.Status != c.status || d.Code != c.code || d.Recovery != c.recovery || d.Retryable != c.retryable {
				t.Errorf("%+v", d)
			}
			if c.err != nil && d.Message == "" {
				t.Error("no message")
			}
			if c.err != nil && c.err.Error() != "" && d.Message != c.err.Error() {
				t.Errorf("message %q, want %q", d.Message, c.err)
			}
		})
	}
}

func TestMessageIsBounded(t *testing.T) {
	r := host().Run(func(context.Context, *sallyport.Run) error { return errors.New(strings.Repeat("ü", 10<<10)) })
	clean(t, r)
	if n := len(r.Done.Message); n > 8<<10 || n < 8<<10-2 || strings.Contains(r.Done.Message, "\ufffd") {
		t.Errorf("message of %d bytes", n)
	}
}

func explode(list []int) int { return list[len(list)] }

func TestPanicEndsAsDoneWithItsStack(t *testing.T) {
	r := notes(host(), func(s *sallyport.Stream[note]) error {
		if err := s.Emit(note{ID: "1"}); err != nil {
			return err
		}
		explode(nil)
		return nil
	})
	clean(t, r)
	d := r.Done
	if d.Status != "failed" || d.Code != "connector_crashed" || d.RecordsEmitted != 1 {
		t.Errorf("%+v", d)
	}
	lines := strings.Split(d.Message, "\n")
	if lines[0] != "panic: runtime error: index out of range [0] with length 0" {
		t.Errorf("first line %q", lines[0])
	}
	if len(lines) < 4 || !strings.HasPrefix(lines[2], "goroutine ") || !strings.Contains(d.Message, "go_test.explode") ||
		strings.Contains(d.Message, "debug.Stack") {
		t.Errorf("the stack does not begin where it happened:\n%s", d.Message)
	}
}

func TestPanicInAGroup(t *testing.T) {
	r := host().Run(func(ctx context.Context, _ *sallyport.Run) error {
		g := sallyport.NewGroup(ctx, 2)
		g.Go(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		g.Go(func(context.Context) error { panic(sallyport.ErrDenied) })
		return g.Wait()
	})
	clean(t, r)
	if r.Done.Code != "connector_crashed" || !strings.Contains(r.Done.Message, "panic: denied") {
		t.Errorf("%+v", r.Done)
	}
}

func TestGroup(t *testing.T) {
	broken := errors.New("broken")
	g := sallyport.NewGroup(t.Context(), 1)
	ran := 0
	for i := range 10 {
		g.Go(func(ctx context.Context) error {
			ran++ // one at a time: the race detector watches
			if i == 2 {
				return broken
			}
			return nil
		})
	}
	if err := g.Wait(); !errors.Is(err, broken) {
		t.Errorf("Wait() = %v", err)
	}
	if ran != 3 {
		t.Errorf("%d functions were called, and the third failed", ran)
	}
	if err := sallyport.NewGroup(t.Context(), 0).Wait(); err != nil {
		t.Errorf("an empty group: %v", err)
	}
}
