package guard

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A set that was added to, and taken from, finds what one does that was made
// of what is left, and those that it was made of find what they did.
func TestWithAndWithout(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	var all []Secret
	for i, v := range append([]string{"sunshine", "12", "!a1?"}, values...) {
		all = append(all, Secret{Name: fmt.Sprint("S", i), Value: []byte(v)})
	}
	for i := range 40 {
		all = append(all, Secret{Name: fmt.Sprint("R", i), Value: []byte(randomValue(rnd, 8+rnd.IntN(40)))})
	}
	text := "start "
	for _, s := range all {
		text += string(s.Value) + " , " + b64("x", base64.StdEncoding)(string(s.Value)) + "; "
	}
	told := func(s *Set) string {
		var b strings.Builder
		sc := s.borrow([]byte(text))
		sc.run()
		for h, i, ok := sc.next(0); ok; h, i, ok = sc.next(i) {
			fmt.Fprintln(&b, h.Name, h.Form, h.Start, h.End, h.Stop)
		}
		return b.String()
	}
	var sets []*Set
	var set *Set
	for _, s := range all {
		set = set.With(s)
		sets = append(sets, set)
	}
	for i, s := range sets {
		if i%7 > 0 && i > 4 && i < len(sets)-1 {
			continue
		}
		if got, want := told(s), told(New(all[:i+1])); got != want {
			t.Fatalf("of %d secrets it finds\n%s\nnot\n%s", i+1, got, want)
		}
		// One that something else was made of already.
		other := s.With(Secret{Name: "OTHER", Value: []byte("0ther-Thing:77")})
		if h, ok := other.Find([]byte("an 0ther-thing:77 here")); !ok || h.Secret != i+1 || h.Name != "OTHER" {
			t.Errorf("added beside: %v %+v", ok, h)
		}
	}
	rest := append([]Secret(nil), all...)
	for n, i := range rnd.Perm(len(all)) {
		set = set.Without(i)
		rest[i].Value = nil
		if n%7 > 0 && n < len(all)-3 {
			continue
		}
		if got, want := told(set), told(New(rest)); got != want {
			t.Fatalf("without %d it finds\n%s\nnot\n%s", i, got, want)
		}
	}
	if got, want := told(sets[len(sets)-1]), told(New(all)); got != want {
		t.Errorf("the whole set finds\n%s\nnot\n%s", got, want)
	}
}
