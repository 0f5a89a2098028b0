package capabilities

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The facts of the requests that the tests start from.
var (
	noon         = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
	testScope    = Scope{Owner: "ann", Connector: "contacts", Instance: "work", Grant: "self"}
	otherGrant   = Scope{Owner: "ann", Connector: "contacts", Instance: "work", Grant: "g-2"}
	otherOwner   = Scope{Owner: "bob", Connector: "contacts", Instance: "work", Grant: "self"}
	digestM      = strings.Repeat("ab", 32)
	digestC      = strings.Repeat("cd", 32)
	digestB      = strings.Repeat("ce", 32)
	digestA      = strings.Repeat("cf", 32)
	digestOther  = strings.Repeat("00", 32)
	davOrigin    = manifests.Origin{Scheme: "https", Host: "dav.example.com", Port: 443}
	evilOrigin   = manifests.Origin{Scheme: "https", Host: "evil.example.net", Port: 443}
	davTarget    = manifests.Target{Origin: davOrigin, Method: "PROPFIND", Path: "/dav/ann"}
	basic        = manifests.Position{Kind: manifests.AsBasic}
	testModules  = map[abi.Role]string{abi.RoleCollector: digestC, abi.RoleBootstrap: digestB, abi.RoleAutoLogin: digestA}
	canarySecret = "canary-7d1f-never-printed"
)

// testCredential is a declared credential with one destination.
func testCredential(class abi.Class, access ...abi.Access) *manifests.Credential {
	return &manifests.Credential{
		Name: "APP_PASSWORD", Aliases: []string{"DAV_PASSWORD"}, Class: class, Identity: class == abi.ClassNone, Access: access,
		SendTo: []manifests.Destination{{
			Origin: "https://dav.example.com", Methods: []string{"GET", "PROPFIND"}, Paths: []string{"/dav/**"}, As: basic}},
	}
}

// testApproval approves what [testCredential] declares.
func testApproval(class abi.Class, access ...abi.Access) *Approval {
	return &Approval{
		Version: 1, ApprovalID: "a-1", Serial: 1, Scope: testScope, ManifestSHA256: digestM, Modules: testModules,
		Options: map[string]any{},
		Credentials: []ApprovedCredential{{
			Name: "APP_PASSWORD", Class: class, Identity: class == abi.ClassNone, Access: access,
			SendTo: []ApprovedDestination{{
				Origin: "https://dav.example.com", Methods: []string{"GET", "PROPFIND"}, Paths: []string{"/dav/**"}, As: "basic"}},
		}},
		Egress: []ApprovedEgress{},
		Mode:   ModeLocal, ApprovedAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(time.Hour),
	}
}

// testRequest is a send of a token by a collector, which is allowed.
func testRequest() Request {
	return Request{
		Op: OpSend, Now: noon, Scope: testScope, Role: abi.RoleCollector, Mode: ModeLocal,
		Name: "APP_PASSWORD", Access: abi.AccessUse,
		Declared:       testCredential(abi.ClassToken, abi.AccessUse),
		Standing:       Standing{Approval: testApproval(abi.ClassToken, abi.AccessUse), HighWater: 1},
		ManifestSHA256: digestM, ModuleSHA256: digestC,
		Stored: &Stored{Class: abi.ClassToken, Provenance: vaultstore.UserEntered, Status: vaultstore.Active, Scope: testScope},
		Target: davTarget, Position: basic,
	}
}

// asLogin turns r into the use of a class by an auto_login guest.
func asLogin(r *Request, class abi.Class) {
	r.Role, r.ModuleSHA256 = abi.RoleAutoLogin, digestA
	asClass(r, class)
}

func asClass(r *Request, class abi.Class) {
	r.Declared.Class, r.Standing.Approval.Credentials[0].Class, r.Stored.Class = class, class, class
}

