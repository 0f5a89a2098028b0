package host_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const clientSecret = "client-secret-3Kv7Bn1Zq"

const oauthCredentials = `
    "ACCESS": {"type": "string", "class": "long_lived_token", "obtained_via": ["bootstrap_tool"],
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/api"], "as": "header:Authorization"}],
      "oauth2": {"token_url": "BASE/token", "authorization_url": "BASE/authorize", "device_authorization_url": "BASE/device",
        "client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET", "refresh_token": "REFRESH", "client_auth": "basic", "scopes": ["read"]}},
    "REFRESH": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["POST"], "paths": ["/token"], "as": "form:refresh_token"}]},
    "CLIENT_ID": {"type": "string", "identity": true},
    "CLIENT_SECRET": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["POST"], "paths": ["/token"], "as": "basic"}]}`

// issuer is an authorization server with single-use refresh tokens, and the
// API that it is for.
type issuer struct {
	mu      sync.Mutex
	n       int    // tokens given
	refresh string // the one that is good
	access  string
	lives   int // seconds that an access token says it lives, 0 for no word
	slow    chan struct{}
	down    bool
	spent   int // refresh tokens that came twice
	asked   int // of the token endpoint
	pending int // polls of a device that are answered "not yet"
	denied  bool
	public  bool   // the client has no secret
	refusal string // the code with which all is refused
	// nonsense says that the answers are none.
	nonsense bool
	secrets  []string
}

func (s *issuer) serve(w http.ResponseWriter, req received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch req.URL.Path {
	case "/api":
		if req.Header.Get("Authorization") != "Bearer "+s.access {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "welcome")
	case "/token":
		s.asked++
		if slow := s.slow; slow != nil {
			s.mu.Unlock()
			<-slow
			s.mu.Lock()
		}
		s.token(w, req)
	case "/device":
		fmt.Fprint(w, `{"device_code": "device-code-9Xw2", "user_code": "ABCD-EFGH", "verification_uri": "https://example.com/enter", "expires_in": 60, "interval": 1}`)
	}
}

func (s *issuer) token(w http.ResponseWriter, req received) {
	form, _ := url.ParseQuery(req.body)
	basic := base64.StdEncoding.EncodeToString([]byte("the-client:" + clientSecret))
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error": %q}`, code)
	}
	switch {
	case s.down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case s.refusal != "":
		refuse(400, s.refusal)
		return
	case s.nonsense:
		fmt.Fprint(w, "<html>")
		return
	case req.Header.Get("Authorization") != "Basic "+basic && !s.public:
		refuse(401, "invalid_client")
		return
	case form.Get("grant_type") == "refresh_token":
		if s.refresh == "" || form.Get("refresh_token") != s.refresh {
			s.spent++
			refuse(400, "invalid_grant")
			return
		}
	case form.Get("grant_type") == "authorization_code":
		if form.Get("code") != "the-code-6Tb1" || form.Get("code_verifier") == "" {
			refuse(400, "invalid_grant")
			return
		}
	case s.denied:
		refuse(400, "access_denied")
		return
	case s.pending > 0:
		s.pending--
		refuse(400, "authorization_pending")
		return
	}
	s.give(w)
}

// give issues the next tokens.
func (s *issuer) give(w http.ResponseWriter) {
	s.n++
	s.access, s.refresh = fmt.Sprintf("access-%d-8Jc4Rw6Ze2", s.n), fmt.Sprintf("refresh-%d-5Qm9Yd3Hu7", s.n)
	s.secrets = append(s.secrets, s.access, s.refresh)
	lives := ""
	if s.lives > 0 {
		lives = fmt.Sprintf(`, "expires_in": %d`, s.lives)
	}
	fmt.Fprintf(w, `{"access_token": %q, "token_type": "bearer", "refresh_token": %q%s}`, s.access, s.refresh, lives)
}

// newIssuer stores a client and a first refresh token.
func newIssuer(t testing.TB) (*ops, *issuer) {
	s := &issuer{refresh: "refresh-0-5Qm9Yd3Hu7", lives: 3600}
	s.secrets = []string{s.refresh, clientSecret}
	o := newOps(t, oauthCredentials, "", s.serve)
	o.store("CLIENT_ID", "the-client", abi.ClassNone)
	o.store("CLIENT_SECRET", clientSecret, abi.ClassToken)
	o.store("REFRESH", s.refresh, abi.ClassToken)
	return o, s
}

// status returns how a credential stands.
func (o *ops) status(name string) vaultstore.Status {
	entry, err := o.vault.Get(o.t.Context(), o.scope.Address(name))
	if err != nil {
		o.t.Fatal(err)
	}
	return entry.Stages[vaultstore.Current].Status
}

