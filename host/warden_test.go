package host

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// TestTheWardenLooksAgainInTime: what has an end is ended when it has come,
// and until then the warden sleeps for as long as nothing ends.
func TestTheWardenLooksAgainInTime(t *testing.T) {
	now := time.Now()
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for name, c := range map[string]struct {
		approval, grant, value time.Time
		next                   time.Duration
		stopped, expired       bool
	}{
		"nothing ends":             {next: longestRound},
		"far away":                 {approval: in(time.Hour), grant: in(time.Hour), value: in(time.Hour), next: longestRound},
		"the soonest counts":       {approval: in(700 * time.Millisecond), grant: in(500 * time.Millisecond), value: in(600 * time.Millisecond), next: 500 * time.Millisecond},
		"a value's end":            {approval: in(time.Hour), value: in(300 * time.Millisecond), next: 300 * time.Millisecond},
		"no closer than the clock": {value: in(time.Millisecond), next: coarseClock},
		"a value has ended":        {value: now, next: longestRound, expired: true},
		"the approval has ended":   {approval: in(-time.Second), next: longestRound, stopped: true},
		"the grant has ended":      {grant: now, next: longestRound, stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			r := &run{Context: ctx, cancel: cancel, opts: RunOptions{Grant: &capabilities.Grant{ExpiresAt: c.grant}}}
			r.standing.Store(&capabilities.Standing{Approval: &capabilities.Approval{ExpiresAt: c.approval}})
			value := &credential{current: vaultstore.Version{ExpiresAt: c.value}}
			value.ready.Store(true)
			r.credentials = map[string]*credential{"TOKEN": value}
			if got := r.expire(now); got != c.next {
				t.Errorf("it looks again in %v, want %v", got, c.next)
			}
			if stopped := ctx.Err() != nil; stopped != c.stopped {
				t.Errorf("stopped: %v", stopped)
			}
			if expired := !value.ready.Load(); expired != c.expired {
				t.Errorf("decided anew: %v", expired)
			}
		})
	}
}
