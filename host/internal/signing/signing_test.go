package signing

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/manifests"
)

// RFC 2202 and RFC 4231.
func TestMACVectors(t *testing.T) {
	long := bytes.Repeat([]byte{0xaa}, 131)
	for _, c := range []struct {
		alg  string
		key  []byte
		data string
		want string
	}{
		{"HMAC-SHA1", bytes.Repeat([]byte{0x0b}, 20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
		{"HMAC-SHA1", []byte("Jefe"), "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{"HMAC-SHA256", bytes.Repeat([]byte{0x0b}, 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"HMAC-SHA256", []byte("Jefe"), "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"HMAC-SHA256", long, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"HMAC-SHA512", bytes.Repeat([]byte{0x0b}, 20), "Hi There", "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
		{"HMAC-SHA512", []byte("Jefe"), "what do ya want for nothing?", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	} {
		if got, err := MAC(c.alg, c.key, []byte(c.data), "hex"); err != nil || got != c.want {
			t.Errorf("%s: %s, %v", c.alg, got, err)
		}
	}
}

func TestMACEncodings(t *testing.T) {
	// RFC 2202's first, in the three alphabets
	for encoding, want := range map[string]string{
		"hex":       "b617318655057264e28bc0b6fb378c8ef146be00",
		"base64":    "thcxhlUFcmTii8C2+zeMjvFGvgA=",
		"base64url": "thcxhlUFcmTii8C2-zeMjvFGvgA",
	} {
		if got, err := MAC(manifests.AlgHMACSHA1, bytes.Repeat([]byte{0x0b}, 20), []byte("Hi There"), encoding); err != nil || got != want {
			t.Errorf("%s is %s, %v", encoding, got, err)
		}
	}
}

func TestMACRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		alg, key, encoding string
		want               error
	}{
		"no key":            {"HMAC-SHA256", "", "hex", ErrKey},
		"no prefix":         {"SHA256", "canary", "hex", ErrUse},
		"another hash":      {"HMAC-MD5", "canary", "hex", ErrUse},
		"a token's":         {"RS256", "canary", "hex", ErrUse},
		"another encoding":  {"HMAC-SHA256", "canary", "raw", ErrUse},
		"the empty hash":    {"HMAC-", "canary", "hex", ErrUse},
		"AWS's signing way": {"AWS4-HMAC-SHA256", "canary", "hex", ErrUse},
	} {
		if got, err := MAC(c.alg, []byte(c.key), []byte("canary"), c.encoding); got != "" || !errors.Is(err, c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestDecodeKey(t *testing.T) {
	for _, c := range []struct{ value, encoding, want string }{
		{" key\n", "text", " key\n"},
		{" 6b65790a\n", "hex", "key\n"},
		{"6B65790A", "hex", "key\n"},
		{"a2V5Cg==", "base64", "key\n"},
		{"a2V5Cg\r\n", "base64", "key\n"},
		{"-_-_", "base64", "\xfb\xff\xbf"},
		{"+/+/", "base64", "\xfb\xff\xbf"},
	} {
		if got, err := DecodeKey([]byte(c.value), c.encoding); err != nil || string(got) != c.want {
			t.Errorf("%q as %s: %q, %v", c.value, c.encoding, got, err)
		}
	}
	for _, c := range []struct{ value, encoding string }{{"canary", "hex"}, {"c", "base64"}, {"canary!", "base64"}, {"canary\nab", "base64"}} {
		if got, err := DecodeKey([]byte(c.value), c.encoding); !errors.Is(err, ErrKey) || got != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q as %s: %q, %v", c.value, c.encoding, got, err)
		}
	}
	if _, err := DecodeKey(nil, "rot13"); !errors.Is(err, ErrUse) {
		t.Error(err)
	}
}

// RFC 6238, appendix B.
func TestTOTPVectors(t *testing.T) {
	seeds := map[string]string{
		"SHA1":   "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
		"SHA256": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA",
		"SHA512": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA",
	}
	for _, c := range []struct {
		at                   int64
		sha1, sha256, sha512 string
	}{
		{59, "94287082", "46119246", "90693936"},
		{1111111109, "07081804", "68084774", "25091201"},
		{1111111111, "14050471", "67062674", "99943326"},
		{1234567890, "89005924", "91819424", "93441116"},
		{2000000000, "69279037", "90698825", "38618901"},
		{20000000000, "65353130", "77737706", "47863826"},
	} {
		for algorithm, want := range map[string]string{"SHA1": c.sha1, "SHA256": c.sha256, "SHA512": c.sha512} {
			uri := "otpauth://totp/Example:ann@example?issuer=Example&digits=8&algorithm=" + algorithm + "&secret=" + seeds[algorithm]
			got, ends, err := TOTP([]byte(uri), time.Unix(c.at, 0))
			if err != nil || got != want || ends.Unix() != (c.at/30+1)*30 {
				t.Errorf("%s at %d: %s until %v, %v", algorithm, c.at, got, ends, err)
			}
		}
	}
}

func TestTOTPForms(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	now := time.Unix(1111111109, 0)
	for _, c := range []struct{ value, want string }{
		{secret, "081804"},
		{strings.ToLower(secret), "081804"},
		{" gezd gnbv-gy3t qojq GEZDGNBVGY3TQOJQ\n", "081804"},
		{secret + "======", "081804"},
		{"otpauth://totp/x?secret=" + secret, "081804"},
		{"OTPAUTH://TOTP/x?secret=" + strings.ToLower(secret) + "&algorithm=sha1&digits=7&period=30", "7081804"},
		{"otpauth://totp/x?secret=" + secret + "&algorithm=HmacSHA1&digits=8", "07081804"},
		{"otpauth://totp/x?secret=" + secret + "&algorithm=SHA-256&digits=8&period=60&image=https%3A%2F%2Fx", ""},
	} {
		if got, _, err := TOTP([]byte(c.value), now); err != nil || c.want != "" && got != c.want {
			t.Errorf("%q: %s, %v", c.value, got, err)
		}
	}
	_, ends, err := TOTP([]byte("otpauth://totp/x?period=60&secret="+secret), time.Unix(119, 0))
	if err != nil || ends.Unix() != 120 {
		t.Errorf("it ends %v, %v", ends, err)
	}
}

func TestTOTPRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"nothing":          "",
		"no base32":        "canary1",
		"padding alone":    "====",
		"a digit of eight": "CANARY8A",
		"lines":            "CANARY\nAA",
		"a counter":        "otpauth://hotp/canary?secret=GEZDGNBV&counter=1",
		"no secret":        "otpauth://totp/canary?issuer=x",
		"two secrets":      "otpauth://totp/x?secret=GEZDGNBV&secret=CANARYAA",
		"a bad escape":     "otpauth://totp/x?secret=%canary",
		"MD5":              "otpauth://totp/x?secret=GEZDGNBV&algorithm=MD5",
		"five digits":      "otpauth://totp/x?secret=GEZDGNBV&digits=5",
		"nine digits":      "otpauth://totp/x?secret=GEZDGNBV&digits=9",
		"no period":        "otpauth://totp/x?secret=GEZDGNBV&period=0",
		"an hour":          "otpauth://totp/x?secret=GEZDGNBV&period=3600",
		"another address":  "otpauth:canary",
		"too long":         strings.Repeat("CANARYAA", 1000),
		"a large secret":   strings.Repeat("CANARYAA", 60),
	} {
		code, _, err := TOTP([]byte(value), time.Unix(1e9, 0))
		var key *KeyError
		if code != "" || !errors.As(err, &key) || !errors.Is(err, ErrKey) || strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("%s: %s, %v", name, code, err)
		}
	}
	if _, _, err := TOTP([]byte("GEZDGNBV"), time.Unix(-1, 0)); !errors.Is(err, ErrUse) {
		t.Error(err)
	}
}

func FuzzTOTP(f *testing.F) {
	f.Add([]byte("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), int64(59))
	f.Add([]byte("otpauth://totp/x?secret=GEZDGNBV&algorithm=SHA512&digits=8&period=1"), int64(1e9))
	f.Fuzz(func(t *testing.T, value []byte, at int64) {
		code, ends, err := TOTP(value, time.Unix(at, 0))
		switch {
		case err != nil:
			if !errors.Is(err, ErrKey) && !errors.Is(err, ErrUse) {
				t.Fatal(err)
			}
		case len(code) < 6 || len(code) > 8 || strings.Trim(code, "0123456789") != "" || ends.Unix() <= at || ends.Unix()-at > 600:
			t.Fatalf("%q until %v", code, ends)
		}
	})
}

// template returns one of a manifest that has nothing else.
func template(t testing.TB, text string) manifests.SignTemplate {
	t.Helper()
	m, err := manifests.Parse([]byte(`{"connector_id":"https://c.example/x","connector_key":"x","version":"1.0.0","display_name":"X",
		"runtime_requirements":{"bindings":{"network":{"required":true}}},
		"streams":[{"name":"s","schema":{"type":"object","properties":{"id":{}}},"primary_key":["id"]}],
		"egress":[{"origin":"https://a.example","paths":["/**"]}],
		"credentials_schema":{"type":"object","properties":{
			"ID":{"type":"string","identity":true},
			"K":{"type":"string","class":"long_lived_token","access":["sign"],
			"send_to":[{"origin":"https://a.example","paths":["/**"],"as":"header:Authorization"}],"sign":{"t":` + text + `}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := b.Credential("K")
	return c.Sign["t"]
}

func TestTemplate(t *testing.T) {
	now := time.Unix(1e9, 0)
	mac := template(t, `{"alg":"HMAC-SHA1","key_encoding":"hex","max_bytes":8}`)
	if got, err := Template(mac, []byte("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), []byte("Hi There"), now); got != "b617318655057264e28bc0b6fb378c8ef146be00" {
		t.Error(got, err)
	}
	if got, err := Template(mac, []byte("0b"), []byte("Hi There!"), now); !errors.Is(err, ErrData) || got != "" {
		t.Error("more than max_bytes is signed:", got, err)
	}
	if _, err := Template(mac, []byte("canary"), []byte("x"), now); !errors.Is(err, ErrKey) || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	token := template(t, `{"alg":"EdDSA","jwt":{"claims":{"iss":"me","jti":"${random}","exp":"${exp}"},"lifetime":"PT1M","fill":{"sub":{"pattern":"[a-z]+"}}}}`)
	seed := []byte(rfc8037Seed)
	one, err := Template(token, seed, []byte(`{"sub":"ann"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := Template(token, seed, []byte(`{"sub":"ann"}`), now)
	var claims map[string]any
	if err := json.Unmarshal(decodePart(t, one, 1), &claims); err != nil || claims["exp"] != 1e9+60 || claims["sub"] != "ann" || len(claims["jti"].(string)) != 22 || one == two {
		t.Errorf("%v, %v; two tokens are the same: %v", claims, err, one == two)
	}
	if got, err := Template(token, seed, []byte(`{"sub":"Canary"}`), now); !errors.Is(err, ErrData) || !errors.Is(err, manifests.ErrSignData) || got != "" || strings.Contains(err.Error(), "Canary") {
		t.Error(got, err)
	}
	if _, err := Template(token, []byte("canary"), nil, now); !errors.Is(err, ErrKey) || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	aws := template(t, `{"alg":"AWS4-HMAC-SHA256","region":"eu","service":"s3","access_key_id":"ID"}`)
	if _, err := Template(aws, []byte("k"), nil, now); !errors.Is(err, ErrUse) {
		t.Error(err)
	}
}
