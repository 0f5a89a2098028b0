package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const storedSession = `{"cookies":[{"name":"sid","value":"` + sessionID + `","domain":"example.com","path":"/","expires":-1},` +
	`{"name":"kept","value":"yes","domain":"example.com","path":"/","expires":-1}],"origins":[{"origin":"https://example.com","localStorage":[]}]}`

// rotating is a world with a stored session, which the source changes at the
// first request for /area.
func rotating(t *testing.T) *ops {
	o := newMinter(t, "", map[string]string{sessionID: "ada", rotatedID: "ada"})
	o.bootstrapped("SESSION", storedSession, abi.ClassSession, time.Time{})
	return o
}

var useArea = []step{use("SESSION", "s"), send("GET", "/area", "_", "Cookie", "${s}")}

func (o *ops) session() (v vaultstore.Version) {
	o.t.Helper()
	e, err := o.vault.Get(context.Background(), o.scope.Address("SESSION"))
	if err != nil {
		o.t.Fatal(err)
	}
	return e.Stages[vaultstore.Current]
}

func (o *ops) mustHold(want string) {
	o.t.Helper()
	text := string(o.session().Value.Reveal())
	for _, id := range []string{sessionID, rotatedID} {
		if strings.Contains(text, id) != (id == want) {
			o.t.Errorf("the stored session is not the one wanted (the first: %v)", want == sessionID)
		}
	}
}

func TestTheNextRunHasTheNewCookies(t *testing.T) {
	o := rotating(t)
	before := o.session()
	o.good(abi.RoleCollector, useArea...)
	o.mustHold(rotatedID)
	after := o.session()
	if !after.ObtainedAt.Equal(before.ObtainedAt) || after.Provenance != before.Provenance || after.RotatedAt.IsZero() || after.LastVerified.IsZero() {
		t.Errorf("what is known of it: %+v", after)
	}
	if text := string(after.Value.Reveal()); !strings.Contains(text, `"yes"`) || !strings.Contains(text, "localStorage") {
		t.Error("what the source left alone was lost")
	}
	if got := o.rules(host.EventVault, "rotate", "SESSION"); len(got) != 1 || got[0] != "true set-cookie" {
		t.Errorf("audited %q", got)
	}
	o.good(abi.RoleCollector, useArea...) // nothing changes any more
	if sent := o.sent("/area"); !strings.Contains(sent[len(sent)-1].Header.Get("Cookie"), rotatedID) {
		t.Error("the next run came with the old cookie")
	}
	if got := o.rules(host.EventVault, "rotate", "SESSION"); len(got) != 1 {
		t.Errorf("written %d times", len(got))
	}
	o.unseen([]string{sessionID, rotatedID})
}

// However a run ends, what was spent is spent: only a run that was stopped for
// a leak, or whose approval has gone, writes nothing.
func TestWhichRunsKeepTheNewCookies(t *testing.T) {
	leak := []step{{Do: "reveal", Name: "SHOWN", As: "v"}, tell("value", "${v}")}
	for name, c := range map[string]struct {
		after []step
		do    func(o *ops)
		want  string
	}{
		"failed":          {[]step{{Do: "fail"}}, nil, rotatedID},
		"a leak":          {leak, nil, sessionID},
		"revoked":         {nil, func(o *ops) { _ = o.approvals.Revoke(capabilities.Revocation{Scope: o.scope, At: time.Now()}) }, sessionID},
		"entered anew":    {nil, func(o *ops) { o.store("SESSION", storedSession, abi.ClassSession) }, sessionID},
		"rejected by now": {nil, (*ops).rejectSession, sessionID},
	} {
		t.Run(name, func(t *testing.T) {
			o := rotating(t)
			o.store("SHOWN", canary, abi.ClassToken)
			o.allow(nil, append(append([]step{}, useArea...), c.after...)...)
			at := &meanwhile{do: func() {
				if c.do != nil {
					c.do(o)
				}
			}}
			_, err := o.again(host.RunOptions{Unattended: true, Sink: at})
			if c.after != nil && err == nil {
				t.Fatal("it succeeded")
			}
			o.mustHold(c.want)
		})
	}
}

func (o *ops) rejectSession() {
	e, err := o.vault.Get(context.Background(), o.scope.Address("SESSION"))
	if err != nil {
		o.t.Error(err)
	}
	v := e.Stages[vaultstore.Current]
	v.Status = vaultstore.Rejected
	e.Stages[vaultstore.Current] = v
	if _, err := o.vault.Put(context.Background(), e, e.Generation); err != nil {
		o.t.Error(err)
	}
}

// meanwhile does something when the guest has ended and before its run has.
type meanwhile struct {
	host.MemorySink
	do func()
}

func (m *meanwhile) Flush(ctx context.Context) error {
	m.do()
	return m.MemorySink.Flush(ctx)
}

// What the source sets in an answer to a request without the session, as to
// who logs in as somebody else, is not the owner's session.
func TestALoginOfACollectorsReplacesNoSession(t *testing.T) {
	o := newMinter(t, "", map[string]string{sessionID: "ada", rotatedID: "ada"})
	o.bootstrapped("SESSION", strings.ReplaceAll(storedSession, sessionID, rotatedID), abi.ClassSession, time.Time{})
	o.good(abi.RoleCollector, use("SESSION", "s"), send("GET", "/area", "_", "Cookie", "${s}"), send("POST", "/login", "_"))
	o.mustHold(rotatedID)
}

// Two runs of one session: the one that ends last does not bring back what it
// began with.
func TestRunsOfOneSessionKeepTheNewer(t *testing.T) {
	runs := 0
	o := newOps(t, captureCredentials, "", func(w http.ResponseWriter, _ received) {
		runs++
		if runs == 1 {
			http.SetCookie(w, &http.Cookie{Name: "own", Value: "of-the-earlier-8Vx2Qm4", Path: "/"})
		}
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: fmt.Sprintf("of-run-%d-8Vx2Qm4Kw", runs), Path: "/"})
	})
	o.bootstrapped("SESSION", storedSession, abi.ClassSession, time.Time{})
	o.allow(nil, useArea...)
	between := &meanwhile{do: func() { // another run begins and ends, while this one has done its work
		if _, err := o.again(host.RunOptions{Unattended: true, Sink: &host.MemorySink{}}); err != nil {
			t.Error(err)
		}
	}}
	if _, err := o.again(host.RunOptions{Unattended: true, Sink: between}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cookies []struct{ Name, Value string }
	}
	if err := json.Unmarshal(o.session().Value.Reveal(), &got); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, c := range got.Cookies {
		values[c.Name] = c.Value
	}
	if len(values) != 3 || !strings.Contains(values["sid"], "run-2") || values["own"] == "" || values["kept"] != "yes" {
		t.Errorf("got %v", values)
	}
}
