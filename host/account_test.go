package host_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// knownAs notes whose account what is stored is of.
func (o *ops) knownAs(name, account string) {
	o.t.Helper()
	e, err := o.vault.Get(o.t.Context(), o.scope.Address(name))
	if err != nil {
		o.t.Fatal(err)
	}
	v := e.Stages[vaultstore.Current]
	v.Account = account
	e.Stages[vaultstore.Current] = v
	if _, err := o.vault.Put(o.t.Context(), e, e.Generation); err != nil {
		o.t.Fatal(err)
	}
}

func (o *ops) accountOf(name string) string {
	o.t.Helper()
	e, err := o.vault.Get(o.t.Context(), o.scope.Address(name))
	if err != nil {
		o.t.Fatal(err)
	}
	return e.Stages[vaultstore.Current].Account
}

// A dead token tells nobody whose it was; what was noted of it does.
func TestANewTokenIsOfTheAccountThatTheDeadOneWas(t *testing.T) {
	for before, want := range map[string]string{"": mintedHeader, "ada": mintedHeader, "eve": oldToken} {
		t.Run("before "+before, func(t *testing.T) {
			o := newMinter(t, abi.RoleBootstrap, map[string]string{mintedHeader: "ada"})
			o.bootstrapped("TOKEN", oldToken, abi.ClassToken, time.Time{})
			o.knownAs("TOKEN", before)
			res, err := o.do(abi.RoleBootstrap, send("POST", "/mint", "r"), put("TOKEN", "${r.X-New-Token}"))
			if err != nil {
				t.Fatal(err)
			}
			if o.stage("TOKEN", vaultstore.Current) != want {
				t.Fatalf("the wrong one is in use; %s", res.Problem)
			}
			if want == mintedHeader && o.accountOf("TOKEN") != "ada" || want == oldToken && !strings.Contains(res.Problem, "another account") {
				t.Errorf("known as %q; %q", o.accountOf("TOKEN"), res.Problem)
			}
		})
	}
}

// newKnownIssuer is newIssuer with a probe that tells the account, "" for none.
func newKnownIssuer(t *testing.T, account *string) (*ops, *issuer) {
	s := &issuer{refresh: "refresh-0-5Qm9Yd3Hu7", lives: 3600}
	s.secrets = []string{s.refresh, clientSecret}
	probed := strings.Replace(oauthCredentials, `"oauth2": {`, `"probe": {"origin": "BASE", "path": "/me", "as": "header:Authorization", "account": "/login"}, "oauth2": {`, 1)
	probed = strings.Replace(probed, `"paths": ["/api"]`, `"paths": ["/api", "/me"]`, 1)
	o := newOps(t, probed, "", func(w http.ResponseWriter, req received) {
		switch {
		case req.URL.Path != "/me":
			s.serve(w, req)
		case *account == "down":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprintf(w, `{"login": %q}`, *account)
		}
	})
	o.store("CLIENT_ID", "the-client", abi.ClassNone)
	o.store("CLIENT_SECRET", clientSecret, abi.ClassToken)
	o.store("REFRESH", s.refresh, abi.ClassToken)
	o.allow(nil, use("ACCESS", "t"), callAPI("_"))
	return o, s
}

func TestAnAuthorizationIsOfTheSameAccount(t *testing.T) {
	account := "ada"
	o, s := newKnownIssuer(t, &account)
	authorize := func(other bool) error {
		return o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "ACCESS",
			host.Authorizer{Open: browser(t, url.Values{"code": {"the-code-6Tb1"}}), OtherAccount: other})
	}
	for _, c := range []struct {
		now   string
		other bool
		known string // afterwards
		taken bool
	}{
		{"ada", false, "ada", true},
		{"down", false, "ada", true}, // it does not tell: taken to be the same
		{"eve", false, "ada", false},
		{"eve", true, "eve", true},
		{"ada", false, "eve", false},
	} {
		account = c.now
		err := authorize(c.other)
		var other *host.OtherAccountError
		if (err == nil) != c.taken || err != nil && (!errors.As(err, &other) || !errors.Is(err, host.ErrRefused) || other.Now != c.now || other.Before != c.known) {
			t.Errorf("%+v: %v", c, err)
		}
		if o.accountOf("ACCESS") != c.known || (o.stage("ACCESS", vaultstore.Current) == s.access) != c.taken {
			t.Errorf("%+v: known as %q", c, o.accountOf("ACCESS"))
		}
		if c.taken {
			continue
		}
		if got := o.audited(host.EventCredential, "other_account"); len(got) == 0 || got[len(got)-1].Allowed {
			t.Errorf("%+v: audited %+v", c, got)
		}
	}
	// A renewal keeps what is known.
	e, err := o.vault.Get(t.Context(), o.scope.Address("ACCESS"))
	if err != nil {
		t.Fatal(err)
	}
	v := e.Stages[vaultstore.Current]
	v.ExpiresAt = time.Now().Add(-time.Minute)
	e.Stages[vaultstore.Current] = v
	if _, err := o.vault.Put(t.Context(), e, e.Generation); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.refresh = o.stage("REFRESH", vaultstore.Current) // the source gave others since, that were refused
	s.mu.Unlock()
	if _, err := o.again(host.RunOptions{Unattended: true}); err != nil {
		t.Fatal(err)
	}
	if o.stage("ACCESS", vaultstore.Current) != s.access || o.accountOf("ACCESS") != "eve" {
		t.Errorf("renewed, it is known as %q", o.accountOf("ACCESS"))
	}
	o.unseen(s.secrets)
}
