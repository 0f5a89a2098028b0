package e2e_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// source is the name that the tests' servers have for guests. No resolver
// knows it: that a request arrives shows that the exception alone led there.
const source = "contacts.test"

// world is a host with everything around it in memory.
type world struct {
	t         *testing.T
	vault     vaultstore.Store
	approvals *host.MemoryApprovals
	audit     *host.MemoryAuditor
	host      *host.Host
	log       *strings.Builder
	memory    *watchedMemory
}

// newWorld starts a host that may reach addr under the name of [source], with
// an empty vault when it is given none. ctx goes to host.New.
func newWorld(ctx context.Context, t *testing.T, addr netip.AddrPort, vault vaultstore.Store) *world {
	t.Helper()
	if vault == nil {
		vault = memory.New()
	}
	w := &world{
		t: t, vault: vault, approvals: host.NewMemoryApprovals(),
		audit: host.NewMemoryAuditor(), log: &strings.Builder{},
	}
	c := host.NewConfig().
		WithVault(w.vault).WithApprovals(w.approvals).WithAuditor(w.audit).WithStateStore(host.NewMemoryState()).
		WithLogger(slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))).
		WithAddressException(source, addr).
		WithCompileCache(compiled)
	w.memory, ctx = watchMemory(ctx, t)
	h, err := host.New(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	w.host = h
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// load loads a connector of examples/.
func (w *world) load(name string) *host.Connector {
	w.t.Helper()
	p, err := host.ReadPackage(built.Connectors[name])
	if err != nil {
		w.t.Fatal(err)
	}
	return w.loadPackage(p)
}

func (w *world) loadPackage(p host.Package) *host.Connector {
	w.t.Helper()
	c, err := w.host.Load(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// scope is the one that the tests' owner runs m in.
func scope(m *manifests.Manifest) capabilities.Scope {
	return capabilities.Scope{
		Owner: capabilities.DefaultOwner, Connector: m.ConnectorKey,
		Instance: vaultstore.DefaultInstance, Grant: vaultstore.SelfGrant,
	}
}

// approve puts an approval of all that c declares in force.
func (w *world) approve(c *host.Connector, options map[string]any) {
	w.t.Helper()
	bound, err := c.Manifest().Bind(options)
	if err != nil {
		w.t.Fatal(err)
	}
	digests := map[abi.Role]string{}
	for role, info := range c.Modules() {
		digests[role] = info.SHA256
	}
	a := capabilities.NewApproval(bound, scope(c.Manifest()), digests, capabilities.ModeLocal, time.Now())
	if _, err := w.approvals.Approve(a); err != nil {
		w.t.Fatal(err)
	}
}

// put stores a value of a credential that c declares, as its owner would. No
// guest of the world may hold it.
func (w *world) put(c *host.Connector, name, value string) {
	w.t.Helper()
	declared, ok := c.Manifest().Credential(name)
	if !ok {
		w.t.Fatalf("%s declares no credential %s", c.Manifest().ConnectorKey, name)
	}
	if !declared.Identity {
		w.memory.never(name, value)
	}
	putValue(w.t, w.vault, scope(c.Manifest()).Address(declared.Name), declared.Class, value)
}

func putValue(t *testing.T, store vaultstore.Store, at vaultstore.Address, class abi.Class, value string) {
	t.Helper()
	entry := vaultstore.Entry{Address: at, Class: class, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered,
			Status: vaultstore.Active, ObtainedAt: time.Now(),
		},
	}}
	if _, err := store.Put(t.Context(), entry, vaultstore.AnyGeneration); err != nil {
		t.Fatal(err)
	}
}

// stored returns the current version of a credential.
func (w *world) stored(c *host.Connector, name string) vaultstore.Version {
	w.t.Helper()
	entry, err := w.vault.Get(w.t.Context(), scope(c.Manifest()).Address(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return entry.Stages[vaultstore.Current]
}
