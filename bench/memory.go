package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"
)

// usage is how much memory the process uses, in bytes.
type usage struct {
	heap     int64 // in use by Go
	resident int64 // as the system counts it; 0 where it cannot be read
}

// usageNow reads it without stopping the world.
func usageNow() (u usage) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			u.heap += int64(s.Value.Uint64())
		}
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return u
	}
	if fields := bytes.Fields(statm); len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		u.resident = pages * int64(os.Getpagesize())
	}
	return u
}

// peak runs f and returns how far memory rose above where it was.
func peak(f func() error) (usage, error) {
	const every = 2 * time.Millisecond
	debug.FreeOSMemory()
	before := usageNow()
	top := before
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				now := usageNow()
				top.heap, top.resident = max(top.heap, now.heap), max(top.resident, now.resident)
			}
		}
	}()
	err := f()
	close(stop)
	<-stopped
	return usage{top.heap - before.heap, max(0, top.resident-before.resident)}, err
}

// proportional is the memory of the process, with a page that is mapped
// several times counted once; what is resident where the system does not tell.
func proportional() int64 {
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return usageNow().resident
	}
	for line := range bytes.Lines(rollup) {
		if kib, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(kib), []byte("kB")))), 10, 64)
			return n << 10
		}
	}
	return usageNow().resident
}
