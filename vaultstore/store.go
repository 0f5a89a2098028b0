// Package vaultstore is where credentials rest: the [Store] contract, and
// beside it one package per backend.
//
// # Promise
//
// A store hands back exactly what was put at an address, or an error that
// says why not. "Absent" is [ErrNotFound] and nothing else is: a value that
// cannot be read, opened or trusted is never reported as absent, and never
// overwritten by a fresh start. A put either happened whole, or did not
// happen, or is [ErrUnknownOutcome]. Values of different classes are kept
// under different keys.
//
// # Limits
//
// A store decides nothing: whoever holds one can read what is in it. It is
// the host that asks capabilities.Decide before every use. A store cannot
// notice that all of it, with its anchor, was rolled back to an earlier day.
//
// # Conformance
//
// vaultstore/storetest runs the same suite over every backend.
package vaultstore

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// Address names one credential of one owner's one account under one grant.
// Each is a partition of its own: nothing is inherited between them.
type Address struct {
	Owner     string
	Connector string // the manifest's connector_key
	Instance  string // one account at the source; "default" when the owner has one
	Grant     string // "self" for the owner's own runs
	Name      string // as in credentials_schema
}

// DefaultInstance and SelfGrant are the parts of an [Address] that an owner
// who never heard of them has.
const (
	DefaultInstance = "default"
	SelfGrant       = "self"
)

// Provenance says how a value came to be stored.
type Provenance string

// The provenances of DESIGN section 10.
const (
	UserEntered      Provenance = "user_entered"
	AutoBootstrapped Provenance = "auto_bootstrapped"
	GrantDelegated   Provenance = "grant_delegated"
)

// Stage is one of the three versions that an address can hold.
type Stage string

// The stages. A put writes one stage and leaves the others.
const (
	Current  Stage = "current"
	Previous Stage = "previous"
	Pending  Stage = "pending"
)

// Status says how a version stands with the source.
type Status string

// The statuses of a version.
const (
	Active   Status = "active"
	Suspect  Status = "suspect"  // the source refused it once; not yet settled
	Rejected Status = "rejected" // the source refused it; no run uses it until it is renewed
)

// Version is one value of a credential and what is known of it.
type Version struct {
	Value        Secret     `json:"-"`
	Provenance   Provenance `json:"provenance"`
	Status       Status     `json:"status"`
	Reason       string     `json:"reason,omitempty"` // why it is not active; never holds a value
	ObtainedAt   time.Time  `json:"obtained_at"`
	ExpiresAt    time.Time  `json:"expires_at,omitzero"`
	LastUsed     time.Time  `json:"last_used,omitzero"`
	LastVerified time.Time  `json:"last_verified,omitzero"`
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

// Info is an [Entry] without its values, as [Store.List] yields it.
type Info struct {
	Address    Address
	Class      abi.Class
	Generation uint64
	Stages     map[Stage]Version // Value is the zero Secret
}

// AnyGeneration as the expected generation of [Store.Put] or [Store.Delete]
// skips the comparison. CreateOnly demands that nothing is stored; a deleted
// address counts as empty.
const (
	AnyGeneration uint64 = 1<<64 - 1
	CreateOnly    uint64 = 0
)

// Store keeps credentials. Implementations are safe for concurrent use by
// several goroutines; those that state [Capabilities].Shared also by several
// processes. Every method returns soon after its context is done, with the
// context's error, and then has either happened whole or not at all.
//
// A caller may keep and change what it passes in and gets back: a store
// copies.
type Store interface {
	// Get returns the entry at a. It is [ErrNotFound] when nothing is stored
	// there or it was deleted; [ErrTampered], [ErrRollback], [ErrMissing] or
	// [ErrSealed] when something is there that cannot be trusted or opened.
	Get(ctx context.Context, a Address) (Entry, error)

	// Put writes the stages of e (those not named stay; a stage whose Value
	// is the zero Secret is removed) if the stored generation is expect, and
	// returns the new generation. A class may be raised by a put, never
	// lowered: that is [ErrClass]. [ErrConflict] when the generation differs.
	// When Put returns nil the value is durable.
	Put(ctx context.Context, e Entry, expect uint64) (generation uint64, err error)

	// Delete removes the value of a in all stages if the stored generation is
	// expect. What remains is a tombstone with the next generation.
	// [ErrNotFound] when there is nothing.
	Delete(ctx context.Context, a Address, expect uint64) error

	// List yields what an owner has stored, ordered by address, deleted
	// addresses left out. An error ends the sequence.
	List(ctx context.Context, owner string) iter.Seq2[Info, error]

	// Capabilities says what this store can do. It never changes.
	Capabilities() Capabilities

	// Close releases what the store holds. The store is of no use afterwards.
	Close() error
}

// Capabilities says what a backend can keep; the host refuses a policy that
// it cannot.
type Capabilities struct {
	Name         string      // "agefile"
	Classes      []abi.Class // the classes it stores, see RefusesClass
	MaxValue     int         // bytes of one value
	CompareSwap  bool
	Stages       bool
	Durable      bool // a value outlives the process
	Shared       bool // several processes may open it at once
	Refusal      map[abi.Class]string
	DetectsSwap  bool // a value moved to another address is noticed
	DetectsRetro bool // a single value put back to an older one is noticed
}

// Stores reports whether the store keeps class, and if not why, with what
// would allow it.
func (c Capabilities) Stores(class abi.Class) (ok bool, why string) {
	for _, have := range c.Classes {
		if have == class {
			return true, ""
		}
	}
	return false, c.Refusal[class]
}

// Marks is implemented by stores that also keep monotonic counters under
// seal: the high-water marks of approvals and of the audit log.
type Marks interface {
	// Mark returns the counter, 0 when it was never raised.
	Mark(ctx context.Context, owner, name string) (uint64, error)
	// RaiseMark sets the counter to at least to. It never lowers it.
	RaiseMark(ctx context.Context, owner, name string, to uint64) error
}

// The errors of a store. Test with errors.Is; what is returned wraps one of
// them and names the address, never a value.
var (
	ErrNotFound       = errors.New("not found")
	ErrConflict       = errors.New("changed by someone else")
	ErrLocked         = errors.New("locked by another process")
	ErrSealed         = errors.New("sealed: the identity that opens it is not here")
	ErrTampered       = errors.New("not what was written here")
	ErrRollback       = errors.New("older than what was last written here")
	ErrMissing        = errors.New("listed in the index, but its file is gone")
	ErrTooLarge       = errors.New("too large")
	ErrClass          = errors.New("class refused")
	ErrInvalid        = errors.New("invalid")
	ErrNotInitialised = errors.New("no vault here")
	ErrUnknownOutcome = errors.New("outcome unknown: it may have been written")
	ErrClosed         = errors.New("store is closed")
)
