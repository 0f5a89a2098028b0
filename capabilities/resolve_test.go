package capabilities

import (
	"crypto/ed25519"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// signer makes envelopes of testScope.
type signer struct {
	t   testing.TB
	key ed25519.PrivateKey
	pub ed25519.PublicKey
}

func newSigner(t testing.TB) signer {
	key, pub := testKey(t)
	return signer{t, key, pub}
}

func (s signer) approval(id string, serial uint64, change ...func(a *Approval)) []byte {
	s.t.Helper()
	a := goldenApproval()
	a.ApprovalID, a.Serial = id, serial
	for _, c := range change {
		c(&a)
	}
	raw, err := SignApproval(s.key, a)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func (s signer) revocation(id string, serial uint64, scope Scope) []byte {
	s.t.Helper()
	raw, err := SignRevocation(s.key, Revocation{Revokes: id, Scope: scope, Serial: serial, At: noon})
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func TestResolve(t *testing.T) {
	s := newSigner(t)
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	a1, a2, a4 := s.approval("one", 1), s.approval("two", 2), s.approval("four", 4)
	r3 := s.revocation("two", 3, testScope)
	forged, err := SignApproval(stranger, goldenApproval())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := s.approval("else", 9, func(a *Approval) { a.Scope = otherGrant })
	type want struct {
		id       string // of the Approval, "" when nil
		revoked  bool
		replayed bool
		high     uint64
		problems int
	}
	tests := map[string]struct {
		envelopes [][]byte
		highWater uint64
		want      want
	}{
		"nothing":                          {nil, 0, want{}},
		"one":                              {[][]byte{a1}, 0, want{id: "one", high: 1}},
		"one, at the mark":                 {[][]byte{a1}, 1, want{id: "one", high: 1}},
		"newest wins":                      {[][]byte{a1, a2}, 2, want{id: "two", high: 2}},
		"twice the same":                   {[][]byte{a2, a2}, 2, want{id: "two", high: 2}},
		"revoked":                          {[][]byte{a1, a2, r3}, 3, want{id: "two", revoked: true, high: 3}},
		"revoked, the newest taken away":   {[][]byte{a1, r3}, 3, want{id: "one", revoked: true, high: 3}},
		"approved again":                   {[][]byte{a1, a2, r3, a4}, 4, want{id: "four", high: 4}},
		"put back, tombstone removed":      {[][]byte{a2}, 3, want{id: "two", revoked: true, replayed: true, high: 3, problems: 1}},
		"put back after a new approval":    {[][]byte{a2}, 4, want{id: "two", revoked: true, replayed: true, high: 4, problems: 1}},
		"new approval and tombstone gone":  {[][]byte{a1, a2}, 4, want{id: "two", revoked: true, replayed: true, high: 4, problems: 1}},
		"tombstone removed, approved anew": {[][]byte{a2, a4}, 4, want{id: "four", high: 4}},
		"tombstone alone":                  {[][]byte{r3}, 3, want{revoked: true, high: 3}},
		"all removed":                      {nil, 3, want{revoked: true, replayed: true, high: 3, problems: 1}},
		"revoked by name only": {[][]byte{a4, s.revocation("four", 2, testScope)}, 4,
			want{id: "four", revoked: true, high: 4}},
		"revoked, naming none": {[][]byte{a2, s.revocation("", 3, testScope)}, 3, want{id: "two", revoked: true, high: 3}},
		"same serial as the revocation": {[][]byte{s.approval("three", 3), r3}, 3,
			want{id: "three", revoked: true, high: 3}},
		"another scope's":            {[][]byte{a1, elsewhere}, 1, want{id: "one", high: 1, problems: 1}},
		"another scope's revocation": {[][]byte{a1, s.revocation("one", 5, otherOwner)}, 1, want{id: "one", high: 1, problems: 1}},
		"forged":                     {[][]byte{a1, forged}, 1, want{id: "one", high: 1, problems: 1}},
		"only forged":                {[][]byte{forged}, 0, want{problems: 1}},
		"rubbish":                    {[][]byte{a1, nil, []byte("{"), []byte("null")}, 1, want{id: "one", high: 1, problems: 3}},
		"two of one serial": {[][]byte{a2, s.approval("deux", 2), a1}, 2,
			want{id: "?", revoked: true, replayed: true, high: 2, problems: 1}},
		"two of an old serial": {[][]byte{a2, s.approval("deux", 2), a4}, 4, want{id: "four", high: 4, problems: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 6 { // in any order
				got := Resolve(test.envelopes, s.pub, testScope, test.highWater)
				id := ""
				if got.Approval != nil {
					id = got.Approval.ApprovalID
				}
				if test.want.id == "?" {
					id = "?"
				}
				if have := (want{id, got.Revoked, got.Replayed, got.HighWater, len(got.Problems)}); have != test.want {
					t.Fatalf("got  %+v\nwant %+v\n%q", have, test.want, got.Problems)
				}
				if live := test.want.id != "" && !test.want.revoked; got.InForce() != live {
					t.Fatalf("InForce is %v", got.InForce())
				}
				rand.Shuffle(len(test.envelopes), func(i, j int) {
					test.envelopes[i], test.envelopes[j] = test.envelopes[j], test.envelopes[i]
				})
			}
		})
	}
}

// TestResolveNeverRevives: whatever subset of the envelopes that were ever
// written is put back, in whatever order, nothing that was revoked lives, if
// only the mark stands.
func TestResolveNeverRevives(t *testing.T) {
	s := newSigner(t)
	history := [][]byte{
		s.approval("a1", 1), s.revocation("a1", 2, testScope),
		s.approval("a3", 3), s.approval("a4", 4), s.revocation("a4", 5, testScope),
	}
	for subset := range 1 << len(history) {
		var some [][]byte
		for i, raw := range history {
			if subset&(1<<i) != 0 {
				some = append(some, raw)
			}
		}
		if got := Resolve(some, s.pub, testScope, 5); got.InForce() {
			t.Errorf("subset %05b: %s lives again", subset, got.Approval.ApprovalID)
		}
		some = append(some, s.approval("a6", 6))
		if got := Resolve(some, s.pub, testScope, 6); !got.InForce() || got.Approval.ApprovalID != "a6" {
			t.Errorf("subset %05b: the new approval is not in force: %+v", subset, got)
		}
	}
}

func TestProblemsAreOneLineEach(t *testing.T) {
	s := newSigner(t)
	got := Resolve([][]byte{
		[]byte("{\"\n\":1}"), []byte(`{"payload":"` + canarySecret + `","key_id":"a\nb","sig":""}`),
		[]byte(`{"` + strings.Repeat("x", 5000) + `":1,"payload":"","key_id":"","sig":""}`),
	}, s.pub, testScope, 0)
	if len(got.Problems) != 3 {
		t.Fatalf("got %q", got.Problems)
	}
	for _, p := range got.Problems {
		if strings.Contains(p, "\n") || len(p) > 300 || strings.Contains(p, canarySecret) {
			t.Errorf("got %q", p)
		}
	}
}

// oneRole is an approval of a collector alone.
func oneRole() Approval {
	a := goldenApproval()
	a.Modules = map[abi.Role]string{abi.RoleCollector: digestC}
	return a
}

// TestWidening changes one thing in an approval.
func TestWidening(t *testing.T) {
	tests := map[string]struct {
		change func(a *Approval)
		want   []string // a part of each line
	}{
		"nothing": {func(a *Approval) {}, nil},
		"digests": {func(a *Approval) {
			a.ManifestSHA256, a.Modules[abi.RoleCollector] = digestOther, digestOther
			a.Serial, a.ApprovalID = 9, "new"
		}, nil},
		"fewer": {func(a *Approval) {
			a.Credentials = a.Credentials[:1]
			a.Egress = a.Egress[1:]
			delete(a.Modules, abi.RoleCollector)
			a.ExpiresAt = noon.Add(1)
		}, nil},
		"an option without effect": {func(a *Approval) { a.Options["account"] = "x" }, nil},
		"new credential": {func(a *Approval) {
			c := a.Credentials[1]
			c.Name, c.Class = "COOKIE", "session"
			a.Credentials = append(a.Credentials, c)
		}, []string{"COOKIE, a session, may be used", "COOKIE may be sent as basic to https://dav.example.com (GET /**)",
			"COOKIE may be taken from set-cookie"}},
		"higher class":    {func(a *Approval) { a.Credentials[1].Class = "session" }, []string{"APP_PASSWORD is a session"}},
		"one-time":        {func(a *Approval) { a.Credentials[1].Class = "one_time" }, []string{"APP_PASSWORD is a one-time code"}},
		"now an identity": {func(a *Approval) { a.Credentials[1].Class, a.Credentials[1].Identity = "", true }, []string{"APP_PASSWORD is an account name"}},
		"new access": {func(a *Approval) {
			a.Credentials[1].Access = append(a.Credentials[1].Access, "reveal")
		}, []string{"APP_PASSWORD may be accessed by reveal"}},
		"new origin": {func(a *Approval) { a.Credentials[1].SendTo[0].Origin = "https://evil.example" },
			[]string{"APP_PASSWORD may be sent as basic to https://evil.example (GET /**)"}},
		"new method": {func(a *Approval) { a.Credentials[1].SendTo[0].Methods = []string{"GET", "POST"} },
			[]string{"to https://dav.example.com (POST /**)"}},
		"new position": {func(a *Approval) { a.Credentials[1].SendTo[0].As = "query:key" }, []string{"sent as query:key"}},
		"new capture": {func(a *Approval) { a.Credentials[1].Capture[0].From = "header:X" },
			[]string{"taken from header:X of https://dav.example.com (POST /login)"}},
		"new egress": {func(a *Approval) {
			a.Egress = append(a.Egress, ApprovedEgress{Origin: "https://b.example", Methods: []string{"GET"}, Paths: []string{"/x"}})
		}, []string{"it may call https://b.example (GET /x)"}},
		"narrower path":   {func(a *Approval) { a.Egress[0].Paths = []string{"/x"} }, nil},
		"denial gone":     {func(a *Approval) { a.Egress = a.Egress[:1] }, []string{"no longer kept from https://dav.example.com"}},
		"denial narrowed": {func(a *Approval) { a.Egress[1].Methods = []string{"POST"} }, []string{"no longer kept from"}},
		"new role": {func(a *Approval) { a.Modules["bootstrap"] = digestB; a.Modules["auto_login"] = digestA },
			[]string{"a module of role auto_login may run", "a module of role bootstrap may run"}},
		"mode":        {func(a *Approval) { a.Mode = ModeHosted }, []string{"it may run in mode hosted, not local"}},
		"later end":   {func(a *Approval) { a.ExpiresAt = a.ExpiresAt.Add(1e9) }, []string{"it ends at 2026-08-22T12:00:01Z"}},
		"without end": {func(a *Approval) { a.ExpiresAt = time.Time{} }, []string{"it never ends"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			old, next := oneRole(), oneRole()
			test.change(&next)
			got := Widening(&old, next)
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i, part := range test.want {
				if !strings.Contains(got[i], part) {
					t.Errorf("got %q, want %q", got[i], part)
				}
			}
		})
	}
	first := Widening(nil, oneRole())
	if want := 6; len(first) != want { // two uses, one send, one capture, one egress, one role; a denial widens nothing
		t.Errorf("a first approval widens by %q", first)
	}
	other := oneRole()
	other.Scope = otherOwner
	if got := Widening(&other, oneRole()); !slices.Equal(got, first) {
		t.Errorf("another scope's approval counts: %q", got)
	}
}
