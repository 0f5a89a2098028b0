package host_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The keys of these tests. None may show, and no source gets one.
const (
	macKey     = "mac-key-4Ft8Qz2Lw9"
	awsID      = "AKIDEXAMPLE"
	awsSecret  = "aws-secret/7Hn3+Vb6Kx1"
	awsSession = "aws-session-5Gd9Mw2Rj8Yt"
	totpSeed   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

const signCredentials = `
    "MAC": {"type": "string", "class": "long_lived_token", "access": ["sign"],
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/mac"], "as": "header:X-Signature"}],
      "sign": {"one": {"alg": "HMAC-SHA1", "encoding": "base64"}, "two": {"alg": "HMAC-SHA256", "encoding": "hex"}, "five": {"alg": "HMAC-SHA512", "encoding": "base64url"}}},
    "RSA": {"type": "string", "class": "long_lived_token", "access": ["sign"], "send_to": [JWTSENDTO], "sign": {"app": {"alg": "RS256", JWT}}},
    "EC": {"type": "string", "class": "long_lived_token", "access": ["sign"], "send_to": [JWTSENDTO], "sign": {"app": {"alg": "ES256", JWT}}},
    "ED": {"type": "string", "class": "long_lived_token", "access": ["sign"], "send_to": [JWTSENDTO], "sign": {"app": {"alg": "EdDSA", JWT}}},
    "AWS_KEY_ID": {"type": "string", "identity": true},
    "AWS_SESSION": {"type": "string", "class": "session",
      "send_to": [{"origin": "BASE", "methods": ["GET", "PUT"], "paths": ["/aws/**"], "as": "header:X-Amz-Security-Token"}]},
    "AWS_STRAY": {"type": "string", "class": "session",
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/elsewhere"], "as": "header:X-Amz-Security-Token"}]},
    "AWS_SECRET": {"type": "string", "class": "long_lived_token", "access": ["sign"],
      "send_to": [{"origin": "BASE", "methods": ["GET", "PUT"], "paths": ["/aws/**"], "as": "header:Authorization"}],
      "sign": {
        "api": {"alg": "AWS4-HMAC-SHA256", "region": "eu-central-1", "service": "execute-api", "access_key_id": "AWS_KEY_ID", "session_token": "AWS_SESSION"},
        "s3": {"alg": "AWS4-HMAC-SHA256", "region": "eu-central-1", "service": "s3", "access_key_id": "AWS_KEY_ID"},
        "stray": {"alg": "AWS4-HMAC-SHA256", "region": "eu-central-1", "service": "s3", "access_key_id": "AWS_KEY_ID", "session_token": "AWS_STRAY"}}}`

// newSigner stores the keys; the source answers 200 but where check says no.
func newSigner(t *testing.T, check func(received) error) *ops {
	credentials := strings.NewReplacer(
		"JWTSENDTO", `{"origin": "BASE", "methods": ["GET"], "paths": ["/jwt"], "as": "header:Authorization"}`,
		"JWT", `"jwt": {"header": {"kid": "k1"}, "claims": {"iss": "me", "iat": "${now}", "exp": "${exp}"}, "lifetime": "PT10M", "fill": {"sub": {"pattern": "[a-z]+"}}}`,
	).Replace(signCredentials)
	o := newOps(t, credentials, "", func(w http.ResponseWriter, req received) {
		if err := check(req); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, err)
		}
	})
	o.store("MAC", macKey, abi.ClassToken)
	o.store("AWS_KEY_ID", awsID, abi.ClassNone)
	o.store("AWS_SECRET", awsSecret, abi.ClassToken)
	o.store("AWS_SESSION", awsSession, abi.ClassSession)
	o.store("AWS_STRAY", awsSession+"-stray", abi.ClassSession)
	o.store("SEED", totpSeed, abi.ClassToken)
	return o
}

var signSecrets = []string{macKey, awsSecret, awsSession, totpSeed}

func TestHMACs(t *testing.T) {
	const data = "what the guest\x00has signed"
	mac := func(h func() hash.Hash) []byte {
		m := hmac.New(h, []byte(macKey))
		m.Write([]byte(data))
		return m.Sum(nil)
	}
	want := map[string]string{
		"one": base64.StdEncoding.EncodeToString(mac(sha1.New)), "two": hex.EncodeToString(mac(sha256.New)), "five": base64.RawURLEncoding.EncodeToString(mac(sha512.New)),
	}
	o := newSigner(t, func(r received) error {
		if r.Header.Get("X-Signature") != want[r.URL.RawQuery] {
			return fmt.Errorf("wrong signature")
		}
		return nil
	})
	for name := range want {
		expect(t, o.good(abi.RoleCollector, sign("MAC", name, data, "s"), isSurrogate("result", "${s}"), send("GET", "/mac?"+name, "r", "X-Signature", "${s}")),
			"result: true", "GET /mac?"+name+": 200")
	}
	o.unseen(append(signSecrets, slices.Collect(maps.Values(want))...))
}

