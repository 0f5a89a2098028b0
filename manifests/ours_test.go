package manifests

import "testing"

// faultCase changes testdata/everything.json, which is right, and says which
// faults that makes.
type faultCase struct {
	name    string
	changes edits
	want    []string
}

func runFaults(t *testing.T, cases []faultCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := second(Parse(edit(t, "everything.json", c.changes)))
			wantFaults(t, err, c.want...)
			for _, f := range faultsOf(t, err) {
				if f.Remedy == "" {
					t.Errorf("%s has no remedy", f.Pointer)
				}
			}
		})
	}
}

func TestCredentialFaults(t *testing.T) {
	const (
		at   = "/credentials_schema/properties/"
		key  = at + "API_KEY"
		pass = at + "PASSWORD"
		otp  = at + "OTP"
		id   = at + "ACCOUNT"
		mail = at + "MAIL_PASSWORD"
	)
	place := func(origin string) string {
		return `[{"origin":"` + origin + `","methods":["POST"],"paths":["/login"],"as":"form:p"}]`
	}
	runFaults(t, []faultCase{
		{"no object", edits{"/credentials_schema": "[]"}, []string{"/credentials_schema ~ type object"}},
		{"no type", edits{"/credentials_schema/type": ""}, []string{`/credentials_schema ~ "type" is missing`}},
		{"another type", edits{"/credentials_schema/type": `"array"`}, []string{"/credentials_schema/type ~ listed"}},
		{"a $ref", edits{"/credentials_schema/$ref": `"file:///etc/passwd"`}, []string{"/credentials_schema/$ref ~ not known"}},
		{"open", edits{"/credentials_schema/additionalProperties": "true"}, []string{"/credentials_schema/additionalProperties ~ listed"}},
		{"another dialect", edits{"/credentials_schema/$schema": `"http://json-schema.org/draft-07/schema#"`}, []string{"/credentials_schema/$schema ~ listed"}},
		{"required unknown", edits{"/credentials_schema/required": `["API_KEY","NOTHING"]`}, []string{"/credentials_schema/required/1 ~ properties"}},
		{"required twice", edits{"/credentials_schema/required": `["API_KEY","API_KEY"]`}, []string{"/credentials_schema/required ~ once"}},
		{"a bad name", edits{at + "1x": `{"type":"string","identity":true}`}, []string{at + "1x ~ form"}},
		{"a name with a dash", edits{at + "A-B": `{"type":"string","identity":true}`}, []string{at + "A-B ~ form"}},
		{"a credential no object", edits{key: `true`, at + "CLIENT_SECRET": ""}, []string{key + " ~ type object"}},

		{"unknown keyword", edits{key + "/default": `"x"`}, []string{key + "/default ~ not known"}},
		{"a $ref on a credential", edits{key + "/$ref": `"#/x"`}, []string{key + "/$ref ~ not known"}},
		{"number type", edits{key + "/type": `"number"`}, []string{key + "/type ~ listed"}},
		{"no type on it", edits{key + "/type": ""}, []string{key + ` ~ "type"`}},
		{"unknown format", edits{key + "/format": `"emial"`}, []string{key + "/format ~ listed"}},
		{"look-around", edits{key + "/pattern": `"(?=x)"`}, []string{key + "/pattern ~ valid regex"}},
		{"lengths crossed", edits{key + "/maxLength": `9`}, []string{key + "/maxLength ~ below"}},
		{"a hidden title", edits{key + "/title": `"a\u202eb"`}, []string{key + "/title ~ characters"}},
		{"an empty title", edits{key + "/title": `""`}, []string{key + "/title ~ form"}},

		{"no class", edits{key + "/class": ""}, []string{key + ` ~ "class" is missing`}},
		{"unknown class", edits{key + "/class": `"secret"`}, []string{key + "/class ~ listed"}},
		{"no send_to", edits{key + "/send_to": "", key + "/probe": ""}, []string{key + ` ~ "send_to" is missing`}},
		{"empty send_to", edits{key + "/send_to": "[]", key + "/probe": ""}, []string{key + "/send_to ~ at least 1"}},
		{"unknown access", edits{key + "/access": `["read"]`}, []string{key + "/access/0 ~ listed"}},
		{"access twice", edits{key + "/access": `["use","use"]`}, []string{key + "/access ~ once"}},
		{"obtained otherwise", edits{key + "/obtained_via": `["theft"]`}, []string{key + "/obtained_via/0 ~ listed"}},

		{"an alias is a name", edits{key + "/aliases": `["COOKIES"]`}, []string{key + "/aliases/0 ~ another credential"}},
		{"an alias is its own name", edits{key + "/aliases": `["API_KEY"]`}, []string{key + "/aliases/0 ~ another credential"}},
		{"an alias of two", edits{otp + "/aliases": `["EVERYTHING_KEY"]`}, []string{otp + "/aliases/0 ~ another alias"}},
		{"an alias is an option", edits{otp + "/aliases": `["shop"]`}, []string{otp + "/aliases/0 ~ an option"}},
		{"a name is an option", edits{"/options_schema/properties/OTP": `{"type":"string"}`}, []string{otp + " ~ an option"}},

		{"an identity with a class", edits{id + "/class": `"session"`}, []string{id + "/class ~ identity"}},
		{"an identity is sent", edits{id + "/send_to": place("https://www.everything.example")}, []string{id + "/send_to ~ identity"}},
		{"an identity with access", edits{id + "/access": `["reveal"]`}, []string{id + "/access ~ identity"}},

		{"a password is revealed", edits{pass + "/access": `["use","reveal"]`}, []string{pass + "/access ~ revealed"}},
		{"only revealed", edits{pass + "/access": `["reveal"]`}, []string{pass + "/access ~ revealed"}},
		{"a password without methods", edits{pass + "/send_to/0/methods": ""}, []string{pass + `/send_to/0 ~ "methods" is missing`}},
		{"a password without paths", edits{pass + "/send_to/0/paths": ""}, []string{pass + `/send_to/0 ~ "paths" is missing`}},
		{"a password to a wildcard", edits{pass + "/send_to": place("https://*.everything.example")}, []string{pass + `/send_to/0/origin ~ "*."`}},
		{"a password is captured", edits{pass + "/capture": `[{"origin":"https://www.everything.example","paths":["/"],"from":"set-cookie"}]`}, []string{pass + "/capture ~ captured"}},
		{"a password from a tool", edits{pass + "/obtained_via": `["bootstrap_tool"]`}, []string{pass + "/obtained_via ~ owner"}},
		{"a password in OAuth", edits{pass + "/oauth2": `{"token_url":"https://x.example/"}`}, []string{pass + "/oauth2 ~ OAuth"}},

		{"a code is renewed", edits{otp + "/rotation_hint": `{"lifetime":"PT1M"}`}, []string{otp + "/rotation_hint ~ never stored"}},
		{"a code is probed", edits{otp + "/probe": `{"origin":"https://www.everything.example","method":"POST","path":"/login/code"}`}, []string{otp + "/probe ~ used up"}},
		{"a code signs", edits{otp + "/access": `["sign"]`}, []string{otp + "/access ~ use alone"}},

		{"no paths", edits{key + "/send_to/0/paths": "", key + "/probe": ""}, []string{key + `/send_to/0 ~ "paths" is missing`}},
		{"empty paths", edits{key + "/send_to/0/paths": "[]", key + "/probe": ""}, []string{key + "/send_to/0/paths ~ at least 1"}},
		{"a path in two ways", edits{key + "/send_to/0/paths": `["/v1/**","/a/../b"]`}, []string{key + `/send_to/0/paths/1 ~ segment "."`}},
		{"a path half wild", edits{key + "/send_to/0/paths": `["/v1/**","/a*"]`}, []string{key + "/send_to/0/paths/1 ~ whole segment"}},
		{"TRACE", edits{key + "/send_to/0/methods": `["GET","TRACE"]`}, []string{key + "/send_to/0/methods/1 ~ never sent"}},
		{"a lower-case method", edits{key + "/send_to/0/methods": `["GET","post"]`}, []string{key + "/send_to/0/methods/1 ~ form"}},
		{"no position", edits{key + "/send_to/0/as": "", key + "/probe": ""}, []string{key + `/send_to/0 ~ "as" is missing`}},
		{"an unknown position", edits{key + "/send_to/1/as": `"bearer"`}, []string{key + "/send_to/1/as ~ not a position"}},
		{"a forbidden header", edits{key + "/send_to/1/as": `"header:Host"`}, []string{key + "/send_to/1/as ~ host itself"}},
		{"imap over https", edits{key + "/send_to/1/as": `"imap"`}, []string{key + "/send_to/1/as ~ no position imap"}},
		{"basic over imaps", edits{mail + "/send_to/0/as": `"basic"`}, []string{mail + "/send_to/0/as ~ no position basic"}},
		{"paths over imaps", edits{mail + "/send_to/0/paths": `["/**"]`}, []string{mail + "/send_to/0/paths ~ imaps has no paths"}},
		{"methods over smtp", edits{mail + "/send_to/1/methods": `["GET"]`}, []string{mail + "/send_to/1/methods ~ smtp has no methods"}},
		{"unknown in a destination", edits{key + "/send_to/0/path": `"/"`}, []string{key + "/send_to/0/path ~ not known"}},

		{"an origin with a path", edits{key + "/send_to/1/origin": `"https://api.everything.example/x"`}, []string{key + "/send_to/1/origin ~ goes on"}},
		{"an origin with a user", edits{key + "/send_to/1/origin": `"https://u@api.everything.example"`}, []string{key + "/send_to/1/origin ~ user part"}},
		{"a public suffix", edits{key + "/send_to/1/origin": `"https://*.co.uk"`}, []string{key + "/send_to/1/origin ~ anyone"}},
		{"a private suffix", edits{key + "/send_to/1/origin": `"https://*.github.io"`}, []string{key + "/send_to/1/origin ~ anyone"}},
		{"all of com", edits{key + "/send_to/1/origin": `"https://*.com"`}, []string{key + "/send_to/1/origin ~ anyone"}},
		{"everything", edits{key + "/send_to/1/origin": `"https://*"`}, []string{key + "/send_to/1/origin ~ not an origin"}},
		{"a wildcard inside", edits{key + "/send_to/1/origin": `"https://a.*.everything.example"`}, []string{key + "/send_to/1/origin ~ character"}},
		{"two wildcards", edits{key + "/send_to/1/origin": `"https://*.*.everything.example"`}, []string{key + "/send_to/1/origin ~ character"}},
		{"a wildcard of addresses", edits{key + "/send_to/1/origin": `"https://*.1.2.3.4"`}, []string{key + "/send_to/1/origin ~ before a name"}},
		{"not in egress", edits{"/egress": `[{"origin":"https://elsewhere.example","paths":["/"]}]`,
			key:                  `{"type":"string","class":"session","send_to":[{"origin":"https://api.everything.example","paths":["/"],"as":"cookie"}]}`,
			at + "CLIENT_SECRET": "", at + "COOKIES": "", at + "PASSWORD": "", at + "MAIL_PASSWORD": "", at + "OTP": ""},
			[]string{key + "/send_to/0/origin ~ no egress rule"}},
		{"only denied in egress", edits{"/egress": `[{"origin":"https://api.everything.example","paths":["/x"],"deny":true}]`,
			key:                  `{"type":"string","class":"session","send_to":[{"origin":"https://api.everything.example","paths":["/"],"as":"cookie"}]}`,
			at + "CLIENT_SECRET": "", at + "COOKIES": "", at + "PASSWORD": "", at + "MAIL_PASSWORD": "", at + "OTP": ""},
			[]string{key + "/send_to/0/origin ~ no egress rule"}},

		{"renewed after its end", edits{key + "/rotation_hint": `{"lifetime":"P1D","renew_before":"P1D"}`}, []string{key + "/rotation_hint/renew_before ~ shorter"}},
		{"a year", edits{key + "/rotation_hint": `{"lifetime":"P1Y"}`}, []string{key + "/rotation_hint/lifetime ~ duration"}},
		{"renewed in the clear", edits{key + "/rotation_hint": `{"url":"http://x.example/"}`}, []string{key + "/rotation_hint/url ~ https"}},
		{"renewed with a user", edits{key + "/rotation_hint": `{"url":"https://u:p@x.example/"}`}, []string{key + "/rotation_hint/url ~ https"}},

		{"captured over mail", edits{at + "COOKIES/capture/0": `{"origin":"imaps://mail.example","from":"set-cookie"}`}, []string{
			at + "COOKIES/capture/0/origin ~ HTTP only"}},
		{"captured from nowhere", edits{at + "COOKIES/capture/0/from": `"body"`}, []string{at + "COOKIES/capture/0/from ~ place in a response"}},
		{"a refusal that is none", edits{at + "COOKIES/send_to/0/rejected": `[500]`}, []string{at + "COOKIES/send_to/0/rejected/0 ~ "}},
		{"a status over mail", edits{at + "COOKIES/send_to/0": `{"origin":"imaps://mail.example","as":"imap","rejected":[401]}`}, []string{at + "COOKIES/send_to/0/rejected ~ no HTTP status"}},
		{"captured from Set-Cookie", edits{at + "COOKIES/capture/0/from": `"header:set-cookie"`}, []string{at + "COOKIES/capture/0/from ~ place in a response"}},
		{"captured from a bad pointer", edits{at + "COOKIES/capture/0/from": `"json:token"`}, []string{at + "COOKIES/capture/0/from ~ place in a response"}},

		{"a probe elsewhere", edits{key + "/probe/path": `"/v2/user"`}, []string{key + "/probe ~ no entry of send_to"}},
		{"a probe by POST", edits{key + "/probe/method": `"POST"`}, []string{key + "/probe ~ no entry of send_to"}},
		{"a probe in another position", edits{key + "/probe/as": `"basic"`}, []string{key + "/probe ~ no entry of send_to"}},
		{"a probe without a path", edits{key + "/probe/path": ""}, []string{key + `/probe ~ "path" is missing`}},
		{"a probe of a wildcard", edits{key + "/probe/origin": `"https://*.everything.example"`}, []string{key + "/probe/origin ~ one host"}},
		{"a probe with a status of 401", edits{key + "/probe/status": `[401]`}, []string{key + "/probe/status/0 ~ at most 299"}},

		{"OAuth in the clear", edits{key + "/oauth2/token_url": `"http://auth.everything.example/token"`}, []string{key + "/oauth2/token_url ~ https"}},
		{"OAuth without a token_url", edits{key + "/oauth2/token_url": ""}, []string{key + `/oauth2 ~ "token_url"`}},
		{"OAuth of nobody", edits{key + "/oauth2/client_secret": `"NOTHING"`}, []string{key + "/oauth2/client_secret ~ no credential"}},
		{"OAuth with an option as its secret", edits{key + "/oauth2/client_secret": `"shop"`}, []string{key + "/oauth2/client_secret ~ no credential"}},
		{"OAuth with an identity as its secret", edits{key + "/oauth2/refresh_token": `"ACCOUNT"`}, []string{key + "/oauth2/refresh_token ~ identity"}},
	})
}

