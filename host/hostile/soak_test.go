package hostile_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/host"
)

// forgetful is an audit log that keeps nothing, so that what grows in a soak
// is the host's.
type forgetful struct{ events atomic.Int64 }

func (f *forgetful) Append(_ context.Context, events ...host.Event) error {
	f.events.Add(int64(len(events)))
	return nil
}

// standing is what a process holds.
type standing struct {
	goroutines, files int
	resident          int64 // bytes, 0 where it cannot be told
}

func stand() (s standing) {
	for range 3 { // finalizers and cleanups run between collections
		debug.FreeOSMemory()
	}
	s.goroutines = runtime.NumGoroutine()
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.files = len(list)
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		s.resident = pages * int64(os.Getpagesize())
	}
	return s
}

// TestSoak plays good and hostile guests, four at a time, over and over, and
// compares what the process holds after the first hundred runs with what it
// holds at the end. SOAK=1 goes on for 10,000 runs.
func TestSoak(t *testing.T) {
	runs := 300
	switch {
	case os.Getenv("SOAK") == "1":
		runs = 10_000
	case underRace || testing.Short():
		runs = 120
	}
	w := newWorld(t)
	rows := slices.Concat(surrogateRows(), echoRows(), sourceRows, callRows, storeRows)
	log := &forgetful{}
	h, err := host.New(t.Context(), w.config(w.cache).WithAuditor(log))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	built, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Load(t.Context(), host.Package{Manifest: []byte(w.net.fill(manifest)), Modules: built})
	if err != nil {
		t.Fatal(err)
	}
	ended := map[string]int{}
	var mu sync.Mutex
	play := func(from, to int) {
		next := atomic.Int64{}
		next.Store(int64(from))
		var players sync.WaitGroup
		for range 4 {
			players.Go(func() {
				for i := int(next.Add(1) - 1); i < to; i = int(next.Add(1) - 1) {
					r := rows[i%len(rows)]
					owner := fmt.Sprint("player-", i%len(rows))
					mu.Lock()
					w.store(owner, r.class)
					w.approve(c, owner, map[string]any{"trick": cmp.Or(r.trick, r.name), "form": r.form, "exit": r.exit}, nil)
					mu.Unlock()
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					res, _ := h.Run(ctx, c, host.RunOptions{Owner: owner, Role: r.role, Unattended: true})
					cancel()
					mu.Lock()
					code := string(res.Done.Status)
					if res.Done.Error != nil {
						code = res.Done.Error.Code
					}
					ended[code]++
					mu.Unlock()
				}
			})
		}
		players.Wait()
		w.net.forget()
		w.logs.take()
		w.standard.take()
	}
	play(0, 100)
	first := stand()
	began := time.Now()
	for at := 100; at < runs; at += 500 {
		play(at, min(runs, at+500))
		if testing.Verbose() {
			t.Logf("%d runs, %v: %+v", min(runs, at+500), time.Since(began).Round(time.Second), stand())
		}
	}
	last := stand()
	t.Logf("after 100 runs %+v, after %d %+v; %d events; ended %v", first, runs, last, log.events.Load(), ended)
	if last.goroutines > first.goroutines+8 {
		buf := make([]byte, 1<<20)
		t.Errorf("goroutines: %d after 100 runs, %d after %d\n%s", first.goroutines, last.goroutines, runs, buf[:runtime.Stack(buf, true)])
	}
	if last.files > first.files+8 {
		t.Errorf("open files: %d after 100 runs, %d after %d", first.files, last.files, runs)
	}
	if last.resident > first.resident*5/4+(32<<20) {
		t.Errorf("resident: %d MiB after 100 runs, %d after %d", first.resident>>20, last.resident>>20, runs)
	}
}