func callAPI(as string) step { return send("GET", "/api", as, "Authorization", "Bearer ${t}") }

func TestAnAccessTokenIsRenewedWhenItHasTo(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*ops, *issuer)
		want   int // refreshes
		got    []string
	}{
		"there is none": {func(*ops, *issuer) {}, 1, []string{"GET /api: 200"}},
		"it is at its end": {func(o *ops, s *issuer) {
			o.bootstrapped("ACCESS", "access-0-8Jc4Rw6Ze2", abi.ClassToken, time.Now().Add(-time.Minute))
		}, 1, []string{"GET /api: 200"}},
		"it is near its end": {func(o *ops, s *issuer) {
			s.access = "access-0-8Jc4Rw6Ze2"
			o.bootstrapped("ACCESS", s.access, abi.ClassToken, time.Now().Add(time.Minute))
		}, 1, []string{"GET /api: 200"}},
		"it is good": {func(o *ops, s *issuer) {
			s.access = "access-0-8Jc4Rw6Ze2"
			o.bootstrapped("ACCESS", s.access, abi.ClassToken, time.Now().Add(time.Hour))
		}, 0, []string{"GET /api: 200"}},
		"the source refuses it in the middle": {func(o *ops, s *issuer) {
			o.bootstrapped("ACCESS", "access-0-8Jc4Rw6Ze2", abi.ClassToken, time.Now().Add(time.Hour))
		}, 1, []string{"GET /api: 401", "GET /api: 200"}},
		"near its end, and the source cannot answer": {func(o *ops, s *issuer) {
			s.access, s.down = "access-0-8Jc4Rw6Ze2", true
			o.bootstrapped("ACCESS", s.access, abi.ClassToken, time.Now().Add(time.Minute))
		}, 1, []string{"GET /api: 200"}},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := newIssuer(t)
			c.before(o, s)
			steps := []step{use("ACCESS", "t"), isSurrogate("token", "${t}")}
			for range c.got {
				steps = append(steps, callAPI("_"))
			}
			expect(t, o.good(abi.RoleCollector, steps...), append([]string{"token: true"}, c.got...)...)
			if s.asked != c.want || s.spent > 0 {
				t.Errorf("the token endpoint was asked %d times, with %d spent tokens, want %d", s.asked, s.spent, c.want)
			}
			if o.stage("REFRESH", vaultstore.Current) != s.refresh || o.stage("ACCESS", vaultstore.Current) != s.access && !s.down {
				t.Error("the vault does not hold the latest tokens")
			}
			o.unseen(append(s.secrets, "access-0-8Jc4Rw6Ze2"))
		})
	}
}

func TestRefreshTokensRotateOverManyRenewals(t *testing.T) {
	o, s := newIssuer(t)
	s.lives = 0
	steps := []step{use("ACCESS", "t")}
	o.allow(nil, append(steps, callAPI("_"), callAPI("_"))...)
	for range 5 {
		if _, err := o.again(host.RunOptions{Unattended: true}); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.access = "another" // the source takes it back
		s.mu.Unlock()
	}
	if s.n != 5 || s.spent > 0 {
		t.Errorf("%d renewals, %d spent tokens", s.n, s.spent)
	}
	o.unseen(s.secrets)
}

func TestWhatNeedsReauthorisationSaysSoOnce(t *testing.T) {
	for name, before := range map[string]func(*ops, *issuer){
		"the source took it back": func(o *ops, s *issuer) { s.refresh = "" },
		"nothing is stored": func(o *ops, s *issuer) {
			if err := o.vault.Delete(t.Context(), o.scope.Address("REFRESH"), vaultstore.AnyGeneration); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := newIssuer(t)
			before(o, s)
			steps := []step{use("ACCESS", "t"), use("ACCESS", "t"), {Do: "status", Name: "ACCESS", As: "s"}, tell("status", "${s}"), {Do: "fail", Name: abi.CodeCredentialDenied}}
			for i := range 2 {
				res, err := o.do(abi.RoleCollector, steps...)
				if !errors.Is(err, host.ErrNeedsOwner) || !strings.Contains(err.Error(), "sallyport auth ops ACCESS") {
					t.Errorf("run %d: %v", i, err)
				}
				if len(res.Refusals) != 1 || !res.Refusals[0].NeedsOwner || res.Refusals[0].Rule != string(capabilities.RuleRejected) || !strings.Contains(res.Refusals[0].Reason, "re-authorisation") {
					t.Errorf("run %d: refusals %+v", i, res.Refusals)
				}
				expect(t, o.findings(), "use ACCESS: -14", "use ACCESS: -14", `status: {"class":"long_lived_token","state":"rejected"}`)
			}
			if s.asked > 1 || len(o.sent("/api")) > 0 {
				t.Errorf("the source was asked %d times", s.asked)
			}
			o.unseen(s.secrets)
		})
	}
}

