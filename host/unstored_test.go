package host_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// fullVault takes no refresh token while it is full.
type fullVault struct {
	*memory.Store
	full  atomic.Bool
	tries atomic.Int32
	most  int32 // after so many tries it is not full any more, 0 for never
}

func (v *fullVault) Put(ctx context.Context, e vaultstore.Entry, expect uint64) (uint64, error) {
	if e.Address.Name == "REFRESH" && v.full.Load() {
		if n := v.tries.Add(1); v.most == 0 || n <= v.most {
			return 0, errors.New("the disk is full")
		}
	}
	return v.Store.Put(ctx, e, expect)
}

// newFullIssuer is newIssuer with a vault that is full from then on.
func newFullIssuer(t *testing.T) (*ops, *issuer, *fullVault) {
	s := &issuer{refresh: "refresh-0-5Qm9Yd3Hu7", lives: 3600}
	s.secrets = []string{s.refresh, clientSecret}
	v := &fullVault{Store: memory.New()}
	o := newOps(t, oauthCredentials, "", s.serve, func(c host.Config) host.Config { return c.WithVault(v) })
	o.vault = v.Store
	o.store("CLIENT_ID", "the-client", abi.ClassNone)
	o.store("CLIENT_SECRET", clientSecret, abi.ClassToken)
	o.store("REFRESH", s.refresh, abi.ClassToken)
	v.full.Store(true)
	return o, s, v
}

// A refresh token that was spent, and whose successor the vault did not take,
// is not lost: the run goes on with the new tokens, the owner is told, and the
// process stores them as soon as it can. No second one is spent.
func TestTokensThatCannotBeStoredAreKept(t *testing.T) {
	o, s, v := newFullIssuer(t)
	res, err := o.do(abi.RoleCollector, use("ACCESS", "t"), callAPI("_"), callAPI("_"))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, o.findings(), "GET /api: 200", "GET /api: 200")
	if !strings.Contains(res.Problem, "could not be stored") || !strings.Contains(res.Problem, "sallyport auth ops ACCESS") {
		t.Errorf("the owner is told %q", res.Problem)
	}
	if o.stage("REFRESH", vaultstore.Current) != "refresh-0-5Qm9Yd3Hu7" || s.n != 1 {
		t.Fatalf("the vault was not full; %d tokens given", s.n)
	}
	v.full.Store(false)
	res, err = o.again(host.RunOptions{Unattended: true})
	if err != nil || res.Problem != "" {
		t.Fatalf("%v; %q", err, res.Problem)
	}
	if s.n != 1 || s.spent > 0 || o.stage("REFRESH", vaultstore.Current) != s.refresh || o.stage("ACCESS", vaultstore.Current) != s.access {
		t.Errorf("%d tokens given, %d spent twice, or the new ones are not stored", s.n, s.spent)
	}
	o.unseen(s.secrets, res)
}

// What could not be stored in the middle of a run is stored at its end.
func TestTokensAreStoredAtTheEndOfTheRun(t *testing.T) {
	o, s, v := newFullIssuer(t)
	v.most = 6 // the tries of one write
	res, err := o.do(abi.RoleCollector, use("ACCESS", "t"), callAPI("_"))
	if err != nil || res.Problem != "" {
		t.Fatalf("%v; %q", err, res.Problem)
	}
	if s.n != 1 || o.stage("REFRESH", vaultstore.Current) != s.refresh || o.stage("ACCESS", vaultstore.Current) != s.access {
		t.Error("the new tokens are not stored")
	}
	o.unseen(s.secrets, res)
}

// A client's secret that is declared and need not be there is left out.
func TestAPublicClient(t *testing.T) {
	o, s := newIssuer(t)
	s.public = true
	if err := o.vault.Delete(t.Context(), o.scope.Address("CLIENT_SECRET"), vaultstore.AnyGeneration); err != nil {
		t.Fatal(err)
	}
	expect(t, o.good(abi.RoleCollector, use("ACCESS", "t"), callAPI("_")), "GET /api: 200")
	o.allow(nil)
	if err := o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "ACCESS", host.Authorizer{Open: browser(t, url.Values{"code": {"the-code-6Tb1"}})}); err != nil {
		t.Error(err)
	}
	for _, got := range o.sent("/token") {
		if got.Header.Get("Authorization") != "" || !strings.Contains(got.body, "client_id=the-client") || strings.Contains(got.body, "client_secret") {
			t.Error("it was not sent as a public client's")
		}
	}
	o.unseen(s.secrets)
}

// Each way in which an authorization fails is somebody's to mend.
func TestWhyAnAuthorizationFailed(t *testing.T) {
	code := func(t *testing.T) host.Authorizer {
		return host.Authorizer{Open: browser(t, url.Values{"code": {"the-code-6Tb1"}})}
	}
	device := func(*testing.T) host.Authorizer { return host.Authorizer{Show: func(string, string) {}} }
	for name, c := range map[string]struct {
		before func(*ops, *issuer)
		how    func(*testing.T) host.Authorizer
		want   error
		says   string
	}{
		"the owner says no": {nil, func(t *testing.T) host.Authorizer {
			return host.Authorizer{Open: browser(t, url.Values{"error": {"access_denied"}})}
		}, host.ErrDeclined, "declined"},
		"the code ran out":   {func(_ *ops, s *issuer) { s.refusal = "expired_token" }, device, host.ErrNeedsOwner, "run: sallyport auth ops ACCESS"},
		"the source is down": {func(_ *ops, s *issuer) { s.down = true }, code, host.ErrSourceFailed, "again later"},
		"a code of no use": {nil, func(t *testing.T) host.Authorizer {
			return host.Authorizer{Open: browser(t, url.Values{"code": {"another"}})}
		}, host.ErrSourceFailed, "invalid_grant"},
		"no scope of its own":    {func(_ *ops, s *issuer) { s.refusal = "invalid_scope" }, device, host.ErrSourceFailed, "invalid_scope"},
		"an answer that is none": {func(_ *ops, s *issuer) { s.nonsense = true }, code, host.ErrSourceFailed, "cannot be used"},
		"the client is not known": {func(o *ops, _ *issuer) {
			o.store("CLIENT_SECRET", "wrong-secret-6Yk2", abi.ClassToken)
		}, code, host.ErrNeedsOwner, "run: sallyport vault set ops CLIENT_SECRET"},
		"there is no client": {func(o *ops, _ *issuer) { o.store("CLIENT_ID", "", abi.ClassNone) }, code, host.ErrNeedsOwner, "client id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, s := newIssuer(t)
			if c.before != nil {
				c.before(o, s)
			}
			o.allow(nil)
			err := o.host.Authorize(t.Context(), o.connector, host.RunOptions{}, "ACCESS", c.how(t))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v, want %v with %q", err, c.want, c.says)
			}
			for _, other := range []error{host.ErrRefused, host.ErrNeedsOwner, host.ErrSourceFailed, host.ErrDeclined} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%v is %v as well", err, other)
				}
			}
			if o.stage("REFRESH", vaultstore.Current) != "refresh-0-5Qm9Yd3Hu7" {
				t.Error("something was stored")
			}
		})
	}
}
