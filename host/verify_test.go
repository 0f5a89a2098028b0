package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// probed is a credential with a probe at a position.
const probed = `"%[1]s": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["GET", "POST"], "paths": ["/%[1]s"], "as": "%[2]s"}],
      "probe": {"origin": "BASE", "method": "%[3]s", "path": "/%[1]s", "as": "%[2]s", "account": "/user/login"}}`

// right is a value that every position has to encode.
const right = `right-6Yt"3&Kb+8%2f Vn9`

func newProber(t *testing.T, kinds ...[3]string) *ops {
	list := []string{`"ACCOUNT": {"type": "string", "identity": true}`}
	for _, k := range kinds {
		list = append(list, fmt.Sprintf(probed, k[0], k[1], k[2]))
	}
	o := newOps(t, strings.Join(list, ",\n"), "", func(w http.ResponseWriter, r received) {
		form, _ := url.ParseQuery(r.body)
		_, password, _ := r.BasicAuth()
		cookie, _ := r.Cookie("sid")
		var doc struct{ Auth struct{ Key string } }
		_ = json.Unmarshal([]byte(r.body), &doc)
		got := map[string]string{
			"/HEADER": r.Header.Get("X-Key"), "/BEARER": strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "/BASIC": password,
			"/QUERY": r.URL.Query().Get("key"), "/FORM": form.Get("key"), "/DOC": doc.Auth.Key,
		}[r.URL.Path]
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") && r.URL.Path == "/BEARER" {
			got = ""
		}
		if cookie != nil && r.URL.Path == "/COOKIE" {
			got = cookie.Value
		}
		switch {
		case got == right, r.URL.Path == "/COOKIE" && got == "right-6Yt3Kb8", r.URL.Path == "/BEARER" && got == "right-6Yt3Kb8":
			fmt.Fprint(w, `{"user": {"login": "ada"}}`)
		case strings.HasPrefix(got, "broken"):
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasPrefix(got, "slow"):
			w.WriteHeader(http.StatusTooManyRequests)
		case strings.HasPrefix(got, "moved"):
			http.Redirect(w, r.Request, "/login", http.StatusFound)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	})
	o.store("ACCOUNT", "ada", abi.ClassNone)
	return o
}

func TestVerify(t *testing.T) {
	state := `{"cookies":[{"name":"sid","value":"right-6Yt3Kb8","domain":"example.com","path":"/","expires":-1}],"origins":[]}`
	o := newProber(t,
		[3]string{"HEADER", "header:X-Key", "GET"}, [3]string{"BEARER", "header:Authorization", "GET"}, [3]string{"BASIC", "basic", "GET"}, [3]string{"QUERY", "query:key", "GET"},
		[3]string{"FORM", "form:key", "POST"}, [3]string{"DOC", "json:/auth/key", "POST"}, [3]string{"COOKIE", "cookie", "GET"})
	o.allow(nil)
	for name, value := range map[string]string{
		"HEADER": right, "BEARER": "right-6Yt3Kb8", "BASIC": right, "QUERY": right, "FORM": right, "DOC": right, "COOKIE": state,
	} {
		verify := func(value string) (string, error) {
			return o.host.Verify(t.Context(), o.connector, host.RunOptions{}, name, vaultstore.NewSecret([]byte(value)))
		}
		if !o.connector.CanVerify(name) {
			t.Errorf("%s cannot be verified", name)
		}
		if account, err := verify(value); err != nil || account != "ada" {
			t.Errorf("%s: account %q, %v", name, account, err)
		}
		wrong := []error{}
		for _, start := range []string{"wrong", "moved", "broken"} {
			value := start + "-5Hc9Ws2Lk"
			if name == "COOKIE" {
				value = "sid=" + value
			}
			account, err := verify(value)
			if wrong = append(wrong, err); account != "" || err == nil || strings.Contains(err.Error(), "5Hc9Ws2Lk") {
				t.Errorf("%s, %s: account %q, %v", name, start, account, err)
			}
		}
		if !errors.Is(wrong[0], host.ErrNotAccepted) || !errors.Is(wrong[1], host.ErrNotAccepted) || !errors.Is(wrong[2], host.ErrSourceFailed) || errors.Is(wrong[2], host.ErrNotAccepted) {
			t.Errorf("%s: %v", name, wrong)
		}
	}
	if n, m := len(o.audited(host.EventRunStarted, "")), len(o.audited(host.EventRunEnded, "aside")); n != m || n == 0 {
		t.Errorf("the audit log has %d beginnings and %d ends", n, m)
	}
	if text := fmt.Sprintf("%+v", o.audit.Events()); strings.Contains(text, "6Yt") || strings.Contains(text, "5Hc9Ws2Lk") {
		t.Error("a value is in the audit log")
	}
}

