package host_test

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Which statuses are a refusal of the credential, the manifest says for each
// destination: 401 alone where it does not.
func TestWhatARefusalIs(t *testing.T) {
	const credentials = `
    "KEY": {"type": "string", "class": "long_lived_token", "send_to": [
      {"origin": "BASE", "methods": ["GET"], "paths": ["/plain/*"], "as": "header:X-Key"},
      {"origin": "BASE", "methods": ["GET"], "paths": ["/forbids/*"], "as": "header:X-Key", "rejected": [401, 403]},
      {"origin": "BASE", "methods": ["GET"], "paths": ["/other/*"], "as": "header:X-Key", "rejected": [403]}]}`
	for name, c := range map[string]struct {
		paths []string
		want  vaultstore.Status
	}{
		"401 by default":                 {[]string{"/plain/401"}, vaultstore.Rejected},
		"403 by default is none":         {[]string{"/plain/403"}, vaultstore.Active},
		"403 where the manifest says so": {[]string{"/forbids/403"}, vaultstore.Rejected},
		"401 beside it":                  {[]string{"/forbids/401"}, vaultstore.Rejected},
		"401 where it is about another":  {[]string{"/other/401"}, vaultstore.Active},
		"taken back by a success":        {[]string{"/forbids/403", "/plain/200"}, vaultstore.Active},
		"404 is none":                    {[]string{"/forbids/404"}, vaultstore.Active},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOps(t, credentials, "", func(w http.ResponseWriter, req received) {
				status, err := strconv.Atoi(path.Base(req.URL.Path))
				if err != nil {
					t.Error(err)
				}
				w.WriteHeader(status)
			})
			o.bootstrapped("KEY", canary, abi.ClassToken, time.Time{})
			steps := []step{use("KEY", "k")}
			for _, at := range c.paths {
				steps = append(steps, send("GET", at, "_", "X-Key", "${k}"))
			}
			res, err := o.do(abi.RoleCollector, steps...)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.status("KEY"); got != c.want || slices.Contains(res.Rejected, "KEY") != (c.want == vaultstore.Rejected) {
				t.Errorf("it is %s, rejected %v; want %s", got, res.Rejected, c.want)
			}
			o.unseen([]string{canary}, res)
		})
	}
}
