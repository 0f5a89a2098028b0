package capabilities

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// testKey is a fixed key: bytes 0, 1, 2, …
func testKey(t testing.TB) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	key := ed25519.NewKeyFromSeed(seed)
	return key, key.Public().(ed25519.PublicKey)
}

func goldenApproval() Approval {
	return Approval{
		Version: 1, ApprovalID: "apr-0001", Serial: 7, Scope: testScope,
		ManifestSHA256: digestM, Modules: testModules,
		Options: map[string]any{"base_url": "https://dav.example.com", "port": 443.0, "list": []any{"a", nil, true}},
		Credentials: []ApprovedCredential{
			{Name: "ACCOUNT", Identity: true, Access: []abi.Access{abi.AccessUse}, SendTo: []ApprovedDestination{}},
			{
				Name: "APP_PASSWORD", Class: abi.ClassToken, Access: []abi.Access{abi.AccessUse},
				SendTo:  []ApprovedDestination{{Origin: "https://dav.example.com", Methods: []string{"GET"}, Paths: []string{"/**"}, As: "basic"}},
				Capture: []ApprovedCapture{{Origin: "https://dav.example.com", Methods: []string{"POST"}, Paths: []string{"/login"}, From: "set-cookie"}},
			},
		},
		Egress: []ApprovedEgress{
			{Origin: "https://dav.example.com", Methods: []string{"GET"}, Paths: []string{"/**"}},
			{Origin: "https://dav.example.com", Methods: []string{}, Paths: []string{"/admin/**"}, Deny: true},
		},
		Mode: ModeLocal, ApprovedAt: noon, ExpiresAt: noon.Add(24 * time.Hour),
	}
}

func goldenRevocation() Revocation {
	return Revocation{Revokes: "apr-0001", Scope: testScope, Serial: 8, At: noon}
}

func goldenUse() Use {
	return Use{RunID: "run_0001", Scope: testScope, Serial: 9, At: noon}
}

// golden returns the frozen file of that name.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.TrimSuffix(string(raw), "\n"))
}

// TestGoldenEnvelopes: what was signed by version 1 is read as it was meant,
// and Ed25519 being deterministic, signed alike.
func TestGoldenEnvelopes(t *testing.T) {
	key, pub := testKey(t)
	a, err := OpenApproval(golden(t, "approval.golden.json"), pub)
	if err != nil {
		t.Fatal(err)
	}
	if want := goldenApproval(); !reflect.DeepEqual(*a, want) {
		t.Errorf("got %+v\nwant %+v", *a, want)
	}
	r, err := OpenRevocation(golden(t, "revocation.golden.json"), pub)
	if err != nil {
		t.Fatal(err)
	}
	if want := goldenRevocation(); !reflect.DeepEqual(*r, want) {
		t.Errorf("got %+v\nwant %+v", *r, want)
	}
	o, err := open(golden(t, "use.golden.json"), pub)
	if err != nil || o.use == nil || !reflect.DeepEqual(*o.use, goldenUse()) {
		t.Errorf("got %+v, %v", o.use, err)
	}
	again, err := SignUse(key, goldenUse())
	if err != nil || string(again) != string(golden(t, "use.golden.json")) {
		t.Errorf("signed differently: %v\n%s", err, again)
	}
	again, err = SignApproval(key, goldenApproval())
	if err != nil || string(again) != string(golden(t, "approval.golden.json")) {
		t.Errorf("signed differently: %v\n%s", err, again)
	}
	again, err = SignRevocation(key, goldenRevocation())
	if err != nil || string(again) != string(golden(t, "revocation.golden.json")) {
		t.Errorf("signed differently: %v\n%s", err, again)
	}
}

func TestKeyID(t *testing.T) {
	_, pub := testKey(t)
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := KeyID(pub), "ed25519-5f9dd11ca1679ce7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if KeyID(pub) == KeyID(other) {
		t.Error("two keys have one id")
	}
}

// TestDomainsAreApart: the bytes of an approval signed as a revocation, and
// the other way round, are neither.
func TestDomainsAreApart(t *testing.T) {
	key, pub := testKey(t)
	approval, err := SignApproval(key, goldenApproval())
	if err != nil {
		t.Fatal(err)
	}
	revocation, err := SignRevocation(key, goldenRevocation())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRevocation(approval, pub); !errors.Is(err, ErrSignature) {
		t.Errorf("an approval opens as a revocation: %v", err)
	}
	if _, err := OpenApproval(revocation, pub); !errors.Is(err, ErrSignature) {
		t.Errorf("a revocation opens as an approval: %v", err)
	}
	crossed, err := sign(key, domainRevocation, goldenApproval())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenApproval(crossed, pub); err == nil {
		t.Error("an approval signed as a revocation opens")
	}
	if _, err := OpenRevocation(crossed, pub); !errors.Is(err, ErrMalformed) {
		t.Errorf("an approval signed as a revocation opens: %v", err)
	}
}

