package capabilities

import (
	"fmt"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// Each question of [Decide] answers with a Verdict whose Rule is "" when it
// does not refuse. Text is only put together on the way to a refusal.

func refuse(rule Rule, status abi.Status, class abi.Class, reason, remedy string) Verdict {
	return Verdict{Rule: rule, Status: status, Class: class, Reason: reason, Remedy: remedy}
}

// malformed asks whether the host's question makes sense at all.
func malformed(r *Request) Verdict {
	what := misstated(r)
	switch {
	case what != "":
	case r.Op != OpIssue && r.Op != OpSend:
		what = "operation"
	case !r.Access.Valid():
		what = "access"
	case r.Op == OpSend && r.Position.Kind == "":
		what = "position"
	}
	return stated(what)
}

// misstated names what is wrong with the part of a question that is about the
// run, "" when nothing is.
func misstated(r *Request) string {
	switch {
	case !r.Role.Valid():
		return "role"
	case !r.Mode.Valid():
		return "deployment mode"
	case r.Now.IsZero():
		return "time"
	case !r.Scope.complete():
		return "scope"
	}
	return ""
}

func stated(what string) Verdict {
	if what == "" {
		return Verdict{}
	}
	return refuse(RuleMalformed, abi.StatusDenied, abi.ClassNone, "the request states no valid "+what, "")
}

// undeclared asks whether the manifest names the credential. The name comes
// from the guest: it is not repeated.
func undeclared(r *Request) Verdict {
	d := r.Declared
	if d == nil || d.Name == "" || d.Name != r.Name && !slices.Contains(d.Aliases, r.Name) {
		return refuse(RuleUndeclared, abi.StatusDenied, abi.ClassNone,
			"the manifest declares no credential of that name", "declare it in credentials_schema, and approve again")
	}
	return Verdict{}
}

// unasked asks whether the owner ever gave an approval, be it in force or not.
func unasked(r *Request) Verdict {
	s := &r.Standing
	no := func(rule Rule, reason string) Verdict {
		return refuse(rule, abi.StatusDenied, abi.ClassNone, reason, "run: "+ApproveCommand(r.Scope))
	}
	switch {
	case s.Approval != nil:
		return Verdict{}
	case s.Replayed:
		return no(RuleReplay, contradiction(s))
	case s.Revoked:
		return no(RuleRevoked, "the owner took the approval back")
	}
	return no(RuleNoApproval, "the owner has not approved "+r.Scope.Connector)
}

// unapproved asks whether the approval names the credential. A guest learns
// nothing about one that it does not, so this comes before whether the
// approval is in force.
func unapproved(r *Request) (*ApprovedCredential, Verdict) {
	approved := r.Standing.Approval.Credential(r.Declared.Name)
	if approved == nil {
		return nil, refuse(RuleUnapproved, abi.StatusDenied, r.Declared.Class,
			r.Declared.Name+" is not part of the approval", "run: "+ApproveCommand(r.Scope))
	}
	return approved, Verdict{}
}

// inactive asks whether the approval, which there is, is in force now for what
// runs. It does not look at the credential.
func inactive(r *Request) Verdict {
	s, a := &r.Standing, r.Standing.Approval
	no := func(rule Rule, status abi.Status, reason string) Verdict {
		return refuse(rule, status, abi.ClassNone, reason, "run: "+ApproveCommand(r.Scope))
	}
	switch {
	case s.Replayed || s.newest() < s.HighWater && !s.Revoked:
		return no(RuleReplay, abi.StatusRevoked, contradiction(s))
	case s.Revoked:
		return revoked(r)
	case a.Scope != r.Scope:
		return no(RuleOtherScope, abi.StatusDenied, "the approval is of another owner, connector, instance or grant")
	case !a.ExpiresAt.IsZero() && !r.Now.Before(a.ExpiresAt):
		return no(RuleApprovalExpired, abi.StatusExpired, "the approval ended at "+stamp(a.ExpiresAt))
	case a.Mode != r.Mode:
		return no(RuleMode, abi.StatusDenied, fmt.Sprintf("the approval is for mode %q, this host runs in mode %q", a.Mode, r.Mode))
	case r.ManifestSHA256 == "" || a.ManifestSHA256 != r.ManifestSHA256:
		return no(RuleManifestDigest, abi.StatusDenied, "the manifest is not the one that was approved")
	case r.ModuleSHA256 == "" || a.Modules[r.Role] != r.ModuleSHA256:
		return no(RuleModuleDigest, abi.StatusDenied, "the "+string(r.Role)+" module is not the one that was approved")
	}
	return Verdict{}
}

// revoked says who took the approval back, and what lifts that.
func revoked(r *Request) Verdict {
	reason, remedy := "the owner took the approval back", "run: "+ApproveCommand(r.Scope)
	if n := r.Standing.Strikes; n > 0 {
		reason = fmt.Sprintf("it was suspended after %d runs under one approval let a secret out, or tried to", n)
		remedy = "find out why, by: sallyport audit show --refused; then " + remedy
	}
	return refuse(RuleRevoked, abi.StatusRevoked, abi.ClassNone, reason, remedy)
}

func contradiction(s *Standing) string {
	return fmt.Sprintf("the approvals here do not agree with what was seen before, up to serial %d", s.HighWater)
}

// barred asks whether the credential is approved as the kind of thing that it
// is, and for the access that is wanted.
func barred(r *Request, approved *ApprovedCredential) Verdict {
	d := r.Declared
	switch {
	case d.Identity != approved.Identity:
		return refuse(RuleIdentity, abi.StatusDenied, approved.Class,
			d.Name+" was approved as an account name and is now a secret, or the other way round",
			"run: "+ApproveCommand(r.Scope))
	case !slices.Contains(d.Access, r.Access):
		return refuse(RuleAccessUndeclared, abi.StatusDenied, d.Class,
			fmt.Sprintf("the manifest does not declare access %q for %s", r.Access, d.Name),
			"add it to access, and approve again")
	case !slices.Contains(approved.Access, r.Access):
		return refuse(RuleAccessUnapproved, abi.StatusDenied, d.Class,
			fmt.Sprintf("access %q to %s is not part of the approval", r.Access, d.Name),
			"run: "+ApproveCommand(r.Scope))
	}
	return Verdict{}
}

// forbidden asks whether this role may touch the class that was declared and
// approved, before the vault is looked at.
func forbidden(r *Request, approved *ApprovedCredential) (abi.Class, Verdict) {
	class, ok := abi.Highest(approved.Class, r.Declared.Class)
	if !ok || !classed(approved.Class, approved.Identity) || !classed(r.Declared.Class, r.Declared.Identity) {
		return class, mixed(r)
	}
	return class, outOfBounds(r, class)
}

// classed reports whether class is what a credential of that kind has: one of
// the classes, or none for an identity.
func classed(class abi.Class, identity bool) bool {
	return identity && class == abi.ClassNone || !identity && class.Valid()
}

// outOfBounds is the table class × role, and what no role may do with a
// class.
func outOfBounds(r *Request, class abi.Class) Verdict {
	name := r.Declared.Name
	switch {
	case r.Declared.Identity != (class == abi.ClassNone):
		return mixed(r)
	case r.Declared.Identity:
		if r.Access != abi.AccessUse {
			return refuse(RuleIdentity, abi.StatusDenied, class, name+" is an account name: it can only be used", "use it")
		}
	case r.Access == abi.AccessReveal && class == abi.ClassPassword:
		return refuse(RuleReveal, abi.StatusDenied, class, name+" is a password, and no guest ever reads one", "")
	case !mayUse(r.Role, class):
		return refuse(RuleRole, abi.StatusDenied, class,
			fmt.Sprintf("the %s role never uses %s, which %s is", r.Role, aClass(class), name), roleRemedy(class))
	}
	return Verdict{}
}

// mayUse is the table of DESIGN section 3. What it does not know, it refuses.
func mayUse(role abi.Role, class abi.Class) bool {
	switch class {
	case abi.ClassToken, abi.ClassSession:
		return role == abi.RoleCollector || role == abi.RoleBootstrap || role == abi.RoleAutoLogin
	case abi.ClassOneTime:
		return role == abi.RoleBootstrap || role == abi.RoleAutoLogin
	case abi.ClassPassword:
		return role == abi.RoleAutoLogin
	}
	return false
}

func mixed(r *Request) Verdict {
	return refuse(RuleClassMixed, abi.StatusDenied, abi.ClassNone,
		"the classes declared, approved and stored for "+r.Declared.Name+" contradict each other",
		"run: "+SetCommand(r.Scope, r.Declared.Name)+", then: "+ApproveCommand(r.Scope))
}

// misdirected asks whether the value may go where it would. An identity is no
// secret: the guest can write it anywhere itself.
func misdirected(r *Request, approved *ApprovedCredential, class abi.Class) Verdict {
	if r.Op != OpSend || r.Declared.Identity {
		return Verdict{}
	}
	if !declaredAllows(r.Declared.SendTo, r.Target, r.Position) {
		return refuse(RuleDestinationUndeclared, abi.StatusDenied, class,
			elsewhere(r, "the manifest declares", r.Declared.SendTo), "add it to send_to, and approve again")
	}
	if !approvedAllows(approved.SendTo, r.Target, r.Position) {
		return refuse(RuleDestinationUnapproved, abi.StatusDenied, class,
			elsewhere(r, "the owner approved", destinations(approved.SendTo)), "run: "+ApproveCommand(r.Scope))
	}
	return Verdict{}
}

func declaredAllows(all []manifests.Destination, t manifests.Target, p manifests.Position) bool {
	for i := range all {
		if all[i].Allows(t, p) {
			return true
		}
	}
	return false
}

func approvedAllows(all []ApprovedDestination, t manifests.Target, p manifests.Position) bool {
	for i := range all {
		if d, ok := all[i].destination(); ok && d.Allows(t, p) {
			return true
		}
	}
	return false
}
