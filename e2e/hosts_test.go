package e2e_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// TestTwoHostsShareNothing runs two hosts in one process at once: each has its
// own vault, approvals, exceptions, audit log and state, and neither notices
// the other, not even when it is closed.
func TestTwoHostsShareNothing(t *testing.T) {
	passwords := []string{"Canary-first-4Tq9", "Canary-second-2Wz7"}
	var worlds [2]*world
	var connectors [2]*host.Connector
	var sinks [2]host.MemorySink
	for i, password := range passwords {
		server := startServer(t, password)
		if i == 1 {
			server.Delete("ada.vcf") // so that the sources differ
		}
		w := newWorld(t.Context(), t, server.Addr(), nil)
		c := w.load("contacts")
		w.approve(c, options(c.Manifest(), server.URL(source)))
		w.put(c, "ACCOUNT", "alice")
		w.put(c, "APP_PASSWORD", password)
		worlds[i], connectors[i] = w, c
	}

	var both sync.WaitGroup
	for i := range worlds {
		both.Go(func() {
			result, err := worlds[i].host.Run(t.Context(), connectors[i], host.RunOptions{Sink: &sinks[i]})
			if err != nil {
				t.Errorf("host %d: %v: %s", i, err, asJSON(t, result))
			}
		})
	}
	both.Wait()
	if first, second := len(sinks[0].Lines("contacts")), len(sinks[1].Lines("contacts")); first != second+1 || second == 0 {
		t.Errorf("the hosts collected %d and %d contacts", first, second)
	}
	for i, w := range worlds {
		runs := 0
		for _, e := range w.audit.Events() {
			if e.Kind == host.EventRunStarted {
				runs++
			}
		}
		if runs != 1 {
			t.Errorf("host %d audited %d runs", i, runs)
		}
	}

	// What one owner revokes, and a host that is closed, is nothing to the other.
	if err := worlds[0].approvals.Revoke(capabilities.Revocation{Scope: scope(connectors[0].Manifest()), At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := worlds[0].host.Run(t.Context(), connectors[0], host.RunOptions{}); !errors.Is(err, host.ErrRefused) {
		t.Errorf("the first host ran on: %v", err)
	}
	if err := worlds[0].host.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	result, err := worlds[1].host.Run(t.Context(), connectors[1], host.RunOptions{})
	if err != nil {
		t.Errorf("the second host: %v", err)
	}
	if n := result.Records["contacts"]; n != 0 {
		t.Errorf("the second host's state was lost: %d contacts came again", n)
	}
	if strings.Contains(worlds[1].log.String(), "closed") {
		t.Errorf("the second host logged %q", worlds[1].log)
	}
}
