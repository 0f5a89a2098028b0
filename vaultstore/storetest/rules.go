package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

func (s *suite) classRaised() {
	classes := s.classes()
	if ok, _ := s.caps.Stores(abi.ClassNone); ok {
		classes = append([]abi.Class{abi.ClassNone}, classes...)
	}
	a := address("RAISED")
	want := entry(a, classes[0], "value")
	if s.caps.Stages {
		want.Stages[vaultstore.Previous] = version("older")
	}
	want.Generation = s.put(want, vaultstore.CreateOnly)
	for i, class := range classes[1:] {
		// A raise needs no value: what is stored moves.
		raise := vaultstore.Entry{Address: a, Class: class}
		if i%2 == 1 {
			raise = entry(a, class, "value")
		}
		want.Class, want.Generation = class, s.put(raise, want.Generation)
		s.same(s.get(a), want)
		if got := s.listed(a.Owner); len(got) != 1 || got[0].Class != class || got[0].Generation != want.Generation {
			s.Fatalf("after a raise to %q the list is %s", class, names(got))
		}
	}
	// Deleted, it may be created as any class, and its generations go on.
	s.delete(a, want.Generation)
	s.fails(vaultstore.ErrNotFound, s.getErr(a))
	fresh := entry(a, classes[0], "fresh")
	fresh.Generation = s.put(fresh, vaultstore.CreateOnly)
	if fresh.Generation != want.Generation+2 {
		s.Errorf("generation %d, want %d", fresh.Generation, want.Generation+2)
	}
	s.same(s.get(a), fresh)
	if got := s.listed(a.Owner); len(got) != 1 || got[0].Class != classes[0] {
		s.Errorf("the list is %s", names(got))
	}
}

func (s *suite) classLowered() {
	classes := s.classes()
	if len(classes) < 2 {
		s.Skip("the store keeps one class only")
	}
	a := address("LOWERED")
	want := entry(a, classes[1], "value")
	want.Generation = s.put(want, vaultstore.CreateOnly)
	for _, lower := range []abi.Class{classes[0], abi.ClassNone} {
		if ok, _ := s.caps.Stores(lower); ok {
			s.fails(vaultstore.ErrClass, s.putErr(entry(a, lower, "lowered"), vaultstore.AnyGeneration))
		}
	}
	s.same(s.get(a), want)
}

func (s *suite) classRefused() {
	for _, class := range append(abi.Classes(), "unheard_of") {
		ok, why := s.caps.Stores(class)
		if ok {
			continue
		}
		err := s.putErr(entry(address("REFUSED"), class, "refused"), vaultstore.CreateOnly)
		s.fails(vaultstore.ErrClass, err)
		if !strings.Contains(err.Error(), why) {
			s.Errorf("class %q: the refusal %q does not say why", class, err)
		}
	}
	s.fails(vaultstore.ErrNotFound, s.getErr(address("REFUSED")))
}

func (s *suite) invalid() {
	change := func(f func(e *vaultstore.Entry, v *vaultstore.Version)) vaultstore.Entry {
		e := entry(address("INVALID"), s.class(), "value")
		v := e.Stages[vaultstore.Current]
		f(&e, &v)
		e.Stages[vaultstore.Current] = v
		return e
	}
	for what, e := range map[string]vaultstore.Entry{
		"no owner":           change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Owner = "" }),
		"no name":            change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Name = "" }),
		"a newline":          change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Grant = "a\nb" }),
		"a NUL":              change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Instance = "a\x00" }),
		"no UTF-8":           change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Connector = "\xff" }),
		"a long owner":       change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Owner = strings.Repeat("o", 257) }),
		"a long name":        change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Address.Name = strings.Repeat("n", 129) }),
		"a stage":            change(func(e *vaultstore.Entry, _ *vaultstore.Version) { e.Stages["next"] = version("x") }),
		"no provenance":      change(func(_ *vaultstore.Entry, v *vaultstore.Version) { v.Provenance = "" }),
		"a status":           change(func(_ *vaultstore.Entry, v *vaultstore.Version) { v.Status = "fine" }),
		"a year":             change(func(_ *vaultstore.Entry, v *vaultstore.Version) { v.ExpiresAt = time.Unix(1<<40, 0) }),
		"a value in reason":  change(func(_ *vaultstore.Entry, v *vaultstore.Version) { v.Reason = "401 for value" }),
		"a reason not UTF-8": change(func(_ *vaultstore.Entry, v *vaultstore.Version) { v.Reason = "\xff" }),
	} {
		s.Run(what, func(t *testing.T) {
			if _, err := s.store.Put(s.ctx, e, vaultstore.AnyGeneration); !errors.Is(err, vaultstore.ErrInvalid) {
				t.Errorf("got error %v, want %v", err, vaultstore.ErrInvalid)
			}
		})
	}
	s.fails(vaultstore.ErrInvalid, s.getErr(vaultstore.Address{}))
	s.fails(vaultstore.ErrInvalid, s.store.Delete(s.ctx, vaultstore.Address{}, vaultstore.AnyGeneration))
	for _, err := range s.store.List(s.ctx, "") {
		s.fails(vaultstore.ErrInvalid, err)
	}
	if got := s.listed("alice"); len(got) != 0 {
		s.Errorf("something was stored all the same: %s", names(got))
	}
}

