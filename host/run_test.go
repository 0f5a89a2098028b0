package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestTheValueReachesTheSourceAndNobodyElse(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("bearer")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "use: 0", "shape: true", "same: true", "get: 200 hello")
	expect(t, w.source.requests(), "GET /bearer Bearer "+canary)
	w.noCanary(res)
	if got := w.audited(host.EventDecision, "allow"); len(got) != 2 || got[0].Op != "issue" || got[1].Op != "send" || got[1].Origin != w.base {
		t.Errorf("audited decisions: %+v", got)
	}
	entry, err := w.vault.Get(t.Context(), w.scope.Address("TOKEN"))
	if err != nil || entry.Stages[vaultstore.Current].LastVerified.IsZero() {
		t.Errorf("after a success the value is not marked as verified: %+v, %v", entry, err)
	}
}

// The SDK takes a guest with no more for one in which nothing else goes on
// (hostcall.Alone), and then waits in one call.
func TestAGoGuestBeginsWithOneGoroutine(t *testing.T) {
	w := newWorld(t)
	if _, err := w.run("goroutines"); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "there are: 1")
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	w.store("SECRET_PASSWORD", "x", abi.ClassToken) // whatever the vault holds
	res, err := w.run("names")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(),
		"TOKEN: 0", `TOKEN status: 0 {"class":"long_lived_token","state":"active"}`,
		"ALIAS: 0", `ALIAS status: 0 {"class":"long_lived_token","state":"active"}`,
		"ACCOUNT: ada", `ACCOUNT status: 0 {"state":"active"}`,
		"UNDECLARED: -1", "UNDECLARED status: -1 ",
		"SECRET_PASSWORD: -1", "SECRET_PASSWORD status: -1 ",
		": -1", " status: -1 ",
		"error text: denied")
	if len(res.Refusals) == 0 {
		t.Error("the owner is told of no refusal")
	}
	for _, f := range res.Refusals {
		if f.Thing == "" || f.Reason == "" || f.Remedy == "" {
			t.Errorf("refusal %+v does not name the thing, the reason and the remedy", f)
		}
	}
}

func TestASurrogateAnywhereElseStopsTheRequest(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("places")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(),
		"other header: send -1", "url: send -1", "path: send -1", "header name: send -10",
		"method not allowed: -1", "body: -10", "other path: send -1", "other origin: send -1", "traversal: send -3",
		"host header: send -1", "line break: send -3", "forged: 404 ",
		"streamed body, first half: 20", "streamed body, second half: -10", "streamed body, end: leak_blocked")
	for _, r := range w.source.requests() {
		if strings.Contains(r, canary) {
			t.Errorf("the value went out: %s", r)
		}
	}
	w.noCanary(res)
	if n := len(w.audited(host.EventEgress, "surrogate_position")); n == 0 {
		t.Error("a misplaced surrogate is not in the audit log")
	}
	if n := len(w.audited(host.EventDecision, "destination_not_declared")); n == 0 {
		t.Error("a refused destination is not in the audit log")
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.run("redirect"); err != nil {
		t.Fatal(err)
	}
	if got := w.findings(); len(got) != 1 || !strings.HasPrefix(got[0], "get: 302") {
		t.Errorf("findings %q", got)
	}
}

func TestExchanges(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string][]string{
		"upload":  {"write: 4", "write: 6", "write: 5", "end: 0", "answer: 200 one two spthree", "close: 0", "close again: -2"},
		"several": {"slow: 200 0", "slow: 200 1", "slow: 200 2", "slow: 200 3", "slow: 200 4", "slow: 200 5", "slow: 200 6", "slow: 200 7", "overlapped: true"},
		"handles": {"65th: -12", "unknown: -2", "wait unknown: -2"},
		"tickets": {"65th: -8"},
		"files":   {"file: true", "environ: 0", "args: 0", "dir: true"},
		"pointers": {"use name: -3", "use out: -3", "use wrap: -3", "input: -3", "emit: -3", "emit long: -8", "log: -3", "log level: -3",
			"send: -3", "send body: -3", "wait: -3", "wait many: -8", "fetch: -2", "interact: -3", "long name: -8", "alias: true"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.run(name); err != nil {
				t.Fatal(err)
			}
			expect(t, w.findings(), want...)
		})
	}
}

