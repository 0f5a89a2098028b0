package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// noting is a sink that notes what is asked of it.
type noting struct {
	host.MemorySink
	asked []string
	fails error // what Flush answers
}

func (n *noting) Write(ctx context.Context, m host.Message) error {
	n.asked = append(n.asked, "write "+strings.Join(m.Key, ",")+" "+string(m.Data))
	return n.MemorySink.Write(ctx, m)
}

func (n *noting) Flush(context.Context) error {
	n.asked = append(n.asked, "flush")
	return n.fails
}

// A STATE is taken once what came before it is durable; a second one, with
// nothing between the two, costs nothing.
func TestAStateWaitsForItsRecords(t *testing.T) {
	w := newWorld(t)
	w.approve("state")
	w.store("TOKEN", canary, abi.ClassToken)
	sink := &noting{}
	if _, err := w.again(host.RunOptions{Sink: sink}); err != nil {
		t.Fatal(err)
	}
	expect(t, sink.asked, `write 000 {"got":"","id":"000","what":"full_refresh"}`, "flush", "flush")

	failing := &noting{fails: errors.New("disk full")}
	res, err := w.again(host.RunOptions{Sink: failing})
	if err == nil || !strings.Contains(err.Error(), "disk full") || len(res.StateCommitted) > 0 {
		t.Errorf("%v, committed %q", err, res.StateCommitted)
	}
	if n := len(failing.asked); n != 2 {
		t.Errorf("the sink was asked on after it had failed: %q", failing.asked)
	}
}

// keeping is a sink that keeps the cursors too.
type keeping struct {
	noting
	states *host.MemoryState
	run    host.RunInfo
}

func (k *keeping) Begin(_ context.Context, run host.RunInfo) (func(), error) {
	k.asked, k.run = append(k.asked, "begin"), run
	return func() { k.asked = append(k.asked, "end") }, nil
}

func (k *keeping) Load(ctx context.Context, scope capabilities.Scope) (map[string]json.RawMessage, error) {
	k.asked = append(k.asked, "load")
	return k.states.Load(ctx, scope)
}

func (k *keeping) Commit(ctx context.Context, scope capabilities.Scope, cursors map[string]json.RawMessage) error {
	k.asked = append(k.asked, "commit")
	return k.states.Commit(ctx, scope, cursors)
}

var (
	_ host.RunSink   = (*keeping)(nil)
	_ host.StateSink = (*keeping)(nil)
)

// A sink that keeps cursors is asked for them in the place of the host's own
// store, and commits both in one.
func TestASinkMayKeepTheState(t *testing.T) {
	states := host.NewMemoryState()
	w := newWorld(t, func(c host.Config) host.Config { return c.WithStateStore(states) })
	w.approve("state")
	w.store("TOKEN", canary, abi.ClassToken)
	sink := &keeping{states: host.NewMemoryState()}
	res, err := w.again(host.RunOptions{Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, sink.asked, "begin", "load", `write 000 {"got":"","id":"000","what":"full_refresh"}`, "flush", "commit", "end")
	expect(t, res.StateCommitted, "findings")
	if sink.run.Scope != w.scope || sink.run.RunID != res.RunID || sink.run.Manifest.ConnectorKey != "test" {
		t.Errorf("it was told of %+v", sink.run)
	}
	if have, err := states.Load(t.Context(), w.scope); err != nil || len(have) > 0 {
		t.Errorf("the host's own store has it too: %v, %v", have, err)
	}
	sink.asked = nil
	if _, err := w.again(host.RunOptions{Sink: sink}); err != nil {
		t.Fatal(err)
	}
	expect(t, sink.asked, "begin", "load", `write 000 {"got":"{\"n\":2}","id":"000","what":"incremental"}`, "flush", "commit", "end")
}
