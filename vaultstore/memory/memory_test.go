package memory_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
	"github.com/sallyport-host/sallyport/vaultstore/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) vaultstore.Store { return memory.New() })
}

func TestConformanceWithPasswords(t *testing.T) {
	storetest.Run(t, func(*testing.T) vaultstore.Store { return memory.New(memory.WithPasswords()) })
}

func TestPasswordNeedsTheOption(t *testing.T) {
	password := vaultstore.Entry{
		Address: vaultstore.Address{Owner: "alice", Connector: "bank", Instance: "default", Grant: "self", Name: "PASSWORD"},
		Class:   abi.ClassPassword,
		Stages: map[vaultstore.Stage]vaultstore.Version{
			vaultstore.Current: {Value: vaultstore.NewSecret([]byte("correct horse")), Provenance: vaultstore.UserEntered},
		},
	}
	_, err := memory.New().Put(t.Context(), password, vaultstore.CreateOnly)
	if !errors.Is(err, vaultstore.ErrClass) || !strings.Contains(err.Error(), "memory.WithPasswords") {
		t.Errorf("got %v, want a refusal that names the option", err)
	}
	if _, err := memory.New(memory.WithPasswords()).Put(t.Context(), password, vaultstore.CreateOnly); err != nil {
		t.Error(err)
	}
}

// Two stores share nothing, not even what an option changed.
func TestStoresAreIndependent(t *testing.T) {
	_ = memory.New(memory.WithPasswords())
	if ok, _ := memory.New().Capabilities().Stores(abi.ClassPassword); ok {
		t.Error("an option of one store changed another")
	}
}
