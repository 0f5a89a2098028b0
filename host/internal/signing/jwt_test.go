package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/manifests"
)

// The key of RFC 8037, appendix A.1.
const rfc8037Seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, MinRSABits) })

func testRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func sec1(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("EC PRIVATE KEY", der)
}

func decodePart(t testing.TB, token string, part int) []byte {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// RFC 8037, appendix A.4.
func TestEdDSAVector(t *testing.T) {
	key, err := ParseKey([]byte(rfc8037Seed))
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.sign(manifests.AlgEdDSA, []byte("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"))
	const want = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	if err != nil || base64.RawURLEncoding.EncodeToString(got) != want {
		t.Errorf("%x, %v", got, err)
	}
}

// A token of each algorithm verifies with the public key, and says what it
// was given.
func TestJWT(t *testing.T) {
	r, ec := testRSA(t), testEC(t, elliptic.P256())
	ed := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	for _, c := range []struct {
		alg    string
		value  []byte
		verify func(message, signature []byte) bool
	}{
		{"RS256", pkcs8(t, r), func(message, signature []byte) bool {
			sum := sha256.Sum256(message)
			return rsa.VerifyPKCS1v15(&r.PublicKey, crypto.SHA256, sum[:], signature) == nil
		}},
		{"ES256", pkcs8(t, ec), func(message, signature []byte) bool {
			sum := sha256.Sum256(message)
			return len(signature) == 64 && ecdsa.Verify(&ec.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}},
		{"EdDSA", pkcs8(t, ed), func(message, signature []byte) bool {
			return ed25519.Verify(ed.Public().(ed25519.PublicKey), message, signature)
		}},
	} {
		key, err := ParseKey(c.value)
		if err != nil {
			t.Fatal(err)
		}
		header := map[string]any{"typ": "JWT", "kid": "<k>&1", "alg": "none"}
		token, err := key.JWT(c.alg, header, map[string]any{"iss": "é\u2028", "exp": int64(1 << 53), "aud": []any{"a", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(decodePart(t, token, 0)), `{"alg":"`+c.alg+`","kid":"<k>&1","typ":"JWT"}`; got != want {
			t.Errorf("the header is %s", got)
		}
		if got, want := string(decodePart(t, token, 1)), `{"aud":["a","b"],"exp":9007199254740992,"iss":"é\u2028"}`; got != want {
			t.Errorf("the claims are %s", got)
		}
		if header["alg"] != "none" {
			t.Error("the caller's header was changed")
		}
		message, _, _ := strings.Cut(token[strings.IndexByte(token, '.')+1:], ".")
		message = token[:strings.IndexByte(token, '.')+1] + message
		if !c.verify([]byte(message), decodePart(t, token, 2)) {
			t.Errorf("the signature by %s does not verify", c.alg)
		}
		for _, other := range []string{"RS256", "ES256", "EdDSA", "HS256", "none", "canary"} {
			if _, err := key.JWT(other, nil, nil); other != c.alg && (!errors.Is(err, ErrKey) || strings.Contains(err.Error(), "canary")) {
				t.Errorf("a key of %s signs by %s: %v", c.alg, other, err)
			}
		}
		if _, err := key.JWT(c.alg, nil, map[string]any{"x": strings.Repeat("x", MaxTokenBytes)}); !errors.Is(err, ErrData) {
			t.Errorf("a large token: %v", err)
		}
		if _, err := key.JWT(c.alg, nil, map[string]any{"x": func() {}}); !errors.Is(err, ErrData) {
			t.Errorf("no JSON: %v", err)
		}
	}
}

// A signature whose number is short keeps its full length: it would be refused
// one time in 128 otherwise.
func TestES256Length(t *testing.T) {
	key, err := ParseKey(sec1(t, testEC(t, elliptic.P256())))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		if signature, err := key.sign(manifests.AlgES256, []byte{byte(i)}); err != nil || len(signature) != 64 {
			t.Fatalf("%d bytes, %v", len(signature), err)
		}
	}
}

func TestParseKeyForms(t *testing.T) {
	r, ec := testRSA(t), testEC(t, elliptic.P256())
	parameters := pemOf("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07})
	seed := bytes.Repeat([]byte{0xfb}, ed25519.SeedSize)
	for name, value := range map[string][]byte{
		"PKCS#8":           pkcs8(t, r),
		"PKCS#1":           pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)),
		"SEC 1":            sec1(t, ec),
		"after parameters": append(parameters, sec1(t, ec)...),
		"text around":      append([]byte("\r\n  # a comment\n"), append(pkcs8(t, r), "\n\n"...)...),
		"CRLF":             bytes.ReplaceAll(pkcs8(t, r), []byte("\n"), []byte("\r\n")),
		"escaped":          bytes.ReplaceAll(pkcs8(t, r), []byte("\n"), []byte(`\n`)),
		"escaped CRLF":     bytes.ReplaceAll(pkcs8(t, r), []byte("\n"), []byte(`\r\n`)),
		"a seed in hex":    []byte(hex.EncodeToString(seed)),
		"in base64":        []byte(base64.StdEncoding.EncodeToString(seed) + "\n"),
		"in base64url":     []byte(base64.RawURLEncoding.EncodeToString(seed)),
	} {
		if _, err := ParseKey(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err1 := ParseKey([]byte(hex.EncodeToString(seed)))
	b, err2 := ParseKey(pkcs8(t, ed25519.NewKeyFromSeed(seed)))
	if err1 != nil || err2 != nil || !a.private().(ed25519.PrivateKey).Equal(b.private()) {
		t.Errorf("a seed and its PEM differ: %v, %v", err1, err2)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	r := testRSA(t)
	weak := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Rsh(r.N, 1025), E: r.E}}
	if _, err := newKey(weak); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "bits") {
		t.Errorf("a short RSA key: %v", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&r.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("canary")})
	for name, c := range map[string]struct {
		value  []byte
		reason string
	}{
		"nothing":          {nil, "empty"},
		"blanks":           {[]byte(" \n"), "empty"},
		"a password":       {[]byte("canary"), "neither PEM nor"},
		"a short seed":     {[]byte(hex.EncodeToString([]byte("canary"))), "neither PEM nor"},
		"too long":         {bytes.Repeat([]byte("canary"), MaxKeyBytes), "more than"},
		"another curve":    {pkcs8(t, testEC(t, elliptic.P384())), "P-256"},
		"public":           {pemOf("PUBLIC KEY", public), "public key"},
		"encrypted":        {pemOf("ENCRYPTED PRIVATE KEY", []byte("canary")), "passphrase"},
		"encrypted of old": {legacy, "passphrase"},
		"OpenSSH":          {pemOf("OPENSSH PRIVATE KEY", []byte("canary")), "OpenSSH"},
		"a certificate":    {pemOf("CERTIFICATE", []byte("canary")), "no private key"},
		"damaged":          {pemOf("PRIVATE KEY", []byte("canary")), "damaged"},
		"half":             {pkcs8(t, r)[:200], "no private key"},
		"X25519":           {pemOf("PRIVATE KEY", append([]byte{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20}, bytes.Repeat([]byte{9}, 32)...)), "neither RSA"},
	} {
		key, err := ParseKey(c.value)
		var typed *KeyError
		if key != nil || !errors.As(err, &typed) || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "canary") || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyDoesNotPrint(t *testing.T) {
	key, err := ParseKey([]byte(rfc8037Seed))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", key)
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		all += fmt.Sprintf(verb+verb, key, struct{ K *Key }{key})
	}
	private := key.private().(ed25519.PrivateKey)
	for _, form := range []string{rfc8037Seed, hex.EncodeToString(private[:8]), fmt.Sprint(private[:4])[1:12]} {
		if strings.Contains(all, form) {
			t.Errorf("a key prints as %s", all)
		}
	}
}

// FuzzParseKey: no panic, and an error of one line that quotes nothing.
func FuzzParseKey(f *testing.F) {
	f.Add([]byte(rfc8037Seed))
	f.Add(pemOf("PRIVATE KEY", []byte{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20}))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEE\\n-----END EC PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, value []byte) {
		key, err := ParseKey(value)
		if err != nil {
			if key != nil || !errors.Is(err, ErrKey) || len(err.Error()) > 250 {
				t.Fatal(key, err)
			}
			return
		}
		for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
			if _, err := key.JWT(alg, nil, nil); err == nil {
				return
			}
		}
		t.Fatal("a key of no algorithm")
	})
}
