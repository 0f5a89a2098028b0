package capabilities

import (
	"errors"
	"testing"
	"time"
)

func (s signer) use(runID string, serial uint64, scope Scope) []byte {
	s.t.Helper()
	raw, err := SignUse(s.key, Use{RunID: runID, Scope: scope, Serial: serial, At: noon})
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// A standing tells a suspension from the owner's own revocation.
func TestResolveSuspensions(t *testing.T) {
	s := newSigner(t)
	suspended, err := SignRevocation(s.key, Revocation{Revokes: "one", Scope: testScope, Serial: 2, At: noon, Strikes: 3})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		after [][]byte
		want  int
	}{
		"suspended":      {nil, 3},
		"approved again": {[][]byte{s.approval("three", 3)}, 0},
		"by the owner":   {[][]byte{s.approval("three", 3), s.revocation("three", 4, testScope)}, 0},
	} {
		got := Resolve(append([][]byte{suspended, s.approval("one", 1)}, c.after...), s.pub, testScope, 0)
		if got.Strikes != c.want {
			t.Errorf("%s: %d strikes", name, got.Strikes)
		}
	}
	if _, err := SignRevocation(s.key, Revocation{Scope: testScope, Serial: 1, At: noon, Strikes: -1}); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

// A use outlives every approval, counts among the serials, and is missed when
// its envelope is taken away.
func TestResolveUses(t *testing.T) {
	s := newSigner(t)
	other := testScope
	other.Instance = "elsewhere"
	a1, u2, a3, u4 := s.approval("one", 1), s.use("run_a", 2, testScope), s.approval("three", 3), s.use("run_b", 4, testScope)
	for name, c := range map[string]struct {
		envelopes [][]byte
		highWater uint64
		run       string
		inForce   bool
	}{
		"none":              {[][]byte{a1}, 1, "", true},
		"used":              {[][]byte{a1, u2}, 2, "run_a", true},
		"approved again":    {[][]byte{a1, u2, a3}, 3, "run_a", true},
		"alone":             {[][]byte{u2}, 2, "run_a", false},
		"taken away":        {[][]byte{a1}, 2, "", false},
		"the newest":        {[][]byte{u4, a1, u2, a3}, 4, "run_b", true},
		"of another scope":  {[][]byte{a1, s.use("run_c", 2, other)}, 1, "", true},
		"revoked after use": {[][]byte{a1, u2, s.revocation("one", 3, testScope)}, 3, "run_a", false},
	} {
		got := Resolve(c.envelopes, s.pub, testScope, c.highWater)
		run := ""
		if got.Used != nil {
			run = got.Used.RunID
		}
		if got.InForce() && got.newest() != c.highWater {
			t.Errorf("%s: the newest is %d, not %d", name, got.newest(), c.highWater)
		}
		if run != c.run || got.InForce() != c.inForce {
			t.Errorf("%s: used by %q, in force %v; want %q, %v", name, run, got.InForce(), c.run, c.inForce)
		}
	}
	if _, err := OpenApproval(u2, s.pub); !errors.Is(err, ErrSignature) {
		t.Errorf("a use opens as an approval: %v", err)
	}
	if _, err := OpenRevocation(u2, s.pub); !errors.Is(err, ErrSignature) {
		t.Errorf("a use opens as a revocation: %v", err)
	}
}

func TestSignUseRefuses(t *testing.T) {
	key, _ := testKey(t)
	for name, change := range map[string]func(u *Use){
		"no run":      func(u *Use) { u.RunID = "" },
		"odd run":     func(u *Use) { u.RunID = "a\nb" },
		"no serial":   func(u *Use) { u.Serial = 0 },
		"huge serial": func(u *Use) { u.Serial = MaxSerial + 1 },
		"no scope":    func(u *Use) { u.Scope.Owner = "" },
		"no time":     func(u *Use) { u.At = time.Time{} },
	} {
		u := goldenUse()
		change(&u)
		if _, err := SignUse(key, u); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
