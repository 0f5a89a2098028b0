package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// browser goes where it is told, as the source's redirect would.
type browser struct {
	t       *testing.T
	address *url.URL // that the owner was sent to
	visit   func(b *browser)
	done    chan struct{}
}

func newBrowser(t *testing.T, visit func(b *browser)) *browser {
	return &browser{t: t, visit: visit, done: make(chan struct{})}
}

func (b *browser) open(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	b.address = u
	go func() { defer close(b.done); b.visit(b) }()
	return nil
}

// back asks the loopback server with a query, and returns the page.
func (b *browser) back(query url.Values, change ...func(*http.Request)) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.address.Query().Get("redirect_uri")+"?"+query.Encode(), nil)
	if err != nil {
		b.t.Error(err)
		return &http.Response{}, ""
	}
	for _, f := range change {
		f(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Error(err)
		return &http.Response{}, ""
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Error(err)
	}
	return response, string(page)
}

func (b *browser) state() string { return b.address.Query().Get("state") }

// trade answers the code with tokens, if everything is as it was announced.
func (s *source) trade(t *testing.T, b *browser, code string) {
	s.set(func() {
		s.answer = func(w http.ResponseWriter, form url.Values) bool {
			asked := b.address.Query()
			challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
			want := url.Values{
				"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": asked["redirect_uri"], "code_verifier": form["code_verifier"],
				"client_id": {"client"}, "client_secret": {canary + "-client"},
			}
			if !reflect.DeepEqual(form, want) || len(form.Get("code_verifier")) != 43 || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]) {
				t.Errorf("the code is traded with %v", form)
			}
			reply(w, http.StatusOK, map[string]any{"access_token": canary + "-a", "refresh_token": canary + "-r", "token_type": "Bearer"})
			return true
		}
	})
}

func TestAuthorize(t *testing.T) {
	s := newSource(t)
	var page string
	var header http.Header
	b := newBrowser(t, func(b *browser) {
		response, text := b.back(url.Values{"code": {canary + "-code"}, "state": {b.state()}, "note": {"<script>"}})
		page, header = text, response.Header
	})
	s.trade(t, b, canary+"-code")
	p := s.provider()
	p.Scopes = []string{"read", "offline"}
	got, err := newClient().Authorize(t.Context(), p, b.open)
	if err != nil || string(got.Refresh.Reveal()) != canary+"-r" {
		t.Fatal(err)
	}
	<-b.done
	asked := b.address.Query()
	redirect, err := url.Parse(asked.Get("redirect_uri"))
	if err != nil || redirect.Hostname() != "127.0.0.1" || redirect.Port() == "" || redirect.Path != "/callback" || redirect.Scheme != "http" {
		t.Errorf("the browser comes back to %v", redirect)
	}
	for name, want := range map[string]string{"response_type": "code", "client_id": "client", "scope": "read offline", "code_challenge_method": "S256", "access_type": "offline"} {
		if asked.Get(name) != want {
			t.Errorf("%s is %q", name, asked.Get(name))
		}
	}
	if len(asked.Get("state")) != 43 || strings.Contains(b.address.String(), canary) {
		t.Errorf("the address is %v", b.address)
	}
	if header.Get("Content-Type") != "text/plain; charset=utf-8" || header.Get("Cache-Control") != "no-store" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") || strings.ContainsAny(page, "<>") {
		t.Errorf("the page is %q, with %v", page, header)
	}
	if _, err := http.Get(asked.Get("redirect_uri")); err == nil {
		t.Error("the loopback server still listens")
	}
}

// What is no answer is turned away, and the answer is taken all the same.
func TestAuthorizeIgnoresStrays(t *testing.T) {
	s := newSource(t)
	b := newBrowser(t, func(b *browser) {
		good := url.Values{"code": {"good"}, "state": {b.state()}}
		for name, stray := range map[string]struct {
			query  url.Values
			change func(*http.Request)
		}{
			"no state":      {url.Values{"code": {"evil"}}, nil},
			"another state": {url.Values{"code": {"evil"}, "state": {strings.Repeat("A", 43)}}, nil},
			"two states":    {url.Values{"code": {"evil"}, "state": {b.state(), "x"}}, nil},
			"a refusal":     {url.Values{"error": {"access_denied"}, "state": {"x"}}, nil},
			"by POST":       {good, func(r *http.Request) { r.Method = http.MethodPost }},
			"another path":  {good, func(r *http.Request) { r.URL.Path = "/favicon.ico" }},
			"another name":  {good, func(r *http.Request) { r.Host = "evil.example" }},
			"localhost":     {good, func(r *http.Request) { r.Host = "localhost:" + r.URL.Port() }},
			"two readings":  {good, func(r *http.Request) { r.URL.RawQuery += ";code=evil" }},
		} {
			change := func(*http.Request) {}
			if stray.change != nil {
				change = stray.change
			}
			if response, page := b.back(stray.query, change); response.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d %q", name, response.StatusCode, page)
			}
		}
		b.back(good)
	})
	s.trade(t, b, "good")
	if _, err := newClient().Authorize(t.Context(), s.provider(), b.open); err != nil {
		t.Fatal(err)
	}
	<-b.done
}

