package capabilities_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// A collector may use a token where the manifest and the owner say, and
// nowhere else.
func ExampleDecide() {
	scope := capabilities.Scope{Owner: "owner", Connector: "contacts", Instance: "default", Grant: "self"}
	now := time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
	basic := manifests.Position{Kind: manifests.AsBasic}
	digest := strings.Repeat("0f", 32)
	request := capabilities.Request{
		Op: capabilities.OpSend, Now: now, Scope: scope,
		Role: abi.RoleCollector, Mode: capabilities.ModeLocal, Name: "APP_PASSWORD", Access: abi.AccessUse,
		Declared: &manifests.Credential{
			Name: "APP_PASSWORD", Class: abi.ClassToken, Access: []abi.Access{abi.AccessUse},
			SendTo: []manifests.Destination{{
				Origin: "https://dav.example.com", Methods: []string{"GET"}, Paths: []string{"/**"}, As: basic}},
		},
		Standing: capabilities.Standing{Approval: &capabilities.Approval{
			Scope: scope, ManifestSHA256: digest, Modules: map[abi.Role]string{abi.RoleCollector: digest},
			Mode: capabilities.ModeLocal,
			Credentials: []capabilities.ApprovedCredential{{
				Name: "APP_PASSWORD", Class: abi.ClassToken, Access: []abi.Access{abi.AccessUse},
				SendTo: []capabilities.ApprovedDestination{{
					Origin: "https://dav.example.com", Methods: []string{"GET"}, Paths: []string{"/**"}, As: "basic"}},
			}},
		}},
		ManifestSHA256: digest, ModuleSHA256: digest,
		Stored: &capabilities.Stored{
			Class: abi.ClassToken, Provenance: vaultstore.UserEntered, Status: vaultstore.Active, Scope: scope},
		Target: manifests.Target{
			Origin: manifests.Origin{Scheme: "https", Host: "dav.example.com", Port: 443}, Method: "GET", Path: "/ann"},
		Position: basic,
	}
	fmt.Println(capabilities.Decide(request).Allowed)

	request.Target.Origin.Host = "evil.example.net"
	verdict := capabilities.Decide(request)
	fmt.Println(verdict.Allowed, verdict.Status, verdict.Rule)
	fmt.Println(verdict.Reason)
	// Output:
	// true
	// false denied destination_not_declared
	// the manifest declares no destination for APP_PASSWORD at https://evil.example.net
}

// A revocation outlives its own file: the mark that the caller keeps says
// that something newer than the old approval was seen.
func ExampleResolve() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // for the example only
	public := key.Public().(ed25519.PublicKey)
	now := time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
	scope := capabilities.Scope{Owner: "owner", Connector: "contacts", Instance: "default", Grant: "self"}
	digest := strings.Repeat("0f", 32)
	approval, err := capabilities.SignApproval(key, capabilities.Approval{
		Version: capabilities.ApprovalVersion, ApprovalID: "a-1", Serial: 1, Scope: scope,
		ManifestSHA256: digest, Modules: map[abi.Role]string{abi.RoleCollector: digest},
		Options:     map[string]any{},
		Credentials: []capabilities.ApprovedCredential{}, Egress: []capabilities.ApprovedEgress{},
		Mode: capabilities.ModeLocal, ApprovedAt: now,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	revocation, err := capabilities.SignRevocation(key, capabilities.Revocation{
		Revokes: "a-1", Scope: scope, Serial: 2, At: now})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(capabilities.Resolve([][]byte{approval}, public, scope, 1).InForce())
	fmt.Println(capabilities.Resolve([][]byte{revocation, approval}, public, scope, 2).InForce())
	putBack := capabilities.Resolve([][]byte{approval}, public, scope, 2)
	fmt.Println(putBack.InForce(), putBack.Problems)
	// Output:
	// true
	// false
	// false [serial 2 was seen here once, but its envelope is gone]
}
