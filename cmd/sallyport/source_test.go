package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// The parts of a test's authorization.
const (
	goodCode  = "good-code"
	userCode  = "ABCD-EFGH"
	envAnswer = "BROWSER_ANSWER" // of the fake browser; "" is the good code
)

// sourceCommand is "source": it starts a source for the length of a script.
// $SOURCE is its origin, $ALLOW the exception that lets it be reached, and
// ca.pem its authority.
func sourceCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: source")
	}
	server := httptest.NewTLSServer(http.HandlerFunc(answer))
	ts.Defer(server.Close)
	const host = "example.com" // of httptest's certificate
	u, err := url.Parse(server.URL)
	ts.Check(err)
	ts.Setenv("SOURCE", "https://"+host+":"+u.Port())
	ts.Setenv("ALLOW", host+"="+u.Host)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o644))
}

// answer is a source that knows one token, the canary.
func answer(w http.ResponseWriter, r *http.Request) {
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch {
	case r.URL.Path == "/v1/user" && r.Header.Get("Authorization") == "Bearer "+canary:
		say(http.StatusOK, map[string]string{"login": "octocat"})
	case r.URL.Path == "/v1/user" && r.Header.Get("Authorization") == "Bearer other-account-token":
		say(http.StatusOK, map[string]string{"login": "hubot"})
	case r.URL.Path == "/v1/down":
		say(http.StatusServiceUnavailable, nil)
	case r.URL.Path == "/v1/chatty":
		chatter(w)
	case r.URL.Path == "/device" && r.Method == http.MethodPost:
		say(http.StatusOK, map[string]any{"device_code": "d", "user_code": userCode,
			"verification_uri": "https://example.com/activate", "expires_in": 600, "interval": 1})
	case r.URL.Path == "/token" && r.Method == http.MethodPost:
		device := strings.HasSuffix(r.PostFormValue("grant_type"), ":device_code") && r.PostFormValue("device_code") == "d"
		code := r.PostFormValue("code") == goodCode && r.PostFormValue("code_verifier") != ""
		if !device && !code {
			say(http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
			return
		}
		say(http.StatusOK, map[string]any{"access_token": canary, "refresh_token": canary + "-refresh", "token_type": "bearer", "expires_in": 3600})
	default:
		say(http.StatusUnauthorized, nil)
	}
}

// chatter answers, and sends the token after the answer's end: net/http tells
// the standard logger of that.
func chatter(w http.ResponseWriter) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + canary)
	_ = buf.Flush()
	_, _ = conn.Read(make([]byte, 1)) // until the other end has seen it
}

// fakeBrowser is xdg-open: it goes back to where the address says, as the
// source's page would send it.
func fakeBrowser() {
	if err := visit(os.Args[len(os.Args)-1], os.Getenv(envAnswer)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func visit(address, answer string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	back := url.Values{"state": u.Query()["state"], "code": {goodCode}}
	if answer != "" {
		back = url.Values{"state": u.Query()["state"], "error": {answer}}
	}
	res, err := http.Get(u.Query().Get("redirect_uri") + "?" + back.Encode())
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
