package capabilities

import (
	"fmt"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The rules of [DecideStore] and [DecideCall], beside those of [Decide].
const (
	// RulePut: this role never stores this class.
	RulePut Rule = "role_class_put"
	// RuleCapture: the manifest or the approval has no rule that captures it.
	RuleCapture Rule = "capture_not_approved"
	// RuleUserEntered: what an owner entered is never written over.
	RuleUserEntered Rule = "user_entered"
	// RuleHostCall: the owner did not approve that the host calls there.
	RuleHostCall Rule = "host_call_not_approved"
)

// DecideStore answers whether a guest may store a value that the host
// captured for r.Name. r.Stored is the version in use now, nil when there is
// none; Op, Access, Target and Position are not looked at. It is as pure as
// [Decide], and asks in the same order.
func DecideStore(r Request) Verdict {
	if v := stated(misstated(&r)); v.Rule != "" {
		return v
	}
	approved, v := unconsented(&r)
	if v.Rule != "" {
		return v
	}
	return unkept(&r, approved)
}

// unkept asks whether the role may store the class, and whether something
// stands in the way.
func unkept(r *Request, approved *ApprovedCredential) Verdict {
	name := r.Declared.Name
	classes := []abi.Class{approved.Class, r.Declared.Class}
	if r.Stored != nil {
		classes = append(classes, r.Stored.Class)
	}
	class, ok := abi.Highest(classes...)
	switch {
	case !ok || r.Declared.Identity != approved.Identity || r.Declared.Identity != (class == abi.ClassNone):
		return mixed(r)
	case !mayPut(r.Role, class):
		return refuse(RulePut, abi.StatusDenied, class,
			fmt.Sprintf("the %s role never stores %s, which %s is", r.Role, aClass(class), name), "let the owner run: "+SetCommand(r.Scope, name))
	case len(r.Declared.Capture) == 0 || len(approved.Capture) == 0:
		return refuse(RuleCapture, abi.StatusDenied, class,
			"nothing that is approved captures "+name, "add a rule to capture in the manifest, and run: "+ApproveCommand(r.Scope))
	case r.Stored != nil && r.Stored.Provenance != vaultstore.AutoBootstrapped:
		return refuse(RuleUserEntered, abi.StatusDenied, class,
			"the owner entered "+name+", and no guest writes over that", "run: "+RemoveCommand(r.Scope, name))
	}
	return Verdict{Allowed: true, Rule: RuleAllow, Status: abi.StatusOK, Class: class}
}

// mayPut is the put column of DESIGN section 3. What it does not know, it
// refuses.
func mayPut(role abi.Role, class abi.Class) bool {
	return role == abi.RoleBootstrap && class == abi.ClassToken || role == abi.RoleAutoLogin && class == abi.ClassSession
}

// DecideCall answers whether the host itself may call r.Target for the
// credential r.Name: to probe, to renew, to take back. Only what the approval
// lists under host_calls is allowed. Whether a credential's value may be part
// of the call is asked of [Decide], for each.
func DecideCall(r Request) Verdict {
	if v := stated(misstated(&r)); v.Rule != "" {
		return v
	}
	approved, v := unconsented(&r)
	if v.Rule != "" {
		return v
	}
	for _, call := range r.Standing.Approval.HostCalls {
		if call.Credential == r.Declared.Name && call.Origin == r.Target.Origin.String() && call.Method == r.Target.Method && call.Path == r.Target.Path {
			return Verdict{Allowed: true, Rule: RuleAllow, Status: abi.StatusOK, Class: approved.Class}
		}
	}
	return refuse(RuleHostCall, abi.StatusDenied, approved.Class,
		fmt.Sprintf("the owner did not approve that Sallyport calls %s for %s", r.Target.Origin, r.Declared.Name), "run: "+ApproveCommand(r.Scope))
}

// Captures reports whether both the bound manifest and the approval take a
// new value of declared out of the answer to a request for t, and from where
// in it.
func (a *Approval) Captures(declared *manifests.Credential, t manifests.Target) (from []string) {
	approved := a.Credential(declared.Name)
	if approved == nil {
		return nil
	}
	for _, rule := range declared.Capture {
		for _, ok := range approved.Capture {
			if ok.From == rule.From && captures(rule.Origin, rule.Methods, rule.Paths, t) && captures(ok.Origin, ok.Methods, ok.Paths, t) {
				from = append(from, rule.From)
				break
			}
		}
	}
	return from
}

func captures(origin string, methods, paths []string, t manifests.Target) bool {
	return manifests.MatchOrigin(origin, t.Origin) && manifests.MatchMethod(methods, t.Method) && manifests.MatchPath(paths, t.Path)
}
