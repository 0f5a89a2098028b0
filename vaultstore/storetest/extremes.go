package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// longNames: every part may be as long as its bound, in any script, and all
// of them at once; what is longer, up to 4 KiB and beyond, is refused and
// never cut.
func (s *suite) longNames() {
	part := func(r string, n int) string { return strings.Repeat(r, n/len(r)) }
	stored := 0
	for _, r := range []string{"n", "Ü", "字", "💳", "A", "/"} {
		a := vaultstore.Address{
			Owner: "alice", Connector: part(r, vaultstore.MaxPartBytes), Instance: part(r, vaultstore.MaxPartBytes),
			Grant: part(r, vaultstore.MaxPartBytes), Name: part(r, abi.MaxNameBytes),
		}
		short := a // differs in the last letter only
		short.Name = strings.TrimSuffix(a.Name, r)
		for _, a := range []vaultstore.Address{a, short} {
			want := entry(a, s.class(), "value of "+a.Name)
			want.Generation = s.put(want, vaultstore.CreateOnly)
			s.same(s.get(a), want)
			stored++
		}
	}
	if got := s.listed("alice"); len(got) != stored {
		s.Errorf("%d addresses were put and %d are listed", stored, len(got))
	}
	for _, n := range []int{vaultstore.MaxPartBytes + 1, 4 << 10, 1 << 20} {
		for i := range 5 {
			a := address("N")
			*[]*string{&a.Owner, &a.Connector, &a.Instance, &a.Grant, &a.Name}[i] = strings.Repeat("n", n)
			s.fails(vaultstore.ErrInvalid, s.putErr(entry(a, s.class(), "value"), vaultstore.AnyGeneration))
			s.fails(vaultstore.ErrInvalid, s.getErr(a))
			s.fails(vaultstore.ErrInvalid, s.store.Delete(s.ctx, a, vaultstore.AnyGeneration))
		}
	}
}

// sizes puts values from nothing to the store's bound, around every power of
// two where a format or a protocol may change its mind.
func (s *suite) sizes() {
	sizes := []int{0, 1, s.caps.MaxValue - 1, s.caps.MaxValue}
	for n := 16; n < s.caps.MaxValue; n *= 4 {
		sizes = append(sizes, n-1, n, n+1)
	}
	slices.Sort(sizes)
	a := address("SIZED")
	for _, n := range slices.Compact(sizes) {
		value := make([]byte, n)
		for i := range value {
			value[i] = byte(i*7 + n)
		}
		want := entry(a, s.class(), string(value))
		want.Generation = s.put(want, vaultstore.AnyGeneration)
		s.same(s.get(a), want)
	}
	for _, n := range []int{s.caps.MaxValue + 1, 2*s.caps.MaxValue + 1} {
		s.fails(vaultstore.ErrTooLarge, s.putErr(entry(a, s.class(), string(bytes.Repeat([]byte{1}, n))), vaultstore.AnyGeneration))
	}
}

// collisions: owners and connectors that become one another when the parts
// are joined, escaped twice, folded or cut at a separator.
func (s *suite) collisions() {
	type pair struct{ owner, connector string }
	var pairs []pair
	for _, sep := range []string{":", "/", "\\", ".", "-", "--", "_", "__", " ", "%", "%3a", "%2F", "\u2028", ";", ",", "|", "#", "@", "="} {
		pairs = append(pairs, pair{"a" + sep + "b", "c"}, pair{"a", "b" + sep + "c"})
	}
	pairs = append(pairs, pair{"A", "b:c"}, pair{"a", "B:c"}, pair{"a:", "b:c"}, pair{"a", ":b:c"}, pair{"..", "a"}, pair{"a/..", "a"}, pair{"a/", "c"})
	at := func(p pair) vaultstore.Address {
		a := address("TOKEN")
		a.Owner, a.Connector = p.owner, p.connector
		return a
	}
	want := make(map[string]int)
	for i, p := range pairs {
		s.fails(vaultstore.ErrNotFound, s.getErr(at(p)))
		s.put(entry(at(p), s.class(), fmt.Sprint("value ", i)), vaultstore.CreateOnly)
		want[p.owner]++
	}
	for i, p := range pairs {
		e := entry(at(p), s.class(), fmt.Sprint("value ", i))
		e.Generation = 1
		s.same(s.get(at(p)), e)
	}
	for owner, n := range want {
		got := s.listed(owner)
		if len(got) != n {
			s.Errorf("owner %q put %d and has %s", owner, n, names(got))
		}
		for _, info := range got {
			if info.Address.Owner != owner {
				s.Errorf("owner %q sees %v", owner, info.Address)
			}
		}
	}
	s.delete(at(pairs[0]), 1) // nobody else's goes with it
	for _, p := range pairs[1:] {
		s.get(at(p))
	}
}

// listMany lists as many as the store was said to bear, each once, in order.
func (s *suite) listMany() {
	for i := range s.many {
		a := address(fmt.Sprintf("N%05d", i*7919%s.many)) // not in order
		a.Connector = fmt.Sprintf("connector-%d", i%3)
		s.put(entry(a, s.class(), "value"), vaultstore.AnyGeneration)
	}
	n := 0
	var last vaultstore.Address
	for info, err := range s.store.List(s.ctx, "alice") {
		if err != nil {
			s.Fatal(err)
		}
		if n > 0 && last.Compare(info.Address) >= 0 {
			s.Fatalf("%v comes after %v", info.Address, last)
		}
		n, last = n+1, info.Address
	}
	if n != s.many {
		s.Errorf("listed %d of %d", n, s.many)
	}
}
