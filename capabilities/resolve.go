package capabilities

import (
	"crypto/ed25519"
	"fmt"
	"reflect"
)

// Standing is what is in force for a scope. Only an Approval that is neither
// Revoked nor Replayed is; it may still have expired.
type Standing struct {
	// Approval is the newest valid one, in force or not; nil when there is
	// none.
	Approval *Approval
	// Revoked says that the approval, and every older one, lives no more.
	// With a nil Approval, that a revocation stands alone.
	Revoked bool
	// Strikes is how many runs the guard had stopped when the host suspended the
	// scope; 0 unless the newest revocation says that this is why.
	Strikes int
	// Replayed says that the envelopes contradict what was seen here before, or
	// each other: something was put back, taken away or forged. It implies
	// Revoked.
	Replayed bool
	// Used is the use of a grant for a single use, nil when none is noted. It
	// takes no approval out of force: that a second run is refused is for who
	// starts one.
	Used *Use
	// HighWater is the highest serial seen, in any valid envelope or given.
	HighWater uint64
	// Problems says which envelopes were refused and why, one line each.
	Problems []string
}

// InForce reports whether the standing holds an approval that lives. Whether
// it has expired is not asked: that takes a clock.
func (s Standing) InForce() bool { return s.Approval != nil && !s.Revoked && !s.Replayed }

// newest is the highest serial of what is in force or was used; there is an
// approval.
func (s *Standing) newest() uint64 {
	if s.Used != nil {
		return max(s.Approval.Serial, s.Used.Serial)
	}
	return s.Approval.Serial
}

// Resolve reads all envelopes of a scope, approvals, revocations and uses in any
// order, and says what is in force: the approval with the highest serial. An
// envelope that does not verify or is of another scope is a problem and counts
// for nothing. An approval whose serial is at or below that of any revocation,
// or that a revocation names, is revoked; one below highWater, which the
// caller keeps where envelopes cannot be put back, is a replay, whether or not
// the revocation that raised it is still there. Two different approvals with
// one serial are both refused.
func Resolve(envelopes [][]byte, key ed25519.PublicKey, scope Scope, highWater uint64) Standing {
	r := resolver{scope: scope, approvals: map[uint64]*Approval{}, clash: map[uint64]bool{}, named: map[string]bool{}}
	for i, raw := range envelopes {
		if err := r.add(raw, key); err != nil {
			r.problems = append(r.problems, fmt.Sprintf("envelope %d of %d: %v", i+1, len(envelopes), err))
		}
	}
	return r.standing(highWater)
}

type resolver struct {
	scope     Scope
	approvals map[uint64]*Approval
	clash     map[uint64]bool // serials that two approvals claim
	named     map[string]bool // approval ids that revocations name
	revoked   uint64          // the highest serial of a revocation
	strikes   int             // what the newest revocation says of them
	used      *Use            // the newest of them
	highest   uint64          // the highest serial of all
	problems  []string
}

func (r *resolver) add(raw []byte, key ed25519.PublicKey) error {
	o, err := open(raw, key)
	if err != nil {
		return err
	}
	a, revocation := o.approval, o.revocation
	switch {
	case o.use != nil:
		if o.use.Scope != r.scope {
			return malformedf("it is of a use in another scope")
		}
		r.highest = max(r.highest, o.use.Serial)
		if r.used == nil || o.use.Serial > r.used.Serial {
			r.used = o.use
		}
		return nil
	case revocation != nil:
		if revocation.Scope != r.scope {
			return malformedf("it revokes in another scope")
		}
		if revocation.Serial > r.revoked {
			r.revoked, r.strikes = revocation.Serial, revocation.Strikes
		}
		r.highest = max(r.highest, revocation.Serial)
		if revocation.Revokes != "" {
			r.named[revocation.Revokes] = true
		}
		return nil
	case a.Scope != r.scope:
		return malformedf("it approves another scope")
	}
	r.highest = max(r.highest, a.Serial)
	if have := r.approvals[a.Serial]; have != nil && !reflect.DeepEqual(have, a) {
		r.clash[a.Serial] = true
		return fmt.Errorf("another approval has serial %d too: %w", a.Serial, ErrReplay)
	}
	r.approvals[a.Serial] = a
	return nil
}

func (r *resolver) standing(highWater uint64) Standing {
	s := Standing{
		Revoked:   r.revoked > 0,
		Used:      r.used,
		HighWater: max(highWater, r.highest),
		Problems:  r.problems,
	}
	newest := uint64(0)
	for serial := range r.approvals {
		newest = max(newest, serial)
	}
	if newest > 0 {
		s.Approval = r.approvals[newest]
		s.Revoked = newest <= r.revoked || r.named[s.Approval.ApprovalID]
	}
	s.Replayed = r.clash[newest]
	if r.highest < highWater {
		s.Problems = append(s.Problems, fmt.Sprintf("serial %d was seen here once, but its envelope is gone", highWater))
		s.Replayed = true
	}
	s.Revoked = s.Revoked || s.Replayed
	if s.Revoked && !s.Replayed {
		s.Strikes = r.strikes
	}
	return s
}