// TestDecideEachRule changes one thing in a request that is allowed.
func TestDecideEachRule(t *testing.T) {
	approve, set := "sallyport grant approve contacts", "sallyport vault set contacts APP_PASSWORD"
	tests := []struct {
		name   string
		change func(r *Request)
		rule   Rule
		status abi.Status
		reason string // a part of it
		remedy string // a part of it
	}{
		{"nothing", func(r *Request) {}, RuleAllow, abi.StatusOK, "", ""},
		{"alias", func(r *Request) { r.Name = "DAV_PASSWORD" }, RuleAllow, abi.StatusOK, "", ""},
		{"suspect", func(r *Request) { r.Stored.Status = vaultstore.Suspect }, RuleAllow, abi.StatusOK, "", ""},
		{"delegated", func(r *Request) {
			r.Stored.Scope, r.Stored.Delegated = otherGrant, true
		}, RuleAllow, abi.StatusOK, "", ""},
		{"no op", func(r *Request) { r.Op = "" }, RuleMalformed, abi.StatusDenied, "operation", ""},
		{"no role", func(r *Request) { r.Role = "admin" }, RuleMalformed, abi.StatusDenied, "role", ""},
		{"no access", func(r *Request) { r.Access = "" }, RuleMalformed, abi.StatusDenied, "access", ""},
		{"no mode", func(r *Request) { r.Mode = "" }, RuleMalformed, abi.StatusDenied, "mode", ""},
		{"no time", func(r *Request) { r.Now = time.Time{} }, RuleMalformed, abi.StatusDenied, "time", ""},
		{"no owner", func(r *Request) { r.Scope.Owner = "" }, RuleMalformed, abi.StatusDenied, "scope", ""},
		{"no position", func(r *Request) { r.Position = manifests.Position{} }, RuleMalformed, abi.StatusDenied, "position", ""},
		{"undeclared", func(r *Request) { r.Declared = nil }, RuleUndeclared, abi.StatusDenied, "declares no", "credentials_schema"},
		{"another's name", func(r *Request) { r.Name = "OTHER" }, RuleUndeclared, abi.StatusDenied, "declares no", "credentials_schema"},
		{"never approved", func(r *Request) { r.Standing = Standing{} }, RuleNoApproval, abi.StatusDenied, "not approved contacts", approve},
		{"revoked", func(r *Request) { r.Standing.Revoked = true }, RuleRevoked, abi.StatusRevoked, "took the approval back", approve},
		{"revoked alone", func(r *Request) { r.Standing = Standing{Revoked: true, HighWater: 2} }, RuleRevoked, abi.StatusDenied, "took", approve},
		{"all taken away", func(r *Request) { r.Standing = Standing{Revoked: true, Replayed: true, HighWater: 2} }, RuleReplay, abi.StatusDenied, "seen before", approve},
		{"replayed", func(r *Request) { r.Standing.Revoked, r.Standing.Replayed = true, true }, RuleReplay, abi.StatusRevoked, "seen before", approve},
		{"below the mark", func(r *Request) { r.Standing.HighWater = 2 }, RuleReplay, abi.StatusRevoked, "seen before", approve},
		{"another scope", func(r *Request) { r.Standing.Approval.Scope = otherGrant }, RuleOtherScope, abi.StatusDenied, "another owner", approve},
		{"approval expired", func(r *Request) { r.Now = noon.Add(time.Hour) }, RuleApprovalExpired, abi.StatusExpired, "2026-08-21T13:00:00Z", approve},
		{"another mode", func(r *Request) { r.Mode = ModeHosted }, RuleMode, abi.StatusDenied, `mode "hosted"`, approve},
		{"manifest changed", func(r *Request) { r.ManifestSHA256 = digestOther }, RuleManifestDigest, abi.StatusDenied, "manifest is not", approve},
		{"no manifest digest", func(r *Request) { r.ManifestSHA256, r.Standing.Approval.ManifestSHA256 = "", "" }, RuleManifestDigest, abi.StatusDenied, "manifest is not", approve},
		{"module changed", func(r *Request) { r.ModuleSHA256 = digestB }, RuleModuleDigest, abi.StatusDenied, "collector module", approve},
		{"role not approved", func(r *Request) {
			r.ModuleSHA256, r.Standing.Approval.Modules = "", map[abi.Role]string{abi.RoleBootstrap: digestB}
		}, RuleModuleDigest, abi.StatusDenied, "collector module", approve},
		{"not approved", func(r *Request) { r.Standing.Approval.Credentials = nil }, RuleUnapproved, abi.StatusDenied, "not part of the approval", approve},
		{"declared as identity", func(r *Request) {
			r.Declared.Identity, r.Declared.Class = true, abi.ClassNone
		}, RuleIdentity, abi.StatusDenied, "account name", approve},
		{"approved as identity", func(r *Request) {
			r.Standing.Approval.Credentials[0].Identity, r.Standing.Approval.Credentials[0].Class = true, abi.ClassNone
		}, RuleIdentity, abi.StatusDenied, "account name", approve},
		{"access not declared", func(r *Request) { r.Access = abi.AccessSign }, RuleAccessUndeclared, abi.StatusDenied, `access "sign"`, "approve again"},
		{"access not approved", func(r *Request) {
			r.Access, r.Declared.Access = abi.AccessSign, abi.Accesses()
		}, RuleAccessUnapproved, abi.StatusDenied, `access "sign"`, approve},
		{"one_time became a token", func(r *Request) { r.Declared.Class = abi.ClassOneTime }, RuleClassMixed, abi.StatusDenied, "contradict", set},
		{"stored one_time", func(r *Request) { r.Stored.Class = abi.ClassOneTime }, RuleClassMixed, abi.StatusDenied, "contradict", set},
		{"stored unknown", func(r *Request) { r.Stored.Class = "root" }, RuleClassMixed, abi.StatusDenied, "contradict", set},
		{"declared unknown", func(r *Request) { r.Declared.Class = "root" }, RuleClassMixed, abi.StatusDenied, "contradict", set},
		{"declared classless", func(r *Request) { r.Declared.Class = abi.ClassNone }, RuleClassMixed, abi.StatusDenied, "contradict", set},
		{"identity stored as token", func(r *Request) {
			asClass(r, abi.ClassNone)
			r.Declared.Identity, r.Standing.Approval.Credentials[0].Identity = true, true
			r.Stored.Class = abi.ClassToken
		}, RuleClassMixed, abi.StatusDenied, "contradict", set},
		{"reveal a password", func(r *Request) {
			asLogin(r, abi.ClassPassword)
			r.Access = abi.AccessReveal
			r.Declared.Access, r.Standing.Approval.Credentials[0].Access = abi.Accesses(), abi.Accesses()
		}, RuleReveal, abi.StatusDenied, "no guest ever reads", ""},
		{"reveal what is stored as a password", func(r *Request) {
			r.Role, r.ModuleSHA256, r.Access = abi.RoleAutoLogin, digestA, abi.AccessReveal
			r.Declared.Access, r.Standing.Approval.Credentials[0].Access = abi.Accesses(), abi.Accesses()
			r.Stored.Class = abi.ClassPassword
		}, RuleReveal, abi.StatusDenied, "no guest ever reads", ""},
		{"collector and password", func(r *Request) { asClass(r, abi.ClassPassword) }, RuleRole, abi.StatusDenied, "collector role never uses a password", "auto_login"},
		{"collector and stored password", func(r *Request) { r.Stored.Class = abi.ClassPassword }, RuleRole, abi.StatusDenied, "collector role never", "auto_login"},
		{"collector and approved password", func(r *Request) {
			r.Standing.Approval.Credentials[0].Class = abi.ClassPassword
		}, RuleRole, abi.StatusDenied, "collector role never", "auto_login"},
		{"collector and one-time code", func(r *Request) { asClass(r, abi.ClassOneTime) }, RuleRole, abi.StatusDenied, "one-time code", "bootstrap"},
		{"undeclared origin", func(r *Request) { r.Target.Origin = evilOrigin }, RuleDestinationUndeclared, abi.StatusDenied, "at https://evil.example.net", "send_to"},
		{"undeclared method", func(r *Request) { r.Target.Method = "DELETE" }, RuleDestinationUndeclared, abi.StatusDenied, "method DELETE", "send_to"},
		{"undeclared path", func(r *Request) { r.Target.Path = "/admin" }, RuleDestinationUndeclared, abi.StatusDenied, "this path", "send_to"},
		{"undeclared position", func(r *Request) { r.Position.Kind = manifests.AsURL }, RuleDestinationUndeclared, abi.StatusDenied, "as url", "send_to"},
		{"unapproved origin", func(r *Request) { approvedTo(r).Origin = "https://old.example.com" }, RuleDestinationUnapproved, abi.StatusDenied, "the owner approved no destination", approve},
		{"unapproved method", func(r *Request) { approvedTo(r).Methods = []string{"GET"} }, RuleDestinationUnapproved, abi.StatusDenied, "method PROPFIND", approve},
		{"unapproved path", func(r *Request) { approvedTo(r).Paths = []string{"/dav/bob"} }, RuleDestinationUnapproved, abi.StatusDenied, "this path", approve},
		{"unapproved position", func(r *Request) { approvedTo(r).As = "header:Authorization" }, RuleDestinationUnapproved, abi.StatusDenied, "as basic", approve},
		{"unreadable position", func(r *Request) { approvedTo(r).As = "anywhere" }, RuleDestinationUnapproved, abi.StatusDenied, "approved no", approve},
		{"missing", func(r *Request) { r.Stored = nil }, RuleMissing, abi.StatusNotFound, "nothing is stored", set},
		{"another scope's", func(r *Request) { r.Stored.Scope = otherGrant }, RuleProvenance, abi.StatusNotFound, "another scope", set},
		{"another owner's delegation", func(r *Request) {
			r.Stored.Scope, r.Stored.Delegated = otherOwner, true
		}, RuleProvenance, abi.StatusNotFound, "another scope", set},
		{"a delegated copy", func(r *Request) { r.Stored.Provenance = vaultstore.GrantDelegated }, RuleProvenance, abi.StatusNotFound, "another scope", set},
		{"no provenance", func(r *Request) { r.Stored.Provenance = "" }, RuleProvenance, abi.StatusNotFound, "nobody knows", set},
		{"delegated password", func(r *Request) {
			asLogin(r, abi.ClassPassword)
			r.Stored.Scope, r.Stored.Delegated = otherGrant, true
		}, RuleDelegation, abi.StatusNotFound, "never delegated", set},
		{"stored one-time code", func(r *Request) { asLogin(r, abi.ClassOneTime) }, RuleStoredClass, abi.StatusDenied, "never stored", "when asked"},
		{"hosted password", func(r *Request) {
			asLogin(r, abi.ClassPassword)
			r.Mode, r.Standing.Approval.Mode = ModeHosted, ModeHosted
		}, RuleStoredClass, abi.StatusDenied, "hosted box", "sallyport vault rm contacts APP_PASSWORD"},
		{"expired", func(r *Request) { r.Stored.ExpiresAt = noon }, RuleExpired, abi.StatusExpired, "2026-08-21T12:00:00Z", set},
		{"rejected", func(r *Request) { r.Stored.Status = vaultstore.Rejected }, RuleRejected, abi.StatusRejected, "source refused", set},
		{"unknown status", func(r *Request) { r.Stored.Status = "" }, RuleRejected, abi.StatusRejected, "unknown", set},
	}
	seen := map[Rule]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := testRequest()
			test.change(&r)
			v := Decide(r)
			seen[v.Rule] = true
			if v.Rule != test.rule || v.Status != test.status || v.Allowed != (test.rule == RuleAllow) {
				t.Fatalf("got %+v, want rule %s, status %s", v, test.rule, test.status)
			}
			if !strings.Contains(v.Reason, test.reason) || !strings.Contains(v.Remedy, test.remedy) {
				t.Errorf("reason %q and remedy %q should hold %q and %q", v.Reason, v.Remedy, test.reason, test.remedy)
			}
			if (v.Reason == "") != v.Allowed || strings.Contains(v.Reason+v.Remedy, "\n") {
				t.Errorf("a refusal has one line of reason, an answer none: %q", v.Reason)
			}
		})
	}
	for _, rule := range Rules() {
		if !seen[rule] {
			t.Errorf("no case is decided by %s", rule)
		}
	}
}

