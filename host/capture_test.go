package host_test

import (
	"errors"
	"fmt"
	"net/http"
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

// The secrets of these tests. None may show.
const (
	mintedToken  = "minted-5Hq2Zk8vYw1T"
	mintedHeader = "header-9Rt4Lm3xQp7B"
	oldToken     = "before-1Jd6Ns0cVf2G"
	sessionID    = "sid-8Ue5Pb7kXa3M4c"
	rotatedID    = "sid-2Wy9Co1hTg6N5d"
	typedWord    = "correct-Horse7battery"
)

const captureCredentials = `
    "TOKEN": {"type": "string", "minLength": 8, "class": "long_lived_token", "obtained_via": ["user", "bootstrap_tool"],
      "send_to": [{"origin": "BASE", "methods": ["GET", "POST"], "paths": ["/me", "/echo"], "as": "header:Authorization"}],
      "capture": [{"origin": "BASE", "methods": ["GET", "POST"], "paths": ["/mint"], "from": "json:/token"},
                  {"origin": "BASE", "methods": ["POST"], "paths": ["/mint"], "from": "header:X-New-Token"}],
      "probe": {"origin": "BASE", "path": "/me", "as": "header:Authorization", "account": "/login"}},
    "UNPROBED": {"type": "string", "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/echo"], "as": "header:Authorization"}],
      "capture": [{"origin": "BASE", "methods": ["POST"], "paths": ["/mint-unprobed"], "from": "json:/token"}]},
    "NARROW": {"type": "string", "maxLength": 4, "class": "long_lived_token",
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/echo"], "as": "header:Authorization"}],
      "capture": [{"origin": "BASE", "methods": ["POST"], "paths": ["/mint-narrow"], "from": "json:/token"}]},
    "SESSION": {"type": "string", "class": "session",
      "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/area", "/echo"], "as": "cookie"}],
      "capture": [{"origin": "BASE", "methods": ["GET", "POST"], "paths": ["/login", "/area"], "from": "set-cookie"}],
      "probe": {"origin": "BASE", "path": "/area", "as": "cookie", "account": "/login"}},
    "SECRET_PASSWORD": {"type": "string", "class": "password",
      "send_to": [{"origin": "BASE", "methods": ["POST"], "paths": ["/login"], "as": "header:X-Password"}]}`

// minter is a source that gives secrets.
type minter struct {
	mu       sync.Mutex
	accounts map[string]string // by token or session
	turns    int               // of the cookie at /turn
}

func (m *minter) serve(w http.ResponseWriter, req received) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch req.URL.Path {
	case "/mint", "/mint-unprobed", "/mint-narrow":
		if req.URL.Path == "/mint" {
			w.Header().Set("X-New-Token", mintedHeader)
		}
		if as := req.URL.Query().Get("as"); as != "" {
			mintOddly(w, as)
			return
		}
		fmt.Fprintf(w, mintAnswer, mintedToken)
	case "/me":
		m.account(w, strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
	case "/echo":
		w.Header().Set("X-Echo", req.Header.Get("Authorization"))
		fmt.Fprint(w, req.Header.Get("Authorization"), req.Header.Get("Cookie"), req.body)
	case "/login":
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: sessionID, Path: "/", HttpOnly: true, Secure: true})
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: "english", Path: "/"})
		fmt.Fprint(w, "You read english now.")
	case "/area":
		if c, err := req.Cookie("sid"); err == nil && c.Value == sessionID {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: rotatedID, Path: "/"})
		}
		c, err := req.Cookie("sid")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		m.account(w, c.Value)
	case "/turn":
		m.turns++
		http.SetCookie(w, &http.Cookie{Name: "turn", Value: fmt.Sprintf("turn-%05d-4Kq8Zv2Wx", m.turns), Path: "/"})
		c, err := req.Cookie("turn")
		fmt.Fprint(w, err == nil && c.Value == fmt.Sprintf("turn-%05d-4Kq8Zv2Wx", m.turns-1))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// mintOddly answers with a secret as it does not stand in a JSON document, or
