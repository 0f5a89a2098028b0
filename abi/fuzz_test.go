package abi_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// FuzzKey: whatever is taken as a key has a part, and comes back the same.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{`"a"`, `["a","b"]`, `["a",null]`, `[]`, `null`, `"\ud800"`, `["<&>"]`, `[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var k abi.Key
		if json.Unmarshal(in, &k) != nil || k == nil { // null leaves a value alone
			return
		}
		if len(k) == 0 {
			t.Fatalf("%q was taken as a key without parts", in)
		}
		out, err := json.Marshal(k)
		if err != nil {
			t.Fatalf("%q was taken, and cannot be written: %v", in, err)
		}
		var again abi.Key
		if err := json.Unmarshal(out, &again); err != nil || !slices.Equal(k, again) {
			t.Fatalf("%q came back as %q: %v", k, again, err)
		}
		if len(k) > 1 {
			var parts []string
			if err := json.Unmarshal([]byte(k.Canonical()), &parts); err != nil || !slices.Equal(parts, k) {
				t.Fatalf("the canonical form of %q is %s", k, k.Canonical())
			}
		}
	})
}

// FuzzRecoveryHint: whatever is taken is in the vocabulary and comes back the
// same.
func FuzzRecoveryHint(f *testing.F) {
	for _, seed := range []string{`"unknown"`, `{"action":"refresh_credentials","retryable":false}`, `{"action":null}`,
		`{"Action":"unknown"}`, `{"action":"unknown","action":"x"}`, `null`, `{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var h abi.RecoveryHint
		if h.UnmarshalJSON(in) != nil {
			return
		}
		if !slices.Contains(abi.RecoveryActions(), h.Action) {
			t.Fatalf("%q was taken as action %q", in, h.Action)
		}
		out, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var again abi.RecoveryHint
		if err := json.Unmarshal(out, &again); err != nil || again.Action != h.Action {
			t.Fatalf("%s came back as %+v: %v", out, again, err)
		}
	})
}

// FuzzResult: every i64 is a status or a length and a ticket, never both.
func FuzzResult(f *testing.F) {
	for _, seed := range []int64{0, 40, -1, -14, -15, 1<<63 - 1, -1 << 63, 3<<32 | 5000} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bits int64) {
		r := abi.Result(bits)
		if r.Status() == abi.StatusOK {
			if abi.OK(r.Len(), r.Ticket()) != r {
				t.Fatalf("%016x does not survive unpacking", bits)
			}
		} else if r.Len() != 0 || r.Ticket() != 0 || r.Status().String() == "" {
			t.Fatalf("%016x is status %v with length %d, ticket %d", bits, r.Status(), r.Len(), r.Ticket())
		}
	})
}
