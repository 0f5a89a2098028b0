package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

func newClient() *Client { return &Client{Transport: http.DefaultTransport} }

func (s *source) request(token string) Request {
	return Request{Provider: s.provider(), RefreshToken: secret(token)}
}

func TestRefresh(t *testing.T) {
	s := newSource(t)
	now := time.Unix(1e9, 0)
	c := &Client{Transport: http.DefaultTransport, Now: func() time.Time { return now }}
	got, err := c.Refresh(t.Context(), s.request(s.current()))
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Access.Reveal()) != canary+"-access-1" || string(got.Refresh.Reveal()) != canary+"-refresh-1" || !got.ObtainedAt.Equal(now) || !got.ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("tokens until %v", got.ExpiresAt)
	}
	if text := fmt.Sprintf("%v %+v %#v", got, got, s.request("x")); strings.Contains(text, canary) {
		t.Errorf("tokens print as %s", text)
	}
	_, err = c.Refresh(t.Context(), s.request(canary+"-refresh-0"))
	if !errors.Is(err, ErrNeedsReauthorisation) {
		t.Errorf("a spent token: %v", err)
	}
	silent(t, err)
}

// RFC 6749 section 2.3.1: the id and the secret are form-encoded before they
// are put into Basic; elsewhere they are in the form.
func TestClientAuthentication(t *testing.T) {
	for _, c := range []struct {
		auth, secret string
		basic        bool
		form         url.Values
	}{
		{"basic", "p:ä %", true, nil},
		{"basic", "", false, url.Values{"client_id": {"c:1 é"}}},
		{"form", "p:ä %", false, url.Values{"client_id": {"c:1 é"}, "client_secret": {"p:ä %"}}},
		{"", "", false, url.Values{"client_id": {"c:1 é"}}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, ok := r.BasicAuth()
			if ok != c.basic || c.basic && (user != url.QueryEscape("c:1 é") || password != url.QueryEscape(c.secret)) {
				t.Errorf("%+v: Basic is %q %q", c, user, password)
			}
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}, "scope": {"a b"}}
			for name, values := range c.form {
				want[name] = values
			}
			if !reflect.DeepEqual(r.PostForm, want) || r.URL.RawQuery != "x=1" || r.Header.Get("Accept") != "application/json" || r.Header.Get("Accept-Encoding") != "identity" {
				t.Errorf("%+v: the form is %v", c, r.PostForm)
			}
			reply(w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "bearer"})
		}))
		p := Provider{TokenURL: server.URL + "/t?x=1", ClientID: "c:1 é", ClientAuth: c.auth, Scopes: []string{"not sent"}}
		if c.secret != "" {
			p.ClientSecret = secret(c.secret)
		}
		if _, err := newClient().Refresh(t.Context(), Request{Provider: p, RefreshToken: secret("r"), Narrow: []string{"a", "b"}}); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}

