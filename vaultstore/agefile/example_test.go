package agefile_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/agefile"
)

// A vault is made once, with a recovery identity that goes elsewhere, and
// opened from then on.
func Example() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "sallyport-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	dir, keys := filepath.Join(home, "vault"), filepath.Join(home, "keys")

	made, err := agefile.Init(ctx, dir, agefile.InitOptions{KeysDir: keys})
	if err != nil {
		log.Fatal(err)
	}
	// Keep this away from the vault: it opens what the vault's own keys open.
	err = os.WriteFile(filepath.Join(home, "recovery.txt"), made.RecoveryIdentity.Reveal(), 0o600)
	if err != nil {
		log.Fatal(err)
	}

	store, err := agefile.Open(ctx, agefile.Options{Dir: dir, KeysDir: keys})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	address := vaultstore.Address{
		Owner: "alice", Connector: "github",
		Instance: vaultstore.DefaultInstance, Grant: vaultstore.SelfGrant, Name: "TOKEN",
	}
	generation, err := store.Put(ctx, vaultstore.Entry{
		Address: address,
		Class:   abi.ClassToken,
		Stages: map[vaultstore.Stage]vaultstore.Version{
			vaultstore.Current: {
				Value:      vaultstore.NewSecret([]byte("not-a-real-token")),
				Provenance: vaultstore.UserEntered,
				ObtainedAt: time.Now(),
			},
		},
	}, vaultstore.CreateOnly)
	if err != nil {
		log.Fatal(err)
	}

	entry, err := store.Get(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	value := entry.Stages[vaultstore.Current].Value
	fmt.Println(generation, entry.Class, value, value.Len())
	// Output: 1 long_lived_token [redacted] 16
}

// The host derives keys of its own from the vault.
func ExampleStore_HostKey() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "sallyport-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	dir, keys := filepath.Join(home, "vault"), filepath.Join(home, "keys")
	if _, err := agefile.Init(ctx, dir, agefile.InitOptions{KeysDir: keys}); err != nil {
		log.Fatal(err)
	}
	store, err := agefile.Open(ctx, agefile.Options{Dir: dir, KeysDir: keys})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	seed, err := store.HostKey(ctx, "approvals/v1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(seed), "bytes")
	// Output: 32 bytes
}