func TestARefusedCredentialIsRejectedAndTheNextRunDoesNotCall(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("reject")
	if !errors.Is(err, host.ErrNeedsOwner) {
		t.Fatalf("err = %v, want ErrNeedsOwner", err)
	}
	d := res.Done
	if d.Error == nil || d.Error.Code != abi.CodeCredentialRejected || d.Error.RecoveryHint == nil || d.Error.RecoveryHint.Action != abi.RefreshCredentials {
		t.Errorf("done = %+v", d.Error)
	}
	expect(t, res.Rejected, "TOKEN")
	entry, err := w.vault.Get(t.Context(), w.scope.Address("TOKEN"))
	if err != nil || entry.Stages[vaultstore.Current].Status != vaultstore.Rejected {
		t.Fatalf("stored: %+v, %v", entry, err)
	}
	calls := len(w.source.requests())
	res, err = w.again(host.RunOptions{Unattended: true})
	if !errors.Is(err, host.ErrNeedsOwner) || res.Done.Error.Code != abi.CodeCredentialRejected {
		t.Errorf("the next run: %v, %+v", err, res.Done.Error)
	}
	if n := len(w.source.requests()); n != calls {
		t.Errorf("the next run called the source %d times", n-calls)
	}
	if !strings.Contains(err.Error(), "sallyport vault set test TOKEN") {
		t.Errorf("%v does not say what to do", err)
	}
}

func TestARefusalThatALaterSuccessTakesBack(t *testing.T) {
	w := newWorld(t)
	if res, err := w.run("recovers"); err != nil || len(res.Rejected) > 0 {
		t.Errorf("%v, rejected %v", err, res.Rejected)
	}
}

func TestAGuestAloneCannotRejectACredential(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("false reject")
	if !errors.Is(err, host.ErrSourceFailed) || len(res.Rejected) > 0 {
		t.Errorf("%v, rejected %v", err, res.Rejected)
	}
}

func TestStateIsKeptOnlyOnSuccess(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("state")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "full_refresh: ")
	expect(t, res.StateCommitted, "findings")
	if _, err := w.run("state, then failure"); !errors.Is(err, host.ErrSourceFailed) {
		t.Errorf("failed run: %v", err)
	}
	if _, err := w.run("state"); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), `incremental: {"n":2}`)
	if _, err := w.again(host.RunOptions{Full: true, Unattended: true}); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "full_refresh: ")
}

func TestWhatBreaksTheProtocolFailsTheRun(t *testing.T) {
	for name, code := range map[string]string{
		"bad record": abi.CodeProtocolViolation, "after done": abi.CodeProtocolViolation, "wrong count": abi.CodeProtocolViolation,
		"no done": abi.CodeConnectorCrashed, "panic": abi.CodeConnectorCrashed, "exit": abi.CodeConnectorCrashed, "exit after done": abi.CodeConnectorCrashed,
		"unknown case": abi.CodeConnectorCrashed,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			res, err := w.run(name)
			if !errors.Is(err, host.ErrSourceFailed) || res.Done.Error == nil || res.Done.Error.Code != code {
				t.Errorf("%v, %+v", err, res.Done.Error)
			}
			if len(res.StateCommitted) > 0 {
				t.Error("state was committed")
			}
			if name == "panic" && !strings.Contains(res.Done.Error.Message, "assignment to entry in nil map") {
				t.Errorf("the panic's text is missing: %s", res.Done.Error.Message)
			}
		})
	}
}

type watcher struct {
	lines    []string
	progress []abi.Progress
}

func (w *watcher) Progress(p abi.Progress) { w.progress = append(w.progress, p) }
func (w *watcher) Log(l abi.LogLevel, line string) {
	w.lines = append(w.lines, fmt.Sprint(l, " ", line))
}

func TestProgressAndLogsAreCleanedAndShown(t *testing.T) {
	w := newWorld(t)
	w.approve("progress")
	w.store("TOKEN", canary, abi.ClassToken)
	seen := &watcher{}
	if _, err := w.again(host.RunOptions{Observer: seen}); err != nil {
		t.Fatal(err)
	}
	expect(t, seen.lines, "1 a line\ufffd[31m", "1 to stdout", "2 to stderr")
	if len(seen.progress) != 1 || seen.progress[0].Message != "half\ufffdway" || *seen.progress[0].Total != 2 {
		t.Errorf("progress = %+v", seen.progress)
	}
}