func TestAResultGoesWhereSendToSays(t *testing.T) {
	o := newSigner(t, func(received) error { return nil })
	got := o.good(abi.RoleCollector,
		sign("MAC", "two", "x", "s"), step{Do: "totp", Name: "SEED", As: "o"}, sign("AWS_SECRET", "s3", "", "a"), sign("AWS_SECRET", "stray", "", "stray"),
		send("GET", "/other", "_", "X-Signature", "${s}"), send("GET", "/mac", "_", "X-Other", "${s}"), send("GET", o.other+"/mac", "_", "X-Signature", "${s}"),
		send("GET", "/otp", "_", "Authorization", "${o}"), send("GET", "/mac?s=${s}", "_"), send("POST", "/mac", "_").body("${s}"),
		send("GET", "/aws/x", "_", "X-Signature", "${a}"), send("GET", "/mac", "_", "Authorization", "${a}"),
		send("GET", "/aws/x", "_", "Authorization", "Bearer ${a}"), send("GET", "/aws/x", "_", "Authorization", "${stray}"),
		use("MAC", "m"), step{Do: "totp", Name: "MAC", As: "m"}, sign("SEED", "two", "x", "m"), sign("MAC", "none", "x", "m"),
		sign("RSA", "app", "{}", "m"), sign("AWS_SECRET", "s3", "data", "m"), tell("nothing", "${m}"))
	expect(t, got,
		"GET /other: -1", "GET /mac: -1", "GET "+o.other+"/mac: -1", "GET /otp: -1", "GET /mac?s=${s}: -1", "POST /mac: -10",
		"GET /aws/x: -1", "GET /mac: -1", "GET /aws/x: -10", "GET /aws/x: -1",
		"use MAC: -1", "totp MAC: -1", "sign SEED: -1", "sign MAC: -3", "sign RSA: -2", "sign AWS_SECRET: -3", "nothing: ")
	if len(o.requests) != 0 {
		t.Errorf("%d requests went out", len(o.requests))
	}
	if n := len(o.audited(host.EventEgress, "surrogate_position")); n != 2 {
		t.Errorf("%d misplaced results are in the audit log, want 2", n)
	}
	if got := o.rules(host.EventDecision, "send", "AWS_STRAY"); !slices.Equal(got, []string{"false destination_not_declared"}) {
		t.Errorf("audited of the session token: %q", got)
	}
	o.unseen(signSecrets)
}

func TestManySignaturesInOneRun(t *testing.T) {
	o := newSigner(t, func(r received) error {
		m := hmac.New(sha256.New, []byte(macKey))
		m.Write([]byte(r.URL.RawQuery))
		if r.Header.Get("X-Signature") != hex.EncodeToString(m.Sum(nil)) {
			return fmt.Errorf("wrong signature")
		}
		return nil
	})
	got := o.good(abi.RoleCollector,
		sign("MAC", "two", "early", "first"),
		repeat(200, sign("MAC", "two", "${i}", "s"), send("GET", "/mac?${i}", "r", "X-Signature", "${s}").quiet()), tell("last", "${r}"),
		send("GET", "/mac?early", "_", "X-Signature", "${first}"))
	expect(t, got, "last: ", "GET /mac?early: 200")
	if n := len(o.sent("/mac")); n != 201 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestJWTs(t *testing.T) {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	verify := map[string]func(text, signature []byte) bool{
		"RS256": func(text, signature []byte) bool {
			sum := sha256.Sum256(text)
			return rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, sum[:], signature) == nil
		},
		"ES256": func(text, signature []byte) bool {
			sum := sha256.Sum256(text)
			return len(signature) == 64 && ecdsa.Verify(&ecKey.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		},
		"EdDSA": func(text, signature []byte) bool {
			return ed25519.Verify(edKey.Public().(ed25519.PublicKey), text, signature)
		},
	}
	var tokens []string
	o := newSigner(t, func(r received) error {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		tokens = append(tokens, token)
		return checkJWT(token, verify)
	})
	secrets := slices.Clone(signSecrets)
	for name, key := range map[string]any{"RSA": rsaKey, "EC": ecKey, "ED": edKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		secrets = append(secrets, strings.Split(text, "\n")[1])
		o.store(name, text, abi.ClassToken)
		expect(t, o.good(abi.RoleCollector, sign(name, "app", `{"sub":"someone"}`, "t"), send("GET", "/jwt", "r", "Authorization", "Bearer ${t}"),
			sign(name, "app", `{"sub":"SOMEONE"}`, "t"), sign(name, "app", `{"iss":"someone"}`, "t"), sign(name, "app", ``, "t")),
			"GET /jwt: 200", "sign "+name+": -3", "sign "+name+": -3", "sign "+name+": -3")
	}
	o.unseen(append(secrets, tokens...))
}

func checkJWT(token string, verify map[string]func(text, signature []byte) bool) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("no token")
	}
	var decoded [3][]byte
	for i, p := range parts {
		decoded[i], _ = base64.RawURLEncoding.DecodeString(p)
	}
	var head struct{ Alg, Kid, Typ string }
	var claims struct {
		Iss, Sub string
		Iat, Exp int64
	}
	if json.Unmarshal(decoded[0], &head) != nil || json.Unmarshal(decoded[1], &claims) != nil {
		return fmt.Errorf("not JSON")
	}
	now := time.Now().Unix()
	switch {
	case head.Kid != "k1" || head.Typ != "JWT" || claims.Iss != "me" || claims.Sub != "someone" || claims.Exp-claims.Iat != 600 || claims.Iat < now-60 || claims.Iat > now:
		return fmt.Errorf("wrong claims")
	case verify[head.Alg] == nil || !verify[head.Alg]([]byte(parts[0]+"."+parts[1]), decoded[2]):
		return fmt.Errorf("wrong signature")
	}
	return nil
}

