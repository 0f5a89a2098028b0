package host_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// What an earlier run has stored, and the source could not be asked about, is
// asked about at the beginning of the next one; what it said no to, is not.
func TestAPendingValueIsProbedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		accounts map[string]string
		current  string
		asked    int // of the probe, after the source is up again
	}{
		"and works":    {map[string]string{mintedHeader: "ada"}, mintedHeader, 1},
		"and does not": {map[string]string{}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var down atomic.Bool
			m := &minter{accounts: c.accounts}
			o := newOps(t, captureCredentials, abi.RoleBootstrap, func(w http.ResponseWriter, req received) {
				if down.Load() && req.URL.Path == "/me" {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				m.serve(w, req)
			})
			down.Store(true)
			res, err := o.do(abi.RoleBootstrap, send("POST", "/mint", "r"), put("TOKEN", "${r.X-New-Token}"))
			if err != nil || !strings.Contains(res.Problem, "503") {
				t.Fatalf("%v; %q", err, res.Problem)
			}
			o.allow(nil, send("GET", "/echo", "_"))
			again := func() host.Result {
				t.Helper()
				res, err := o.again(host.RunOptions{Unattended: true})
				if err != nil {
					t.Fatal(err)
				}
				return res
			}
			if res = again(); !strings.Contains(res.Problem, "still not in use") || o.stage("TOKEN", vaultstore.Pending) != mintedHeader {
				t.Errorf("the source is still down: %q", res.Problem)
			}
			down.Store(false)
			before := len(o.sent("/me"))
			again()
			again()
			if got := len(o.sent("/me")) - before; got != c.asked || o.stage("TOKEN", vaultstore.Current) != c.current {
				t.Errorf("asked %d times; in use: %v", got, o.stage("TOKEN", vaultstore.Current) != "")
			}
			o.unseen([]string{mintedToken, mintedHeader}, res)
		})
	}
}