func TestAGrantThatEndsInTheMiddle(t *testing.T) {
	o, s := newIssuer(t)
	s.refresh = ""
	o.bootstrapped("ACCESS", "access-0-8Jc4Rw6Ze2", abi.ClassToken, time.Now().Add(time.Hour))
	res, err := o.do(abi.RoleCollector, use("ACCESS", "t"), callAPI("_"), callAPI("_"), callAPI("_"), step{Do: "fail", Name: abi.CodeConnectorFailed})
	expect(t, o.findings(), "GET /api: 401", "GET /api: -14", "GET /api: -14")
	if err == nil || !strings.Contains(err.Error(), "sallyport auth ops ACCESS") || s.asked != 1 || len(o.sent("/api")) != 1 {
		t.Errorf("%v; %+v; asked %d times", err, res.Refusals, s.asked)
	}
	if o.status("REFRESH") != vaultstore.Rejected {
		t.Error("the refresh token is not marked")
	}
	o.unseen(s.secrets, res, err)
}

func TestARenewalThatIsNotApproved(t *testing.T) {
	o, s := newIssuer(t)
	o.allow(func(a *capabilities.Approval) { a.HostCalls = nil }, use("ACCESS", "t"), step{Do: "fail", Name: abi.CodeCredentialDenied})
	res, err := o.again(host.RunOptions{Unattended: true})
	if !errors.Is(err, host.ErrNeedsOwner) || s.asked > 0 {
		t.Errorf("%v; the token endpoint was asked %d times", err, s.asked)
	}
	if !slices.ContainsFunc(res.Refusals, func(f host.Refusal) bool {
		return f.Rule == string(capabilities.RuleHostCall) && f.NeedsOwner && strings.Contains(f.Remedy, "grant approve")
	}) {
		t.Errorf("refusals %+v", res.Refusals)
	}
	if got := o.rules(host.EventDecision, "host_call", "ACCESS"); !slices.Equal(got, []string{"false host_call_not_approved"}) {
		t.Errorf("audited %q", got)
	}
	o.unseen(s.secrets, res, err)
}

func TestAClientThatTheSourceDoesNotKnow(t *testing.T) {
	o, s := newIssuer(t)
	o.store("CLIENT_SECRET", "wrong-secret-6Yk2", abi.ClassToken)
	res, err := o.do(abi.RoleCollector, use("ACCESS", "t"), step{Do: "fail", Name: abi.CodeCredentialDenied})
	if !errors.Is(err, host.ErrNeedsOwner) || len(res.Refusals) != 1 || !strings.Contains(res.Refusals[0].Remedy, "vault set ops CLIENT_SECRET") || s.spent > 0 {
		t.Errorf("%v; refusals %+v", err, res.Refusals)
	}
	if o.status("REFRESH") != vaultstore.Active {
		t.Error("the refresh token is marked for what is the client's")
	}
	o.unseen(s.secrets, res, err)
}

func TestASourceThatCannotRenewNow(t *testing.T) {
	o, s := newIssuer(t)
	s.down = true
	res, err := o.do(abi.RoleCollector, use("ACCESS", "t"), step{Do: "fail", Name: abi.CodeSourceUnavailable})
	expect(t, o.findings(), "use ACCESS: -7")
	if !errors.Is(err, host.ErrSourceFailed) || !strings.Contains(res.Problem, "503") || len(res.Rejected) > 0 {
		t.Errorf("%v; problem %q", err, res.Problem)
	}
	if o.status("REFRESH") != vaultstore.Active {
		t.Error("the refresh token is marked for what is the source's")
	}
	o.unseen(s.secrets, res, err)
}

func TestRunsAtOnceShareOneRefresh(t *testing.T) {
	o, s := newIssuer(t)
	s.slow = make(chan struct{})
	o.allow(nil, use("ACCESS", "t"), callAPI("_"))
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = o.host.Run(t.Context(), o.connector, host.RunOptions{Unattended: true})
		})
	}
	started := func() bool { return len(o.audited(host.EventRunStarted, "")) == len(errs) }
	for deadline := time.Now().Add(10 * time.Second); !started() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	close(s.slow)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if s.n != 1 || s.spent > 0 {
		t.Errorf("%d refreshes, %d spent tokens", s.n, s.spent)
	}
	o.unseen(s.secrets)
}
