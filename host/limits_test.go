package host_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
)

const limitedToken = `"TOKEN": {"type": "string", "class": "long_lived_token",
  "send_to": [{"origin": "BASE", "methods": ["GET"], "paths": ["/**"], "as": "header:Authorization"}]}`

// TestLimits hits each limit that stops a run: it has failed, by name and with
// the figure reached, what the source and the sink got before stays, and
// nothing comes after it.
func TestLimits(t *testing.T) {
	for name, limited := range map[string]struct {
		limits manifests.Limits
		steps  []step
		says   string
	}{
		"records":      {manifests.Limits{Records: 3}, []step{repeat(10, tell("a", "b"))}, "limit records: it came to 4, and may to 3"},
		"requests":     {manifests.Limits{Requests: 2}, []step{tell("a", "b"), repeat(5, send("GET", "/", "x").quiet())}, "limit requests: it came to 3, and may to 2"},
		"bytes_out":    {manifests.Limits{BytesOut: 10}, []step{tell("a", "b"), send("POST", "/", "x").body("0123456789a")}, "limit bytes_out: it came to 11 bytes, and may to 10 bytes"},
		"bytes_out up": {manifests.Limits{BytesOut: 10}, []step{tell("a", "b"), send("POST", "/", "x").body("0123456789abcd").follows()}, "limit bytes_out: it came to 14 bytes, and may to 10 bytes"},
		"bytes_in":     {manifests.Limits{BytesIn: 6}, []step{tell("a", "b"), repeat(2, send("GET", "/", "x").quiet())}, "limit bytes_in: it came to 10 bytes, and may to 6 bytes"},
		"log_lines":    {manifests.Limits{LogLines: 2}, []step{tell("a", "b"), repeat(4, step{Do: "print", Data: "a line"})}, "limit log_lines: it came to 3, and may to 2"},
		"interactions": {manifests.Limits{Interactions: 1}, []step{tell("a", "b"), repeat(3, step{Do: "ask"})}, "limit interactions: it came to 2, and may to 1"},
		"wall":         {manifests.Limits{Wall: 100 * time.Millisecond}, []step{tell("a", "b"), send("GET", "/hang", "x")}, "limit wall: it came to 100ms, and may to 100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOps(t, limitedToken, "", func(w http.ResponseWriter, req received) {
				if req.URL.Path == "/hang" {
					<-req.Context().Done()
				}
				_, _ = w.Write([]byte("hello"))
			}, func(c host.Config) host.Config {
				return c.WithLimits(limited.limits).WithPrompter(host.PrompterFunc(func(context.Context, host.Prompt) (host.Answer, error) { return host.Answer{}, nil }))
			})
			o.allow(nil, limited.steps...)
			res, err := o.again(host.RunOptions{Sink: o.sink})
			if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), limited.says) || !strings.Contains(err.Error(), "--limit ") {
				t.Errorf("error %v", err)
			}
			if d := res.Done; d.Status != abi.Failed || d.Error == nil || d.Error.Code != abi.CodeLimitExceeded || d.Error.Message != limited.says {
				t.Errorf("done %+v %+v", d, d.Error)
			}
			messages, _ := o.sink.Messages()
			if want := map[bool]int{true: 3, false: 1}[name == "records"]; len(messages) != want || res.Records["findings"] != int64(want) {
				t.Errorf("%d records are kept, %d told, want %d", len(messages), res.Records["findings"], want)
			}
		})
	}
}

// TestHandleLimit refuses what is too much, and lets the run go on.
func TestHandleLimit(t *testing.T) {
	o := newOps(t, limitedToken, "", func(w http.ResponseWriter, req received) { <-req.Context().Done() },
		func(c host.Config) host.Config { return c.WithLimits(manifests.Limits{Handles: 2}) })
	o.allow(nil, repeat(3, step{Do: "hold", URL: "/"}))
	res, err := o.again(host.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(o.findings(), " "); got != "hold: true hold: true hold: false" {
		t.Errorf("findings %s", got)
	}
	if len(res.Refusals) != 1 || res.Refusals[0].Rule != "limit_handles" {
		t.Errorf("refusals %+v", res.Refusals)
	}
}

// TestTighterLimitWins puts the manifest's limits beside the operator's.
func TestTighterLimitWins(t *testing.T) {
	for name, c := range map[string]struct {
		manifest string
		operator int64
		says     string
	}{
		"manifest":          {`{"requests": 1}`, 5, "may to 1; raise /limits/requests in the manifest, and approve again"},
		"operator":          {`{"requests": 5}`, 1, "may to 1; the operator has to allow more: --limit requests="},
		"the manifest only": {`{"requests": 1}`, 0, "may to 1; raise /limits/requests"},
		"the operator only": {`{}`, 1, "may to 1; the operator"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOps(t, limitedToken, "", func(w http.ResponseWriter, _ received) {}, func(cfg host.Config) host.Config {
				return cfg.WithLimits(manifests.Limits{Requests: c.operator})
			})
			text := strings.Replace(string(o.connector.Manifest().Raw()), `"modules"`, `"limits": `+c.manifest+`, "modules"`, 1)
			modules, err := opsModules()
			if err != nil {
				t.Fatal(err)
			}
			o.connector = o.load(text, modules[false])
			_, err = o.do(abi.RoleCollector, repeat(5, send("GET", "/", "x").quiet()))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %s", err, c.says)
			}
		})
	}
}
