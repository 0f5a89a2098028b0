package manifests

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	signKey  = "/credentials_schema/properties/API_KEY"
	signApp  = signKey + "/sign/app"
	signJWT  = signApp + "/jwt"
	signSend = `[{"origin":"https://api.everything.example","paths":["/v1/**"],"as":"header:Authorization"}]`
	signAWS  = `{"alg":"AWS4-HMAC-SHA256","region":"eu-central-1","service":"s3","access_key_id":"ACCOUNT"}`
)

func TestSignFaults(t *testing.T) {
	// edits are made in no order, so that a template is written whole
	aws := func(member, value string) edits {
		template := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(signAWS), &template); err != nil {
			t.Fatal(err)
		}
		template[member] = json.RawMessage(value)
		text, err := json.Marshal(template)
		if err != nil {
			t.Fatal(err)
		}
		return edits{signKey + "/send_to": signSend, signKey + "/sign/aws": string(text)}
	}
	runFaults(t, []faultCase{
		{"nothing to sign", edits{signKey + "/sign": ""}, []string{signKey + ` ~ "sign" is missing`}},
		{"no access sign", edits{signKey + "/access": `["use"]`}, []string{signKey + "/sign ~ no effect"}},
		{"no access said", edits{signKey + "/access": ""}, []string{signKey + "/sign ~ no effect"}},
		{"no template", edits{signKey + "/sign": "{}"}, []string{signKey + "/sign ~ at least 1"}},
		{"a list", edits{signKey + "/sign": "[]"}, []string{signKey + "/sign ~ type object"}},
		{"a bad name", edits{signKey + "/sign/a-b": `{"alg":"HMAC-SHA256"}`}, []string{signKey + "/sign/a-b ~ form"}},
		{"an identity signs", edits{"/credentials_schema/properties/ACCOUNT/sign": `{"m":{"alg":"HMAC-SHA256"}}`}, []string{"/credentials_schema/properties/ACCOUNT/sign ~ identity"}},
		{"a code signs", edits{"/credentials_schema/properties/OTP/access": `["sign"]`, "/credentials_schema/properties/OTP/sign": `{"m":{"alg":"HMAC-SHA256"}}`},
			[]string{"/credentials_schema/properties/OTP/access ~ use alone"}},

		{"no algorithm", edits{signApp + "/alg": ""}, []string{signApp + ` ~ "alg" is missing`}},
		{"none", edits{signApp + "/alg": `"none"`}, []string{signApp + "/alg ~ listed"}},
		{"a symmetric token", edits{signApp + "/alg": `"HS256"`}, []string{signApp + "/alg ~ listed"}},
		{"unknown in a template", edits{signApp + "/key": `"x"`}, []string{signApp + "/key ~ not known"}},
		{"an encoding of a token", edits{signApp + "/encoding": `"hex"`}, []string{signApp + "/encoding ~ does not go with RS256"}},
		{"a token of a MAC", edits{signKey + "/sign/mac/jwt": `{"claims":{"exp":"${exp}"},"lifetime":"PT1M"}`}, []string{signKey + "/sign/mac/jwt ~ does not go with HMAC-SHA256"}},
		{"a region of a MAC", edits{signKey + "/sign/mac/region": `"eu"`}, []string{signKey + "/sign/mac/region ~ does not go with"}},
		{"too much data", edits{signKey + "/sign/mac/max_bytes": "1048577"}, []string{signKey + "/sign/mac/max_bytes ~ at most 1048576"}},
		{"no data", edits{signKey + "/sign/mac/max_bytes": "0"}, []string{signKey + "/sign/mac/max_bytes ~ at least 1"}},

		{"no jwt", edits{signJWT: ""}, []string{signApp + ` ~ "jwt" is missing`}},
		{"no claims", edits{signJWT + "/claims": ""}, []string{signJWT + ` ~ "claims" is missing`}},
		{"no lifetime", edits{signJWT + "/lifetime": ""}, []string{signJWT + ` ~ "lifetime" is missing`}},
		{"a lifetime of a month", edits{signJWT + "/lifetime": `"P1M"`}, []string{signJWT + "/lifetime ~ duration"}},
		{"a lifetime of a week", edits{signJWT + "/lifetime": `"P1W"`}, []string{signJWT + "/lifetime ~ longer than a day"}},
		{"backdated far", edits{signJWT + "/backdate": `"PT6M"`}, []string{signJWT + "/backdate ~ longer than five minutes"}},
		{"over when it begins", edits{signJWT + "/lifetime": `"PT1M"`}, []string{signJWT + "/backdate ~ not shorter"}},
		{"no end", edits{signJWT + "/claims/exp": ""}, []string{signJWT + `/claims ~ "exp" is missing`}},
		{"an end of its own", edits{signJWT + "/claims/exp": "4102444800"}, []string{signJWT + "/claims/exp ~ host's time"}},
		{"an end by option", edits{signJWT + "/claims/exp": `"${options.days}"`}, []string{signJWT + "/claims/exp ~ host's time"}},
		{"a start of its own", edits{signJWT + "/claims/iat": "0"}, []string{signJWT + "/claims/iat ~ host's time"}},
		{"it begins at its end", edits{signJWT + "/claims/nbf": `"${exp}"`}, []string{signJWT + "/claims/nbf ~ host's time"}},
		{"a time in a text", edits{signJWT + "/claims/iss": `"x${now}"`}, []string{signJWT + "/claims/iss ~ stands alone"}},
		{"a time in a list", edits{signJWT + "/claims/aud": `["${now}"]`}, []string{signJWT + "/claims/aud/0 ~ stands alone"}},
		{"a time in the header", edits{signJWT + "/header/kid": `"${exp}"`}, []string{signJWT + "/header/kid ~ stands alone"}},
		{"an object as a claim", edits{signJWT + "/claims/act": `{"sub":"x"}`}, []string{signJWT + "/claims/act ~ type string"}},
		{"null as a claim", edits{signJWT + "/claims/act": `null`}, []string{signJWT + "/claims/act ~ type string"}},
		{"another algorithm", edits{signJWT + "/header/alg": `"none"`}, []string{signJWT + "/header/alg ~ host writes"}},
		{"a key of its own", edits{signJWT + "/header/jku": `"https://x.example/"`}, []string{signJWT + "/header/jku ~ no place"}},
		{"an unknown option", edits{signJWT + "/claims/iss": `"${options.shops}"`}, []string{signJWT + "/claims/iss ~ no option shops"}},
		{"the environment", edits{signJWT + "/claims/iss": `"${env.HOME}"`}, []string{signJWT + "/claims/iss ~ something else"}},
		{"an unclosed hole", edits{signJWT + "/claims/iss": `"${options.shop"`}, []string{signJWT + "/claims/iss ~ not closed"}},

		{"a hole that is said", edits{signJWT + "/fill/iss": `{"pattern":"x"}`}, []string{signJWT + "/fill/iss ~ says that claim"}},
		{"a hole for the end", edits{signJWT + "/fill/nbf": `{"pattern":"[0-9]+"}`}, []string{signJWT + "/fill/nbf ~ times"}},
		{"a hole without a pattern", edits{signJWT + "/fill/sub/pattern": ""}, []string{signJWT + `/fill/sub ~ "pattern" is missing`}},
		{"a pattern that leads out", edits{signJWT + "/fill/sub/pattern": `"a)|(b"`}, []string{signJWT + "/fill/sub/pattern ~ valid regex"}},
		{"a large hole", edits{signJWT + "/fill/sub/max_length": "1025"}, []string{signJWT + "/fill/sub/max_length ~ at most 1024"}},
		{"unknown in a hole", edits{signJWT + "/fill/sub/type": `"string"`}, []string{signJWT + "/fill/sub/type ~ not known"}},

		{"nothing of AWS", edits{signKey + "/send_to": signSend, signKey + "/sign/aws": `{"alg":"AWS4-HMAC-SHA256"}`}, []string{
			signKey + `/sign/aws ~ "access_key_id"`, signKey + `/sign/aws ~ "region"`, signKey + `/sign/aws ~ "service"`}},
		{"AWS without a place", edits{signKey + "/send_to": `[{"origin":"https://api.everything.example","paths":["/v1/**"],"as":"cookie"}]`, signKey + "/sign/aws": signAWS},
			[]string{signKey + "/sign/aws/alg ~ no place header:Authorization"}},
		{"a bad region", aws("region", `"eu/central"`), []string{signKey + "/sign/aws/region ~ region"}},
		{"a random region", aws("region", `"${random}"`), []string{signKey + "/sign/aws/region ~ region"}},
		{"a bad service", aws("service", `"S3/x"`), []string{signKey + "/sign/aws/service ~ form"}},
		{"an unknown id", aws("access_key_id", `"NOBODY"`), []string{signKey + "/sign/aws/access_key_id ~ no credential"}},
		{"an id that goes nowhere", aws("access_key_id", `"CLIENT_SECRET"`), []string{signKey + "/sign/aws/access_key_id ~ CLIENT_SECRET has no place"}},
		{"an identity as a session", aws("session_token", `"ACCOUNT"`), []string{signKey + "/sign/aws/session_token ~ identity"}},
		{"a session that goes nowhere", aws("session_token", `"CLIENT_SECRET"`), []string{signKey + "/sign/aws/session_token ~ X-Amz-Security-Token"}},

		{"no concurrency", edits{"/limits/concurrency": "0"}, []string{"/limits/concurrency ~ at least 1"}},
		{"too much of it", edits{"/limits/concurrency": "65"}, []string{"/limits/concurrency ~ at most 64"}},
	})
}

