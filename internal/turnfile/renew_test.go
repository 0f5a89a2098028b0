package turnfile_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/turnfile"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/agefile"
)

// The test binary is its own other processes: this variable says where they
// find what they share.
const childHome = "SALLYPORT_TEST_HOME"

func TestMain(m *testing.M) {
	home := os.Getenv(childHome)
	if home == "" {
		os.Exit(m.Run())
	}
	if err := child(shared{home}); err != nil {
		fmt.Println("bad:", err)
		os.Exit(1)
	}
}

// shared is what the processes share: a vault, locks, and where the source is.
type shared struct{ home string }

func (s shared) vault(ctx context.Context) (*agefile.Store, error) {
	return agefile.Open(ctx, agefile.Options{Dir: filepath.Join(s.home, "vault"), KeysDir: filepath.Join(s.home, "keys")})
}

func (s shared) read(name string) []byte {
	text, _ := os.ReadFile(filepath.Join(s.home, name))
	return text
}

const (
	processes = 50
	address   = "example.com" // what httptest's certificate is for
)

var renewScope = capabilities.Scope{Owner: "owner", Connector: "renewing", Instance: "default", Grant: "self"}

const renewManifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/renewing", "connector_key": "renewing", "version": "1.0.0", "display_name": "Renewing",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "things", "semantics": "append_only", "primary_key": ["id"], "schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}],
  "credentials_schema": {"type": "object", "required": ["ACCESS"], "properties": {
    "ACCESS": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/api"], "as": "header:Authorization"}],
      "oauth2": {"token_url": "BASE/token", "client_id": "CLIENT", "refresh_token": "REFRESH"}},
    "CLIENT": {"type": "string", "identity": true},
    "REFRESH": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["POST"], "paths": ["/token"], "as": "form:refresh_token"}]}}},
  "egress": [{"origin": "BASE", "methods": ["GET", "POST"], "paths": ["/**"]}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// content is a guest that says DONE, and nothing else: a token that has to be
// there is renewed before a guest begins.
func content() []byte {
	m := wasmtest.New(1)
	i32, i64 := byte(0x7f), byte(0x7e)
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	p, n := m.Data(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop(), wasmtest.I32Const(0))
	return m.Bytes()
}

// child runs the connector each time that it is told to.
func child(s shared) error {
	ctx := context.Background()
	vault, err := s.vault(ctx)
	if err != nil {
		return err
	}
	defer vault.Close()
	turns, err := turnfile.Open(filepath.Join(s.home, "locks"))
	if err != nil {
		return err
	}
	defer turns.Close()
	h, c, err := s.host(ctx, vault, turns)
	if err != nil {
		return err
	}
	defer h.Close(ctx)
	fmt.Println("ready")
	for line := bufio.NewScanner(os.Stdin); line.Scan(); {
		if _, err := h.Run(ctx, c, host.RunOptions{Unattended: true}); err != nil {
			fmt.Println("bad:", err)
			continue
		}
		fmt.Println("ok")
	}
	return nil
}

func (s shared) host(ctx context.Context, vault vaultstore.Store, turns host.Turns) (*host.Host, *host.Connector, error) {
	at, err := netip.ParseAddrPort(string(s.read("addr")))
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.read("ca.pem"))
	approvals := host.NewMemoryApprovals()
	h, err := host.New(ctx, host.NewConfig().WithVault(vault).WithTurns(turns).WithApprovals(approvals).WithRootCAs(roots).WithAddressException(address, at))
	if err != nil {
		return nil, nil, err
	}
	text := strings.ReplaceAll(renewManifest, "BASE", fmt.Sprintf("https://%s:%d", address, at.Port()))
	c, err := h.Load(ctx, host.Package{Manifest: []byte(text), Modules: map[abi.Role][]byte{abi.RoleCollector: content()}})
	if err != nil {
		return nil, nil, err
	}
	bound, err := c.Manifest().Bind(nil)
	if err != nil {
		return nil, nil, err
	}
	digests := map[abi.Role]string{abi.RoleCollector: c.Modules()[abi.RoleCollector].SHA256}
	_, err = approvals.Approve(capabilities.NewApproval(bound, renewScope, digests, capabilities.ModeLocal, time.Now()))
	return h, c, err
}

