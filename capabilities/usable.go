package capabilities

import (
	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// unusable asks about the stored value. It is the first to look at what the
// vault holds, and it raises the class to the stored one.
func unusable(r *Request, approved *ApprovedCredential, class abi.Class) (abi.Class, Verdict) {
	s := r.Stored
	if s == nil {
		return class, refuse(RuleMissing, abi.StatusNotFound, class,
			"nothing is stored for "+r.Declared.Name, "run: "+SetCommand(r.Scope, r.Declared.Name))
	}
	inForce, ok := abi.Highest(s.Class, approved.Class, r.Declared.Class)
	if v := foreign(r, inForce); v.Rule != "" {
		return class, v
	}
	if !ok || s.Class != abi.ClassNone && !s.Class.Valid() {
		return class, mixed(r)
	}
	if v := outOfBounds(r, inForce); v.Rule != "" {
		return inForce, v
	}
	if v := unstorable(r, inForce); v.Rule != "" {
		return inForce, v
	}
	return inForce, spent(r, inForce)
}

// foreign asks whether the value was provided under this scope, or delegated
// to it by the owner. What was not must look like no value at all.
func foreign(r *Request, class abi.Class) Verdict {
	s := r.Stored
	own := s.Scope == r.Scope && s.Provenance != vaultstore.GrantDelegated
	name := r.Declared.Name
	switch {
	case !s.Held && !s.Provenance.Valid():
		return refuse(RuleProvenance, abi.StatusNotFound, class,
			"nobody knows how the value of "+name+" came to be stored", "run: "+SetCommand(r.Scope, name))
	case own:
		return Verdict{}
	case s.Scope.Owner != r.Scope.Owner || !s.Delegated:
		return refuse(RuleProvenance, abi.StatusNotFound, class,
			"the value of "+name+" was provided for another scope", "run: "+SetCommand(r.Scope, name))
	case class == abi.ClassPassword || s.Class == abi.ClassPassword:
		return refuse(RuleDelegation, abi.StatusNotFound, class,
			name+" is a password, and those are never delegated", "run: "+SetCommand(r.Scope, name))
	}
	return Verdict{}
}

// unstorable asks whether a value of this class may have been kept at all.
func unstorable(r *Request, class abi.Class) Verdict {
	switch {
	case r.Stored.Held:
		return Verdict{}
	case class == abi.ClassOneTime:
		return refuse(RuleStoredClass, abi.StatusDenied, class,
			r.Declared.Name+" is a one-time code, and those are never stored", "enter it when asked")
	case class == abi.ClassPassword && r.Mode == ModeHosted:
		return refuse(RuleStoredClass, abi.StatusDenied, class,
			r.Declared.Name+" is a password, and a hosted box keeps none",
			"run: "+RemoveCommand(r.Scope, r.Declared.Name)+", and enter it when asked")
	}
	return Verdict{}
}

// spent asks whether the value is past its time or refused by the source.
func spent(r *Request, class abi.Class) Verdict {
	s, name := r.Stored, r.Declared.Name
	renew := func() string { return "run: " + SetCommand(r.Scope, name) }
	switch {
	case s.Status == vaultstore.Rejected:
		return refuse(RuleRejected, abi.StatusRejected, class, "the source refused "+name, renew())
	case s.Status != vaultstore.Active && s.Status != vaultstore.Suspect:
		return refuse(RuleRejected, abi.StatusRejected, class, "the stored status of "+name+" is unknown", renew())
	case !s.ExpiresAt.IsZero() && !r.Now.Before(s.ExpiresAt):
		return refuse(RuleExpired, abi.StatusExpired, class, name+" ended at "+stamp(s.ExpiresAt), renew())
	}
	return Verdict{}
}