func TestNothingIsUsedAfterDone(t *testing.T) {
	w := newWorld(t)
	w.approve("use after done")
	w.store("TOKEN", canary, abi.ClassToken)
	seen := &watcher{}
	if _, err := w.again(host.RunOptions{Observer: seen}); err != nil {
		t.Fatal(err)
	}
	expect(t, seen.lines, "1 use -1, get send -1")
	expect(t, w.source.requests())
}

func TestNothingRunsWithoutAnApprovalInForce(t *testing.T) {
	w := newWorld(t)
	w.store("TOKEN", canary, abi.ClassToken)
	if _, err := w.again(host.RunOptions{}); !errors.Is(err, host.ErrNeedsOwner) || !strings.Contains(err.Error(), "sallyport grant approve") {
		t.Errorf("without: %v", err)
	}
	a := w.approve("bearer")
	if _, err := w.again(host.RunOptions{}); err != nil {
		t.Errorf("with: %v", err)
	}
	if err := w.approvals.Revoke(capabilities.Revocation{Scope: w.scope, At: a.ApprovedAt}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.again(host.RunOptions{}); !errors.Is(err, host.ErrRefused) {
		t.Errorf("revoked: %v", err)
	}
	w.connector = w.load(strings.Replace(testManifest, `"1.0.0"`, `"1.0.1"`, 1), guest(t))
	w.approve("bearer")
	w.connector = w.load(testManifest, guest(t))
	if _, err := w.again(host.RunOptions{}); !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("another manifest: %v", err)
	}
	if _, err := w.host.Run(t.Context(), w.connector, host.RunOptions{Owner: "other"}); !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("another owner: %v", err)
	}
	if _, err := w.host.Run(t.Context(), w.connector, host.RunOptions{Role: abi.RoleBootstrap}); !errors.Is(err, host.ErrRefused) {
		t.Errorf("no such module: %v", err)
	}
}

func TestTheOwnerIsAskedForWhatIsMissing(t *testing.T) {
	script := host.Scripted(map[string]string{"TOKEN": canary})
	w := newWorld(t, func(c host.Config) host.Config { return c.WithPrompter(script) })
	w.approve("bearer")
	res, err := w.again(host.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.source.requests(), "GET /bearer Bearer "+canary)
	w.noCanary(res, script.Asked())
	if asked := script.Asked(); len(asked) != 1 || len(asked[0].Fields) != 1 || !asked[0].Fields[0].Secret || asked[0].Fields[0].Class != abi.ClassToken {
		t.Errorf("asked %+v", asked)
	}
	if _, err := w.again(host.RunOptions{}); err != nil {
		t.Errorf("it is asked for again: %v", err)
	}
}

func TestAnUnattendedRunNeverPrompts(t *testing.T) {
	script := host.Scripted(map[string]string{"TOKEN": canary})
	w := newWorld(t, func(c host.Config) host.Config { return c.WithPrompter(script) })
	w.approve("bearer")
	res, err := w.again(host.RunOptions{Unattended: true})
	if !errors.Is(err, host.ErrNeedsOwner) || len(script.Asked()) > 0 {
		t.Errorf("%v, asked %v", err, script.Asked())
	}
	if h := res.Done.Error.RecoveryHint; h == nil || h.Action != abi.RefreshCredentials {
		t.Errorf("hint %+v", h)
	}
}

func TestBindings(t *testing.T) {
	w := newWorld(t)
	for required, ok := range map[string]bool{"true": false, "false": true} {
		w.connector = w.load(strings.Replace(testManifest, `"network": {"required": true}`,
			`"network": {"required": true}, "filesystem": {"required": false}, "interactive": {"required": `+required+`}`, 1), guest(t))
		w.store("TOKEN", canary, abi.ClassToken)
		w.approve("bindings")
		_, err := w.again(host.RunOptions{Unattended: true})
		if ok && err != nil || !ok && !errors.Is(err, host.ErrNeedsOwner) {
			t.Errorf("interactive required: %s, unattended: %v", required, err)
		}
		if ok {
			expect(t, w.findings(), "bindings: map[network:map[]]")
		}
		if _, err := w.again(host.RunOptions{}); err != nil {
			t.Error(err)
		}
		expect(t, w.findings(), "bindings: map[interactive:map[] network:map[]]")
	}
}

