package capabilities

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// A world is one point in the product of everything that a decision rests on:
// an index into each list of [axes].
type world [axisCount]int

// The axes of the product.
const (
	axOp = iota
	axRole
	axMode
	axDeclared
	axApproved
	axStored
	axAccess
	axDeclaredAccess
	axApprovedAccess
	axDestination
	axGrant
	axManifest
	axModule
	axOrigin // where the stored value is from
	axState
	axisCount
)

// kinds are the classes of a credential, the class none standing for an
// identity, and "absent" for none at all.
var kinds = []string{"identity", "long_lived_token", "session", "password", "one_time", "absent"}

// axes lists what each axis may be. The test's own rule reads these words; the
// request that Decide gets is built from them in [world.request].
var axes = [axisCount][]string{
	axOp:             {"issue", "send"},
	axRole:           {"collector", "bootstrap", "auto_login"},
	axMode:           {"local", "hosted"},
	axDeclared:       kinds,
	axApproved:       kinds,
	axStored:         kinds,
	axAccess:         {"use", "sign", "totp", "reveal"},
	axDeclaredAccess: {"all", "use", "none"},
	axApprovedAccess: {"all", "use", "none"},
	axDestination: {"both", "declared only", "approved only", "neither",
		"wrong method", "wrong path", "wrong position", "wrong scheme"},
	axGrant:    {"active", "never", "revoked", "replayed", "expired", "ends now", "other scope", "other mode", "stale serial"},
	axManifest: {"same", "changed", "unknown"},
	axModule:   {"same", "changed", "role missing", "unknown"},
	axOrigin:   {"entered here", "bootstrapped here", "elsewhere", "delegated", "delegated by another owner", "unknown", "held here"},
	axState:    {"active", "suspect", "rejected", "expired", "ends now", "ends later", "odd"},
}

func (w world) word(axis int) string { return axes[axis][w[axis]] }

func (w world) String() string {
	s := ""
	for axis := range axes {
		s += fmt.Sprintf(" %q", w.word(axis))
	}
	return s
}

// handed is the table of DESIGN section 3, as it stands there: who is handed
// what for use.
var handed = map[string]string{
	"long_lived_token": "collector bootstrap auto_login",
	"session":          "collector bootstrap auto_login",
	"password":         "auto_login",
	"one_time":         "bootstrap auto_login",
	"identity":         "collector bootstrap auto_login",
}

// allowed states the rule again, as a list of all that must hold, in no order
// and without looking at how Decide goes about it.
func (w world) allowed() bool {
	in := func(axis int, words ...string) bool { return slices.Contains(words, w.word(axis)) }
	force := w.classInForce()
	secret := force != "identity"
	here := in(axOrigin, "entered here", "bootstrapped here", "held here")
	conditions := []bool{
		// The name is declared, approved and stored, as one kind of thing.
		!in(axDeclared, "absent"), !in(axApproved, "absent"), !in(axStored, "absent"), force != "",
		// The role may touch the class.
		contains(handed[force], w.word(axRole)),
		// The access is declared, approved and possible.
		in(axDeclaredAccess, "all") || in(axDeclaredAccess, "use") && in(axAccess, "use"),
		in(axApprovedAccess, "all") || in(axApprovedAccess, "use") && in(axAccess, "use"),
		!(in(axAccess, "reveal") && force == "password"),
		secret || in(axAccess, "use"),
		// It goes where both say.
		in(axOp, "issue") || !secret || in(axDestination, "both"),
		// The grant is active, for exactly what runs.
		in(axGrant, "active"), in(axManifest, "same"), in(axModule, "same"),
		// The value was provided for this scope, or delegated to it.
		here || in(axOrigin, "delegated") && force != "password",
		// It may have been kept, and is good.
		force != "one_time" || in(axOrigin, "held here"),
		force != "password" || in(axMode, "local") || in(axOrigin, "held here"),
		in(axState, "active", "suspect", "ends later"),
	}
	return !slices.Contains(conditions, false)
}

func contains(words, word string) bool {
	return slices.Contains(slices.Collect(fields(words)), word)
}