func TestAWSRequests(t *testing.T) {
	o := newSigner(t, func(r received) error { return checkAWS(r) })
	got := o.good(abi.RoleCollector,
		sign("AWS_SECRET", "api", "", "api"), sign("AWS_SECRET", "s3", "", "s3"), isSurrogate("result", "${api}"),
		send("GET", "/aws/a%20b/c?z=1&a=x%2Fy&a=%20&empty", "r", "Authorization", "${api}", "X-Amz-Meta-Note", "  two  spaces "),
		send("PUT", "/aws/object", "r", "Authorization", "${api}", "Content-Type", "text/plain").body("a body"),
		send("PUT", "/aws/object", "r", "Authorization", "${api}").body("a body").follows(),
		send("PUT", "/aws/a%2Bb+c", "r", "Authorization", "${s3}").body("a body").follows(),
		send("GET", "/aws/~x/y?list-type=2", "r", "Authorization", "${s3}"), tell("body", "${r}"))
	expect(t, got, "result: true", "GET /aws/a%20b/c?z=1&a=x%2Fy&a=%20&empty: 200", "PUT /aws/object: 200", "PUT /aws/object: -3", "PUT /aws/a%2Bb+c: 200", "GET /aws/~x/y?list-type=2: 200", "body: ")
	if got := o.sent("/aws/object"); len(got) != 1 || got[0].Header.Get("X-Amz-Security-Token") != awsSession {
		t.Error("the session token did not go with the signature")
	}
	if got := o.rules(host.EventDecision, "send", "AWS_SESSION"); !slices.Equal(got, []string{"true allow", "true allow"}) {
		t.Errorf("audited of the session token: %q", got)
	}
	o.unseen(signSecrets)
}

const awsRegion = "eu-central-1"

// checkAWS verifies a request by AWS's description of Signature Version 4.
func checkAWS(r received) error {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	said := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		said[k] = v
	}
	scope := strings.Split(said["Credential"], "/")
	if scheme != "AWS4-HMAC-SHA256" || len(scope) != 5 || scope[0] != awsID || scope[2] != awsRegion {
		return fmt.Errorf("wrong scope")
	}
	escape := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%7E", "~")
	}
	path := r.URL.EscapedPath()
	if scope[3] == "s3" {
		path = r.URL.Path
	}
	path = strings.ReplaceAll(escape(path), "%2F", "/")
	var query []string
	for key, values := range r.URL.Query() {
		for _, v := range values {
			query = append(query, escape(key)+"="+escape(v))
		}
	}
	slices.Sort(query)
	sum := sha256.Sum256([]byte(r.body))
	digest := hex.EncodeToString(sum[:])
	if scope[3] == "s3" {
		if digest = r.Header.Get("X-Amz-Content-Sha256"); digest != "UNSIGNED-PAYLOAD" && digest != hex.EncodeToString(sum[:]) {
			return fmt.Errorf("wrong digest")
		}
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(said["SignedHeaders"], ";") {
		value := strings.Join(strings.Fields(r.Header.Get(name)), " ")
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, value)
	}
	canonical := sha256.Sum256([]byte(strings.Join([]string{r.Method, path, strings.Join(query, "&"), headers.String(), said["SignedHeaders"], digest}, "\n")))
	key := []byte("AWS4" + awsSecret)
	text := strings.Join([]string{scheme, r.Header.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), hex.EncodeToString(canonical[:])}, "\n")
	for _, part := range append(slices.Clone(scope[1:]), text) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > time.Minute || said["Signature"] != hex.EncodeToString(key) {
		return fmt.Errorf("wrong signature")
	}
	return nil
}

