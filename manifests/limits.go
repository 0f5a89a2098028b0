package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits are what the connector asks for, in one run; the operator's may be
// tighter. Zero means the host's default.
type Limits struct {
	MemoryMiB         int
	CPU               time.Duration // of computing, host calls left out
	CPUBetweenCalls   time.Duration // of computing without a host call
	Wall              time.Duration
	Records           int64 // deletes among them
	BytesIn           int64 // of answers and streams, decompressed
	BytesOut          int64 // of requests and streams
	Requests          int64 // and streams opened
	Handles           int64 // requests and streams open at once
	LogLines          int64
	Interactions      int64
	RequestsPerMinute int
	Concurrency       int // requests to one origin at once
}

// Set sets one limit by its name in a manifest, to a whole number above 0 or
// an ISO 8601 duration, as the limit is. The error says what is allowed.
func (l *Limits) Set(name, value string) error {
	fields := map[string]any{
		"memory_mib": &l.MemoryMiB, "cpu": &l.CPU, "cpu_between_calls": &l.CPUBetweenCalls, "wall": &l.Wall, "records": &l.Records,
		"bytes_in": &l.BytesIn, "bytes_out": &l.BytesOut, "requests": &l.Requests, "handles": &l.Handles, "log_lines": &l.LogLines,
		"interactions": &l.Interactions, "requests_per_minute": &l.RequestsPerMinute, "concurrency": &l.Concurrency,
	}
	switch field := fields[name].(type) {
	case *time.Duration:
		d, err := parseDuration(value)
		if err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
		*field = d
	case *int64:
		return setNumber(name, value, 63, func(n int64) { *field = n })
	case *int:
		return setNumber(name, value, 31, func(n int64) { *field = int(n) })
	default:
		return fmt.Errorf("limit %q is not known: the limits are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	}
	return nil
}

func setNumber(name, value string, bits int, set func(int64)) error {
	n, err := strconv.ParseUint(value, 10, bits)
	if err != nil || n == 0 {
		return fmt.Errorf("limit %s: not a whole number above 0", name)
	}
	set(int64(n))
	return nil
}