// TestOpenRefuses takes a good envelope apart.
func TestOpenRefuses(t *testing.T) {
	key, pub := testKey(t)
	good, err := SignApproval(key, goldenApproval())
	if err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := json.Unmarshal(good, &e); err != nil {
		t.Fatal(err)
	}
	write := func(e envelope) string {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	flip := func(s string, i int) string {
		b := []byte(s)
		b[i] ^= 1
		return string(b)
	}
	payloadOf := func(text string) string { return string(envelopeOf(t, key, domainApproval, []byte(text))) }
	payload, err := base64url(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(old, with string) string {
		if !strings.Contains(string(payload), old) {
			t.Fatalf("the payload has no %s", old)
		}
		return payloadOf(strings.Replace(string(payload), old, with, 1))
	}
	tests := map[string]struct {
		raw  string
		want error
	}{
		"empty":             {"", ErrMalformed},
		"not an object":     {"[]", ErrMalformed},
		"null":              {"null", ErrMalformed},
		"cut":               {string(good[:len(good)-1]), ErrMalformed},
		"trailing":          {string(good) + "{}", ErrMalformed},
		"unknown member":    {strings.Replace(string(good), "{", `{"x":1,`, 1), ErrMalformed},
		"duplicate":         {strings.Replace(string(good), "{", `{"sig":"",`, 1), ErrMalformed},
		"other case":        {strings.Replace(string(good), `"sig"`, `"Sig"`, 1), ErrMalformed},
		"member missing":    {`{"payload":"","sig":""}`, ErrMalformed},
		"member null":       {strings.Replace(string(good), `"key_id":"`+e.KeyID+`"`, `"key_id":null`, 1), ErrMalformed},
		"oversize":          {string(good) + strings.Repeat(" ", MaxBytes), ErrMalformed},
		"payload changed":   {write(envelope{flip(e.Payload, 5), e.KeyID, e.Sig}), ErrSignature},
		"payload padded":    {write(envelope{e.Payload + "=", e.KeyID, e.Sig}), ErrMalformed},
		"payload broken":    {write(envelope{e.Payload[:4] + "\n" + e.Payload[4:], e.KeyID, e.Sig}), ErrMalformed},
		"sig changed":       {write(envelope{e.Payload, e.KeyID, flip(e.Sig, 5)}), ErrSignature},
		"sig short":         {write(envelope{e.Payload, e.KeyID, e.Sig[:40]}), ErrMalformed},
		"sig's stray bits":  {write(envelope{e.Payload, e.KeyID, e.Sig[:len(e.Sig)-1] + next(e.Sig)}), ErrMalformed},
		"another key's":     {write(envelope{e.Payload, "ed25519-0000000000000000", e.Sig}), ErrSignature},
		"payload duplicate": {replaced("{", `{"version":1,`), ErrMalformed},
		"payload unknown":   {replaced("{", `{"more":1,`), ErrMalformed},
		"payload case":      {replaced(`"serial"`, `"Serial"`), ErrMalformed},
		"payload trailing":  {payloadOf(string(payload) + "{}"), ErrMalformed},
		"payload empty":     {payloadOf(""), ErrMalformed},
		"nested unknown":    {replaced(`{"name":"ACCOUNT"`, `{"class_":"","name":"ACCOUNT"`), ErrMalformed},
		"nested case":       {replaced(`"identity":true`, `"Identity":true`), ErrMalformed},
		"nested null":       {replaced(`"send_to":[]`, `"send_to":null`), ErrMalformed},
		"deep":              {replaced(`"port":443`, `"port":`+strings.Repeat("[", MaxDepth)+strings.Repeat("]", MaxDepth)), ErrMalformed},
		"version":           {replaced(`"version":1`, `"version":2`), ErrMalformed},
		"serial zero":       {replaced(`"serial":7`, `"serial":0`), ErrMalformed},
		"serial huge":       {replaced(`"serial":7`, `"serial":18446744073709551615`), ErrMalformed},
		"serial negative":   {replaced(`"serial":7`, `"serial":-7`), ErrMalformed},
		"serial a fraction": {replaced(`"serial":7`, `"serial":7.5`), ErrMalformed},
		"serial a string":   {replaced(`"serial":7`, `"serial":"7"`), ErrMalformed},
		"owner empty":       {replaced(`"owner":"ann"`, `"owner":""`), ErrMalformed},
		"owner control":     {replaced(`"owner":"ann"`, `"owner":"a\nn"`), ErrMalformed},
		"digest upper":      {replaced(digestM, strings.ToUpper(digestM)), ErrMalformed},
		"role unknown":      {replaced(`"collector":`, `"root":`), ErrMalformed},
		"class unknown":     {replaced(`"class":"long_lived_token"`, `"class":"token"`), ErrMalformed},
		"class and ident":   {replaced(`"identity":true`, `"identity":true,"class":"session"`), ErrMalformed},
		"neither":           {replaced(`"identity":true,`, ``), ErrMalformed},
		"access unknown":    {replaced(`"access":["use"]`, `"access":["steal"]`), ErrMalformed},
		"access empty":      {replaced(`"access":["use"]`, `"access":[]`), ErrMalformed},
		"position unknown":  {replaced(`"as":"basic"`, `"as":"anywhere"`), ErrMalformed},
		"mode unknown":      {replaced(`"mode":"local"`, `"mode":"any"`), ErrMalformed},
		"name twice":        {replaced(`"name":"ACCOUNT"`, `"name":"APP_PASSWORD"`), ErrMalformed},
		"time odd":          {replaced(`"approved_at":"2026-08-21T12:00:00Z"`, `"approved_at":"noon"`), ErrMalformed},
		"ends first":        {replaced(`"expires_at":"2026-08-22T12:00:00Z"`, `"expires_at":"2026-08-20T12:00:00Z"`), ErrMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := OpenApproval([]byte(test.raw), pub)
			if !errors.Is(err, test.want) || a != nil {
				t.Errorf("got %v, %v; want %v", a, err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 300) {
				t.Errorf("not one short line: %q", err)
			}
		})
	}
	if _, err := OpenApproval(good, nil); !errors.Is(err, ErrSignature) {
		t.Errorf("opened without a key: %v", err)
	}
}

// next changes the last character of a base64 string so that only bits that
// decode to nothing differ.
func next(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])+1])
}

