package host_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

func TestALeakStopsTheRunAndSuspendsTheConnector(t *testing.T) {
	w := newWorld(t)
	for i := range host.MaxStrikes {
		run := func() (host.Result, error) { return w.again(host.RunOptions{Unattended: true}) }
		if i == 0 {
			run = func() (host.Result, error) { return w.run("leak") }
		}
		res, err := run()
		if !errors.Is(err, host.ErrRefused) || res.Done.Error == nil || res.Done.Error.Code != abi.CodeLeakBlocked {
			t.Fatalf("run %d ended with %v, %+v", i, err, res.Done)
		}
		if got := w.findings(); !slices.Equal(got, []string{"before: x"}) {
			t.Errorf("records %q, want those before the leak alone", got)
		}
		w.noCanary(res)
	}
	if n := len(w.audited(host.EventLeak, "guard")); n != host.MaxStrikes {
		t.Errorf("%d leaks are in the audit log, want %d", n, host.MaxStrikes)
	}
	if got := w.source.requests(); slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, "/after") }) {
		t.Errorf("a stopped run went on: %q", got)
	}
	before := len(w.source.requests())
	_, err := w.again(host.RunOptions{Unattended: true})
	if !errors.Is(err, host.ErrRefused) || len(w.source.requests()) > before {
		t.Errorf("a suspended connector ran: %v", err)
	}
	for _, word := range []string{"suspended after 3 runs", "sallyport audit show --refused", "sallyport grant approve test"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if got := w.audited(host.EventRevocation, "suspended"); len(got) != 1 || got[0].Allowed || got[0].Serial != 2 {
		t.Errorf("the suspension is audited as %+v", got)
	}
}

func TestAnEchoComesBackAsTheSurrogateAndIsRedacted(t *testing.T) {
	w := newWorld(t)
	res, err := w.run("echo")
	if err != nil {
		t.Fatal(err)
	}
	w.noCanary(res)
	expect(t, w.findings(), "same: true", "record: [redacted:TOKEN]")
}
