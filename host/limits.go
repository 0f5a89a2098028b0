package host

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// limit is one bound on a run.
type limit int

// The limits. Of the first six a run counts what it uses, and ends past one.
// Handles and memory refuse what is too much; wall and CPU time stop the guest
// where it is. Rates, for which it waits, are not among them.
const (
	limitRecords limit = iota
	limitBytesIn
	limitBytesOut
	limitRequests
	limitLogLines
	limitInteractions
	limitHandles
	limitWall
	limitCPU
	limitCPUBetweenCalls
	limitMemory
	countLimits
)

// limitInfo is what there is to say of a limit. Times are in nanoseconds.
type limitInfo struct {
	name     string // its member of /limits in a manifest
	fallback int64  // where neither manifest nor operator has one
	most     int64  // what neither goes past
	of       func(manifests.Limits) int64
	write    func(int64) string
}

func limitTable() [countLimits]limitInfo {
	plain := func(n int64) string { return fmt.Sprint(n) }
	bytes := func(n int64) string { return fmt.Sprint(n, " bytes") }
	span := func(n int64) string { return time.Duration(n).Round(time.Millisecond).String() }
	type l = manifests.Limits
	return [countLimits]limitInfo{
		limitRecords:         {"records", 10_000_000, 1e12, func(m l) int64 { return m.Records }, plain},
		limitBytesIn:         {"bytes_in", 64 << 30, 1e15, func(m l) int64 { return m.BytesIn }, bytes},
		limitBytesOut:        {"bytes_out", 4 << 30, 1e15, func(m l) int64 { return m.BytesOut }, bytes},
		limitRequests:        {"requests", 1_000_000, 1e12, func(m l) int64 { return m.Requests }, plain},
		limitLogLines:        {"log_lines", 10_000, 1e9, func(m l) int64 { return m.LogLines }, plain},
		limitInteractions:    {"interactions", 64, 1024, func(m l) int64 { return m.Interactions }, plain},
		limitHandles:         {"handles", abi.MaxHandles, abi.MaxHandles, func(m l) int64 { return m.Handles }, plain},
		limitWall:            {"wall", int64(time.Hour), int64(24 * time.Hour), func(m l) int64 { return int64(m.Wall) }, span},
		limitCPU:             {"cpu", int64(time.Hour), int64(24 * time.Hour), func(m l) int64 { return int64(m.CPU) }, span},
		limitCPUBetweenCalls: {"cpu_between_calls", int64(30 * time.Second), int64(time.Hour), func(m l) int64 { return int64(m.CPUBetweenCalls) }, span},
		limitMemory:          {"memory_mib", 256, 1024, func(m l) int64 { return int64(m.MemoryMiB) }, func(n int64) string { return fmt.Sprint(n, " MiB") }},
	}
}

// budget is what a run may use, and what it has used. It is safe for
// concurrent use.
type budget struct {
	table [countLimits]limitInfo
	most  [countLimits]int64
	// operators says that the operator's limit is the one in force, so that
	// to change the manifest would not help.
	operators [countLimits]bool
	used      [countLimits]atomic.Int64
}

// newBudget puts together what the connector asks for and what the operator
// allows: the tighter wins, and neither goes past what the host allows any.
func newBudget(asked, allowed manifests.Limits) *budget {
	b := &budget{table: limitTable()}
	for l, info := range b.table {
		most, operator := info.of(asked), info.of(allowed)
		switch {
		case most <= 0 && operator > 0:
			most, b.operators[l] = operator, true
		case most <= 0:
			most = info.fallback
		case operator > 0 && operator < most:
			most, b.operators[l] = operator, true
		}
		b.most[l] = min(most, info.most)
	}
	return b
}

// use notes the use of n more, and returns an error past the limit.
func (b *budget) use(l limit, n int64) error {
	if used := b.used[l].Add(n); used > b.most[l] {
		return b.overrun(l, used)
	}
	return nil
}

// spend is use that stops the run past the limit. It reports whether the run
// may go on.
func (r *run) spend(l limit, n int64) bool {
	err := r.budget.use(l, n)
	if err != nil {
		r.stop(err)
	}
	return err == nil
}

// overrun is why a run that went past a limit is stopped.
func (b *budget) overrun(l limit, used int64) *overrun {
	info := b.table[l]
	o := &overrun{name: info.name, reached: info.write(used), most: info.write(b.most[l])}
	switch {
	case b.most[l] >= info.most:
		o.remedy = "have it do less in one run: no run may have more"
	case b.operators[l]:
		o.remedy = "the operator has to allow more: --limit " + info.name + "=…"
	default:
		o.remedy = "raise /limits/" + info.name + " in the manifest, and approve again"
	}
	return o
}

// overrun is a limit that a run went past.
type overrun struct{ name, reached, most, remedy string }

var _ error = (*overrun)(nil)

func (o *overrun) Error() string {
	return fmt.Sprintf("limit %s: it came to %s, and may to %s", o.name, o.reached, o.most)
}

// refusal is the overrun as the owner reads it.
func (o *overrun) refusal(connector string) *Refusal {
	return &Refusal{Thing: connector, Rule: "limit_" + o.name, Reason: o.Error(), Remedy: o.remedy}
}

// rates are the limits of how fast, for which the run waits.
func (h *Host) rates(m *manifests.Manifest) (perMinute, concurrency int) {
	tighter := func(a, b int) int {
		if a <= 0 || b > 0 && b < a {
			return b
		}
		return a
	}
	return tighter(m.Limits.RequestsPerMinute, h.limits.RequestsPerMinute), tighter(m.Limits.Concurrency, h.limits.Concurrency)
}
