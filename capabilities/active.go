package capabilities

import "github.com/sallyport-host/sallyport/abi"

// Active answers the part of [Decide] that does not depend on a credential:
// whether the owner's approval is in force at r.Now, for r's scope, role,
// mode, manifest and module. It looks at nothing else in r. A host asks it
// before it starts a guest, and again whenever the standing may have changed.
func Active(r Request) Verdict {
	if v := stated(misstated(&r)); v.Rule != "" {
		return v
	}
	if v := unasked(&r); v.Rule != "" {
		return v
	}
	if v := inactive(&r); v.Rule != "" {
		return v
	}
	return Verdict{Allowed: true, Rule: RuleAllow, Status: abi.StatusOK}
}