func approvedTo(r *Request) *ApprovedDestination {
	return &r.Standing.Approval.Credentials[0].SendTo[0]
}

// TestDecideHeldValues: what is asked for each time is held, and held values
// need no provenance.
func TestDecideHeldValues(t *testing.T) {
	for _, class := range []abi.Class{abi.ClassOneTime, abi.ClassPassword} {
		r := testRequest()
		asLogin(&r, class)
		r.Mode, r.Standing.Approval.Mode = ModeHosted, ModeHosted
		r.Stored.Held, r.Stored.Provenance = true, ""
		if v := Decide(r); !v.Allowed || v.Class != class {
			t.Errorf("%s held: got %+v", class, v)
		}
	}
}

// TestDecideIdentity: an account name goes anywhere in any role, once it is
// approved.
func TestDecideIdentity(t *testing.T) {
	for role, digest := range testModules {
		r := testRequest()
		asClass(&r, abi.ClassNone)
		r.Declared.Identity, r.Standing.Approval.Credentials[0].Identity = true, true
		r.Role, r.ModuleSHA256, r.Target.Origin = role, digest, evilOrigin
		if v := Decide(r); !v.Allowed || v.Class != abi.ClassNone {
			t.Errorf("%s: got %+v", role, v)
		}
		r.Declared.Access, r.Standing.Approval.Credentials[0].Access = abi.Accesses(), abi.Accesses()
		r.Access = abi.AccessSign
		if v := Decide(r); v.Rule != RuleIdentity {
			t.Errorf("%s signs with an account name: got %+v", role, v)
		}
	}
}

