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
// under different keys, where the backend has keys.
//
// # Limits
//
// A store decides nothing: whoever holds one can read what is in it. It is
// the host that asks capabilities.Decide before every use. A store cannot
// notice that all of it, with its anchor, was rolled back to an earlier day.
// That a value is gone from memory or from a disk's spare blocks once it was
// deleted is best effort.
//
// # Compatibility
//
// [Store] never grows a method: what a backend can do beyond it is an
// interface of its own, as [Marks] is, or stands in its [Capabilities].
//
// # Conformance
//
// vaultstore/storetest runs the same suite over every backend. [Apply] is the
// part of a put that is the same for all of them.
package vaultstore

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
)

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
// copies. Every error is, or wraps, an [*Error] that names the address.
type Store interface {
	// Get returns the entry at a. It is [ErrNotFound] when nothing is stored
	// there or it was deleted; [ErrTampered], [ErrRollback], [ErrMissing] or
	// [ErrSealed] when something is there that cannot be trusted or opened.
	Get(ctx context.Context, a Address) (Entry, error)

	// Put writes the stages of e (those not named stay; a stage whose Value
	// is the zero Secret is removed) if the stored generation is expect, and
	// returns the new generation; e.Generation is not looked at. A class may
	// be raised by a put, never lowered: that is [ErrClass], as is a class
	// that the store does not keep. [ErrConflict] when the generation
	// differs, [ErrInvalid] when e is not well formed or would leave no stage
	// (that is what Delete is for), [ErrTooLarge] past a bound. When Put
	// returns nil the value is durable, as far as the store is; after
	// [ErrUnknownOutcome] a Get tells.
	Put(ctx context.Context, e Entry, expect uint64) (generation uint64, err error)

	// Delete removes the value of a in all stages if the stored generation is
	// expect. What remains is a tombstone with the next generation, so that a
	// put that expects an older one still conflicts. [ErrNotFound] when there
	// is nothing.
	//
	// With [AnyGeneration] it is the owner's word that the address is given
	// up: it then also deletes what is lost or damaged, where the backend still
	// knows of it, so that the address is of use again.
	Delete(ctx context.Context, a Address, expect uint64) error

	// List yields what an owner has stored, as it stood at one moment (a
	// remote store: each entry at one moment of its own),
	// ordered by [Address.Compare], deleted addresses left out. What can be
	// read comes first; an error ends the sequence. The loop's body may call
	// the store. A password whose identity is not loaded comes without stages:
	// see [Passwords].
	List(ctx context.Context, owner string) iter.Seq2[Info, error]

	// Capabilities says what this store can do. It never changes.
	Capabilities() Capabilities

	// Close releases what the store holds. The store is of no use afterwards:
	// its methods return [ErrClosed]. A second Close does nothing.
	Close() error
}

// Marks is implemented by stores that also keep monotonic counters under
// seal: the high-water marks of approvals and of the audit log. A name obeys
// the bounds of a part of an [Address]. A store that keeps no marks for an
// owner says 0, one that cannot read them says why.
type Marks interface {
	// Mark returns the counter, 0 when it was never raised.
	Mark(ctx context.Context, owner, name string) (uint64, error)
	// RaiseMark sets the counter to at least to. It never lowers it. When it
	// returns nil the mark is durable, as far as the store is.
	RaiseMark(ctx context.Context, owner, name string, to uint64) error
}

// Capabilities says what a backend can keep; the host refuses a policy that
// it cannot.
type Capabilities struct {
	Name string // of the backend: "agefile"

	// Classes are the classes it keeps, abi.ClassNone among them: the value
	// of a credential marked identity. Refusal says for each of the others
	// why not, and what would allow it. Ask with [Capabilities.Stores].
	Classes []abi.Class
	Refusal map[abi.Class]string

	MaxValue int // bytes of one value

	CompareSwap  bool // the expected generation of a put is honoured
	Stages       bool // previous and pending are kept, not current alone
	Durable      bool // a value outlives the process
	Shared       bool // several processes may open it at once
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
	if why, ok := c.Refusal[class]; ok {
		return false, why
	}
	return false, "this store does not keep it"
}

// Clone returns an independent copy, for a backend to hand out.
func (c Capabilities) Clone() Capabilities {
	c.Classes = slices.Clone(c.Classes)
	c.Refusal = maps.Clone(c.Refusal)
	return c
}
