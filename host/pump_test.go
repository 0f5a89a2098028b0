package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gated is a sink that writes as many messages as it is let.
type gated struct {
	in   chan struct{} // told of the first call, when it is not nil
	let  chan struct{}
	mu   sync.Mutex
	got  []string
	fail error
}

func (g *gated) Write(ctx context.Context, m Message) error {
	select {
	case g.in <- struct{}{}:
	default:
	}
	select {
	case <-g.let:
	case <-ctx.Done():
		return ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, string(m.Line))
	return g.fail
}

func (g *gated) Flush(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, "flush")
	return nil
}

func (g *gated) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.got)
}

func batchOf(size int, lines ...string) parcel {
	b := parcel{size: size}
	for _, line := range lines {
		b.messages = append(b.messages, Message{Line: []byte(line)})
	}
	return b
}

// What was put arrives in order, all of it before the flush.
func TestThePumpKeepsTheOrder(t *testing.T) {
	g := &gated{let: make(chan struct{})}
	close(g.let)
	p := newPump(t.Context(), g, func(err error) { t.Error(err) })
	defer p.close()
	var want []string
	for i := range 1000 {
		lines := []string{fmt.Sprint(i, "a"), fmt.Sprint(i, "b")}
		want = append(want, lines...)
		if err := p.put(t.Context(), batchOf(maxPumpBytes/7, lines...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(p.flush(t.Context()), p.flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := g.seen(); !slices.Equal(got, append(want, "flush")) {
		t.Errorf("%d messages came, otherwise than they were put: %.200q", len(got), got)
	}
	for waiting := true; waiting; runtime.Gosched() { // it ends just after what it has carried
		p.mu.Lock()
		waiting = p.carries
		p.mu.Unlock()
	}
}

// A sink that does not keep up holds up who puts, and no more is held than
// may be.
func TestThePumpHoldsBack(t *testing.T) {
	g := &gated{let: make(chan struct{})}
	p := newPump(t.Context(), g, func(err error) { t.Error(err) })
	defer p.close()
	for i := range 4 {
		if err := p.put(t.Context(), batchOf(maxPumpBytes/4, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	full, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.put(full, batchOf(1, "one too many")); !errors.Is(err, context.Canceled) {
		t.Fatalf("it was taken: %v", err)
	}
	put := make(chan error)
	go func() { put <- p.put(t.Context(), batchOf(10*maxPumpBytes, "large")) }()
	for range 3 {
		g.let <- struct{}{}
		select {
		case err := <-put:
			t.Fatalf("a batch larger than all that may be held went beside others: %v", err)
		default:
		}
	}
	g.let <- struct{}{}
	if err := <-put; err != nil {
		t.Fatal(err)
	}
	g.let <- struct{}{}
	if err := p.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if got := g.seen(); !slices.Equal(got, []string{"0", "1", "2", "3", "large"}) {
		t.Errorf("%q", got)
	}
}

// A sink's error is told once, and to whoever puts or waits from then on;
// nothing is written after it.
func TestThePumpStopsAtAnError(t *testing.T) {
	full := errors.New("disk full")
	g := &gated{let: make(chan struct{}), fail: full}
	var told []error
	p := newPump(t.Context(), g, func(err error) { told = append(told, err) })
	for _, line := range []string{"a", "b"} {
		if err := p.put(t.Context(), batchOf(1, line, line)); err != nil {
			t.Fatal(err)
		}
	}
	close(g.let)
	if err := p.wait(t.Context()); !errors.Is(err, full) {
		t.Errorf("wait: %v", err)
	}
	if err := p.put(t.Context(), batchOf(1, "c")); !errors.Is(err, full) {
		t.Errorf("put: %v", err)
	}
	if err := p.flush(t.Context()); !errors.Is(err, full) {
		t.Errorf("flush: %v", err)
	}
	p.close()
	if got := g.seen(); len(told) != 1 || !slices.Equal(got, []string{"a"}) {
		t.Errorf("told %v, written %q", told, got)
	}
}

func TestThePumpSurvivesASinkThatPanics(t *testing.T) {
	told := make(chan error, 1)
	p := newPump(t.Context(), nil, func(err error) { told <- err })
	if err := p.put(t.Context(), batchOf(1, "a")); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !strings.Contains(err.Error(), "panicked") {
		t.Error(err)
	}
}

// A closed pump ends the call that is under way, and drops the rest.
func TestAClosedPumpDropsWhatItHolds(t *testing.T) {
	g := &gated{let: make(chan struct{}), in: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	p := newPump(t.Context(), g, func(err error) { ended <- err })
	if err := p.put(t.Context(), batchOf(1, "a", "b")); err != nil {
		t.Fatal(err)
	}
	<-g.in
	p.close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	if err := p.put(t.Context(), batchOf(1, "c")); !errors.Is(err, errPumpClosed) || len(g.seen()) > 0 {
		t.Errorf("%v, written %q", err, g.seen())
	}
}
