package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/e2e/internal/build"
	"github.com/sallyport-host/sallyport/e2e/internal/exim"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// submissionManifest is a connector that sends mail, over TLS or STARTTLS.
const submissionManifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.com/submission", "connector_key": "submission",
  "version": "1.0.0", "display_name": "Submission", "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "told", "primary_key": ["id"], "semantics": "mutable_state",
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "said": {"type": "string"}, "err": {"type": "string"}}, "required": ["id"]}}],
  "options_schema": {"type": "object", "required": ["host", "port", "address", "how"],
    "properties": {"host": {"type": "string"}, "port": {"type": "integer"}, "address": {"type": "string"}, "how": {"type": "string"}}},
  "credentials_schema": {"type": "object", "required": ["ACCOUNT", "APP_PASSWORD"], "properties": {
    "ACCOUNT": {"type": "string", "identity": true},
    "APP_PASSWORD": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "SCHEME://${options.host}:${options.port}", "as": "smtp"}], "probe": {"origin": "SCHEME://${options.host}:${options.port}"}}}},
  "egress": [{"origin": "SCHEME://${options.host}:${options.port}"}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// submissionGuest is built once.
var submissionGuest = sync.OnceValues(func() ([]byte, error) {
	path := filepath.Join(filepath.Dir(built.CLI), "submission.wasm")
	if err := build.Guest(context.Background(), filepath.Join("guests", "submission"), path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// submission is the connector beside an Exim. Whatever comes out of its runs is
// searched for the password.
type submission struct {
	*world
	detector
	server    *exim.Server
	connector *host.Connector
	port      int
	address   string
}

func submissionTo(t *testing.T, server *exim.Server, scheme string) *submission {
	t.Helper()
	at := server.TLS.Addr()
	if scheme == "smtp" {
		at = server.Plain.Addr()
	}
	s := &submission{server: server, port: int(at.Port()), address: fmt.Sprintf("%s://%s:%d", scheme, server.Name, at.Port())}
	s.add("the app password", server.Password)
	watched, ctx := watchMemory(t.Context(), t)
	s.world = &world{t: t, memory: watched, vault: memory.New(), approvals: host.NewMemoryApprovals(), audit: host.NewMemoryAuditor(), log: &strings.Builder{}}
	h, err := host.New(ctx, host.NewConfig().
		WithVault(s.vault).WithApprovals(s.approvals).WithAuditor(s.audit).WithStateStore(host.NewMemoryState()).
		WithLogger(slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))).
		WithAddressException(server.Name, at).WithRootCAs(server.Roots).WithCompileCache(compiled))
	if err != nil {
		t.Fatal(err)
	}
	s.host = h
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	guest, err := submissionGuest()
	if err != nil {
		t.Fatal(err)
	}
	s.connector = s.loadPackage(host.Package{
		Manifest: bytes.ReplaceAll([]byte(submissionManifest), []byte("SCHEME"), []byte(scheme)), Modules: map[abi.Role][]byte{abi.RoleCollector: guest},
	})
	return s
}

// send runs the guest in one way, and returns what it was told. What came out
// is searched.
func (s *submission) send(how string) (told struct{ Said, Err string }, result host.Result, err error) {
	s.t.Helper()
	s.approve(s.connector, map[string]any{"host": s.server.Name, "port": s.port, "address": s.address, "how": how})
	s.put(s.connector, "ACCOUNT", s.server.User)
	s.put(s.connector, "APP_PASSWORD", s.server.Password)
	var sink host.MemorySink
	result, err = s.host.Run(s.t.Context(), s.connector, host.RunOptions{Sink: &sink, Unattended: true})
	for _, line := range sink.Lines("told") {
		s.look("a record", []byte(line))
		var record struct{ Data struct{ Said, Err string } }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			s.t.Fatal(err)
		}
		told = record.Data
	}
	s.look("the result", asJSON(s.t, result))
	s.look("the audit log", asJSON(s.t, s.audit.Events()))
	s.look("the host's log", []byte(s.log.String()))
	s.report(s.t)
	return told, result, err
}

// everyWay runs a test over TLS from the start and over STARTTLS.
func everyWay(t *testing.T, test func(t *testing.T, s *submission)) {
	for _, scheme := range []string{"smtps", "smtp"} {
		t.Run(scheme, func(t *testing.T) {
			test(t, submissionTo(t, exim.Start(t, mailServer, "alice", "Canary"+rand.Text()), scheme))
		})
	}
}

// TestSubmission: a real server lets the guest in by the real password, told to
// it once; in the message the surrogate stays what it is.
func TestSubmission(t *testing.T) {
	everyWay(t, func(t *testing.T, s *submission) {
		for i, how := range []string{"PLAIN", "PLAIN later", "LOGIN"} {
			told, result, err := s.send(how)
			if err != nil || told.Err != "" {
				t.Fatalf("%s: %v, %s: %s", how, err, told.Err, asJSON(t, result))
			}
			mechanism, _, _ := strings.Cut(how, " ")
			if got := s.server.Logins(); len(got) != i+1 || got[i] != mechanism {
				t.Errorf("%s: the server saw logins by %q", how, got)
			}
			messages := s.server.Messages()
			if len(messages) != i+1 {
				t.Fatalf("%s: %d messages", how, len(messages))
			}
			text := messages[i]
			s.look("a message", []byte(text))
			if !aSurrogate.MatchString(text) || !strings.Contains(text, "and not\n.. either.") || !strings.Contains(text, "bob@mail.test") {
				t.Errorf("%s: the server has %q", how, text)
			}
		}
		s.report(t)
	})
}

// TestSubmissionEnvelope: a surrogate in an envelope goes nowhere, and ends the
// stream.
func TestSubmissionEnvelope(t *testing.T) {
	everyWay(t, func(t *testing.T, s *submission) {
		for _, how := range []string{"from", "to"} {
			told, result, err := s.send(how)
			if err == nil || told.Err == "" || !slices.ContainsFunc(result.Refusals, func(f host.Refusal) bool { return strings.Contains(f.Reason, "outside of a login") }) {
				t.Errorf("%s: %v, %s", how, err, asJSON(t, result))
			}
			if got := s.server.Messages(); len(got) > 0 {
				t.Errorf("%s: the server has %q", how, got)
			}
		}
	})
}

// TestSubmissionEchoes: what the server says of the value comes as the
// surrogate, be it in its greeting, its answer to EHLO or to the login; its
// refusal is held against the password.
func TestSubmissionEchoes(t *testing.T) {
	everyWay(t, func(t *testing.T, s *submission) {
		s.server.Echo(s.server.Password)
		told, result, err := s.send("PLAIN")
		if err == nil || !strings.Contains(told.Err, "535") {
			t.Fatalf("%v, %q: %s", err, told.Err, asJSON(t, result))
		}
		// In its answer to EHLO, and in the refusal, plain and as it was sent.
		const redacted = "[redacted:APP_PASSWORD]"
		words := strings.Fields(told.Said)
		sent, err := base64.StdEncoding.DecodeString(words[len(words)-1])
		if n := strings.Count(told.Said, redacted); n < 2 || err != nil || !bytes.HasPrefix(sent, []byte("\x00alice\x00")) || !bytes.Contains(sent, []byte(redacted)) {
			t.Errorf("the echo came %d times, and coded as %q, %v: %q", n, sent, err, told.Said)
		}
		if !slices.Equal(result.Rejected, []string{"APP_PASSWORD"}) {
			t.Errorf("rejected %q", result.Rejected)
		}
	})
}

// TestSubmissionInjected: what someone adds in the clear behind the server's
// consent to STARTTLS reaches nobody, and no password goes out.
func TestSubmissionInjected(t *testing.T) {
	s := submissionTo(t, exim.Start(t, mailServer, "alice", "Canary"+rand.Text()), "smtp")
	s.server.Plain.Change(func(piece []byte) []byte {
		if bytes.HasPrefix(piece, []byte("220 TLS go ahead")) {
			return append(bytes.Clone(piece), "250-mail.test injected\r\n250 AUTH PLAIN\r\n"...)
		}
		return piece
	})
	told, result, err := s.send("PLAIN")
	if err == nil || strings.Contains(told.Said, "injected") || told.Said != "" {
		t.Errorf("%v, told %q: %s", err, told.Said, asJSON(t, result))
	}
	if got := s.server.Logins(); len(got) > 0 || s.server.Plain.Connections() == 0 {
		t.Errorf("%d connections, logins by %q", s.server.Plain.Connections(), got)
	}
}

// TestSubmissionProbe: a password is tried out before it is stored.
func TestSubmissionProbe(t *testing.T) {
	everyWay(t, func(t *testing.T, s *submission) {
		if _, _, err := s.send("PLAIN"); err != nil {
			t.Fatal(err)
		}
		verify := func(password string) (string, error) {
			return s.host.Verify(t.Context(), s.connector, host.RunOptions{}, "APP_PASSWORD", vaultstore.NewSecret([]byte(password)))
		}
		if account, err := verify(s.server.Password); account != "alice" || err != nil {
			t.Errorf("account %q, %v", account, err)
		}
		if _, err := verify("Canary-wrong"); !errors.Is(err, host.ErrNotAccepted) {
			t.Errorf("a wrong password: %v", err)
		}
		for _, relay := range []interface{ BreakOffAfter(int64) }{s.server.TLS, s.server.Plain} {
			relay.BreakOffAfter(0)
		}
		if _, err := verify(s.server.Password); !errors.Is(err, host.ErrSourceFailed) || errors.Is(err, host.ErrNotAccepted) {
			t.Errorf("when it is broken off: %v", err)
		}
	})
}
