package surrogate

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

const (
	tokenA = "sp1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	tokenB = "sp1BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
)

func live(token string) bool { return token == tokenA || token == tokenB }

var errRefused = errors.New("refused")

// values resolves A anywhere and B in basic only.
func values(token string, at manifests.Position) ([]byte, error) {
	switch {
	case token == tokenA:
		return []byte("alpha"), nil
	case at.Kind == manifests.AsBasic:
		return []byte("be:ta"), nil
	}
	return nil, errRefused
}

func TestMint(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := Mint()
		if !abi.IsSurrogate(token) || seen[token] {
			t.Fatalf("Mint() = %q: wrong shape or twice", token)
		}
		seen[token] = true
	}
}

func b64(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		test, name, value, want string
		err                     error
	}{
		{"bearer", "Authorization", "Bearer " + tokenA, "Bearer alpha", nil},
		{"twice", "X-Key", tokenA + "," + tokenA, "alpha,alpha", nil},
		{"glued to text", "X-Key", "x" + tokenA + "y", "xalphay", nil},
		{"behind a decoy", "X-Key", "sp1" + tokenA, "sp1alpha", nil},
		{"forged", "X-Key", "sp1" + strings.Repeat("Z", 37), "sp1" + strings.Repeat("Z", 37), nil},
		{"short", "X-Key", tokenA[:39], tokenA[:39], nil},
		{"refused", "X-Key", "a " + tokenB, "", errRefused},
		{"password", "Authorization", b64("ada:" + tokenB), b64("ada:be:ta"), nil},
		{"user and password", "Authorization", b64(tokenA + ":" + tokenB), b64("alpha:be:ta"), nil},
		{"scheme in lower case", "Authorization", strings.Replace(b64("ada:"+tokenA), "Basic", "basic", 1), strings.Replace(b64("ada:alpha"), "Basic", "basic", 1), nil},
		{"colon in the user", "Authorization", b64(tokenB + ":x"), "", ErrBadValue},
		{"part of a password", "Authorization", b64("ada:x" + tokenA), "", ErrPartial},
		{"no colon", "Authorization", b64(tokenA), "", ErrPartial},
		{"basic in another header", "X-Auth", b64("ada:" + tokenA), b64("ada:" + tokenA), nil},
		{"not base64", "Authorization", "Basic " + tokenA + "!", "Basic alpha!", nil},
	} {
		t.Run(c.test, func(t *testing.T) {
			got, err := Header(c.name, c.value, live, values)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("Header(%q) = %q, %v; want %q, %v", c.value, got, err, c.want, c.err)
			}
		})
	}
	evil := func(string, manifests.Position) ([]byte, error) { return []byte("a\r\nX: y"), nil }
	if _, err := Header("X-Key", tokenA, live, evil); !errors.Is(err, ErrBadValue) {
		t.Errorf("a value with CR LF: %v, want ErrBadValue", err)
	}
}

func TestScanner(t *testing.T) {
	body := "head " + tokenA[:20] + " sp sp1 " + tokenB + " tail"
	for size := 1; size < len(body); size++ {
		s := Scanner{Live: live}
		hit := false
		var passed []byte
		for at := 0; at < len(body) && !hit; at += size {
			pass, found := s.Next([]byte(body[at:min(at+size, len(body))]))
			passed, hit = append(passed, pass...), found
		}
		if !hit {
			t.Fatalf("chunks of %d: not found", size)
		}
		if bytes.Contains(passed, []byte(tokenB[:10])) {
			t.Fatalf("chunks of %d: the surrogate's start was passed on", size)
		}
	}
}

// FuzzScanner holds the chunked scanner to a search over the whole, and
// checks that nothing is lost or changed.
func FuzzScanner(f *testing.F) {
	f.Add([]byte("x"+tokenA+"y"), 7)
	f.Add([]byte(tokenB[:39]+"!"), 1)
	f.Add([]byte("ssp1sp1"), 2)
	f.Fuzz(func(t *testing.T, body []byte, size int) {
		size = max(1, size%64)
		s := Scanner{Live: live}
		var out []byte
		for at := 0; at < len(body); at += size {
			pass, found := s.Next(body[at:min(at+size, len(body))])
			if found {
				if !bytes.Contains(body, []byte(tokenA)) && !bytes.Contains(body, []byte(tokenB)) {
					t.Fatalf("found what is not there")
				}
				return
			}
			out = append(out, pass...)
		}
		out = append(out, s.Rest()...)
		if bytes.Contains(body, []byte(tokenA)) || bytes.Contains(body, []byte(tokenB)) || !bytes.Equal(out, body) {
			t.Fatalf("missed one, or changed the body")
		}
	})
}

// FuzzHeader checks that a header never carries a surrogate out.
func FuzzHeader(f *testing.F) {
	f.Add("Authorization", "Bearer "+tokenA)
	f.Add("Authorization", b64("u:"+tokenB))
	f.Add("X-Key", "sp1sp1"+tokenA)
	f.Fuzz(func(t *testing.T, name, value string) {
		got, err := Header(name, value, live, values)
		if err != nil {
			return
		}
		if _, found := In(got, live); found {
			t.Fatalf("Header(%q, %q) = %q still holds a surrogate", name, value, got)
		}
	})
}
