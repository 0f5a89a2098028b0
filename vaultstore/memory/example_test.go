package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// A program that gets its credentials from elsewhere puts them into a vault in
// memory and gives that to a host.
func Example() {
	ctx := context.Background()
	store := memory.New()
	defer store.Close()

	entry := vaultstore.Entry{
		Address: vaultstore.Address{
			Owner: "alice", Connector: "github",
			Instance: vaultstore.DefaultInstance, Grant: vaultstore.SelfGrant, Name: "TOKEN",
		},
		Class: abi.ClassToken,
		Stages: map[vaultstore.Stage]vaultstore.Version{
			vaultstore.Current: {
				Value:      vaultstore.NewSecret([]byte("not-a-real-token")),
				Provenance: vaultstore.UserEntered,
				ObtainedAt: time.Now(),
			},
		},
	}
	if _, err := store.Put(ctx, entry, vaultstore.CreateOnly); err != nil {
		log.Fatal(err)
	}
	for info, err := range store.List(ctx, "alice") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Address, info.Class, info.Generation)
	}

	// A second writer that did not see the first one is told so.
	_, err := store.Put(ctx, entry, vaultstore.CreateOnly)
	fmt.Println(errors.Is(err, vaultstore.ErrConflict))
	// Output:
	// alice/github/default/self/TOKEN long_lived_token 1
	// true
}

// What a backend cannot keep, it says, with the reason.
func ExampleStore_Capabilities() {
	ok, why := memory.New().Capabilities().Stores(abi.ClassOneTime)
	fmt.Println(ok, why)
	// Output: false a one-time value is never stored anywhere
}
