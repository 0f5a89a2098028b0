package capabilities

import (
	"slices"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

var capturing = []manifests.Capture{{Origin: "https://dav.example.com", Methods: []string{"POST"}, Paths: []string{"/tokens"}, From: "json:/token"}}

// storing is a put of a token by a bootstrap guest, which is allowed.
func storing() Request {
	r := testRequest()
	r.Role, r.ModuleSHA256, r.Stored = abi.RoleBootstrap, digestB, nil
	r.Declared.Capture = capturing
	r.Standing.Approval.Credentials[0].Capture = []ApprovedCapture{{Origin: "https://dav.example.com", Methods: []string{"POST"}, Paths: []string{"/tokens"}, From: "json:/token"}}
	return r
}

// TestDecideStoreIsTheTable holds role × class to DESIGN section 3.
func TestDecideStoreIsTheTable(t *testing.T) {
	may := map[abi.Role]abi.Class{abi.RoleBootstrap: abi.ClassToken, abi.RoleAutoLogin: abi.ClassSession}
	for _, role := range abi.Roles() {
		for _, class := range append(abi.Classes(), abi.ClassNone) {
			r := storing()
			r.Role, r.ModuleSHA256 = role, testModules[role]
			r.Declared.Class, r.Standing.Approval.Credentials[0].Class = class, class
			r.Declared.Identity = class == abi.ClassNone
			r.Standing.Approval.Credentials[0].Identity = class == abi.ClassNone
			want := class != abi.ClassNone && may[role] == class
			if v := DecideStore(r); v.Allowed != want {
				t.Errorf("%s puts %q: %+v, want allowed %v", role, class, v, want)
			}
		}
	}
}

func TestDecideStoreEachRule(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *Request)
		rule   Rule
	}{
		{"nothing", func(*Request) {}, RuleAllow},
		{"over its own", func(r *Request) {
			r.Stored = &Stored{Class: abi.ClassToken, Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Rejected, Scope: testScope}
		}, RuleAllow},
		{"over the owner's", func(r *Request) {
			r.Stored = &Stored{Class: abi.ClassToken, Provenance: vaultstore.UserEntered, Scope: testScope}
		}, RuleUserEntered},
		{"over a delegated one", func(r *Request) {
			r.Stored = &Stored{Class: abi.ClassToken, Provenance: vaultstore.GrantDelegated, Scope: testScope}
		}, RuleUserEntered},
		{"over a password", func(r *Request) {
			r.Stored = &Stored{Class: abi.ClassPassword, Provenance: vaultstore.AutoBootstrapped, Scope: testScope}
		}, RulePut},
		{"no rule", func(r *Request) { r.Declared.Capture = nil }, RuleCapture},
		{"rule not approved", func(r *Request) { r.Standing.Approval.Credentials[0].Capture = nil }, RuleCapture},
		{"raised by the manifest", func(r *Request) { r.Declared.Class = abi.ClassPassword }, RulePut},
		{"lowered by the manifest", func(r *Request) { r.Standing.Approval.Credentials[0].Class = abi.ClassSession }, RulePut},
		{"undeclared", func(r *Request) { r.Declared = nil }, RuleUndeclared},
		{"never approved", func(r *Request) { r.Standing = Standing{} }, RuleNoApproval},
		{"revoked", func(r *Request) { r.Standing.Revoked = true }, RuleRevoked},
		{"other manifest", func(r *Request) { r.ManifestSHA256 = digestOther }, RuleManifestDigest},
		{"other module", func(r *Request) { r.ModuleSHA256 = digestOther }, RuleModuleDigest},
		{"no scope", func(r *Request) { r.Scope.Owner = "" }, RuleMalformed},
	}
	for _, test := range tests {
		r := storing()
		test.change(&r)
		v := DecideStore(r)
		if v.Rule != test.rule || v.Allowed != (test.rule == RuleAllow) || !v.Allowed && v.Reason == "" {
			t.Errorf("%s: %+v, want %s", test.name, v, test.rule)
		}
	}
}

func TestDecideCall(t *testing.T) {
	target := manifests.Target{Origin: davOrigin, Method: "POST", Path: "/token"}
	tests := []struct {
		name   string
		change func(r *Request)
		rule   Rule
	}{
		{"nothing", func(*Request) {}, RuleAllow},
		{"other path", func(r *Request) { r.Target.Path = "/tokens" }, RuleHostCall},
		{"other method", func(r *Request) { r.Target.Method = "GET" }, RuleHostCall},
		{"other origin", func(r *Request) { r.Target.Origin = evilOrigin }, RuleHostCall},
		{"for another credential", func(r *Request) { r.Standing.Approval.HostCalls[0].Credential = "OTHER" }, RuleHostCall},
		{"not listed", func(r *Request) { r.Standing.Approval.HostCalls = nil }, RuleHostCall},
		{"revoked", func(r *Request) { r.Standing.Revoked = true }, RuleRevoked},
		{"undeclared", func(r *Request) { r.Declared = nil }, RuleUndeclared},
		{"other manifest", func(r *Request) { r.ManifestSHA256 = digestOther }, RuleManifestDigest},
	}
	for _, test := range tests {
		r := testRequest()
		r.Target = target
		r.Standing.Approval.HostCalls = []ApprovedCall{{Credential: "APP_PASSWORD", Origin: "https://dav.example.com", Method: "POST", Path: "/token"}}
		test.change(&r)
		if v := DecideCall(r); v.Rule != test.rule || v.Allowed != (test.rule == RuleAllow) {
			t.Errorf("%s: %+v, want %s", test.name, v, test.rule)
		}
	}
}

func TestCaptures(t *testing.T) {
	r := storing()
	at := func(method, path string) []string {
		return r.Standing.Approval.Captures(r.Declared, manifests.Target{Origin: davOrigin, Method: method, Path: path})
	}
	if got := at("POST", "/tokens"); !slices.Equal(got, []string{"json:/token"}) {
		t.Errorf("a rule that is declared and approved captures %q", got)
	}
	if got := slices.Concat(at("GET", "/tokens"), at("POST", "/other")); len(got) > 0 {
		t.Errorf("captured elsewhere: %q", got)
	}
	r.Standing.Approval.Credentials[0].Capture[0].Paths = []string{"/narrower"}
	if got := at("POST", "/tokens"); len(got) > 0 {
		t.Errorf("captured beyond the approval: %q", got)
	}
}