func TestAuthorizeFails(t *testing.T) {
	s := newSource(t)
	for name, c := range map[string]struct {
		visit func(b *browser)
		want  error
	}{
		"denied": {func(b *browser) {
			b.back(url.Values{"error": {"access_denied"}, "error_description": {canary}, "state": {b.state()}})
		}, ErrDenied},
		"another refusal": {func(b *browser) { b.back(url.Values{"error": {canary}, "state": {b.state()}}) }, ErrRefused},
		"no code":         {func(b *browser) { b.back(url.Values{"state": {b.state()}}) }, ErrAnswer},
		"two codes":       {func(b *browser) { b.back(url.Values{"code": {"a", "b"}, "state": {b.state()}}) }, ErrAnswer},
		"a long code": {func(b *browser) {
			b.back(url.Values{"code": {strings.Repeat("a", MaxCodeBytes+1)}, "state": {b.state()}})
		}, ErrAnswer},
		"a bad code": {func(b *browser) { b.back(url.Values{"code": {"bad"}, "state": {b.state()}}) }, ErrRefused},
		"many strays": {func(b *browser) {
			for range maxStrays {
				b.back(url.Values{"state": {"x"}})
			}
		}, ErrRefused},
	} {
		s.set(func() {
			s.answer = func(w http.ResponseWriter, _ url.Values) bool {
				refuse(w, http.StatusBadRequest, "invalid_grant")
				return true
			}
		})
		b := newBrowser(t, c.visit)
		_, err := newClient().Authorize(t.Context(), s.provider(), b.open)
		if !errors.Is(err, c.want) || errors.Is(err, ErrNeedsReauthorisation) {
			t.Errorf("%s: %v", name, err)
		}
		silent(t, err)
		<-b.done
	}
}

// There is one answer: the second changes nothing, whoever sends it.
func TestOneAnswer(t *testing.T) {
	b := &callback{host: "127.0.0.1:1", state: "s", result: make(chan result, 2)}
	ask := func(code string) int {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/callback?state=s&code="+code, nil))
		return w.Code
	}
	if one, two := ask("first"), ask("second"); one != http.StatusOK || two != http.StatusGone || len(b.result) != 1 || (<-b.result).code != "first" {
		t.Errorf("answered %d and %d", one, two)
	}
}

