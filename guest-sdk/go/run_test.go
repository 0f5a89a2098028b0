package sallyport_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// canary is a credential's value: the host's side knows it, the connector's
// never.
const canary = "CANARY-5f0a77"

// host is one that a connector of the stream notes may want.
func host() sallyporttest.Host {
	return sallyporttest.Host{
		Streams:     []string{"notes"},
		Options:     map[string]any{"base_url": "https://notes.example", "depth": 3, "deep": true, "tags": []string{"a"}},
		Credentials: map[string]string{"API_TOKEN": canary, "SPARE": ""},
		Identities:  map[string]string{"account": "ada"},
	}
}

// clean fails the test when the connector broke the protocol.
func clean(t *testing.T, r *sallyporttest.Result) {
	t.Helper()
	if len(r.Problems) > 0 {
		t.Errorf("problems: %q", r.Problems)
	}
	if r.Open > 0 {
		t.Errorf("%d responses were left open", r.Open)
	}
}

func succeeded(t *testing.T, r *sallyporttest.Result) {
	t.Helper()
	clean(t, r)
	if r.Done.Status != "succeeded" {
		t.Errorf("ended as %+v", r.Done)
	}
}

func TestRunTellsWhatWasAskedFor(t *testing.T) {
	h := host()
	h.Streams = []string{"notes", "tags"}
	r := h.Run(func(_ context.Context, run *sallyport.Run) error {
		var o struct {
			BaseURL string `json:"base_url"`
			Depth   int    `json:"depth"`
			Tags    []string
		}
		if err := run.DecodeOptions(&o); err != nil || o.BaseURL != "https://notes.example" || o.Depth != 3 || len(o.Tags) != 1 {
			t.Errorf("DecodeOptions: %+v, %v", o, err)
		}
		for name, want := range map[string]string{"base_url": "https://notes.example", "depth": "3", "deep": "true", "none": ""} {
			if got := run.Option(name); got != want {
				t.Errorf("Option(%q) = %q, want %q", name, got, want)
			}
		}
		if len(run.Options()) != 4 || run.ID() == "" || !run.Incremental() || !run.HasBinding("network") || run.HasBinding("interactive") {
			t.Errorf("options %v, id %q, incremental %v", run.Options(), run.ID(), run.Incremental())
		}
		if got := run.Streams(); !reflect.DeepEqual(got, []string{"notes", "tags"}) {
			t.Errorf("Streams() = %q", got)
		}
		return nil
	})
	succeeded(t, r)
}

func TestStartThatDoesNotFitIsFetched(t *testing.T) {
	h := host()
	long := strings.Repeat("x", 100<<10)
	h.State = map[string]json.RawMessage{"notes": json.RawMessage(`{"c":"` + long + `"}`)}
	succeeded(t, h.Run(func(_ context.Context, run *sallyport.Run) error {
		cursor, ok, err := sallyport.LoadState[struct{ C string }](run, "notes")
		if !ok || err != nil || cursor.C != long {
			t.Errorf("LoadState: %d bytes, %v, %v", len(cursor.C), ok, err)
		}
		return nil
	}))
}

func TestCredential(t *testing.T) {
	succeeded(t, host().Run(func(_ context.Context, run *sallyport.Run) error {
		token, err := run.Credential("API_TOKEN")
		if err != nil || string(token) != sallyporttest.Surrogate("API_TOKEN") {
			t.Errorf("API_TOKEN: %q, %v", token, err)
		}
		if account, err := run.Credential("account"); err != nil || account != "ada" {
			t.Errorf("account: %q, %v", account, err)
		}
		for name, want := range map[string]error{"SPARE": sallyport.ErrNotFound, "OTHER": sallyport.ErrDenied} {
			_, err := run.Credential(name)
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			var e *sallyport.Error
			if !errors.As(err, &e) || e.Op != "use" || e.Name != name {
				t.Errorf("%s: %#v does not say what was asked", name, err)
			}
		}
		if s, err := run.Status("API_TOKEN"); err != nil || s.Class != "long_lived_token" || s.State != sallyport.CredentialActive {
			t.Errorf("Status: %+v, %v", s, err)
		}
		if s, err := run.Status("SPARE"); err != nil || s.State != sallyport.CredentialMissing {
			t.Errorf("Status: %+v, %v", s, err)
		}
		if _, err := run.Status("OTHER"); !errors.Is(err, sallyport.ErrDenied) {
			t.Errorf("Status of what is not declared: %v", err)
		}
		return nil
	}))
}

