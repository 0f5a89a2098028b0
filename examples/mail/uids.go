package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// uidSet is a set of UIDs: ordered, none twice.
type uidSet []uint32

// setOf makes a set of any numbers.
func setOf(all []uint32) uidSet {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

// has reports whether a UID is in the set.
func (s uidSet) has(uid uint32) bool {
	_, ok := slices.BinarySearch(s, uid)
	return ok
}

// without returns what is in s and not in other.
func (s uidSet) without(other uidSet) uidSet { return s.choose(other, false) }

// and returns what is in both.
func (s uidSet) and(other uidSet) uidSet { return s.choose(other, true) }

func (s uidSet) choose(other uidSet, both bool) uidSet {
	var chosen uidSet
	for _, uid := range s {
		for len(other) > 0 && other[0] < uid {
			other = other[1:]
		}
		if (len(other) > 0 && other[0] == uid) == both {
			chosen = append(chosen, uid)
		}
	}
	return chosen
}

// or returns what is in one of them, or both.
func (s uidSet) or(other uidSet) uidSet { return setOf(slices.Concat(s, other)) }

// from returns what is not below a UID.
func (s uidSet) from(uid uint32) uidSet {
	i, _ := slices.BinarySearch(s, uid)
	return s[i:]
}

// imap returns the set for a command.
func (s uidSet) imap() imap.UIDSet {
	var set imap.UIDSet
	for first, last := range s.runs {
		set.AddRange(imap.UID(first), imap.UID(last))
	}
	return set
}

// runs yields the first and last of each run of neighbours.
func (s uidSet) runs(yield func(first, last uint32) bool) {
	for i := 0; i < len(s); {
		j := i + 1
		for j < len(s) && s[j] == s[j-1]+1 {
			j++
		}
		if !yield(s[i], s[j-1]) {
			return
		}
		i = j
	}
}

// pack writes a set shortly: the gap before each run and its length less one,
// as varints, in base64. A mailbox of whose messages every second one is gone
// takes under three bytes for each.
func (s uidSet) pack() string {
	var b []byte
	next := uint32(0)
	for first, last := range s.runs {
		b = binary.AppendUvarint(b, uint64(first-next))
		b = binary.AppendUvarint(b, uint64(last-first))
		next = last
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

var errUIDs = errors.New("not a set of UIDs")

// maxUIDs bounds a set that is unpacked: more than any cursor was made of.
const maxUIDs = 10_000_000

// unpack reads what pack wrote.
func unpack(text string) (uidSet, error) {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errUIDs
	}
	var s uidSet
	at := uint64(0)
	for len(b) > 0 {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errUIDs
		}
		more, m := binary.Uvarint(b[n:])
		if m <= 0 || gap == 0 || gap > 1<<32 || more >= maxUIDs-uint64(len(s)) || at+gap+more >= 1<<32 {
			return nil, errUIDs
		}
		b, at = b[n+m:], at+gap
		for uid := at; uid <= at+more; uid++ {
			s = append(s, uint32(uid))
		}
		at += more
	}
	return s, nil
}