// issuer gives tokens, and takes each refresh token once.
type issuer struct {
	mu              sync.Mutex
	access, refresh string
	given, spent    int
}

func (s *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path != "/token" || form.Get("refresh_token") != s.refresh {
		s.spent++
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error": "invalid_grant"}`)
		return
	}
	s.given++
	s.access, s.refresh = fmt.Sprintf("access-%d-4Rk8Tz", s.given), fmt.Sprintf("refresh-%d-7Wm2Qx", s.given)
	fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "refresh_token": %q, "expires_in": 3600}`, s.access, s.refresh)
}

// TestManyProcessesRenewOnce has many processes, over one vault on disk, want
// the same token at once, again and again: each time there is one refresh,
// and the refresh token that it brings is what the vault holds. With SOAK set
// it takes 100 rounds.
func TestManyProcessesRenewOnce(t *testing.T) {
	rounds := 3
	if os.Getenv("SOAK") != "" {
		rounds = 100
	}
	source := &issuer{refresh: "refresh-0-7Wm2Qx"}
	server := httptest.NewTLSServer(source)
	defer server.Close()
	s := shared{t.TempDir()}
	pemText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, text := range map[string][]byte{"addr": []byte(server.Listener.Addr().String()), "ca.pem": pemText} {
		if err := os.WriteFile(filepath.Join(s.home, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := agefile.Init(t.Context(), filepath.Join(s.home, "vault"), agefile.InitOptions{KeysDir: filepath.Join(s.home, "keys")}); err != nil {
		t.Fatal(err)
	}
	vault, err := s.vault(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer vault.Close()
	keep(t, vault, "CLIENT", abi.ClassNone, "the-client", time.Time{})
	keep(t, vault, "REFRESH", abi.ClassToken, source.refresh, time.Time{})
	children := make([]*process, processes)
	for i := range children {
		children[i] = start(t, s)
	}
	for _, c := range children {
		c.says(t, "ready")
	}
	for round := 1; round <= rounds; round++ {
		if round > 1 {
			keep(t, vault, "ACCESS", abi.ClassToken, source.access, time.Now().Add(-time.Minute))
		}
		for _, c := range children {
			c.tell(t)
		}
		for _, c := range children {
			c.says(t, "ok")
		}
		source.mu.Lock()
		given, spent, access, refresh := source.given, source.spent, source.access, source.refresh
		source.mu.Unlock()
		if given != round || spent > 0 {
			t.Fatalf("round %d: %d refreshes in all, %d with a token that was spent", round, given, spent)
		}
		if held(t, vault, "ACCESS") != access || held(t, vault, "REFRESH") != refresh {
			t.Fatalf("round %d: the vault does not hold the latest tokens", round)
		}
	}
}

func keep(t *testing.T, vault vaultstore.Store, name string, class abi.Class, value string, expires time.Time) {
	t.Helper()
	_, err := vault.Put(t.Context(), vaultstore.Entry{Address: renewScope.Address(name), Class: class, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered, ObtainedAt: time.Now().Add(-time.Hour), ExpiresAt: expires},
	}}, vaultstore.AnyGeneration)
	if err != nil {
		t.Fatal(err)
	}
}

func held(t *testing.T, vault vaultstore.Store, name string) string {
	t.Helper()
	entry, err := vault.Get(t.Context(), renewScope.Address(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(entry.Stages[vaultstore.Current].Value.Reveal())
}

// process is another process of the test binary.
type process struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, s shared) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childHome+"="+s.home)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &process{in, bufio.NewScanner(out)}
}

func (p *process) tell(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		t.Fatal(err)
	}
}

func (p *process) says(t *testing.T, want string) {
	t.Helper()
	if p.out.Scan(); p.out.Text() != want {
		t.Fatalf("a process said %q, want %q", p.out.Text(), want)
	}
}
