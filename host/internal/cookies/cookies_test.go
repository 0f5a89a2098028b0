package cookies_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/sallyport-host/sallyport/host/internal/cookies"
)

func address(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCookiesGoBackWhereTheyCameFrom(t *testing.T) {
	j := cookies.NewJar()
	at := address(t, "https://mail.example.org/app/login")
	for _, line := range []string{"sid=one; HttpOnly; Secure", "sid=two; Secure", "wide=w; Domain=example.org; Path=/", "gone=x; Max-Age=0", "deep=d; Path=/app/deep"} {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		j.Set(at, c)
	}
	s, err := cookies.Parse(j.State())
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"https://mail.example.org/app/":       "sid=two; wide=w",
		"https://mail.example.org/":           "wide=w",
		"https://other.example.org/app/":      "wide=w",
		"https://example.net/app/":            "",
		"https://mail.example.org/app/deep/x": "deep=d; sid=two; wide=w",
	} {
		if got := s.Header(address(t, to)); got != want {
			t.Errorf("%s gets %q, want %q", to, got, want)
		}
	}
	if got := s.Values(); len(got) != 3 {
		t.Errorf("the state has the values %q", got)
	}
}

func TestWhatIsNoStorageState(t *testing.T) {
	for _, text := range []string{"", "a=1; b=2", "[]", `{"cookies": 1}`, `{"cookies":[{"name":"a\nb","value":"x","domain":"example.org"}]}`, `{"cookies":[{"name":"a","value":"x"}]}`} {
		if _, err := cookies.Parse([]byte(text)); !errors.Is(err, cookies.ErrState) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := cookies.Parse([]byte(` {"cookies":[],"origins":[]}`)); err != nil {
		t.Error(err)
	}
}