func TestInteractions(t *testing.T) {
	script := host.Scripted(map[string]string{"TOKEN": canary})
	w := newWorld(t, func(c host.Config) host.Config { return c.WithPrompter(script) })
	w.approve("ask")
	w.store("TOKEN", "older value", abi.ClassToken)
	if _, err := w.again(host.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "ask: 0 success true")
	if q := script.Asked()[0].Quote; strings.ContainsRune(q, '\u202e') || !strings.Contains(q, "please") {
		t.Errorf("quote %q", q)
	}
	w.noCanary()
	w.approve("phish")
	if _, err := w.again(host.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, w.findings(), "ask: -1", "ask: -1", "ask: -1", "ask: -1", "ask: -3")
	if len(script.Asked()) != 1 {
		t.Error("a question that was refused reached the owner")
	}
}

// failing is a sink, an auditor and a state store that fail.
type failing struct{ host.Auditor }

func (failing) Write(context.Context, host.Message) error { return errors.New("disk full") }
func (failing) Flush(context.Context) error               { return errors.New("disk full") }

type failingAudit struct {
	host.Auditor
	after int
}

func (f *failingAudit) Append(ctx context.Context, e ...host.Event) error {
	if f.after--; f.after < 0 {
		return errors.New("disk full")
	}
	return f.Auditor.Append(ctx, e...)
}

func TestWhatCannotBeWrittenFailsTheRun(t *testing.T) {
	w := newWorld(t)
	w.approve("state")
	w.store("TOKEN", canary, abi.ClassToken)
	res, err := w.again(host.RunOptions{Sink: failing{}})
	if err == nil || errors.Is(err, host.ErrSourceFailed) || len(res.StateCommitted) > 0 || res.Done.Status == abi.Succeeded {
		t.Errorf("sink: %v, %+v", err, res)
	}
	for after := range 4 {
		audit := &failingAudit{host.NewMemoryAuditor(), after}
		w := newWorld(t, func(c host.Config) host.Config { return c.WithAuditor(audit) })
		w.approve("bearer")
		w.store("TOKEN", canary, abi.ClassToken)
		if _, err := w.again(host.RunOptions{}); err == nil {
			t.Errorf("audit fails after %d events: the run does not", after)
		}
		if after < 3 && len(w.source.requests()) > 0 {
			t.Errorf("audit fails after %d events: the source was called", after)
		}
	}
}

// held is a state store that is held by somebody, or by nobody.
type held struct {
	*host.MemoryState
	busy  error
	order *[]string
}

func (h held) Hold(context.Context, capabilities.Scope) (func(), error) {
	return func() { *h.order = append(*h.order, "released") }, h.busy
}

func (h held) Commit(ctx context.Context, scope capabilities.Scope, cursors map[string]json.RawMessage) error {
	*h.order = append(*h.order, "committed")
	return h.MemoryState.Commit(ctx, scope, cursors)
}

func TestAScopeIsHeldUntilItsStateIsCommitted(t *testing.T) {
	var order []string
	states := held{MemoryState: host.NewMemoryState(), order: &order}
	w := newWorld(t, func(c host.Config) host.Config { return c.WithStateStore(states) })
	if _, err := w.run("state"); err != nil {
		t.Fatal(err)
	}
	expect(t, order, "committed", "released")
}

func TestASecondRunOfAScopeDoesNotStart(t *testing.T) {
	var order []string
	states := held{host.NewMemoryState(), errors.New("another run has it"), &order}
	w := newWorld(t, func(c host.Config) host.Config { return c.WithStateStore(states) })
	if _, err := w.run("bearer"); err == nil || !strings.Contains(err.Error(), "another run has it") {
		t.Fatalf("the run ended with %v", err)
	}
	expect(t, w.source.requests())
}
