package e2e_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

// TestSoak runs the contacts connector again and again in one host for as long
// as the environment variable SOAK says (make soak), and watches that neither
// goroutines nor memory grow with the number of runs.
func TestSoak(t *testing.T) {
	text := os.Getenv("SOAK")
	if text == "" {
		t.Skip("set SOAK to a duration, such as 10m")
	}
	limit, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, "right")
	w := newWorld(t.Context(), t, server.Addr(), nil)
	c := w.load("contacts")
	w.approve(c, options(c.Manifest(), server.URL(source)))
	w.put(c, "ACCOUNT", "alice")
	// Not w.put: nobody looks into these guests' memories, at each of their calls.
	putValue(t, w.vault, scope(c.Manifest()).Address("APP_PASSWORD"), abi.ClassToken, "right")

	runs := 0
	once := func() {
		if _, err := w.host.Run(t.Context(), c, host.RunOptions{Full: true}); err != nil {
			t.Fatalf("run %d: %v", runs, err)
		}
		runs++
	}
	for range 20 { // caches and pools fill
		once()
	}
	before := measure()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		once()
	}
	after := measure()
	t.Logf("%d runs: %d to %d goroutines, %d to %d KiB of heap", runs, before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.goroutines > before.goroutines+10 {
		t.Errorf("goroutines grew from %d to %d", before.goroutines, after.goroutines)
	}
	// The audit log of the test is in memory: a few KiB a run.
	if allowed := before.heap + 64<<20 + uint64(runs)*16<<10; after.heap > allowed {
		t.Errorf("the heap grew from %d to %d bytes in %d runs", before.heap, after.heap, runs)
	}
}

type measured struct {
	goroutines int
	heap       uint64
}

func measure() measured {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return measured{runtime.NumGoroutine(), m.HeapAlloc}
}