// API_KEY's AWS template is right, its region an option.
func TestSignAWS(t *testing.T) {
	m := parse(t, edit(t, "everything.json", edits{
		signKey + "/send_to": signSend, signKey + "/sign/aws": strings.Replace(signAWS, "eu-central-1", "${options.region}-x", 1)}))
	options := map[string]any{"shop": "my-shop", "mail_host": "mail.example"}
	c, _ := bind(t, m, options).Credential("API_KEY")
	if aws := c.Sign["aws"].AWS; aws.Region != "eu-x" || aws.Service != "s3" || aws.AccessKeyID != "ACCOUNT" || aws.SessionToken != "" {
		t.Errorf("%+v", aws)
	}
	if got := m.Credentials[1].Sign["aws"].AWS.Region; got != "${options.region}-x" {
		t.Errorf("Bind changed the manifest: %q", got)
	}
	if got, want := c.Sign["aws"].Describe(), `by "aws" Sallyport signs requests to the AWS service "s3" in "eu-x" (AWS4-HMAC-SHA256)`; got != want {
		t.Errorf("described as %s", got)
	}
	open := parse(t, edit(t, "everything.json", edits{
		signKey + "/send_to": signSend, signKey + "/sign/aws": strings.Replace(signAWS, "eu-central-1", "${options.shop}", 1),
		"/options_schema/properties/shop/pattern": ""}))
	for _, region := range []string{"eu/x", "", "${now}", strings.Repeat("a", 65), "é"} {
		// the shop is a label of an origin too, which refuses some of them itself
		faults := faultsOf(t, second(open.Bind(map[string]any{"shop": region, "mail_host": "mail.example"})))
		if len(faults) == 0 || !strings.Contains(faults[0].Problem+faults[len(faults)-1].Problem, "it does not make a region") {
			t.Errorf("%q binds: %v", region, faults)
		}
	}
}

