package capabilities

import "github.com/sallyport-host/sallyport/manifests"

// Active asks only whether the owner's approval is in force now, for this
// scope, mode, manifest and module: the part of [Decide] that does not depend
// on a credential. A host asks it before it starts a guest.
func Active(r Request) Verdict {
	if r.Declared == nil {
		r.Declared = &manifests.Credential{}
	}
	if v := malformed(&r); v.Rule != "" {
		return v
	}
	if v := inactive(&r); v.Rule != "" {
		return v
	}
	return Verdict{Allowed: true, Rule: RuleAllow}
}
