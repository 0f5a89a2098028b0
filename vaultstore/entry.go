package vaultstore

import (
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// Provenance says how a value came to be stored.
type Provenance string

// The provenances of DESIGN section 10.
const (
	UserEntered      Provenance = "user_entered"
	AutoBootstrapped Provenance = "auto_bootstrapped"
	GrantDelegated   Provenance = "grant_delegated"
)

// Valid reports whether p is one of the provenances.
func (p Provenance) Valid() bool {
	return p == UserEntered || p == AutoBootstrapped || p == GrantDelegated
}

// Stage is one of the three versions that an address can hold.
type Stage string

// The stages. A put writes the stages that it names and leaves the others.
const (
	Current  Stage = "current"
	Previous Stage = "previous"
	Pending  Stage = "pending"
)

// Valid reports whether s is one of the stages.
func (s Stage) Valid() bool { return s == Current || s == Previous || s == Pending }

// Status says how a version stands with the source.
type Status string

// The statuses of a version. A put reads an empty status as Active.
const (
	Active   Status = "active"
	Suspect  Status = "suspect"  // the source refused it once; not yet settled
	Rejected Status = "rejected" // the source refused it; no run uses it until it is renewed
)

// Valid reports whether s is one of the statuses.
func (s Status) Valid() bool { return s == Active || s == Suspect || s == Rejected }

// The bounds of a [Version]'s texts.
const (
	MaxReasonBytes  = 512
	MaxAccountBytes = 512
)

// Version is one value of a credential and what is known of it. Its times are
// kept to the nanosecond, in UTC; a zero time is one that is not known.
type Version struct {
	Value        Secret     `json:"-"`
	Provenance   Provenance `json:"provenance"`
	Status       Status     `json:"status"`
	Reason       string     `json:"reason,omitempty"` // why it is not active; never holds a value
	ObtainedAt   time.Time  `json:"obtained_at"`
	ExpiresAt    time.Time  `json:"expires_at,omitzero"`
	LastUsed     time.Time  `json:"last_used,omitzero"`
	LastVerified time.Time  `json:"last_verified,omitzero"`
	// RotatedAt is when the source last changed the value by itself, as it does
	// a session's cookies; ObtainedAt is then of what it was changed from.
	RotatedAt time.Time `json:"rotated_at,omitzero"`
	// Account is what the source calls the account that the value is of, ""
	// where it never told. It is no secret, and stays with the values that come
	// after this one, until the source tells of one of them.
	Account string `json:"account,omitempty"`
}

// clone copies v as it is stored.
func (v Version) clone() Version {
	v.Value = v.Value.Clone()
	for _, t := range v.times() {
		*t = t.Round(0).UTC()
	}
	return v
}

func (v *Version) times() [5]*time.Time {
	return [5]*time.Time{&v.ObtainedAt, &v.ExpiresAt, &v.LastUsed, &v.LastVerified, &v.RotatedAt}
}

// Entry is all that an address holds.
type Entry struct {
	Address Address
	Class   abi.Class
	// Generation counts the writes at this address, from 1, deletes among
	// them, and never goes back: it is what compare-and-set compares.
	Generation uint64
	Stages     map[Stage]Version
}

// Clone returns an independent copy.
func (e Entry) Clone() Entry {
	stages := make(map[Stage]Version, len(e.Stages))
	for s, v := range e.Stages {
		stages[s] = v.clone()
	}
	e.Stages = stages
	return e
}

// Info returns what e says without its values.
func (e Entry) Info() Info {
	stages := make(map[Stage]Version, len(e.Stages))
	for s, v := range e.Stages {
		v.Value = Secret{}
		stages[s] = v
	}
	return Info{Address: e.Address, Class: e.Class, Generation: e.Generation, Stages: stages}
}

// Zero overwrites the values of e, best effort, where they are not needed
// any more.
func (e Entry) Zero() {
	for _, v := range e.Stages {
		v.Value.Zero()
	}
}

// Info is an [Entry] without its values, as [Store.List] yields it.
type Info struct {
	Address    Address
	Class      abi.Class
	Generation uint64
	Stages     map[Stage]Version // Value is the zero Secret
}
