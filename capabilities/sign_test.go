package capabilities

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// signing is the manifest that declares everything, edited, bound, and
// approved.
func signing(t *testing.T, edits ...string) (*manifests.Bound, Approval) {
	t.Helper()
	raw, err := os.ReadFile("../manifests/testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the manifest has no %s", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	m, err := manifests.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bind(map[string]any{"shop": "my-shop", "mail_host": "mail.example"})
	if err != nil {
		t.Fatal(err)
	}
	a := NewApproval(b, testScope, testModules, ModeLocal, noon)
	a.ApprovalID, a.Serial = "a", 1
	return b, a
}

func apiKey(t *testing.T, b *manifests.Bound) *manifests.Credential {
	t.Helper()
	i := slices.IndexFunc(b.Credentials, func(c manifests.Credential) bool { return c.Name == "API_KEY" })
	if i < 0 {
		t.Fatal("no API_KEY")
	}
	return &b.Credentials[i]
}

const (
	macTemplate = `"mac": { "alg": "HMAC-SHA256", "encoding": "base64", "max_bytes": 4096 }`
	macWider    = `"mac": { "alg": "HMAC-SHA256", "encoding": "base64", "max_bytes": 8192 }`
	macEncoding = `"mac": { "alg": "HMAC-SHA256", "encoding": "hex", "max_bytes": 4096 }`
	macAndOther = macTemplate + `, "more": { "alg": "HMAC-SHA1" }`
)

func TestAllowsSign(t *testing.T) {
	b, a := signing(t)
	c := apiKey(t, b)
	if got := c.SignNames(); !slices.Equal(got, []string{"app", "mac"}) {
		t.Fatalf("the manifest has the templates %v", got)
	}
	for _, name := range c.SignNames() {
		if !a.AllowsSign("API_KEY", c.Sign[name]) {
			t.Errorf("%s was approved and is not allowed", name)
		}
		if a.AllowsSign("CLIENT_SECRET", c.Sign[name]) || a.AllowsSign("NOTHING", c.Sign[name]) {
			t.Errorf("%s is allowed with another credential", name)
		}
		renamed := c.Sign[name]
		renamed.Name = "x"
		if a.AllowsSign("API_KEY", renamed) {
			t.Errorf("%s is allowed by another name", name)
		}
	}
	if a.AllowsSign("API_KEY", manifests.SignTemplate{}) {
		t.Error("a template of nothing is allowed")
	}
	for what, edit := range map[string]string{"more data": macWider, "another encoding": macEncoding} {
		changed, _ := signing(t, macTemplate, edit)
		if a.AllowsSign("API_KEY", apiKey(t, changed).Sign["mac"]) {
			t.Errorf("%s: a changed template is allowed", what)
		}
	}
	use := a
	use.Credentials = slices.Clone(a.Credentials)
	use.Credential("API_KEY").Access = []abi.Access{abi.AccessUse}
	if use.AllowsSign("API_KEY", c.Sign["mac"]) {
		t.Error("allowed without access sign")
	}
}

func TestWideningOfSigning(t *testing.T) {
	_, old := signing(t)
	_, same := signing(t)
	if lines := Widening(&old, same); lines != nil {
		t.Errorf("the same again: %q", lines)
	}
	for what, test := range map[string]struct{ edit, want string }{
		"another template": {macAndOther, `with API_KEY, by "more" Sallyport signs whatever the connector gives it`},
		"more data":        {macWider, "up to 8192 bytes (HMAC-SHA256); before, "},
		// Describe says nothing of the encoding: the pin does.
		"what is not shown": {macEncoding, "what this summary leaves out has changed"},
	} {
		_, next := signing(t, macTemplate, test.edit)
		lines := Widening(&old, next)
		if len(lines) != 1 || !strings.Contains(lines[0], test.want) {
			t.Errorf("%s: %q", what, lines)
		}
	}
	_, fewer := signing(t, macTemplate+",", "")
	if lines := Widening(&old, fewer); lines != nil {
		t.Errorf("one template less: %q", lines)
	}
	// An approval from before templates were pinned allows none of them.
	before := old
	before.Credentials = slices.Clone(old.Credentials)
	before.Credential("API_KEY").Sign = nil
	if lines := Widening(&before, old); len(lines) != 2 {
		t.Errorf("after an approval without templates: %q", lines)
	}
	b, _ := signing(t)
	if before.AllowsSign("API_KEY", apiKey(t, b).Sign["mac"]) {
		t.Error("an approval without templates allows one")
	}
}

// What has ways to sign reads back whole, and strictly. That those without
// are written and read as before, the golden envelopes hold.
func TestApprovalOfSigning(t *testing.T) {
	key, pub := testKey(t)
	_, a := signing(t)
	raw, err := SignApproval(key, a)
	if err != nil {
		t.Fatal(err)
	}
	back, err := OpenApproval(raw, pub)
	if err != nil || !reflect.DeepEqual(back.Credentials, a.Credentials) {
		t.Fatalf("%v: got %+v", err, back)
	}
	payload, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string][2]string{
		"unknown":  {`"sign":[{`, `"sign":[{"more":1,`},
		"case":     {`"pin":"`, `"Pin":"`},
		"null":     {`"sign":[{`, `"sign":[null,{`},
		"no words": {`"what":"`, `"name":"`},
	} {
		text := strings.Replace(string(payload), edit[0], edit[1], 1)
		if _, err := OpenApproval(envelopeOf(t, key, domainApproval, []byte(text)), pub); text == string(payload) || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", what, err)
		}
	}
	for what, change := range map[string]func(*ApprovedCredential){
		"no name":   func(c *ApprovedCredential) { c.Sign[0].Name = "" },
		"no pin":    func(c *ApprovedCredential) { c.Sign[0].Pin = "" },
		"no words":  func(c *ApprovedCredential) { c.Sign[0].What = "" },
		"long pin":  func(c *ApprovedCredential) { c.Sign[0].Pin = strings.Repeat("x", maxText+1) },
		"long word": func(c *ApprovedCredential) { c.Sign[0].What = strings.Repeat("x", maxWhat+1) },
		"twice":     func(c *ApprovedCredential) { c.Sign[1].Name = c.Sign[0].Name },
		"too many": func(c *ApprovedCredential) {
			for i := range manifests.MaxSignTemplates {
				c.Sign = append(c.Sign, ApprovedSign{fmt.Sprint(i), "pin", "what"})
			}
		},
	} {
		_, a := signing(t)
		change(a.Credential("API_KEY"))
		if _, err := SignApproval(key, a); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", what, err)
		}
	}
}

// The most that a template may say fits into an approval.
func TestTheLongestTemplateIsApproved(t *testing.T) {
	var claims, fill []string
	for i := range 30 {
		claims = append(claims, fmt.Sprintf(`"%s%02d": "%s"`, strings.Repeat("c", 60), i, strings.Repeat("ü", 72)))
		fill = append(fill, fmt.Sprintf(`"%s%02d": {"pattern": "a"}`, strings.Repeat("f", 60), i))
	}
	b, a := signing(t, `"claims": {`, `"claims": {`+strings.Join(claims, ",")+`,`, `"days": "${options.days}", `, "", `"aud": ["https://api.everything.example"], `, "", `"iss": "${options.shop}", `, "", `"iat": "${now}", `, "",
		`"fill": {`, `"fill": {`+strings.Join(fill, ",")+`,`)
	key, _ := testKey(t)
	if _, err := SignApproval(key, a); err != nil {
		t.Errorf("%v (%d bytes)", err, len(apiKey(t, b).Sign["app"].Describe()))
	}
}