func (s *suite) bounds() {
	a := address("LARGE")
	large := bytes.Repeat([]byte{0x5a}, s.caps.MaxValue)
	want := entry(a, s.class(), string(large))
	if s.caps.Stages {
		want.Stages[vaultstore.Previous], want.Stages[vaultstore.Pending] = version(string(large)), version(string(large))
	}
	want.Generation = s.put(want, vaultstore.CreateOnly)
	s.same(s.get(a), want)
	s.fails(vaultstore.ErrTooLarge, s.putErr(entry(a, s.class(), string(large)+"x"), vaultstore.AnyGeneration))

	e := entry(a, s.class(), "value")
	v := e.Stages[vaultstore.Current]
	v.Reason = strings.Repeat("r", vaultstore.MaxReasonBytes+1)
	e.Stages[vaultstore.Current] = v
	s.fails(vaultstore.ErrTooLarge, s.putErr(e, vaultstore.AnyGeneration))
	s.same(s.get(a), want)
}

// oddNames are names that meet on some file system, or mean something to one.
var oddNames = []string{
	"a", "A", "Aa", "aA", "ä", "a\u0308", "Ä", "ß", "ss", "ſ", "K", "\u212a", "k",
	".", "..", "...", "a.", "a ", " a", "-", "-rf", "--", "~", "%", "%41", "%h", "%2e", "a/b", "a\\b", "/", "//", "a:b", "*", "?",
	"con", "CON", "con.age", "nul", "aux", "com1", "lpt9", "index.age", "secrets", "format", "locks", "marks.age", ".tmp-a",
	"self", "default", "owner", "💳", "\u202egnirts", "'", "\"", "`id`", "$(id)", "a%00b", "<&>", "\u2028",
	strings.Repeat("n", 128), strings.Repeat("n", 127), strings.Repeat("Ü", 64), strings.Repeat("Ü", 63),
}

func (s *suite) oddNames() {
	shapes := []func(name string) vaultstore.Address{
		func(name string) vaultstore.Address { a := address(name); return a },
		func(name string) vaultstore.Address { a := address("N"); a.Instance, a.Grant = name, name; return a },
	}
	generations := make(map[vaultstore.Address]uint64)
	for _, shape := range shapes {
		for _, name := range oddNames {
			a := shape(name)
			generations[a] = s.put(entry(a, s.class(), "value of "+name), vaultstore.CreateOnly)
		}
	}
	for a, generation := range generations {
		odd := a.Name
		if odd == "N" {
			odd = a.Instance
		}
		want := entry(a, s.class(), "value of "+odd)
		want.Generation = generation
		s.same(s.get(a), want)
	}
	if got := s.listed("alice"); len(got) != len(generations) {
		s.Errorf("%d addresses were put and %d are listed", len(generations), len(got))
	}
	for _, owner := range oddNames[:15] {
		a := address("N")
		a.Owner = owner
		s.put(entry(a, s.class(), owner), vaultstore.CreateOnly)
	}
	for _, owner := range oddNames[:15] {
		if got := s.listed(owner); len(got) != 1 || got[0].Address.Owner != owner {
			s.Errorf("owner %q has %s", owner, names(got))
		}
	}
}

func (s *suite) oddValues() {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range []string{
		"", "\x00", "\n", "\r\n", " ", "0", "null", `"`, "{}", "\xff\xfe", "AGE-SECRET-KEY-1", string(all),
		"-----BEGIN AGE ENCRYPTED FILE-----\n", strings.Repeat("\n", 1000), strings.Repeat("\x00", 255), "ünïcödé\u2028",
	} {
		a := address("VALUE_" + string(rune('A'+i)))
		want := entry(a, s.class(), value)
		want.Generation = s.put(want, vaultstore.CreateOnly)
		got := s.get(a)
		s.same(got, want)
		if got.Stages[vaultstore.Current].Value.IsZero() {
			s.Errorf("value %d came back as no value at all", i)
		}
	}
}