// with none.
func mintOddly(w http.ResponseWriter, as string) {
	switch as {
	case "part":
		w.Header().Set("Content-Range", "bytes 20-40/100")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprintf(w, "%q", mintedToken)
	case "text":
		fmt.Fprint(w, "token="+mintedToken)
	case "large":
		fmt.Fprintf(w, `{"token": %q, "pad": %q}`, mintedToken, strings.Repeat("x", 5<<20))
	case "gzip":
		w.Header().Set("Content-Encoding", "x-unknown")
		fmt.Fprintf(w, `{"token": %q}`, mintedToken)
	case "page":
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<p>broken</p>")
	case "fault":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"token":%q}`, mintedToken)
	}
}

// mintAnswer has more in it than a decoder and an encoder would keep.
const mintAnswer = "{ \"id\": 7.0e0,\n\t\"token\":  null, \"tok\\u0065n\" :%q , \"note\": \"\\u00e9 \\/ é\", \"nested\": {\"token\": \"no\"}}\n"

func (m *minter) account(w http.ResponseWriter, secret string) {
	login, ok := m.accounts[secret]
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, `{"login": %q}`, login)
}

func newMinter(t testing.TB, role abi.Role, accounts map[string]string) *ops {
	m := &minter{accounts: accounts}
	return newOps(t, captureCredentials, role, m.serve)
}

func TestACapturedSecretIsASurrogateAndAllElseIsAsItWas(t *testing.T) {
	o := newMinter(t, abi.RoleBootstrap, nil)
	got := o.good(abi.RoleBootstrap,
		send("POST", "/mint", "r"), field("r", "token", "t"), isSurrogate("token", "${t}"),
		isSurrogate("header", "${r.X-New-Token}"), tell("header", "${r.X-New-Token}"), tell("body", "${r}"),
		send("POST", "/mint", "again"), same("the same again", "${r}", "${again}"),
		send("GET", "/echo", "e", "Authorization", "Bearer ${r.X-New-Token}"), same("echo", "${e}", "Bearer ${r.X-New-Token}"), same("echo in a header", "${e.X-Echo}", "Bearer ${r.X-New-Token}"),
		send("GET", "/me", "_", "X-Api-Key", "${r.X-New-Token}"), send("GET", o.other+"/me", "_", "Authorization", "Bearer ${t}"),
	)
	body := fmt.Sprintf(mintAnswer, "[redacted:TOKEN]")
	expect(t, got, "POST /mint: 200", "token: true", "header: true", "header: [redacted:TOKEN]", "body: "+body,
		"POST /mint: 200", "the same again: true", "GET /echo: 200", "echo: true", "echo in a header: true",
		"GET /me: -1", "GET "+o.other+"/me: -1")
	if got := o.sent("/echo"); len(got) != 1 || got[0].Header.Get("Authorization") != "Bearer "+mintedHeader {
		t.Error("the source did not get the captured value back")
	}
	o.unseen([]string{mintedToken, mintedHeader})
}

func TestWhatCannotBeSearchedForANewSecretIsNotShown(t *testing.T) {
	o := newMinter(t, abi.RoleBootstrap, nil)
	got := o.good(abi.RoleBootstrap,
		send("GET", "/mint?as=part", "r"), send("GET", "/mint?as=text", "r"), send("GET", "/mint?as=large", "r"), send("GET", "/mint?as=gzip", "r"),
		send("GET", "/mint?as=nothing", "r"), send("GET", "/mint?as=page", "r"), tell("page", "${r}"), send("GET", "/mint?as=fault", "r"), tell("fault", "${r}"))
	expect(t, got, "GET /mint?as=part: unavailable", "GET /mint?as=text: unavailable", "GET /mint?as=large: too_large", "GET /mint?as=gzip: unavailable",
		"GET /mint?as=nothing: 200", "GET /mint?as=page: 502", "page: <p>broken</p>", "GET /mint?as=fault: 400", `fault: {"token":"[redacted:TOKEN]"}`)
	if n := len(o.audited(host.EventEgress, "answer")); n != 4 {
		t.Errorf("%d refused answers are in the audit log, want 4", n)
	}
	o.unseen([]string{mintedToken})
}

func TestAPutIsPendingUntilTheProbeSaysYes(t *testing.T) {
	steps := []step{
		send("POST", "/mint", "r"),
		{Do: "put", Name: "TOKEN", Data: "${r.X-New-Token}", Arg: `{"expires_at":"2030-01-31T00:00:00Z"}`},
		{Do: "status", Name: "TOKEN", As: "s"}, tell("status", "${s}"),
	}
	for name, c := range map[string]struct {
		accounts map[string]string
		before   bool
		now      string
		previous string
		pending  string
		problem  string
	}{
		"the first":               {map[string]string{mintedHeader: "ada"}, false, mintedHeader, "", "", ""},
		"for the same account":    {map[string]string{mintedHeader: "ada", oldToken: "ada"}, true, mintedHeader, oldToken, "", ""},
		"the old one is dead":     {map[string]string{mintedHeader: "ada"}, true, mintedHeader, oldToken, "", ""},
		"for another account":     {map[string]string{mintedHeader: "eve", oldToken: "ada"}, true, oldToken, "", mintedHeader, "another account"},
		"the source says no":      {map[string]string{oldToken: "ada"}, true, oldToken, "", mintedHeader, host.ErrNotAccepted.Error()},
		"it does not say for who": {map[string]string{mintedHeader: "", oldToken: ""}, true, oldToken, "", mintedHeader, "whose account"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newMinter(t, abi.RoleBootstrap, c.accounts)
			if c.before {
				o.bootstrapped("TOKEN", oldToken, abi.ClassToken, time.Time{})
			}
			res, err := o.do(abi.RoleBootstrap, steps...)
			if err != nil {
				t.Fatal(err)
			}
			if now, previous, pending := o.stage("TOKEN", vaultstore.Current), o.stage("TOKEN", vaultstore.Previous), o.stage("TOKEN", vaultstore.Pending); now != c.now || previous != c.previous || pending != c.pending {
				t.Errorf("the stages are not what they should be: current %v, previous %v, pending %v", now == c.now, previous == c.previous, pending == c.pending)
			}
			if (res.Problem == "") != (c.problem == "") || !strings.Contains(res.Problem, c.problem) {
				t.Errorf("problem %q, want one about %q", res.Problem, c.problem)
			}
			if got := o.rules(host.EventVault, "put", "TOKEN"); !slices.Equal(got, []string{"true auto_bootstrapped"}) {
				t.Errorf("audited of the put: %q", got)
			}
			if got := o.rules(host.EventVault, "promote", "TOKEN"); !slices.Equal(got, []string{fmt.Sprint(c.problem == "", " probe")}) {
				t.Errorf("audited of the promotion: %q", got)
			}
			o.unseen([]string{mintedToken, mintedHeader, oldToken}, res)
			if c.problem == "" {
				entry, err := o.vault.Get(t.Context(), o.scope.Address("TOKEN"))
				if v := entry.Stages[vaultstore.Current]; err != nil || v.ExpiresAt.Year() != 2030 || v.LastVerified.IsZero() || v.Provenance != vaultstore.AutoBootstrapped {
					t.Errorf("stored %+v, %v", v, err)
				}
			}
		})
	}
}

func TestAPutWithoutAProbeStaysPending(t *testing.T) {
	o := newMinter(t, abi.RoleBootstrap, nil)
	res, err := o.do(abi.RoleBootstrap, send("POST", "/mint-unprobed", "r"), field("r", "token", "t"), put("UNPROBED", "${t}"))
	if err != nil || !strings.Contains(res.Problem, "UNPROBED") || !strings.Contains(res.Problem, "no probe") {
		t.Errorf("%v, problem %q", err, res.Problem)
	}
	if o.stage("UNPROBED", vaultstore.Pending) != mintedToken || o.stage("UNPROBED", vaultstore.Current) != "" {
		t.Error("it is not pending")
	}
	o.unseen([]string{mintedToken}, res)
}

func TestARunThatWasStoppedPromotesNothing(t *testing.T) {
	o := newMinter(t, abi.RoleBootstrap, map[string]string{mintedHeader: "ada"})
	o.store("SHOWN", canary, abi.ClassToken)
	_, err := o.do(abi.RoleBootstrap, send("POST", "/mint", "r"), put("TOKEN", "${r.X-New-Token}"), step{Do: "reveal", Name: "SHOWN", As: "v"}, tell("value", "${v}"))
	if !errors.Is(err, host.ErrRefused) {
		t.Errorf("err = %v", err)
	}
	if o.stage("TOKEN", vaultstore.Current) != "" || o.stage("TOKEN", vaultstore.Pending) != mintedHeader || len(o.sent("/me")) > 0 {
		t.Error("what a stopped run had put came into use, or was probed")
	}
	o.good(abi.RoleCollector, send("GET", "/echo", "_"))
	if o.stage("TOKEN", vaultstore.Current) != "" || len(o.sent("/me")) > 0 {
		t.Error("the next run put it into use, or probed it")
	}
}

func TestWhatMayNotBePut(t *testing.T) {
	minted := send("POST", "/mint", "r")
	for name, c := range map[string]struct {
		role   abi.Role
		before func(*ops)
		steps  []step
		name   string
		want   int
		rule   string
	}{
		"another credential's surrogate": {abi.RoleBootstrap, nil, []step{use("SHOWN", "t"), put("TOKEN", "${t}")}, "TOKEN", -1, "not_captured"},
		"its own surrogate": {abi.RoleBootstrap, func(o *ops) { o.bootstrapped("TOKEN", oldToken, abi.ClassToken, time.Time{}) },
			[]step{use("TOKEN", "t"), put("TOKEN", "${t}")}, "TOKEN", -1, "not_captured"},
		"a text":                   {abi.RoleBootstrap, nil, []step{put("TOKEN", "a text of the guest's")}, "TOKEN", -1, "not_captured"},
		"a surrogate in a text":    {abi.RoleBootstrap, nil, []step{minted, put("TOKEN", "x${r.X-New-Token}")}, "TOKEN", -1, "not_captured"},
		"one captured for another": {abi.RoleBootstrap, nil, []step{minted, put("UNPROBED", "${r.X-New-Token}")}, "UNPROBED", -1, "other_credential"},
		"over what the owner entered": {abi.RoleBootstrap, func(o *ops) { o.store("TOKEN", oldToken, abi.ClassToken) },
			[]step{minted, put("TOKEN", "${r.X-New-Token}")}, "TOKEN", -1, "user_entered"},
		"a password": {abi.RoleAutoLogin, func(o *ops) { o.store("SECRET_PASSWORD", typedWord, abi.ClassPassword) },
			[]step{use("SECRET_PASSWORD", "p"), send("POST", "/login", "r", "X-Password", "${p}"), put("SESSION", "${p}")}, "SESSION", -1, "not_captured"},
		"over a password":                 {abi.RoleAutoLogin, nil, []step{put("SECRET_PASSWORD", "x")}, "SECRET_PASSWORD", -1, "role_class_put"},
		"a session by bootstrap":          {abi.RoleBootstrap, nil, []step{send("POST", "/login", "r"), put("SESSION", "${r.cookie.sid}")}, "SESSION", -1, "role_class_put"},
		"a token by auto_login":           {abi.RoleAutoLogin, nil, []step{minted, put("TOKEN", "${r.X-New-Token}")}, "TOKEN", -1, "role_class_put"},
		"what no rule captures":           {abi.RoleBootstrap, nil, []step{minted, put("SHOWN", "${r.X-New-Token}")}, "SHOWN", -1, "capture_not_approved"},
		"what is not declared":            {abi.RoleBootstrap, nil, []step{minted, put("BANK_PIN", "${r.X-New-Token}")}, "", -1, "not_declared"},
		"what does not have its own form": {abi.RoleBootstrap, nil, []step{send("POST", "/mint-narrow", "r"), field("r", "token", "t"), put("NARROW", "${t}")}, "NARROW", -3, "form"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newMinter(t, c.role, map[string]string{oldToken: "ada"})
			o.store("SHOWN", canary, abi.ClassToken)
			if c.before != nil {
				c.before(o)
			}
			res, err := o.do(c.role, c.steps...)
			if err != nil {
				t.Fatal(err)
			}
			last := c.steps[len(c.steps)-1].Name
			if got := o.findings(); got[len(got)-1] != fmt.Sprintf("put %s: %d", last, c.want) {
				t.Errorf("findings %q", got)
			}
			if got := o.rules(host.EventDecision, "store", c.name); !slices.Equal(got, []string{"false " + c.rule}) {
				t.Errorf("audited %q, want %s", got, c.rule)
			}
			if len(res.Refusals) == 0 || res.Refusals[len(res.Refusals)-1].Reason == "" {
				t.Errorf("the owner is not told: %+v", res.Refusals)
			}
			for _, stored := range []string{"TOKEN", "UNPROBED", "SESSION", "SECRET_PASSWORD", "NARROW"} {
				if o.stage(stored, vaultstore.Pending) != "" {
					t.Errorf("%s was stored", stored)
				}
			}
			o.unseen([]string{mintedHeader, oldToken, typedWord, canary}, res)
		})
	}
}

func TestACollectorHasNoPut(t *testing.T) {
	o := newMinter(t, "", nil)
	modules, err := opsModules()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("CREDENTIALS", captureCredentials, "MODULES", `"collector": {"path": "c.wasm"}`).Replace(opsManifest)
	text = strings.NewReplacer("BASE", o.origin, "OTHER", o.other).Replace(text)
	_, err = o.host.Load(t.Context(), host.Package{Manifest: []byte(text), Modules: map[abi.Role][]byte{abi.RoleCollector: modules[true]}})
	if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "credential-store") {
		t.Errorf("a collector that imports put: %v", err)
	}
	if got := o.audited(host.EventLoadRefused, "link"); len(got) == 0 {
		t.Error("the refusal is not in the audit log")
	}
}

func TestCookies(t *testing.T) {
	o := newMinter(t, "", nil)
	got := o.good(abi.RoleCollector,
		send("GET", "/turn", "r"), isSurrogate("strong", "${r.cookie.turn}"), same("attributes", "${r.Set-Cookie}", "turn=${r.cookie.turn}; Path=/"),
		send("GET", "/turn", "r", "Cookie", "${r.cookies}"), tell("came back", "${r}"),
		send("GET", o.other+"/turn", "x", "Cookie", "${r.cookies}"),
		send("GET", "/turn", "x", "Authorization", "${r.cookie.turn}"),
		repeat(250, send("GET", "/turn", "r", "Cookie", "${r.cookies}").quiet()), tell("came back", "${r}"),
	)
	expect(t, got, "GET /turn: 200", "strong: true", "attributes: true", "GET /turn: 200", "came back: true",
		"GET "+o.other+"/turn: -1", "GET /turn: -1", "came back: true")
	o.unseen([]string{"4Kq8Zv2Wx"})
}

func TestASessionIsStoredAndUsedByTheNextRun(t *testing.T) {
	o := newMinter(t, abi.RoleAutoLogin, map[string]string{sessionID: "ada", rotatedID: "ada"})
	got := o.good(abi.RoleAutoLogin, send("POST", "/login", "r"), isSurrogate("sid", "${r.cookie.sid}"),
		send("GET", "/area", "_", "Cookie", "${r.cookies}"), put("SESSION", "${r.cookie.sid}"))
	expect(t, got, "POST /login: 200", "sid: true", "GET /area: 200", "put SESSION: 0")
	state := o.stage("SESSION", vaultstore.Current)
	if !strings.Contains(state, `"cookies":[{`) || !strings.Contains(state, rotatedID) || !strings.Contains(state, `"origins":[]`) {
		t.Error("what is stored is no storage state with the latest cookies")
	}
	before := len(o.sent("/area"))
	got = o.good(abi.RoleCollector, use("SESSION", "s"),
		send("GET", "/area", "r", "Cookie", "${s}"), tell("body", "${r}"), send("GET", "/echo", "r", "Cookie", "${s}"), tell("echo", "${r}"),
		send("GET", o.other+"/area", "_", "Cookie", "${s}"))
	expect(t, got, "GET /area: 200", `body: {"login": "ada"}`, "GET /echo: 200", "echo: lang=english; sid=[redacted:SESSION]", "GET "+o.other+"/area: -1")
	if got := o.sent("/area")[before:]; len(got) != 1 || !strings.Contains(got[0].Header.Get("Cookie"), "sid="+rotatedID) {
		t.Error("the source did not get the stored session's cookies")
	}
	o.unseen([]string{sessionID, rotatedID})
}

func TestACollectorsSessionFollowsTheSource(t *testing.T) {
	o := newMinter(t, "", map[string]string{sessionID: "ada", rotatedID: "ada"})
	o.bootstrapped("SESSION", `{"cookies":[{"name":"sid","value":"`+sessionID+`","domain":"example.com","path":"/","expires":-1},{"name":"kept","value":"yes","domain":"example.com","path":"/","expires":-1}],"origins":[]}`, abi.ClassSession, time.Time{})
	o.good(abi.RoleCollector, use("SESSION", "s"), send("GET", "/area", "_", "Cookie", "${s}"), send("GET", "/area", "_", "Cookie", "${s}"))
	got := o.sent("/area")
	if len(got) != 2 || got[0].Header.Get("Cookie") != "sid="+sessionID+"; kept=yes" && got[0].Header.Get("Cookie") != "kept=yes; sid="+sessionID {
		t.Fatal("the first request does not carry the stored cookies")
	}
	if c, err := got[1].Cookie("sid"); err != nil || c.Value != rotatedID {
		t.Error("the second request does not carry the cookie that the first was answered with")
	}
	if c, err := got[1].Cookie("kept"); err != nil || c.Value != "yes" {
		t.Error("a cookie that the source left alone was lost")
	}
	o.unseen([]string{sessionID, rotatedID})
}

func TestReveal(t *testing.T) {
	reveal := step{Do: "reveal", Name: "SHOWN", As: "v"}
	o := newMinter(t, "", nil)
	o.store("SHOWN", canary, abi.ClassToken)
	o.store("SECRET_PASSWORD", typedWord, abi.ClassPassword)
	expect(t, o.good(abi.RoleCollector, reveal, isSurrogate("surrogate", "${v}")),
		"surrogate: false")
	if !slices.ContainsFunc(o.memories, func(m string) bool { return strings.Contains(m, canary) }) {
		t.Error("an approved reveal did not reveal")
	}
	expect(t, o.good(abi.RoleCollector, step{Do: "reveal", Name: "TOKEN", As: "v"}, step{Do: "reveal", Name: "SECRET_PASSWORD", As: "v"}), "reveal TOKEN: -1", "reveal SECRET_PASSWORD: -1")

	res, err := o.do(abi.RoleCollector, reveal, tell("value", "${v}"))
	if !errors.Is(err, host.ErrRefused) || res.Done.Error.Code != abi.CodeLeakBlocked || len(o.findings()) > 0 {
		t.Errorf("a revealed value was emitted: %v", err)
	}
	o.noCanary(res)

	o.memories = nil
	o.allow(func(a *capabilities.Approval) {
		c := a.Credential("SHOWN")
		c.Access = slices.DeleteFunc(slices.Clone(c.Access), func(x abi.Access) bool { return x == abi.AccessReveal })
	}, reveal)
	if _, err := o.again(host.RunOptions{Unattended: true}); err != nil {
		t.Fatal(err)
	}
	expect(t, o.findings(), "reveal SHOWN: -1")
	if got := o.rules(host.EventDecision, "issue", "SHOWN"); got[len(got)-1] != "false access_not_approved" {
		t.Errorf("audited %q", got)
	}
	o.unseen([]string{canary, typedWord}, res)
}