func TestReject(t *testing.T) {
	r := host().Run(func(_ context.Context, run *sallyport.Run) error {
		return run.Reject("API_TOKEN", sallyport.RejectExpired)
	})
	succeeded(t, r)
	if !reflect.DeepEqual(r.Rejected, []string{"API_TOKEN"}) {
		t.Errorf("rejected %q", r.Rejected)
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	for _, c := range []struct {
		err  *sallyport.Error
		want string
	}{
		{&sallyport.Error{Op: "use", Name: "A", Status: sallyport.ErrDenied, Text: "denied"}, "use A: denied"},
		{&sallyport.Error{Op: "interact", Status: sallyport.ErrTimeout}, "interact: timed out"},
		{&sallyport.Error{Op: "emit", Name: "notes 1", Status: sallyport.ErrInvalid, Text: "no such field"}, "emit notes 1: invalid argument (no such field)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestInteract(t *testing.T) {
	h := host()
	h.Answer = func(ask json.RawMessage) map[string]any {
		if !strings.Contains(string(ask), `"kind":"otp"`) || !strings.Contains(string(ask), `"timeout_seconds":2`) {
			t.Errorf("asked %s", ask)
		}
		return map[string]any{"code": "123456"}
	}
	succeeded(t, h.Run(func(_ context.Context, run *sallyport.Run) error {
		answer, err := run.Interact(sallyport.Interaction{Kind: sallyport.AskOTP, Message: "the code?", Timeout: 2e9})
		if err != nil || answer["code"] != "123456" {
			t.Errorf("%v, %v", answer, err)
		}
		return nil
	}))
	unattended := host().Run(func(_ context.Context, run *sallyport.Run) error {
		_, err := run.Interact(sallyport.Interaction{Kind: sallyport.AskManualAction, Message: "open the door"})
		return err
	})
	if unattended.Done.Code != "credential_denied" || unattended.Done.Recovery != sallyport.RefreshCredentials {
		t.Errorf("nobody there: %+v", unattended.Done)
	}
}

func TestLog(t *testing.T) {
	r := host().Run(func(_ context.Context, run *sallyport.Run) error {
		log := slog.New(run.LogHandler())
		log.Debug("one")
		log.With("book", "a b").WithGroup("g").Warn("two", "n", 3, "", "", slog.Group("h", "level", "x", "msg", ""), slog.Attr{})
		log.Error("three", "at", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "err", errors.New("a\nb"), "ü", "é")
		return nil
	})
	succeeded(t, r)
	want := []string{"debug: one", `warn: two book="a b" g.n=3 g.="" g.h.level=x g.h.msg=""`,
		`error: three at=2026-01-02T03:04:05Z err="a\nb" ü=é`}
	if !reflect.DeepEqual(r.Log, want) {
		t.Errorf("log\n%q, want\n%q", r.Log, want)
	}
}

func TestProgressSkipAndDetails(t *testing.T) {
	r := host().Run(func(_ context.Context, run *sallyport.Run) error {
		notes := sallyport.NewStream(run, "notes", noteKey)
		return errors.Join(
			run.Progress("begin "+strings.Repeat("é", 4<<10)),
			notes.Progress("half", 1, 2),
			run.Skip(sallyport.Skip{Stream: "notes", Reason: sallyport.ReasonScopeNotSupported, RecoveryHint: sallyport.NotRetriable}),
			run.DetailGap(sallyport.DetailGap{Stream: "notes", RecordKey: sallyport.Key{"1"}, Retryable: true}),
			run.DetailCoverage(sallyport.DetailCoverage{Stream: "notes", StateStream: "notes"}),
		)
	})
	succeeded(t, r)
	if len(r.Progress) != 2 || len(r.Progress[0]) > 4<<10 || !strings.HasSuffix(r.Progress[0], "é") {
		t.Errorf("progress was not cut at a character: %d", len(r.Progress))
	}
	want := `{"type":"SKIP_RESULT","stream":"notes","reason":"scope_not_supported","recovery_hint":"not_retriable"}`
	if len(r.Skips) != 1 || string(r.Skips[0]) != want {
		t.Errorf("skips %s", r.Skips)
	}
	want = `{"type":"DETAIL_GAP","stream":"notes","record_key":"1","retryable":true}`
	if len(r.Gaps) != 1 || string(r.Gaps[0]) != want {
		t.Errorf("gaps %s", r.Gaps)
	}
	want = `{"type":"DETAIL_COVERAGE","reference_only":true,"stream":"notes","state_stream":"notes","required_keys":[],"hydrated_keys":[]}`
	if len(r.Coverage) != 1 || string(r.Coverage[0]) != want {
		t.Errorf("coverage %s", r.Coverage)
	}
}

// A host takes no PROGRESS without a message, and ends the run for it.
func TestEmptyProgress(t *testing.T) {
	r := host().Run(func(_ context.Context, run *sallyport.Run) error {
		notes := sallyport.NewStream(run, "notes", noteKey)
		return errors.Join(run.Progress(""), notes.Progress("", 1, 2), run.Progress("done"))
	})
	succeeded(t, r)
	if want := []string{"notes", "done"}; !reflect.DeepEqual(r.Progress, want) {
		t.Errorf("progress %q, want %q", r.Progress, want)
	}
}

func TestCancelledRunEndsGoroutines(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := host().RunContext(ctx, func(ctx context.Context, run *sallyport.Run) error {
		cancel()
		if _, err := run.Credential("API_TOKEN"); !errors.Is(err, sallyport.ErrCancelled) {
			t.Errorf("a call in a stopped run: %v", err)
		}
		<-ctx.Done() // the SDK passes it on
		return ctx.Err()
	})
	if r.Done.Status != "" {
		t.Errorf("DONE was taken in a stopped run: %+v", r.Done)
	}
}

func TestNothingAfterTheEnd(t *testing.T) {
	var kept *sallyport.Run
	succeeded(t, host().Run(func(_ context.Context, run *sallyport.Run) error {
		kept = run
		return nil
	}))
	if err := kept.Progress("late"); !errors.Is(err, sallyport.ErrEnded) {
		t.Errorf("progress after the end: %v", err)
	}
	if err := kept.Flush(); !errors.Is(err, sallyport.ErrEnded) {
		t.Errorf("flush after the end: %v", err)
	}
}

// TestCredentialIsAskedForEachTime: what the host answers may change, and one
// name's answer is not another's.
func TestCredentialIsAskedForEachTime(t *testing.T) {
	on := host()
	long := strings.Repeat("ada", 100) // does not fit what is asked with
	on.Identities = map[string]string{"account": "ada", "other": "bob"}
	succeeded(t, on.Run(func(_ context.Context, run *sallyport.Run) error {
		for _, account := range []string{"ada", "ada", "bob", "ad", long, long, "ada"} {
			on.Identities["account"] = account
			for name, want := range map[string]string{"account": account, "other": "bob"} {
				if got, err := run.Credential(name); err != nil || string(got) != want {
					t.Errorf("%s is %q, %v; want %q", name, got, err, want)
				}
			}
		}
		return nil
	}))
}
