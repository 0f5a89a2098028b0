package surrogate

import "slices"

// maxMembers is how many members of one object are told apart before a value
// is put into it. Behind them none is put in.
const maxMembers = 4096

// memberNames are the names of an object's members so far, as hashes: two that
// meet by chance are refused like one.
type memberNames struct {
	seen   map[uint64]struct{}
	filled []uint64 // a value stands in or below these members
	unsure bool     // the member at hand was there before, or may have been
}

// add takes the next member's name, and reports whether a value was put into
// an earlier one of that name.
func (n *memberNames) add(h uint64) (again bool) {
	if slices.Contains(n.filled, h) {
		return true
	}
	_, before := n.seen[h]
	n.unsure = before || len(n.seen) >= maxMembers
	if !n.unsure {
		if n.seen == nil {
			n.seen = map[uint64]struct{}{}
		}
		n.seen[h] = struct{}{}
	}
	return false
}

// unknown takes a name that is too long to be held.
func (n *memberNames) unknown() { n.unsure = true }

// fill notes that a value goes into the member at hand; false is that it must
// not.
func (n *memberNames) fill(h uint64) bool {
	if n.unsure {
		return false
	}
	if !slices.Contains(n.filled, h) {
		n.filled = append(n.filled, h)
	}
	return true
}