func fields(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := 0; i <= len(s); i++ {
			if i == len(s) || s[i] == ' ' {
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
	}
}

// classInForce is "" when the kinds cannot all be true of one value.
func (w world) classInForce() string {
	level := map[string]int{"long_lived_token": 1, "session": 2, "password": 3}
	kinds := []string{w.word(axDeclared), w.word(axApproved), w.word(axStored)}
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "absent" })
	// A secret that once was stored as an account name is a secret.
	if len(kinds) == 3 && kinds[0] != "identity" && kinds[1] != "identity" && kinds[2] == "identity" {
		kinds = kinds[:2]
	}
	slices.SortFunc(kinds, func(a, b string) int { return level[a] - level[b] })
	if len(kinds) == 0 || level[kinds[0]] == 0 && kinds[0] != kinds[len(kinds)-1] {
		return ""
	}
	if kinds[0] == "identity" || kinds[0] == "one_time" {
		for _, k := range kinds {
			if k != kinds[0] {
				return ""
			}
		}
	}
	return kinds[len(kinds)-1]
}

// silent reports whether the answer must be the one of a name that is not
// there at all: whatever is stored, the guest learns the same.
func (w world) silent() bool {
	return w.word(axDeclared) == "absent" || w.word(axApproved) == "absent" || w.word(axGrant) == "never"
}

func kindClass(kind string) abi.Class {
	if kind == "identity" {
		return abi.ClassNone
	}
	return abi.Class(kind)
}

func accessList(word string) []abi.Access {
	switch word {
	case "all":
		return abi.Accesses()
	case "use":
		return []abi.Access{abi.AccessUse}
	}
	return nil
}

// request builds what Decide is asked.
func (w world) request() Request {
	role := abi.Role(w.word(axRole))
	r := Request{
		Op: Op(w.word(axOp)), Now: noon, Scope: testScope, Role: role, Mode: Mode(w.word(axMode)),
		Name: "APP_PASSWORD", Access: abi.Access(w.word(axAccess)),
		ManifestSHA256: digestM, ModuleSHA256: testModules[role],
		Target: davTarget, Position: basic,
	}
	if kind := w.word(axDeclared); kind != "absent" {
		r.Declared = testCredential(kindClass(kind), accessList(w.word(axDeclaredAccess))...)
	}
	r.Standing = w.standing()
	r.Stored = w.stored()
	w.direct(&r)
	switch w.word(axManifest) {
	case "changed":
		r.ManifestSHA256 = digestOther
	case "unknown":
		r.ManifestSHA256 = ""
	}
	switch w.word(axModule) {
	case "changed":
		r.ModuleSHA256 = digestOther
	case "unknown":
		r.ModuleSHA256 = ""
	case "role missing":
		if r.Standing.Approval != nil {
			r.Standing.Approval.Modules = map[abi.Role]string{}
		}
		r.ModuleSHA256 = ""
	}
	return r
}

func (w world) standing() Standing {
	a := testApproval(kindClass(w.word(axApproved)), accessList(w.word(axApprovedAccess))...)
	a.Mode = Mode(w.word(axMode))
	if w.word(axApproved) == "absent" {
		a.Credentials = nil
	}
	s := Standing{Approval: a, HighWater: 1}
	switch w.word(axGrant) {
	case "never":
		return Standing{}
	case "revoked":
		s.Revoked, s.HighWater = true, 2
	case "replayed":
		s.Revoked, s.Replayed, s.HighWater = true, true, 2
	case "stale serial":
		s.HighWater = 2
	case "expired":
		a.ExpiresAt = noon.Add(-time.Second)
	case "ends now":
		a.ExpiresAt = noon
	case "other scope":
		a.Scope = otherGrant
	case "other mode":
		a.Mode = map[Mode]Mode{ModeLocal: ModeHosted, ModeHosted: ModeLocal}[a.Mode]
	}
	return s
}