func appTemplate(t *testing.T) SignTemplate {
	t.Helper()
	_, b := everything(t)
	c, _ := b.Credential("API_KEY")
	if !reflect.DeepEqual(c.SignNames(), []string{"app", "mac"}) {
		t.Fatalf("templates %q", c.SignNames())
	}
	return c.Sign["app"]
}

func TestRenderToken(t *testing.T) {
	app := appTemplate(t)
	now := time.Unix(1_700_000_000, 999)
	header, claims, err := app.JWT.Render(now, "NONCE", []byte(`{"sub":"ann@everything.example"}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal([]any{header, claims})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"kid":"my-shop-1","typ":"JWT"},{"aud":["https://api.everything.example"],"days":30,"exp":1700000540,"iat":1699999940,` +
		`"iss":"my-shop","jti":"NONCE","sub":"ann@everything.example"}]`
	if string(got) != want {
		t.Errorf("rendered\n%s, want\n%s", got, want)
	}
}

func TestFillRefuses(t *testing.T) {
	app := appTemplate(t)
	for name, data := range map[string]string{
		"nothing":            ``,
		"no object":          `["sub"]`,
		"trailing":           `{"sub":"ann@everything.example"}x`,
		"twice":              `{"sub":"ann@everything.example","sub":"eve@everything.example"}`,
		"a required one not": `{"scope":"read"}`,
		"no text":            `{"sub":1}`,
		"nested":             `{"sub":{"x":"ann@everything.example"}}`,
		"more before":        `{"sub":"x ann@everything.example"}`,
		"more after":         `{"sub":"ann@everything.example\n"}`,
		"half a choice":      `{"sub":"ann@everything.example","scope":"readwrite"}`,
		"too long":           `{"sub":"` + strings.Repeat("a", 64) + `@everything.example"}`,
		"the end":            `{"sub":"ann@everything.example","exp":"1"}`,
		"one that is said":   `{"sub":"ann@everything.example","iss":"other"}`,
		"an unknown one":     `{"sub":"ann@everything.example","canary-claim":"x"}`,
		"too large":          `{"sub":"` + strings.Repeat(`a`, MaxHolesBytes) + `"}`,
	} {
		_, claims, err := app.JWT.Render(time.Unix(0, 0), "n", []byte(data))
		if !errors.Is(err, ErrSignData) || claims != nil {
			t.Errorf("%s: %v, %v", name, claims, err)
			continue
		}
		for _, part := range []string{"everything.example", "canary", "eve@"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error quotes the connector: %v", name, err)
			}
		}
	}
}

// What an option says is text, whatever it looks like.
func TestOptionIsNoHole(t *testing.T) {
	m := parse(t, edit(t, "everything.json", edits{
		"/options_schema/properties/region": `{"type":"string","default":"eu"}`,
		signJWT + "/claims/iss":             `"${options.region}"`,
		signJWT + "/claims/aud":             `["a ${options.region} b"]`,
	}))
	b := bind(t, m, map[string]any{"shop": "s", "mail_host": "m.example", "region": `${exp}","admin":"${random}`})
	c, _ := b.Credential("API_KEY")
	_, claims, err := c.Sign["app"].JWT.Render(time.Unix(0, 0), "NONCE", []byte(`{"sub":"a@everything.example"}`))
	if err != nil || claims["iss"] != `${exp}","admin":"${random}` || claims["aud"].([]any)[0] != `a ${exp}","admin":"${random} b` || claims["admin"] != nil {
		t.Errorf("%v, %v", claims, err)
	}
	if text := c.Sign["app"].Describe(); !strings.Contains(text, `"iss" "${exp}','admin':'${random}"`) {
		t.Errorf("an option is taken for a hole: %s", text)
	}
}

func TestDescribeSigning(t *testing.T) {
	_, b := everything(t)
	c, _ := b.Credential("API_KEY")
	for name, want := range map[string]string{
		"mac": `by "mac" Sallyport signs whatever the connector gives it, up to 4096 bytes (HMAC-SHA256)`,
		"app": `by "app" Sallyport signs a token that is good for 10 minutes (RS256), that says "aud" "https://api.everything.example", "days" "30" and "iss" "my-shop"; the connector chooses "scope" and "sub"`,
	} {
		if got := c.Sign[name].Describe(); got != want {
			t.Errorf("%s is described as\n%s, want\n%s", name, got, want)
		}
	}
}

// A change of anything that a template allows changes its pin.
func TestPinNoticesChanges(t *testing.T) {
	pins := map[string]string{}
	pin := func(name string, changes edits) {
		t.Helper()
		b := bind(t, parse(t, edit(t, "everything.json", changes)), map[string]any{"shop": "my-shop", "mail_host": "mail.example"})
		c, _ := b.Credential("API_KEY")
		p := c.Sign["app"].Pin() + c.Sign["mac"].Pin()
		if other, same := pins[p]; same {
			t.Errorf("%s has the pin of %s", name, other)
		}
		pins[p] = name
	}
	long := strings.Repeat("x", 100)
	pin("nothing", nil)
	pin("algorithm", edits{signApp + "/alg": `"ES256"`})
	pin("lifetime", edits{signJWT + "/lifetime": `"PT11M"`})
	pin("backdate", edits{signJWT + "/backdate": ""})
	pin("header", edits{signJWT + "/header/kid": `"k"`})
	pin("long claim", edits{signJWT + "/claims/iss": `"` + long + `a"`})
	pin("long claim otherwise", edits{signJWT + "/claims/iss": `"` + long + `b"`})
	pin("list of one", edits{signJWT + "/claims/iss": `["my-shop"]`})
	pin("hole", edits{signJWT + "/claims/jti": `"random"`})
	pin("number as text", edits{signJWT + "/claims/days": `"30"`})
	pin("pattern", edits{signJWT + "/fill/sub/pattern": `".*"`})
	pin("length", edits{signJWT + "/fill/sub/max_length": `65`})
	pin("optional", edits{signJWT + "/fill/sub/optional": `true`})
	pin("encoding", edits{signKey + "/sign/mac/encoding": `"hex"`})
	pin("key encoding", edits{signKey + "/sign/mac/key_encoding": `"hex"`})
	pin("bytes", edits{signKey + "/sign/mac/max_bytes": `1`})
	m, b := everything(t)
	again, _ := bind(t, m, b.Options).Credential("API_KEY")
	once, _ := b.Credential("API_KEY")
	if once.Sign["app"].Pin() != again.Sign["app"].Pin() {
		t.Error("the same template has two pins")
	}
}
