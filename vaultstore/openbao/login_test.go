package openbao

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/sallyport-host/sallyport/vaultstore"
)

func loginTo(t *testing.T, address string) *login {
	t.Helper()
	o := Options{Address: address}
	client, err := newClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return &login{
		client: client, auth: AppRole{RoleID: "role", SecretID: vaultstore.NewSecret([]byte("canary-secret-id"))},
		fresh: func() (*api.Client, error) { return newClient(o) },
	}
}

// TestALoginFollowsNoRedirect: what it logs in with goes to that server alone.
func TestALoginFollowsNoRedirect(t *testing.T) {
	reached := make(chan struct{}, 1)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, other.URL+req.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	err := loginTo(t, server.URL).ensure(t.Context())
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	if len(reached) > 0 {
		t.Error("the other server was asked")
	}
}

// TestRequestsKeepTheirToken: one that is made while the client logs in anew
// has a token all the same.
func TestRequestsKeepTheirToken(t *testing.T) {
	var during func() string
	logins := 0
	seen := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasSuffix(req.URL.Path, "/login") {
			w.WriteHeader(http.StatusForbidden) // it does not renew
			return
		}
		if logins++; logins == 2 {
			seen = during()
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"auth": map[string]any{"client_token": "canary-token", "lease_duration": 60}})
	}))
	defer server.Close()
	l := loginTo(t, server.URL)
	during = l.client.Token
	if err := l.ensure(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.renewAt = time.Now().Add(-time.Minute)
	if err := l.ensure(context.Background()); err != nil {
		t.Fatal(err)
	}
	if logins != 2 || seen != "canary-token" {
		t.Errorf("%d logins; meanwhile the token was %t", logins, seen != "")
	}
}