// TestDecideClassInForce: a manifest raises the class, and never lowers it.
func TestDecideClassInForce(t *testing.T) {
	order := []abi.Class{abi.ClassToken, abi.ClassSession, abi.ClassPassword}
	for i, declared := range order {
		for j, approved := range order {
			for k, stored := range order {
				r := testRequest()
				asLogin(&r, declared)
				r.Standing.Approval.Credentials[0].Class, r.Stored.Class = approved, stored
				if v := Decide(r); !v.Allowed || v.Class != order[max(i, j, k)] {
					t.Errorf("declared %s, approved %s, stored %s: got %+v", declared, approved, stored, v)
				}
			}
		}
	}
}

// TestDecideTellsNoNames: what the guest chose is not in the owner's text, as
// it goes to the audit log.
func TestDecideTellsNoNames(t *testing.T) {
	r := testRequest()
	r.Name = canarySecret
	undeclared := Decide(r)
	r = testRequest()
	r.Target.Path = "/" + canarySecret
	path := Decide(r)
	r = testRequest()
	r.Target.Method = strings.ToLower(canarySecret)
	method := Decide(r)
	for _, v := range []Verdict{undeclared, path, method} {
		if v.Allowed || strings.Contains(v.Reason+v.Remedy, canarySecret) {
			t.Errorf("got %+v", v)
		}
	}
}

