package e2e_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/sallyport-host/sallyport/host/experimental/memcheck"
)

// watchedMemory watches the memories of all guests of a host, at every host call that
// they make.
type watchedMemory struct {
	*memcheck.Checker
	t     *testing.T
	added atomic.Bool
}

// watchMemory returns a watch, and the context that host.New begins it with. At
// the end of the test nothing may have been found that was added.
func watchMemory(ctx context.Context, t *testing.T) (*watchedMemory, context.Context) {
	t.Helper()
	m := &watchedMemory{Checker: &memcheck.Checker{}, t: t}
	t.Cleanup(func() {
		for f, where := range m.Found() {
			t.Errorf("a guest's memory held %s (as %s), seen at %s", f.Name, f.Form, where)
		}
		if looked := m.Looked(); m.added.Load() && (looked.Looks < 20 || looked.Ranges < 20) {
			t.Errorf("a guest's memory was looked at %d times, in %d places: the test looks in the wrong place", looked.Looks, looked.Ranges)
		}
	})
	return m, m.Watch(ctx)
}

// never says that no guest may hold a value.
func (m *watchedMemory) never(what, value string) {
	m.t.Helper()
	if err := m.Add(what, value); err != nil {
		m.t.Error(err) // it may be a server that asks
	}
	m.added.Store(true)
}

// unused says that no guest runs in this test.
func (m *watchedMemory) unused() { m.t.Cleanup(func() { m.added.Store(false) }) }
