package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

const manifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/hostile", "connector_key": "hostile", "version": "1.0.0", "display_name": "Hostile",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{"name": "findings", "semantics": "append_only", "primary_key": ["id"],
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "what": {"type": "string"}}, "required": ["id"]}}],
  "options_schema": {"type": "object", "properties": {"trick": {"type": "string"}, "home": {"type": "string"}, "drop": {"type": "string"},
    "evil": {"type": "string"}, "plain": {"type": "string"}, "local": {"type": "string"}, "port": {"type": "string"}}},
  "credentials_schema": {"type": "object", "properties": {"TOKEN": {"type": "string", "class": "long_lived_token", "obtained_via": ["user"],
    "send_to": [{"origin": "HOME", "methods": ["GET", "POST"], "paths": ["/auth/**"], "as": "header:Authorization"}]}}},
  "egress": [{"origin": "HOME", "methods": ["GET", "POST"], "paths": ["/**"]}, {"origin": "DROP", "methods": ["GET", "POST"], "paths": ["/**"]}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// sallyport is a host with all its parts in memory.
type sallyport struct {
	n         *network
	host      *host.Host
	connector *host.Connector
	approvals *host.MemoryApprovals
	states    *host.MemoryState
	scope     capabilities.Scope
}

func newSallyport(ctx context.Context, n *network, module []byte) (*sallyport, error) {
	s := &sallyport{
		n: n, approvals: host.NewMemoryApprovals(), states: host.NewMemoryState(),
		scope: capabilities.Scope{Owner: "owner", Connector: "hostile", Instance: "default", Grant: "self"},
	}
	vault := memory.New()
	_, err := vault.Put(ctx, vaultstore.Entry{
		Address: s.scope.Address("TOKEN"), Class: abi.ClassToken,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte(canary)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now(),
		}},
	}, vaultstore.AnyGeneration)
	if err != nil {
		return nil, err
	}
	config := host.NewConfig().WithVault(vault).WithApprovals(s.approvals).WithStateStore(s.states).WithRootCAs(n.roots())
	for _, part := range []string{"home", "drop"} { // of loopback, what the owner approved and no more
		config = config.WithAddressException(hosts[part], netip.MustParseAddrPort(n.addr(part)))
	}
	if s.host, err = host.New(ctx, config); err != nil {
		return nil, err
	}
	text := strings.NewReplacer(`"HOME"`, `"`+n.url("home")+`"`, `"DROP"`, `"`+n.url("drop")+`"`).Replace(manifest)
	s.connector, err = s.host.Load(ctx, host.Package{Manifest: []byte(text), Modules: map[abi.Role][]byte{abi.RoleCollector: module}})
	return s, err
}

func (s *sallyport) close(ctx context.Context) { _ = s.host.Close(ctx) }

// play approves and runs a trick.
func (s *sallyport) play(ctx context.Context, name string) (seen, error) {
	options := map[string]any{"trick": name}
	for _, part := range []string{"home", "drop", "evil", "plain", "local", "port"} {
		options[part] = s.n.url(part)
	}
	b, err := s.connector.Manifest().Bind(options)
	if err != nil {
		return seen{}, err
	}
	digests := map[abi.Role]string{abi.RoleCollector: s.connector.Modules()[abi.RoleCollector].SHA256}
	if _, err := s.approvals.Approve(capabilities.NewApproval(b, s.scope, digests, capabilities.ModeLocal, time.Now())); err != nil {
		return seen{}, err
	}
	s.n.take()
	sink, lines := &host.MemorySink{}, &lines{}
	result, err := s.host.Run(ctx, s.connector, host.RunOptions{Unattended: true, Sink: sink, Observer: lines})
	out := seen{servers: s.n.take(), err: err, logs: lines.String()}
	messages, _ := sink.Messages()
	for _, m := range messages {
		out.out += string(m.Line) + "\n"
	}
	state, err := s.states.Load(ctx, s.scope)
	if err != nil {
		return seen{}, err
	}
	done, err := json.Marshal(result)
	out.out += fmt.Sprintf("%s\n%s", state, done)
	return out, err
}

// lines is what the owner is shown.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

var _ host.Observer = (*lines)(nil)

func (l *lines) Progress(p abi.Progress) { l.add(p.Message) }

func (l *lines) Log(_ abi.LogLevel, line string) { l.add(line) }

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.WriteString(line + "\n")
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
