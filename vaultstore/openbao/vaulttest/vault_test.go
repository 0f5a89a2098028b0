package vaulttest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/vault"
	"github.com/openbao/openbao/api/v2"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/openbao"
	"github.com/sallyport-host/sallyport/vaultstore/remote"
	"github.com/sallyport-host/sallyport/vaultstore/storetest"
)

// server is a Vault with a KV v2 engine at kv.
type server struct {
	core   *vault.Core
	unseal [][]byte
	root   string
	addr   string
	client *api.Client
}

func start(t *testing.T) *server {
	t.Helper()
	core, unseal, root := vault.TestCoreUnsealedWithConfig(t, &vault.CoreConfig{
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
	})
	ln, addr := http.TestServer(t, core)
	t.Cleanup(func() { _ = ln.Close() })
	client, err := api.NewClient(&api.Config{Address: addr})
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(root)
	s := &server{core: core, unseal: unseal, root: root, addr: addr, client: client}
	must(t, client.Sys().MountWithContext(t.Context(), "kv", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}))
	// The engine upgrades itself after it was mounted, and refuses until then.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, err := client.KVv2("kv").Put(t.Context(), "ready", map[string]any{"is": "ready"})
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *server) options(t *testing.T, prefix string) openbao.Options {
	t.Helper()
	keys, err := remote.Derive(vaultstore.NewSecret(bytes.Repeat([]byte{7}, remote.MinRootBytes)))
	must(t, err)
	return openbao.Options{
		Address: s.addr, Mount: "kv", Prefix: prefix, Keys: keys,
		Auth: openbao.Token{Token: vaultstore.NewSecret([]byte(s.root))},
	}
}

func (s *server) open(t *testing.T, prefix string) *remote.Store {
	t.Helper()
	store, err := openbao.Open(t.Context(), s.options(t, prefix))
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestConformance(t *testing.T) {
	s := start(t)
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) vaultstore.Store {
		return s.open(t, fmt.Sprint("suite-", n.Add(1)))
	}, storetest.Listed(300))
}

func TestReopen(t *testing.T) {
	s := start(t)
	storetest.Reopen(t, func(t *testing.T) vaultstore.Store { return s.open(t, "reopened") })
}

var token = vaultstore.Address{Owner: "alice", Connector: "github", Instance: "default", Grant: "self", Name: "TOKEN"}

func put(t *testing.T, store vaultstore.Store, value string) {
	t.Helper()
	_, err := store.Put(t.Context(), entry(value), vaultstore.AnyGeneration)
	must(t, err)
}

func entry(value string) vaultstore.Entry {
	return vaultstore.Entry{Address: token, Class: abi.ClassToken, Stages: map[vaultstore.Stage]vaultstore.Version{
		vaultstore.Current: {Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered},
	}}
}

// A sealed server is said to be sealed, and unsealed it has what it had.
func TestSealedAndUnsealed(t *testing.T) {
	s := start(t)
	store := s.open(t, "sealed")
	put(t, store, "kept")
	must(t, s.core.Seal(s.root))
	_, err := store.Get(t.Context(), token)
	if err == nil || errors.Is(err, vaultstore.ErrNotFound) || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("sealed: got %v", err)
	}
	if _, err := store.Put(t.Context(), entry("lost"), vaultstore.AnyGeneration); err == nil || strings.Contains(err.Error(), "lost") {
		t.Errorf("sealed: put returned %v", err)
	}
	for _, key := range s.unseal {
		_, err := vault.TestCoreUnseal(s.core, key)
		must(t, err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		e, err := store.Get(t.Context(), token)
		if err == nil {
			if string(e.Stages[vaultstore.Current].Value.Reveal()) != "kept" || e.Generation != 1 {
				t.Error("unsealed, it has something else")
			}
			return
		}
		if errors.Is(err, vaultstore.ErrNotFound) || time.Now().After(deadline) {
			t.Fatalf("unsealed: got %v", err)
		}
	}
}

// What somebody deletes at the server is missing, not absent; undeleted it is
// there again, and our own delete leaves no old version readable.
func TestDeletedAtTheServer(t *testing.T) {
	s := start(t)
	store := s.open(t, "deleted")
	put(t, store, "value")
	engine := s.client.KVv2("kv")
	list, err := s.client.Logical().ListWithContext(t.Context(), "kv/metadata/deleted/"+store.Shelf("alice"))
	must(t, err)
	path := "deleted/" + store.Shelf("alice") + "/" + list.Data["keys"].([]any)[0].(string)
	must(t, engine.Delete(t.Context(), path))
	if _, err := store.Get(t.Context(), token); !errors.Is(err, vaultstore.ErrMissing) {
		t.Errorf("got %v", err)
	}
	if _, err := store.Put(t.Context(), entry("over it"), vaultstore.AnyGeneration); !errors.Is(err, vaultstore.ErrMissing) {
		t.Errorf("put over it: %v", err)
	}
	must(t, engine.Undelete(t.Context(), path, []int{1}))
	_, err = store.Get(t.Context(), token)
	must(t, err)
	must(t, store.Delete(t.Context(), token, 1))
	if old, err := engine.GetVersion(t.Context(), path, 1); err == nil && old.Data != nil {
		t.Error("the version before the delete can still be read")
	}
}

// An AppRole logs in and writes; a wrong secret id is refused, and not quoted.
func TestAppRole(t *testing.T) {
	s := start(t)
	must(t, s.client.Sys().EnableAuthWithOptionsWithContext(t.Context(), "approle", &api.EnableAuthOptions{Type: "approle"}))
	must(t, s.client.Sys().PutPolicyWithContext(t.Context(), "ours", `path "kv/*" { capabilities = ["create","read","update","delete","list"] }`))
	write := func(path string, data map[string]any) *api.Secret {
		secret, err := s.client.Logical().WriteWithContext(t.Context(), path, data)
		must(t, err)
		return secret
	}
	write("auth/approle/role/ours", map[string]any{"token_policies": "ours", "token_ttl": "1h"})
	role, err := s.client.Logical().ReadWithContext(t.Context(), "auth/approle/role/ours/role-id")
	must(t, err)
	secret := write("auth/approle/role/ours/secret-id", nil)

	o := s.options(t, "approle")
	right := openbao.AppRole{RoleID: role.Data["role_id"].(string), SecretID: vaultstore.NewSecret([]byte(secret.Data["secret_id"].(string)))}
	o.Auth = right
	store, err := openbao.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	put(t, store, "value")

	o.Auth = openbao.AppRole{RoleID: right.RoleID, SecretID: vaultstore.NewSecret([]byte("canary-secret-id"))}
	if _, err := openbao.Open(t.Context(), o); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a wrong secret id: %v", err)
	}
}
