package abi_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

func TestStatuses(t *testing.T) {
	all := abi.Statuses()
	if len(all) != 14 || all[0] != abi.StatusDenied || all[13] != abi.StatusRejected {
		t.Fatalf("Statuses() is %v", all)
	}
	names := map[string]bool{}
	for _, s := range all {
		if s.Text() == "" || names[s.String()] || strings.HasPrefix(s.String(), "status(") {
			t.Errorf("status %d is %q, %q", int64(s), s, s.Text())
		}
		names[s.String()] = true
	}
	for _, s := range []abi.Status{1, -15, math.MaxInt64, math.MinInt64, math.MinInt64 + 1} {
		if !strings.HasPrefix(s.String(), "status(") || s.Text() != s.String() {
			t.Errorf("unknown status %d is %q, %q", int64(s), s, s.Text())
		}
	}
}

func TestHighestClass(t *testing.T) {
	tests := []struct {
		in   []abi.Class
		want abi.Class
		ok   bool
	}{
		{nil, abi.ClassNone, true},
		{[]abi.Class{abi.ClassNone, abi.ClassToken}, abi.ClassToken, true},
		{[]abi.Class{abi.ClassToken, abi.ClassSession}, abi.ClassSession, true},
		{[]abi.Class{abi.ClassPassword, abi.ClassSession, abi.ClassToken}, abi.ClassPassword, true},
		{[]abi.Class{abi.ClassOneTime, abi.ClassNone, abi.ClassOneTime}, abi.ClassOneTime, true},
		{[]abi.Class{abi.ClassOneTime, abi.ClassToken}, abi.ClassNone, false},
		{[]abi.Class{abi.ClassPassword, abi.ClassOneTime}, abi.ClassNone, false},
	}
	for _, test := range tests {
		if got, ok := abi.Highest(test.in...); got != test.want || ok != test.ok {
			t.Errorf("Highest(%q) is %q, %v; want %q, %v", test.in, got, ok, test.want, test.ok)
		}
	}
}

func TestWordsAreValid(t *testing.T) {
	for i, c := range abi.Classes() {
		if !c.Valid() || c != abi.ClassOneTime && c.Rank() != i+1 {
			t.Errorf("class %q: valid %v, rank %d", c, c.Valid(), c.Rank())
		}
	}
	for _, r := range abi.Roles() {
		if !r.Valid() {
			t.Errorf("role %q is not valid", r)
		}
	}
	for _, a := range abi.Accesses() {
		if !a.Valid() {
			t.Errorf("access %q is not valid", a)
		}
	}
	if abi.ClassNone.Valid() || abi.Class("PASSWORD").Valid() || abi.Role("").Valid() || abi.Access("read").Valid() {
		t.Error("an unknown class, role or access is valid")
	}
}

func TestIsSurrogate(t *testing.T) {
	good := abi.SurrogatePrefix + strings.Repeat("aZ9", 13)[:37]
	if !abi.IsSurrogate(good) || !abi.IsSurrogate([]byte(good)) {
		t.Errorf("%q is no surrogate", good)
	}
	for _, bad := range []string{"", good[:39], good + "a", "sp2" + good[3:], "SP1" + good[3:], good[:39] + "-",
		good[:20] + " " + good[21:], good[:38] + "é", good[:39] + "\n", " " + good[1:]} {
		if abi.IsSurrogate(bad) {
			t.Errorf("%q is a surrogate", bad)
		}
	}
}

// TestSurrogateAlphabet holds the promise that a surrogate needs no escaping.
func TestSurrogateAlphabet(t *testing.T) {
	if len(abi.SurrogateAlphabet) != 62 {
		t.Errorf("the alphabet has %d letters, want 62", len(abi.SurrogateAlphabet))
	}
	letters := strings.Split(abi.SurrogateAlphabet, "")
	if slices.Sort(letters); len(slices.Compact(letters)) != 62 {
		t.Error("the alphabet has a letter twice")
	}
}

// TestFunctionsAreWellFormed holds the calling convention: i32 and i64 only,
// one i64 as the result, a module of ours.
func TestFunctionsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range append(abi.Functions(), abi.WASIFunctions()...) {
		name := f.Module + "." + f.Name
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		for _, v := range slices.Concat(f.Params, f.Results) {
			if v != abi.I32 && v != abi.I64 {
				t.Errorf("%s has a value of type %#x", name, v)
			}
		}
		if strings.HasPrefix(f.Module, "sallyport:") && !slices.Equal(f.Results, []abi.ValType{abi.I64}) {
			t.Errorf("%s returns %v", name, f.Results)
		}
	}
	if len(abi.WASIFunctions()) != 46 {
		t.Errorf("%d WASI functions, preview 1 has 46", len(abi.WASIFunctions()))
	}
}
