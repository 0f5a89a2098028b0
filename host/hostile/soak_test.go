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
type forgetful struct{}

func (forgetful) Append(context.Context, ...host.Event) error { return nil }

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

// TestSoak plays good and hostile guests, four at a time, over and over, on a
// host, and compares what the process holds after the first hundred runs with
// what it holds at the end: what is resident while the host stands, and what is
// left once it is closed. SOAK=1 goes on for 10,000 runs.
func TestSoak(t *testing.T) {
	runs := 300
	switch {
	case os.Getenv("SOAK") == "1":
		runs = 10_000
	case underRace || testing.Short():
		runs = 20
	}
	s := &soak{world: newWorld(t), rows: slices.Concat(surrogateRows(), echoRows(), sourceRows, callRows, storeRows), ended: map[string]int{}}
	before := stand()
	first, firstLeft := s.host(0, 100, before)
	last, lastLeft := s.host(100, 100+runs, firstLeft)
	t.Logf("after 100 runs %+v, closed %+v; after %d more %+v, closed %+v; ended %v", first, firstLeft, runs, last, lastLeft, s.ended)
	if lastLeft.goroutines > firstLeft.goroutines+4 {
		buf := make([]byte, 1<<20)
		t.Errorf("goroutines: %d are left after 100 runs, %d after %d more\n%s", firstLeft.goroutines, lastLeft.goroutines, runs, buf[:runtime.Stack(buf, true)])
	}
	if lastLeft.files > firstLeft.files+4 {
		t.Errorf("files: %d are open after 100 runs, %d after %d more", firstLeft.files, lastLeft.files, runs)
	}
	if last.resident > first.resident*5/4+(32<<20) {
		t.Errorf("resident: %d MiB after 100 runs, %d after %d more", first.resident>>20, last.resident>>20, runs)
	}
}

type soak struct {
	*world
	rows []row

	mu    sync.Mutex
	ended map[string]int
}

// host plays runs on a host of their own. It returns what the process held
// before the host was closed, and after, once that is no more than a base or
// some seconds have passed: connections end by and by.
func (s *soak) host(from, to int, base standing) (open, left standing) {
	h, err := host.New(s.t.Context(), s.config(s.cache).WithAuditor(forgetful{}))
	if err != nil {
		s.t.Fatal(err)
	}
	built, err := modules()
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := h.Load(s.t.Context(), host.Package{Manifest: []byte(s.net.fill(manifest)), Modules: built})
	if err != nil {
		s.t.Fatal(err)
	}
	var next atomic.Int64
	next.Store(int64(from))
	var players sync.WaitGroup
	for range 4 {
		players.Go(func() {
			for i := int(next.Add(1) - 1); i < to; i = int(next.Add(1) - 1) {
				s.one(h, c, i%len(s.rows))
				if i%500 == 0 {
					s.t.Logf("%d runs: %+v", i, stand())
				}
			}
		})
	}
	players.Wait()
	s.net.forget()
	s.logs.take()
	s.standard.take()
	open = stand()
	if err := h.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left = stand()
		if left.goroutines <= base.goroutines+4 && left.files <= base.files+4 || time.Now().After(end) {
			return open, left
		}
	}
}

// one plays a row, for an owner of its own.
func (s *soak) one(h *host.Host, c *host.Connector, i int) {
	r, owner := s.rows[i], fmt.Sprint("player-", i)
	s.mu.Lock()
	s.store(owner, r.class)
	s.approve(c, owner, map[string]any{"trick": cmp.Or(r.trick, r.name), "form": r.form, "exit": r.exit}, nil)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	res, _ := h.Run(ctx, c, host.RunOptions{Owner: owner, Role: r.role, Unattended: true})
	code := string(res.Done.Status)
	if res.Done.Error != nil {
		code = res.Done.Error.Code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[code]++
}