func TestOptionFaults(t *testing.T) {
	const at, mail = "/options_schema/properties/", "/credentials_schema/properties/MAIL_PASSWORD/send_to/0/origin"
	runFaults(t, []faultCase{
		{"an object", edits{at + "days": `{"type":"object"}`}, []string{at + "days/type ~ listed"}},
		{"a list of types", edits{at + "days/type": `["integer","null"]`}, []string{at + "days/type ~ listed"}},
		{"unknown keyword", edits{at + "days/secret": `true`}, []string{at + "days/secret ~ not known"}},
		{"a default of another type", edits{at + "days/default": `"x"`}, []string{at + "days/default ~ not a number"}},
		{"a default out of bounds", edits{at + "days/default": `0`}, []string{at + "days/default ~ at least 1"}},
		{"a default not listed", edits{at + "region/default": `"jp"`}, []string{at + "region/default ~ listed"}},
		{"a list of another type", edits{at + "region/enum": `["eu",1]`}, []string{at + "region/enum/1 ~ not a text"}},
		{"an object as a default", edits{at + "region/default": `{}`}, []string{at + "region/default ~ not a text", at + "region/default ~ type string"}},
		{"required unknown", edits{"/options_schema/required": `["shop","mail_host","x"]`}, []string{"/options_schema/required/2 ~ properties"}},
		{"not declared", edits{mail: `"imaps://${options.mailhost}"`}, []string{mail + " ~ no option mailhost"}},
		{"not a text", edits{mail: `"imaps://${options.days}"`}, []string{mail + " ~ not a text"}},
		{"may be left out", edits{"/options_schema/required": `["shop"]`}, []string{
			"/credentials_schema/properties/MAIL_PASSWORD/send_to/0/origin ~ left out",
			"/credentials_schema/properties/MAIL_PASSWORD/send_to/1/origin ~ left out",
			"/egress/4/origin ~ left out", "/egress/5/origin ~ left out"}},
		{"a mail server as a whole", edits{mail: `"${options.mail_host}"`}, []string{
			"/credentials_schema/properties/MAIL_PASSWORD/send_to/0 ~ \"paths\"", "/credentials_schema/properties/MAIL_PASSWORD/send_to/0/as ~ no position imap"}},
		{"unclosed", edits{mail: `"imaps://${options.mail_host"`}, []string{mail + " ~ wrongly"}},
		{"twice", edits{mail: `"imaps://${options.mail_host}.${options.shop}.example"`}, []string{mail + " ~ wrongly"}},
		{"no option", edits{mail: `"imaps://${env.HOME}"`}, []string{mail + " ~ wrongly"}},
		{"as a port, a text", edits{mail: `"imaps://m.example:${options.shop}"`}, []string{mail + " ~ not a whole number"}},
		{"as a part of a port", edits{mail: `"imaps://m.example:1${options.days}"`}, []string{mail + " ~ port"}},
		{"as a scheme", edits{mail: `"${options.shop}://m.example"`}, []string{mail + " ~ whole origin"}},
		{"as a path", edits{mail: `"imaps://m.example/${options.shop}"`}, []string{mail + " ~ goes on"}},
		{"as a user", edits{mail: `"imaps://${options.shop}@m.example"`}, []string{mail + " ~ user"}},
		{"as a part of a label", edits{mail: `"imaps://x${options.shop}.example"`}, []string{mail + " ~ whole origin"}},
		{"as the last label", edits{mail: `"imaps://example.${options.shop}"`}, []string{mail + " ~ whole origin"}},
		{"under a wildcard", edits{mail: `"imaps://*.${options.shop}.example"`}, []string{mail + " ~ character"}},
		{"in a path", edits{"/egress/0/paths": `["/${options.shop}"]`}, []string{"/egress/0/paths/0 ~ escaped"}},
	})
}

