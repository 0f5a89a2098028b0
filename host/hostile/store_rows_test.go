package hostile_test

import (
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// storeRows are tricks of those that may store.
var storeRows = []row{
	{
		name: "put: a login",
		role: abi.RoleAutoLogin, got: []string{"200 0", "-1 -1"}, told: used("SESSION"),
	},
	{
		name: "put: a password, captured as a session",
		role: abi.RoleAutoLogin, code: "*", told: leak("PASSWORD"), check: nothingStored("SESSION"),
	},
	{
		name: "put: what is meant",
		role: abi.RoleBootstrap, got: []string{"0"}, told: used("MINTED"),
	},
	{
		name: "put: used before it is promoted",
		role: abi.RoleBootstrap, got: []string{"0", "use -2", "as another: failed -1"}, told: notAllowed("MINTED", "not_stored"),
	},
	{
		name: "put: many, and the first told again",
		role: abi.RoleBootstrap, got: []string{"200 again: <surrogate>", "1"}, told: used("TOKEN"),
	},
	{
		name: "put: another credential's surrogate",
		role: abi.RoleBootstrap, got: []string{"-1 -1 -1"}, told: notAllowed("TOKEN", "capture_not_approved"),
	},
	{
		name: "put: a password's surrogate",
		role: abi.RoleBootstrap, got: []string{"-1 -1"}, told: notAllowed("MINTED", "not_captured"),
	},
	{
		name: "put: a value",
		role: abi.RoleBootstrap, got: []string{"-1"}, told: notAllowed("MINTED", "not_captured"), holds: []string{"REVEALED"},
	},
	{
		name: "put: anything",
		role: abi.RoleBootstrap, got: []string{"-1 -1 -1"}, told: notAllowed("MINTED", "not_captured"),
	},
	{
		name: "put: under another name",
		role: abi.RoleBootstrap, got: []string{"-1 -1 -1"}, told: notAllowed("", "not_declared"),
	},
	{
		name: "put: a captured value told",
		role: abi.RoleBootstrap, got: []string{"1", "failed -1", "failed -1", "200 again: <surrogate>"}, told: notThere("MINTED"),
	},
	{
		name: "put: what was captured is echoed elsewhere",
		role: abi.RoleBootstrap, code: abi.CodeLeakBlocked, told: leak("MINTED"),
	},
	{
		name: "put: in a header and twice",
		role: abi.RoleBootstrap, got: []string{"3 200"}, told: used("TOKEN"),
	},
	{
		name: "put: no JSON",
		role: abi.RoleBootstrap, got: []string{"failed unavailable"}, told: notSent("answer"),
	},
	{
		name: "put: another credential's value, captured",
		role: abi.RoleBootstrap, code: "*", told: leak("TOKEN"), check: nothingStored("LAUNDRY"),
	},
}

// nothingStored asserts that the vault has no value under a name.
func nothingStored(name string) func(*testing.T, *world, *outcome) {
	return func(t *testing.T, w *world, o *outcome) {
		entry, err := w.vault.Get(t.Context(), w.scope(o.owner).Address(name))
		if err == nil && len(entry.Stages) > 0 {
			t.Errorf("something was stored as %s", name)
		}
	}
}