func TestSignRefusesWhatResolveWould(t *testing.T) {
	key, _ := testKey(t)
	for name, change := range map[string]func(a *Approval){
		"no id":     func(a *Approval) { a.ApprovalID = "" },
		"no serial": func(a *Approval) { a.Serial = 0 },
		"no module": func(a *Approval) { a.Modules = nil },
		"no scope":  func(a *Approval) { a.Scope = Scope{} },
		"nil lists": func(a *Approval) { a.Credentials = nil },
		"no path":   func(a *Approval) { a.Egress[0].Paths[0] = "" },
		"nil path":  func(a *Approval) { a.Egress[0].Paths = nil },
		"no origin": func(a *Approval) { a.Credentials[1].SendTo[0].Origin = "" },
		"no from":   func(a *Approval) { a.Credentials[1].Capture[0].From = "" },
		"no name":   func(a *Approval) { a.Credentials[1].Name = "" },
		"too many":  func(a *Approval) { a.Egress = make([]ApprovedEgress, maxRules+1) },
		"too large": func(a *Approval) { a.Options = map[string]any{"x": strings.Repeat("x", MaxBytes)} },
	} {
		a := goldenApproval()
		change(&a)
		if _, err := SignApproval(key, a); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := SignApproval(nil, goldenApproval()); err == nil {
		t.Error("signed without a key")
	}
	for name, change := range map[string]func(r *Revocation){
		"no serial":   func(r *Revocation) { r.Serial = 0 },
		"huge serial": func(r *Revocation) { r.Serial = MaxSerial + 1 },
		"no scope":    func(r *Revocation) { r.Scope.Grant = "" },
		"no time":     func(r *Revocation) { r.At = time.Time{} },
		"odd id":      func(r *Revocation) { r.Revokes = "a\nb" },
	} {
		r := goldenRevocation()
		change(&r)
		if _, err := SignRevocation(key, r); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// testBound is a bound manifest, put together by hand.
func testBound() *manifests.Bound {
	c := *testCredential(abi.ClassToken, abi.AccessUse)
	c.Capture = []manifests.Capture{{Origin: "https://dav.example.com", Paths: []string{"/login"}, From: "set-cookie"}}
	mail := manifests.Credential{Name: "MAIL", Class: abi.ClassToken, Access: []abi.Access{abi.AccessUse},
		SendTo: []manifests.Destination{{Origin: "imaps://mail.example.com", As: manifests.Position{Kind: manifests.AsIMAP}}}}
	return &manifests.Bound{
		Manifest:    &manifests.Manifest{ConnectorKey: "contacts"},
		Options:     map[string]any{"base_url": "https://dav.example.com", "nested": map[string]any{"a": []any{"b"}}},
		Credentials: []manifests.Credential{c, mail},
		Egress: []manifests.EgressRule{
			{Origin: "https://dav.example.com", Paths: []string{"/**"}},
			{Origin: "https://dav.example.com", Paths: []string{"/admin/**"}, Deny: true},
		},
	}
}

func TestNewApproval(t *testing.T) {
	b := testBound()
	a := NewApproval(b, testScope, testModules, ModeLocal, noon)
	a.ApprovalID, a.Serial, a.ManifestSHA256 = "a", 1, digestM
	key, pub := testKey(t)
	raw, err := SignApproval(key, a)
	if err != nil {
		t.Fatal(err)
	}
	back, err := OpenApproval(raw, pub)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*back, a) {
		t.Errorf("got  %+v\nwant %+v", *back, a)
	}
	if got := a.Credentials[0].Capture[0].Methods; !reflect.DeepEqual(got, []string{"GET", "HEAD"}) {
		t.Errorf("the default of methods is not spelt out: %v", got)
	}
	if got := a.Egress[1].Methods; len(got) != 0 {
		t.Errorf("a denial of every method denies only %v", got)
	}
	if got := a.Credentials[1].SendTo[0]; len(got.Methods) != 0 || got.As != "imap" {
		t.Errorf("a stream's destination is %+v", got)
	}
	// Nothing is shared.
	b.Options["nested"].(map[string]any)["a"].([]any)[0] = "changed"
	b.Credentials[0].SendTo[0].Paths[0] = "/changed"
	b.Credentials[0].Access[0] = abi.AccessReveal
	if !reflect.DeepEqual(*back, a) {
		t.Error("the approval changed with the manifest")
	}
	if rules := a.EgressRules(); len(rules) != 2 || !rules[1].Deny || rules[0].Origin != "https://dav.example.com" {
		t.Errorf("got %+v", rules)
	}
}

func FuzzEnvelope(f *testing.F) {
	_, pub := testKey(f)
	f.Add(golden(f, "approval.golden.json"))
	f.Add(golden(f, "revocation.golden.json"))
	f.Add(golden(f, "use.golden.json"))
	f.Add([]byte(`{"payload":"","key_id":"ed25519-5f9dd11ca1679ce7","sig":""}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := open(raw, pub)
		kinds := 0
		for _, is := range []bool{o.approval != nil, o.revocation != nil, o.use != nil} {
			if is {
				kinds++
			}
		}
		if (kinds == 1) != (err == nil) || kinds > 1 {
			t.Fatalf("got %+v and %v", o, err)
		}
		s := Resolve([][]byte{raw}, pub, testScope, 0)
		if s.InForce() != (o.approval != nil) || (s.Used != nil) != (o.use != nil) || (len(s.Problems) == 0) != (err == nil) {
			t.Fatalf("resolved to %+v, opened with %v", s, err)
		}
	})
}

// FuzzOpenApproval signs what it is given: what cannot be forged cannot be
// fuzzed otherwise.
func FuzzOpenApproval(f *testing.F) {
	key, pub := testKey(f)
	payload, err := json.Marshal(goldenApproval())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := OpenApproval(envelopeOf(t, key, domainApproval, payload), pub)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || a != nil {
				t.Fatalf("got %v and %v", a, err)
			}
			return
		}
		again, err := SignApproval(key, *a)
		if err != nil {
			t.Fatalf("read but not signed again: %v", err)
		}
		back, err := OpenApproval(again, pub)
		if err != nil || !sameJSON(t, a, back) {
			t.Fatalf("read %+v, wrote and read %+v, %v", a, back, err)
		}
	})
}

func FuzzOpenRevocation(f *testing.F) {
	key, pub := testKey(f)
	payload, err := json.Marshal(goldenRevocation())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte(`{"revokes":"","owner":"a","connector_id":"b","instance":"c","grant_id":"d","serial":1,"at":"2026-08-21T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := OpenRevocation(envelopeOf(t, key, domainRevocation, payload), pub)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || r != nil {
				t.Fatalf("got %v and %v", r, err)
			}
			return
		}
		if _, err := SignRevocation(key, *r); err != nil {
			t.Fatalf("read but not signed again: %v", err)
		}
	})
}

// envelopeOf signs any bytes.
func envelopeOf(t testing.TB, key ed25519.PrivateKey, domain string, payload []byte) []byte {
	t.Helper()
	raw, err := json.Marshal(envelope{
		Payload: base64.RawURLEncoding.EncodeToString(payload),
		KeyID:   KeyID(key.Public().(ed25519.PublicKey)),
		Sig:     base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, signed(domain, payload))),
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sameJSON(t testing.TB, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}
