// Package capabilities decides who may use what.
//
// # Promise
//
// [Decide] is the one place where a use of a credential is allowed. It is
// pure: the same request gives the same verdict, and it reads no clock, file
// or network. What it is not sure of, it refuses, with the rule, the reason
// and the remedy. Grants, approvals and revocations are read strictly from
// bytes: an unknown member, a duplicate key or a bad signature is an error.
//
// # Limits
//
// A verdict is as good as what it was given: it is the host that states the
// truth about the guest, the clock and the stored value. A verdict that
// allows says nothing of what a source does with the value it gets.
//
// All functions are safe for concurrent use.
package capabilities

import (
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Scope is what an approval is for: one owner's one account under one grant.
type Scope struct {
	Owner     string `json:"owner"`
	Connector string `json:"connector_id"` // the manifest's connector_key
	Instance  string `json:"instance"`
	Grant     string `json:"grant_id"`
}

// Address returns the vault address of name in s.
func (s Scope) Address(name string) vaultstore.Address {
	return vaultstore.Address{Owner: s.Owner, Connector: s.Connector, Instance: s.Instance, Grant: s.Grant, Name: name}
}

// Mode is how the host is deployed.
type Mode string

// The modes. A hosted box never stores passwords.
const (
	ModeLocal  Mode = "local"
	ModeHosted Mode = "hosted"
)

// Valid reports whether m is one of the modes.
func (m Mode) Valid() bool { return m == ModeLocal || m == ModeHosted }

// Op is what is asked.
type Op string

// The two times that a use is decided.
const (
	OpIssue Op = "issue" // to hand out a surrogate: no destination yet
	OpSend  Op = "send"  // to put the value into a request
)

// Request is everything that a decision rests on.
type Request struct {
	Op     Op
	Now    time.Time
	Scope  Scope
	Role   abi.Role
	Mode   Mode
	Name   string // as in credentials_schema, or an alias of it
	Access abi.Access

	// Declared is the bound manifest's credential, nil when it declares none
	// of that name.
	Declared *manifests.Credential
	// Standing is what the owner has approved, as [Resolve] found it.
	Standing Standing
	// ManifestSHA256 and ModuleSHA256 are of what is running, lower-case hex.
	ManifestSHA256 string
	ModuleSHA256   string
	// Stored is what the vault holds, nil when nothing. An identity or a
	// one_time value held for this run is stated here too.
	Stored *Stored
	// Target and Position are where the value would go, for [OpSend].
	Target   manifests.Target
	Position manifests.Position
}

// Stored is what a decision needs to know of a stored version.
type Stored struct {
	Class      abi.Class
	Provenance vaultstore.Provenance
	Status     vaultstore.Status
	ExpiresAt  time.Time // zero is never
	// Scope is the scope that the value was stored under; a value may be used
	// in another only by delegation.
	Scope Scope
	// Delegated says that the owner signed a reference from Scope to the
	// request's scope. Never honoured for class 3.
	Delegated bool
	// Held says that the value was entered for this run and stands in no
	// store. A one_time value is always held; so is a password in
	// [ModeHosted].
	Held bool
}

// Verdict is the answer. The zero Verdict refuses.
type Verdict struct {
	Allowed bool
	Rule    Rule       // the rule that refused, or RuleAllow
	Status  abi.Status // what the guest may learn
	Reason  string     // one line, for the owner; never a value, a path or a name that is not declared
	Remedy  string     // what would allow it, for the owner; "" when nothing would
	Class   abi.Class  // the class in force, as far as it was found out
}

// Decide answers r by the rule of DESIGN section 3. The order of its questions
// is part of the promise: whether the name is declared and approved comes
// before anything that the vault holds, so that a name that is not both is
// answered "denied" whatever is stored, and a value that belongs to another
// scope looks like none at all.
//
// An allowed request costs no allocation.
func Decide(r Request) Verdict {
	if v := malformed(&r); v.Rule != "" {
		return v
	}
	approved, v := unconsented(&r)
	if v.Rule != "" {
		return v
	}
	if v := barred(&r, approved); v.Rule != "" {
		return v
	}
	class, v := forbidden(&r, approved)
	if v.Rule != "" {
		return v
	}
	if v := misdirected(&r, approved, class); v.Rule != "" {
		return v
	}
	class, v = unusable(&r, approved, class)
	if v.Rule != "" {
		return v
	}
	return Verdict{Allowed: true, Rule: RuleAllow, Status: abi.StatusOK, Class: class}
}

// unconsented asks whether the credential is declared, and named by an approval
// that is in force, in this order.
func unconsented(r *Request) (*ApprovedCredential, Verdict) {
	if v := undeclared(r); v.Rule != "" {
		return nil, v
	}
	if v := unasked(r); v.Rule != "" {
		return nil, v
	}
	approved, v := unapproved(r)
	if v.Rule != "" {
		return nil, v
	}
	return approved, inactive(r)
}