func TestAnswers(t *testing.T) {
	began := time.Unix(1e9, 0)
	for _, c := range []struct {
		body string
		want any // the lifetime, or the error
	}{
		{`{"access_token":"a","token_type":"Bearer","expires_in":60}`, time.Minute},
		{`{"access_token":"a","token_type":"bearer","expires_in":"60","refresh_token":"r","x":{"y":[1]}}`, time.Minute},
		{`{"access_token":"a","expires_in":59.9}`, 59 * time.Second},
		{`{"access_token":"a","expires_in":1e300}`, MaxLifetime},
		{`{"access_token":"a","expires_in":0}`, time.Duration(0)},
		{`{"access_token":"a","expires_in":null,"refresh_token":null,"scope":null}`, time.Duration(0)},
		{`{"access_token":"a b","refresh_token":"","scope":"x,y z"}`, time.Duration(0)},
		{`{"access_token":"a","scope":["x"],"error":"x"}`, time.Duration(0)},

		{``, ErrAnswer},
		{`[]`, ErrAnswer},
		{`access_token=CANARY&token_type=bearer`, ErrAnswer},
		{`{"access_token":"CANARY"}{}`, ErrAnswer},
		{`{"access_token":"CANARY","access_token":"b"}`, ErrAnswer},
		{`{"access_token":"CANARY","token_type":"mac"}`, ErrAnswer},
		{`{"access_token":"CANARY","token_type":"DPoP"}`, ErrAnswer},
		{`{"access_token":"CANARY","token_type":null}`, ErrAnswer},
		{`{"access_token":""}`, ErrAnswer},
		{`{"access_token":7}`, ErrAnswer},
		{`{"access_token":"CANARY\r\nX: y"}`, ErrAnswer},
		{`{"access_token":"CANARYé"}`, ErrAnswer},
		{`{"access_token":"a","refresh_token":"CANARY\u0000"}`, ErrAnswer},
		{`{"access_token":"a","refresh_token":["CANARY"]}`, ErrAnswer},
		{`{"access_token":"` + strings.Repeat("a", MaxTokenBytes+1) + `"}`, ErrAnswer},
		{`{"access_token":"a","expires_in":-1}`, ErrAnswer},
		{`{"access_token":"a","expires_in":"CANARY"}`, ErrAnswer},
		{`{"access_token":"a","expires_in":"NaN"}`, ErrAnswer},
		{`{"access_token":"a","expires_in":[]}`, ErrAnswer},
		{`{"access_token":"a","scope":7}`, ErrAnswer},
		{`{"access_token":"a","scope":[7]}`, ErrAnswer},
		{`{"access_token":"a","x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, ErrAnswer},
		{`{"error":"invalid_grant"}`, ErrNeedsReauthorisation},
		{`{"ok":false,"error":"CANARY"}`, ErrRefused},
	} {
		got, err := readTokens([]byte(c.body), began)
		if lifetime, ok := c.want.(time.Duration); ok {
			if err != nil || lifetime == 0 && !got.ExpiresAt.IsZero() || lifetime != 0 && !got.ExpiresAt.Equal(began.Add(lifetime)) {
				t.Errorf("%.60s: %v, %v", c.body, got.ExpiresAt, err)
			}
			continue
		}
		if !errors.Is(err, c.want.(error)) || got.Access.Len() > 0 {
			t.Errorf("%.60s: %v", c.body, err)
		}
		silent(t, err)
	}
}

func TestRefusals(t *testing.T) {
	s := newSource(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &Client{Transport: http.DefaultTransport, Now: func() time.Time { return now }}
	for _, a := range []struct {
		status    int
		body      string
		header    [2]string
		want      error
		after     time.Duration
		uncertain bool
	}{
		{400, `{"error":"invalid_grant","error_description":"CANARY"}`, [2]string{}, ErrNeedsReauthorisation, 0, false},
		{401, `{"error":"invalid_client","error_uri":"https://CANARY"}`, [2]string{}, ErrClient, 0, false},
		{400, `{"error":"unauthorized_client"}`, [2]string{}, ErrClient, 0, false},
		{400, `{"error":"invalid_scope"}`, [2]string{}, ErrRefused, 0, false},
		{400, `{"error":"CANARY"}`, [2]string{}, ErrRefused, 0, false},
		{404, `<html>CANARY`, [2]string{}, ErrRefused, 0, false},
		{400, `{"error":"temporarily_unavailable"}`, [2]string{"Retry-After", "7"}, ErrRetry, 7 * time.Second, false},
		{429, `CANARY`, [2]string{"Retry-After", "120"}, ErrRetry, 2 * time.Minute, false},
		{429, ``, [2]string{"Retry-After", now.Add(time.Hour).Format(http.TimeFormat)}, ErrRetry, time.Hour, false},
		{429, ``, [2]string{"Retry-After", now.Add(-time.Hour).Format(http.TimeFormat)}, ErrRetry, 0, false},
		{503, ``, [2]string{"Retry-After", "4000000000"}, ErrRetry, MaxRetryAfter, true},
		{503, ``, [2]string{"Retry-After", "-1"}, ErrRetry, 0, true},
		{500, `{"error":"invalid_grant"}`, [2]string{}, ErrRetry, 0, true},
		{302, ``, [2]string{"Location", s.URL + "/CANARY"}, ErrAnswer, 0, false},
		{200, strings.Repeat(" ", MaxAnswerBytes+1), [2]string{}, ErrAnswer, 0, false},
	} {
		asked := 0
		s.set(func() {
			s.answer = func(w http.ResponseWriter, _ url.Values) bool {
				asked++
				if a.header[0] != "" {
					w.Header().Set(a.header[0], a.header[1])
				}
				w.WriteHeader(a.status)
				fmt.Fprint(w, a.body)
				return true
			}
		})
		_, err := c.Refresh(t.Context(), s.request(canary))
		var retry *RetryError
		if !errors.Is(err, a.want) || asked != 1 || errors.As(err, &retry) && (retry.After != a.after || retry.Uncertain != a.uncertain || retry.Status != a.status) {
			t.Errorf("%d %.40s: %v, asked %d times", a.status, a.body, err, asked)
		}
		silent(t, err)
	}
}

// A request that never left is told from one whose answer was lost.
func TestUncertain(t *testing.T) {
	s := newSource(t)
	s.set(func() { s.lose = true })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := s.request(canary)
	closed.TokenURL = "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	deaf := &Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("CANARY") })}
	for _, c := range []struct {
		name      string
		client    *Client
		request   Request
		uncertain bool
	}{
		{"nobody listens", newClient(), closed, false},
		{"the answer is lost", newClient(), s.request(s.current()), true},
		{"a transport that does not tell", deaf, closed, true},
	} {
		_, err := c.client.Refresh(t.Context(), c.request)
		var retry *RetryError
		if !errors.As(err, &retry) || retry.Uncertain != c.uncertain || retry.Status != 0 {
			t.Errorf("%s: %v", c.name, err)
		}
		silent(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient().Refresh(ctx, s.request(s.current())); !errors.Is(err, context.Canceled) {
		t.Errorf("a request whose context is done: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRequestsThatCannotBeMade(t *testing.T) {
	s := newSource(t)
	for name, change := range map[string]func(*Request){
		"no token":      func(r *Request) { r.RefreshToken = vaultstore.Secret{} },
		"no client":     func(r *Request) { r.ClientID = "" },
		"another auth":  func(r *Request) { r.ClientAuth = "jwt" },
		"no address":    func(r *Request) { r.TokenURL = "" },
		"no https":      func(r *Request) { r.TokenURL = "ftp://CANARY.example/" },
		"a broken one":  func(r *Request) { r.TokenURL = "https://CANARY.example/%zz" },
		"with a user":   func(r *Request) { r.TokenURL = "https://CANARY@x.example/" },
		"in a fragment": func(r *Request) { r.TokenURL = "https://x.example/#CANARY" },
	} {
		r := s.request(canary)
		change(&r)
		_, err := newClient().Refresh(t.Context(), r)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		silent(t, err)
	}
	if _, err := new(Client).Refresh(t.Context(), s.request(canary)); !errors.Is(err, ErrConfig) {
		t.Errorf("no transport: %v", err)
	}
	if len(s.forms) != 0 {
		t.Error("something was sent")
	}
}

// FuzzAnswer: whatever an endpoint says, there is a token that can stand in a
// header, or an error that quotes nothing of it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":"60","refresh_token":"r","scope":"x y"}`))
	f.Add([]byte(`{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://x.example/","expires_in":1800,"interval":5}`))
	f.Add([]byte(`{"error":"slow_down"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		began := time.Unix(1e9, 0)
		known := []error{ErrAnswer, ErrRefused, ErrRetry, ErrDenied, ErrExpired, ErrClient, ErrNeedsReauthorisation}
		tokens, err := readTokens(body, began)
		switch {
		case err != nil && !isOneOf(err, known), len(fmt.Sprint(err)) > 200:
			t.Fatal(err)
		case err == nil && (tokens.Access.Len() == 0 || strings.ContainsAny(string(tokens.Access.Reveal())+string(tokens.Refresh.Reveal()), "\r\n\x00") || tokens.ExpiresAt.After(began.Add(MaxLifetime))):
			t.Fatalf("%q until %v", tokens.Access.Reveal(), tokens.ExpiresAt)
		}
		d, err := readDevice(body, began)
		switch {
		case err != nil && !isOneOf(err, known):
			t.Fatal(err)
		case err == nil && (d.interval < minInterval || d.interval > maxInterval || d.expires.After(began.Add(MaxDeviceTime)) || strings.ContainsAny(d.userCode+d.verificationURI, "\r\n\x1b")):
			t.Fatalf("%+v", d)
		}
	})
}

func isOneOf(err error, known []error) bool {
	for _, k := range known {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}