func (w world) stored() *Stored {
	if w.word(axStored) == "absent" {
		return nil
	}
	s := &Stored{Class: kindClass(w.word(axStored)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, Scope: testScope}
	switch w.word(axOrigin) {
	case "bootstrapped here":
		s.Provenance = vaultstore.AutoBootstrapped
	case "elsewhere":
		s.Scope = otherGrant
	case "delegated":
		s.Scope, s.Delegated, s.Provenance = otherGrant, true, vaultstore.GrantDelegated
	case "delegated by another owner":
		s.Scope, s.Delegated = otherOwner, true
	case "unknown":
		s.Provenance = ""
	case "held here":
		s.Held, s.Provenance = true, ""
	}
	switch state := w.word(axState); state {
	case "active", "suspect", "rejected", "odd":
		s.Status = vaultstore.Status(state)
	case "expired":
		s.ExpiresAt = noon.Add(-time.Second)
	case "ends now":
		s.ExpiresAt = noon
	case "ends later":
		s.ExpiresAt = noon.Add(time.Second)
	}
	return s
}

// direct sends r elsewhere than the declaration, the approval, or both say.
func (w world) direct(r *Request) {
	word := w.word(axDestination)
	if word == "declared only" || word == "neither" {
		if a := r.Standing.Approval; a != nil && len(a.Credentials) > 0 {
			a.Credentials[0].SendTo[0].Origin = "https://other.example.com"
		}
	}
	if word == "approved only" || word == "neither" {
		if r.Declared != nil {
			r.Declared.SendTo[0].Origin = "https://other.example.com"
		}
	}
	switch word {
	case "wrong method":
		r.Target.Method = "POST"
	case "wrong path":
		r.Target.Path = "/davies"
	case "wrong position":
		r.Position = manifests.Position{Kind: manifests.AsHeader, Param: "Authorization"}
	case "wrong scheme":
		r.Target.Origin.Scheme = "http"
	}
}

// near yields every world that differs from a good one in at most two axes:
// good being everything in its first place, but for role, mode, operation,
// kind and access, which are all tried.
func near(yield func(world) bool) {
	for i := range 2 * 3 * 2 * 5 * 4 {
		var good world
		good[axOp], good[axRole], good[axMode] = i%2, i/2%3, i/6%2
		kind := i / 12 % 5
		good[axDeclared], good[axApproved], good[axStored] = kind, kind, kind
		good[axAccess] = i / 60 % 4
		for a := range axes {
			for b := range a {
				for j := range axes[a] {
					for k := range axes[b] {
						w := good
						w[a], w[b] = j, k
						if !yield(w) {
							return
						}
					}
				}
			}
		}
	}
}

// far yields n worlds from anywhere in the product, the same ones each time.
func far(n int) func(func(world) bool) {
	return func(yield func(world) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		for range n {
			var w world
			for axis := range w {
				w[axis] = random.IntN(len(axes[axis]))
			}
			if !yield(w) {
				return
			}
		}
	}
}

// TestDecideOverTheProduct holds Decide against the rule as [world.allowed]
// states it.
func TestDecideOverTheProduct(t *testing.T) {
	cases, allowed := 0, 0
	rules := map[Rule]int{}
	check := func(w world) bool {
		v := Decide(w.request())
		cases++
		rules[v.Rule]++
		switch {
		case v.Allowed != w.allowed():
			t.Errorf("Decide says %v by rule %s, the rule says %v:%v", v.Allowed, v.Rule, w.allowed(), w)
		case v.Allowed && (v.Status != abi.StatusOK || v.Class != kindClass(w.classInForce())):
			t.Errorf("allowed with status %s and class %q:%v", v.Status, v.Class, w)
		case !v.Allowed && (v.Status >= 0 || v.Reason == ""):
			t.Errorf("refused with status %s and reason %q:%v", v.Status, v.Reason, w)
		case w.silent() && v.Status != abi.StatusDenied:
			t.Errorf("tells %s of a name that is not declared and approved:%v", v.Status, w)
		}
		if v.Allowed {
			allowed++
		}
		return !t.Failed()
	}
	near(check)
	far(50_000)(check)
	t.Logf("%d cases, %d allowed, by rule %v", cases, allowed, rules)
	if cases < 100_000 || allowed < 1000 || len(rules) < len(Rules())-1 { // malformed is no axis
		t.Errorf("%d cases, %d allowed, %d rules: the test looks at too little", cases, allowed, len(rules))
	}
}

// TestDecideIsNoOracle: a guest that may not know of a credential gets the
// same answer whatever the vault holds.
func TestDecideIsNoOracle(t *testing.T) {
	probe := func(w world) bool {
		if !w.silent() {
			return true
		}
		empty := w
		empty[axStored] = slices.Index(kinds, "absent")
		got, want := Decide(w.request()), Decide(empty.request())
		if got.Status != want.Status || got.Status != abi.StatusDenied {
			t.Errorf("%s with a value, %s without:%v", got.Status, want.Status, w)
		}
		return !t.Failed()
	}
	near(probe)
	far(20_000)(probe)

	// What is another scope's looks like nothing at all.
	for _, from := range []string{"elsewhere", "delegated by another owner", "unknown"} {
		far(20_000)(func(w world) bool {
			w[axOrigin] = slices.Index(axes[axOrigin], from)
			empty := w
			empty[axStored] = slices.Index(kinds, "absent")
			if got, want := Decide(w.request()), Decide(empty.request()); got.Status != want.Status {
				t.Errorf("%s with a value, %s without:%v", got.Status, want.Status, w)
			}
			return !t.Failed()
		})
	}
}

// removals take one permission away from a request.
var removals = map[string]func(r *Request){
	"declaration":         func(r *Request) { r.Declared = nil },
	"approval":            func(r *Request) { r.Standing.Approval = nil },
	"revocation":          func(r *Request) { r.Standing.Revoked = true },
	"time of approval":    func(r *Request) { r.Standing.Approval.ExpiresAt = r.Now },
	"high water":          func(r *Request) { r.Standing.HighWater = r.Standing.Approval.Serial + 1 },
	"manifest":            func(r *Request) { r.Standing.Approval.ManifestSHA256 = digestOther },
	"module":              func(r *Request) { r.Standing.Approval.Modules = nil },
	"mode":                func(r *Request) { r.Standing.Approval.Mode = "" },
	"owner":               func(r *Request) { r.Standing.Approval.Owner = "eve" },
	"connector":           func(r *Request) { r.Standing.Approval.Connector = "eve" },
	"instance":            func(r *Request) { r.Standing.Approval.Instance = "eve" },
	"grant":               func(r *Request) { r.Standing.Approval.Grant = "eve" },
	"approved name":       func(r *Request) { r.Standing.Approval.Credentials[0].Name = "OTHER" },
	"declared access":     func(r *Request) { r.Declared.Access = nil },
	"approved access":     func(r *Request) { r.Standing.Approval.Credentials[0].Access = nil },
	"declared kind":       func(r *Request) { r.Declared.Identity = !r.Declared.Identity },
	"stored":              func(r *Request) { r.Stored = nil },
	"stored status":       func(r *Request) { r.Stored.Status = vaultstore.Rejected },
	"stored time":         func(r *Request) { r.Stored.ExpiresAt = r.Now },
	"stored scope":        func(r *Request) { r.Stored.Scope, r.Stored.Delegated = otherGrant, false },
	"declared send_to":    onlySecret(func(r *Request) { r.Declared.SendTo = nil }),
	"approved send_to":    onlySecret(func(r *Request) { r.Standing.Approval.Credentials[0].SendTo = nil }),
	"declared method":     onlySecret(func(r *Request) { r.Declared.SendTo[0].Methods = []string{"GET"} }),
	"approved method":     onlySecret(func(r *Request) { r.Standing.Approval.Credentials[0].SendTo[0].Methods = []string{"GET"} }),
	"declared path":       onlySecret(func(r *Request) { r.Declared.SendTo[0].Paths = []string{"/dav"} }),
	"approved path":       onlySecret(func(r *Request) { r.Standing.Approval.Credentials[0].SendTo[0].Paths = nil }),
	"declared position":   onlySecret(func(r *Request) { r.Declared.SendTo[0].As.Kind = manifests.AsURL }),
	"approved position":   onlySecret(func(r *Request) { r.Standing.Approval.Credentials[0].SendTo[0].As = "url" }),
	"class (unknown one)": func(r *Request) { r.Stored.Class = "root" },
}

// onlySecret removes what matters for a secret that is sent; from another
// request it removes the request's sense.
func onlySecret(remove func(r *Request)) func(r *Request) {
	return func(r *Request) {
		if r.Op != OpSend || r.Declared.Identity {
			r.Op = ""
		}
		remove(r)
	}
}

// TestDecideIsMonotonic: with any one permission removed, nothing that was
// allowed stays so.
func TestDecideIsMonotonic(t *testing.T) {
	tried, skip := 0, 0
	near(func(w world) bool {
		if skip++; skip%7 != 0 || !w.allowed() { // a seventh is plenty: 7 divides no axis
			return true
		}
		for name, remove := range removals {
			r := w.request()
			if remove(&r); Decide(r).Allowed {
				t.Errorf("still allowed without its %s:%v", name, w)
			}
			tried++
		}
		return !t.Failed()
	})
	if tried < 10_000 {
		t.Errorf("%d removals tried: the test looks at too little", tried)
	}
}
