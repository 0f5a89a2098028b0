package vaultstore

import (
	"errors"
	"strings"
	"testing"
)

func TestAddressString(t *testing.T) {
	for _, c := range []struct {
		a    Address
		want string
	}{
		{Address{"alice", "github", "default", "self", "TOKEN"}, "alice/github/default/self/TOKEN"},
		{Address{Owner: "alice"}, "alice"},
		{Address{}, ""},
		{Address{"a/b", "c", "d", "e", "f"}, `"a/b"/c/d/e/f`},
		{Address{"a", "", "d", "e", "f"}, `a/""/d/e/f`},
		{Address{"a\n", "\u202e", "\"", "\xff", "ü"}, `"a\n"/"\u202e"/"\""/"\xff"/ü`},
		{Address{Owner: strings.Repeat("x", 1000)}, strings.Repeat("x", MaxPartBytes) + "…"},
	} {
		if got := c.a.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestAddressCompare(t *testing.T) {
	ordered := []Address{
		{}, {"a", "a", "a", "a", "a"}, {"a", "a", "a", "a", "b"}, {"a", "a", "a", "b", "a"}, {"a", "a", "b", "a", "a"},
		{"a", "b", "a", "a", "a"}, {"b", "a", "a", "a", "a"}, {"b", "a", "a", "a", "aa"}, {"é", "", "", "", ""},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%v compared with %v is %d", a, b, got)
			}
		}
	}
}

func TestError(t *testing.T) {
	err := error(&Error{Op: "get", Address: Address{"alice", "github", "default", "self", "TOKEN"}, Err: ErrNotFound, Remedy: "put it first"})
	if got, want := err.Error(), "get alice/github/default/self/TOKEN: not found; put it first"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, ErrNotFound) {
		t.Error("it is not what it wraps")
	}
	if got, want := (&Error{Op: "open vault", Err: ErrSealed}).Error(), "open vault: "+ErrSealed.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