func TestVerifyAsksNothingThatIsNotApproved(t *testing.T) {
	o := newProber(t, [3]string{"HEADER", "header:X-Key", "GET"})
	verify := func() error {
		_, err := o.host.Verify(t.Context(), o.connector, host.RunOptions{}, "HEADER", vaultstore.NewSecret([]byte(right)))
		return err
	}
	if err := verify(); !errors.Is(err, host.ErrNeedsOwner) {
		t.Errorf("without an approval: %v", err)
	}
	o.allow(func(a *capabilities.Approval) { a.HostCalls = nil })
	if err := verify(); !errors.Is(err, host.ErrNeedsOwner) || !strings.Contains(err.Error(), "grant approve") {
		t.Errorf("without the call: %v", err)
	}
	for _, name := range []string{"SHOWN", "ACCOUNT", "UNDECLARED"} {
		if o.connector.CanVerify(name) {
			t.Errorf("%s can be verified", name)
		}
		if _, err := o.host.Verify(t.Context(), o.connector, host.RunOptions{}, name, vaultstore.NewSecret([]byte(right))); !errors.Is(err, host.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(o.requests) > 0 {
		t.Errorf("the source was asked %d times", len(o.requests))
	}
}

// browser follows the address that an owner is shown, as one who agrees.
func browser(t *testing.T, answer url.Values) func(string) error {
	return func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := u.Query()
		if q.Get("client_id") != "the-client" || q.Get("code_challenge_method") != "S256" || q.Get("scope") != "read" {
			t.Errorf("the address asks for %v", q)
		}
		answer.Set("state", q.Get("state"))
		go func() {
			res, err := http.Get(q.Get("redirect_uri") + "?" + answer.Encode())
			if err == nil {
				res.Body.Close()
			}
		}()
		return nil
	}
}

func TestAuthorize(t *testing.T) {
	for name, c := range map[string]struct {
		how  func(*testing.T) host.Authorizer
		deny bool
		want error
	}{
		"in a browser": {func(t *testing.T) host.Authorizer {
			return host.Authorizer{Open: browser(t, url.Values{"code": {"the-code-6Tb1"}})}
		}, false, nil},
		"in a browser, and the owner says no": {func(t *testing.T) host.Authorizer {
			return host.Authorizer{Open: browser(t, url.Values{"error": {"access_denied"}})}
		}, true, host.ErrDeclined},
		"on another device": {func(t *testing.T) host.Authorizer {
			return host.Authorizer{Show: func(code, address string) {
				if code != "ABCD-EFGH" || address != "https://example.com/enter" {
					t.Errorf("shown %q at %q", code, address)
				}
			}}
		}, false, nil},
		"on another device, and the owner says no": {func(*testing.T) host.Authorizer {
			return host.Authorizer{Show: func(string, string) {}}
		}, true, host.ErrDeclined},
		"in no way": {func(*testing.T) host.Authorizer { return host.Authorizer{} }, true, host.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, s := newIssuer(t)
			s.pending, s.denied = 1, c.deny
			o.allow(nil, use("ACCESS", "t"), callAPI("_"))
			err := o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "ACCESS", c.how(t))
			if !errors.Is(err, c.want) {
				t.Fatalf("err = %v, want %v", err, c.want)
			}
			if c.want != nil {
				if o.stage("REFRESH", vaultstore.Current) != "refresh-0-5Qm9Yd3Hu7" || o.stage("ACCESS", vaultstore.Current) != "" {
					t.Error("something was stored")
				}
				return
			}
			if s.n != 1 || o.stage("REFRESH", vaultstore.Current) != s.refresh || o.stage("ACCESS", vaultstore.Current) != s.access {
				t.Error("the tokens are not what is stored")
			}
			if _, err := o.again(host.RunOptions{Unattended: true}); err != nil || s.n != 1 {
				t.Errorf("the next run: %v, %d tokens given", err, s.n)
			}
			o.unseen(append(s.secrets, "the-code-6Tb1"), err)
		})
	}
}

func TestAuthorizeMakesARejectedCredentialGoodAgain(t *testing.T) {
	o, s := newIssuer(t)
	s.refresh = ""
	if _, err := o.do(abi.RoleCollector, use("ACCESS", "t"), callAPI("_"), step{Do: "fail", Name: abi.CodeCredentialRejected}); !errors.Is(err, host.ErrNeedsOwner) {
		t.Fatal(err)
	}
	if err := o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "ACCESS", host.Authorizer{Open: browser(t, url.Values{"code": {"the-code-6Tb1"}})}); err != nil {
		t.Fatal(err)
	}
	expect(t, o.good(abi.RoleCollector, use("ACCESS", "t"), callAPI("_")), "GET /api: 200")
	if o.status("REFRESH") != vaultstore.Active {
		t.Error("the refresh token is still marked")
	}
}

func TestARevocationEndsAnAuthorization(t *testing.T) {
	o, s := newIssuer(t)
	o.allow(nil)
	err := o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "ACCESS", host.Authorizer{Open: func(string) error {
		return o.approvals.Revoke(capabilities.Revocation{Scope: o.scope, At: time.Now().UTC()})
	}})
	var refused *host.Refusal
	if !errors.As(err, &refused) || refused.Rule != string(capabilities.RuleRevoked) || s.asked > 0 {
		t.Errorf("err = %v", err)
	}
	if err := o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "SHOWN", host.Authorizer{}); !errors.Is(err, host.ErrRefused) {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.allow(nil)
	err = o.host.Authorize(ctx, o.connector, host.RunOptions{}, "ACCESS", host.Authorizer{Open: func(string) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got := o.rules(host.EventDecision, "host_call", "ACCESS"); slices.Contains(got, "true allow") {
		t.Errorf("audited %q", got)
	}
}