func TestTOTP(t *testing.T) {
	o := newSigner(t, func(r received) error {
		for _, at := range []time.Time{time.Now(), time.Now().Add(-30 * time.Second)} {
			if r.Header.Get("X-Otp") == totpAt(at) {
				return nil
			}
		}
		return fmt.Errorf("wrong code")
	})
	expect(t, o.good(abi.RoleCollector, step{Do: "totp", Name: "SEED", As: "o"}, isSurrogate("result", "${o}"), send("GET", "/otp", "r", "X-Otp", "${o}")),
		"result: true", "GET /otp: 200")
	o.unseen(signSecrets)
}

// totpAt is RFC 6238 with what an authenticator app takes for granted.
func totpAt(t time.Time) string {
	key, _ := base32.StdEncoding.DecodeString(totpSeed)
	m := hmac.New(sha1.New, key)
	_ = binary.Write(m, binary.BigEndian, t.Unix()/30)
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

func TestWhatTheSourceSaysOfASignatureItSaysOfTheKey(t *testing.T) {
	o := newSigner(t, func(received) error { return fmt.Errorf("no") })
	res, err := o.do(abi.RoleCollector, sign("MAC", "two", "x", "s"), send("GET", "/mac", "r", "X-Signature", "${s}"), step{Do: "fail", Name: abi.CodeConnectorFailed})
	if err == nil || !slices.Equal(res.Rejected, []string{"MAC"}) {
		t.Errorf("%v, rejected %q", err, res.Rejected)
	}
	entry, err := o.vault.Get(t.Context(), o.scope.Address("MAC"))
	if err != nil || entry.Stages[vaultstore.Current].Status != vaultstore.Rejected {
		t.Errorf("the key is not rejected: %v", err)
	}
}

func TestAValueThatIsNoKey(t *testing.T) {
	o := newSigner(t, func(received) error { return nil })
	o.store("RSA", "no key at all: "+macKey, abi.ClassToken)
	res, err := o.do(abi.RoleCollector, sign("RSA", "app", `{"sub":"someone"}`, "s"), step{Do: "fail", Name: abi.CodeCredentialDenied})
	expect(t, o.findings(), "sign RSA: -3")
	if len(res.Refusals) != 1 || !res.Refusals[0].NeedsOwner || res.Refusals[0].Rule != "key" || strings.Contains(err.Error(), macKey) {
		t.Errorf("refusals %+v", res.Refusals)
	}
	o.unseen(signSecrets, res, err)
}

// TestATemplateIsTheOneThatWasApproved: what the owner read in the disclosure
// is what signs, to the last detail, and a refusal is in the audit log.
func TestATemplateIsTheOneThatWasApproved(t *testing.T) {
	for name, change := range map[string]func(*capabilities.ApprovedCredential){
		"none approved": func(c *capabilities.ApprovedCredential) { c.Sign = nil },
		"another one":   func(c *capabilities.ApprovedCredential) { c.Sign[0].Pin = c.Sign[1].Pin },
	} {
		t.Run(name, func(t *testing.T) {
			o := newSigner(t, func(received) error { return nil })
			o.allow(func(a *capabilities.Approval) { change(a.Credential("MAC")) }, sign("MAC", o.firstTemplate("MAC"), "x", "s"), sign("MAC", "none", "x", "s"))
			if _, err := o.again(host.RunOptions{Role: abi.RoleCollector, Unattended: true}); err != nil {
				t.Fatal(err)
			}
			expect(t, o.findings(), "sign MAC: -1", "sign MAC: -3")
			expect(t, o.rules(host.EventDecision, "sign", "MAC"), "false sign_not_approved", "false sign")
		})
	}
}

// firstTemplate is the one whose approval stands first.
func (o *ops) firstTemplate(name string) string {
	c, _ := o.connector.Manifest().Credential(name)
	return c.SignNames()[0]
}