func TestAuthorizeEnds(t *testing.T) {
	s := newSource(t)
	ctx, cancel := context.WithCancel(t.Context())
	opened := func(string) error { cancel(); return nil }
	if _, err := newClient().Authorize(ctx, s.provider(), opened); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended: %v", err)
	}
	expired, cancel := context.WithTimeoutCause(t.Context(), 0, ErrExpired)
	defer cancel()
	b := &callback{result: make(chan result), ended: make(chan struct{})}
	if _, err := b.wait(expired); !errors.Is(err, ErrExpired) {
		t.Errorf("the owner did not come: %v", err)
	}
	mine := errors.New("no browser")
	if _, err := newClient().Authorize(t.Context(), s.provider(), func(string) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("no browser: %v", err)
	}
	for _, address := range []string{"", "https://x.example/?state=1", "https://x.example/?client_id=x", "https://x.example/?a=1;b", "ftp://x.example", "https://u@x.example/", "https://x.example/#f"} {
		p := s.provider()
		p.AuthorizationURL = address
		_, err := newClient().Authorize(t.Context(), p, func(string) error { t.Error("opened"); return nil })
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// clock is a client's time, which passes only while the client waits.
type clock struct {
	now   time.Time
	waits []time.Duration
}

func (c *clock) client() *Client {
	return &Client{Transport: http.DefaultTransport, Now: func() time.Time { return c.now }, wait: func(ctx context.Context, d time.Duration) error {
		c.waits, c.now = append(c.waits, d), c.now.Add(d)
		return ctx.Err()
	}}
}

// script answers a device authorization, and then the polls in turn.
func (s *source) script(device map[string]any, polls ...any) {
	s.set(func() {
		s.answer = func(w http.ResponseWriter, form url.Values) bool {
			if form.Get("grant_type") == "" {
				reply(w, http.StatusOK, device)
				return true
			}
			next := polls[0]
			if len(polls) > 1 {
				polls = polls[1:]
			}
			switch next := next.(type) {
			case string:
				refuse(w, http.StatusBadRequest, next)
			case int:
				w.WriteHeader(next)
			default:
				reply(w, http.StatusOK, next)
			}
			return true
		}
	})
}

func device(changes map[string]any) map[string]any {
	d := map[string]any{"device_code": canary + "-device", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example/device", "expires_in": 900}
	for name, value := range changes {
		d[name] = value
	}
	return d
}

func TestDevice(t *testing.T) {
	s := newSource(t)
	s.script(device(map[string]any{"interval": 3}), "authorization_pending", "slow_down", "authorization_pending", 503, map[string]any{"access_token": "a", "refresh_token": canary + "-r"})
	c := &clock{now: time.Unix(1e9, 0)}
	p := s.provider()
	p.Scopes = []string{"read", "write"}
	var shown []string
	got, err := c.client().Device(t.Context(), p, func(code, address string) { shown = append(shown, code, address) })
	if err != nil || string(got.Refresh.Reveal()) != canary+"-r" || !slices.Equal(shown, []string{"WDJB-MJHT", "https://x.example/device"}) {
		t.Fatal(shown, err)
	}
	if want := []time.Duration{3 * time.Second, 3 * time.Second, 8 * time.Second, 8 * time.Second, 16 * time.Second}; !slices.Equal(c.waits, want) {
		t.Errorf("waited %v", c.waits)
	}
	if s.forms[0].Get("scope") != "read write" || s.forms[1].Get("device_code") != canary+"-device" || s.forms[1].Get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" {
		t.Errorf("sent %v", s.forms[:2])
	}
}

func TestDeviceFails(t *testing.T) {
	s := newSource(t)
	none := func(string, string) {}
	for _, c := range []struct {
		poll any
		want error
	}{
		{"access_denied", ErrDenied}, {"expired_token", ErrExpired}, {"authorization_pending", ErrExpired}, {503, ErrExpired},
		{"invalid_grant", ErrRefused}, {"invalid_client", ErrClient}, {canary, ErrRefused}, {map[string]any{}, ErrAnswer},
	} {
		s.script(device(nil), c.poll)
		clock := &clock{now: time.Unix(1e9, 0)}
		_, err := clock.client().Device(t.Context(), s.provider(), none)
		if !errors.Is(err, c.want) || errors.Is(err, ErrNeedsReauthorisation) || clock.now.After(time.Unix(1e9+900, 0)) {
			t.Errorf("%v: %v, after %v", c.poll, err, clock.waits)
		}
		silent(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.script(device(nil), "authorization_pending")
	if _, err := newClient().Device(ctx, s.provider(), func(string, string) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended: %v", err)
	}
	for name, change := range map[string]map[string]any{
		"no device code":   {"device_code": ""},
		"no user code":     {"user_code": nil},
		"a long user code": {"user_code": strings.Repeat("A", MaxUserCode+1)},
		"a code of lines":  {"user_code": "A\nGo to https://evil.example"},
		"escapes":          {"user_code": "\x1b[2JA"},
		"right to left":    {"user_code": "A\u202eB"},
		"no address":       {"verification_uri": ""},
		"plain http":       {"verification_uri": "http://x.example/"},
		"a script":         {"verification_uri": "javascript:alert(1)"},
		"with a user":      {"verification_uri": "https://google.com@x.example/"},
		"lookalikes":       {"verification_uri": "https://gооgle.example/"},
		"no end":           {"expires_in": nil},
		"a bad interval":   {"interval": "soon"},
	} {
		s.script(device(change), "authorization_pending")
		_, err := newClient().Device(t.Context(), s.provider(), func(string, string) { t.Errorf("%s: shown", name) })
		if !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
		silent(t, err)
	}
	s.script(map[string]any{"error": "invalid_client"})
	if _, err := newClient().Device(t.Context(), s.provider(), none); !errors.Is(err, ErrClient) {
		t.Errorf("refused at once: %v", err)
	}
}