func TestOtherFaults(t *testing.T) {
	runFaults(t, []faultCase{
		{"egress no list", edits{"/egress": "{}"}, []string{"/egress ~ type array"}},
		{"a rule without paths", edits{"/egress/0/paths": ""}, []string{`/egress/0 ~ "paths" is missing`}},
		{"a rule to deny without paths", edits{"/egress/2/paths": ""}, []string{`/egress/2 ~ "paths" is missing`}},
		{"a rule without an origin", edits{"/egress/6/origin": ""}, []string{`/egress/6 ~ "origin" is missing`}},
		{"unknown in a rule", edits{"/egress/0/allow": "true"}, []string{"/egress/0/allow ~ not known"}},
		{"tls without a port", edits{"/egress/6": `{"origin":"tls://x.example"}`}, []string{"/egress/6/origin ~ default port"}},

		{"modules no object", edits{"/modules": "[]"}, []string{"/modules ~ type object"}},
		{"no modules in it", edits{"/modules": "{}"}, []string{"/modules ~ at least 1"}},
		{"unknown role", edits{"/modules/collecter": `{"path":"x.wasm"}`}, []string{"/modules/collecter ~ not known"}},
		{"a module without a path", edits{"/modules/bootstrap": "{}"}, []string{`/modules/bootstrap ~ "path" is missing`}},
		{"a module above", edits{"/modules/bootstrap/path": `"../x.wasm"`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"a module below and above", edits{"/modules/bootstrap/path": `"a/../../x.wasm"`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"an absolute module", edits{"/modules/bootstrap/path": `"/x.wasm"`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"a module on a drive", edits{"/modules/bootstrap/path": `"C:x.wasm"`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"a module with backslashes", edits{"/modules/bootstrap/path": `"a\\x.wasm"`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"a module with a dot", edits{"/modules/bootstrap/path": `"./x.wasm"`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"the folder itself", edits{"/modules/bootstrap/path": `"."`}, []string{"/modules/bootstrap/path ~ leads out"}},
		{"an upper-case digest", edits{"/modules/collector/sha256": `"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"`}, []string{"/modules/collector/sha256 ~ form"}},
		{"a short digest", edits{"/modules/collector/sha256": `"e3b0"`}, []string{"/modules/collector/sha256 ~ form"}},

		{"unknown limit", edits{"/limits/memory": "64"}, []string{"/limits/memory ~ not known"}},
		{"no memory", edits{"/limits/memory_mib": "0"}, []string{"/limits/memory_mib ~ at least 1"}},
		{"half a request", edits{"/limits/requests_per_minute": "0.5"}, []string{"/limits/requests_per_minute ~ type integer"}},
		{"a month", edits{"/limits/wall": `"P1M"`}, []string{"/limits/wall ~ duration"}},
	})
}