func TestDecideAllocatesNothingWhenAllowed(t *testing.T) {
	r := testRequest()
	if n := testing.AllocsPerRun(100, func() {
		if !Decide(r).Allowed {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestActive: it refuses by the same rules as Decide, with the same words, and
// looks at no credential.
func TestActive(t *testing.T) {
	far(20_000)(func(w world) bool {
		r := w.request()
		r.Name, r.Access, r.Op, r.Stored = "", "", "", nil
		r.Declared = nil
		got := Active(r)
		full := w
		full[axDeclared], full[axApproved], full[axStored], full[axOp] = 1, 1, 1, 0
		full[axAccess], full[axDeclaredAccess], full[axApprovedAccess], full[axOrigin], full[axState] = 0, 0, 0, 0, 0
		want := Decide(full.request())
		if got.Allowed != want.Allowed || got.Rule != want.Rule || got.Reason != want.Reason || got.Remedy != want.Remedy || got.Status != want.Status {
			t.Errorf("got %+v, want %+v:%v", got, want, w)
		}
		return !t.Failed()
	})
	for name, change := range map[string]func(r *Request){
		"role":  func(r *Request) { r.Role = "" },
		"mode":  func(r *Request) { r.Mode = "" },
		"time":  func(r *Request) { r.Now = time.Time{} },
		"scope": func(r *Request) { r.Scope = Scope{} },
	} {
		r := testRequest()
		change(&r)
		if v := Active(r); v.Rule != RuleMalformed || !strings.Contains(v.Reason, name) {
			t.Errorf("without %s: got %+v", name, v)
		}
	}
	if Active(Request{}).Allowed {
		t.Error("the zero value is active")
	}
}

func TestZeroVerdictRefuses(t *testing.T) {
	if (Verdict{}).Allowed || Decide(Request{}).Allowed {
		t.Error("the zero value allows")
	}
}

func BenchmarkDecideSend(b *testing.B) {
	r := testRequest()
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(r).Allowed {
			b.Fatal("refused")
		}
	}
}

// TestDecideLeavesTheRequest: Decide keeps and changes nothing that it is
// given, and answers the same each time.
func TestDecideLeavesTheRequest(t *testing.T) {
	r, want := testRequest(), testRequest()
	first := Decide(r)
	for range 3 {
		if again := Decide(r); again != first {
			t.Errorf("got %+v, then %+v", first, again)
		}
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("the request was changed: %+v", r)
	}
}
