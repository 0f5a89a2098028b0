// Package memcheck looks for secrets in the memory of guests, for tests.
//
// # Promise
//
// A host that was made with the context of [Checker.Watch] has its guests'
// memories searched as every host function is entered and as it is left, and
// before they are wiped. What is looked for is found in every form that the
// host's guard knows, by the guard itself; each so many places a slow and plain
// scanner, which shares nothing with it, is asked too, for one value after another.
//
// # Limits
//
// What a guest writes and overwrites between two calls is not seen. Of the calls
// for the time, which are most, and of those with a memory of more than [Large]
// bytes one look in [Rarely] is taken. A form that
// reaches more than [Overlap] bytes beyond what changed between two looks can be
// missed. Only values that the guard rates as strong can be
// looked for: any other is in a memory of megabytes by accident.
//
// # Concurrency
//
// A [Checker] is safe for concurrent use, and may watch several hosts and runs.
package memcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/host/internal/guard"
	"github.com/sallyport-host/sallyport/host/internal/guard/slow"
)

// ErrWeak is of a value that a text can hold by accident.
var ErrWeak = errors.New("the value is too weak to be looked for: take a longer one, at random")

// Checker looks for values in the memories of guests. The zero value looks for
// none.
type Checker struct {
	mu      sync.Mutex
	secrets []guard.Secret
	set     *guard.Set
	runs    map[string]*copied
	order   []string // of runs, the oldest first
	clean   []byte   // what a run began with, in which nothing was found
	found   map[Finding]string
	calls   int
	looks   int
	scanned int // ranges of memory
}

// Finding is a value that was found in a guest's memory. It does not hold it.
type Finding struct {
	Name string // what the value was added as
	Form string // how it was written, in words
}

// Looked says what a checker did.
type Looked struct {
	Looks  int // at a whole memory
	Ranges int // of it that were new, and searched
}

// Add has a value looked for from now on; name is what findings call it.
func (c *Checker) Add(name, value string) error {
	if guard.Rate([]byte(value)) != guard.Strong {
		return fmt.Errorf("%s: %w", name, ErrWeak)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets = append(c.secrets, guard.Secret{Name: name, Value: []byte(value)})
	c.set = guard.New(c.secrets)
	c.runs, c.order, c.clean = nil, nil, nil // what was looked at was not searched for this
	return nil
}

// Watch returns a context for host.New.
func (c *Checker) Watch(ctx context.Context) context.Context {
	ctx = experimental.WithHostCalls(ctx, c.look)
	return experimental.WithMemoryDump(ctx, func(run string, memory []byte) { c.look(run, atEnd, memory) })
}

// Found returns what was found, with the first place of each.
func (c *Checker) Found() map[Finding]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.found)
}

// Forget drops what was found. What stays in a memory is not found again.
func (c *Checker) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
}

// Names returns the names of the values that were found, sorted.
func (c *Checker) Names() []string {
	names := map[string]bool{}
	for f := range c.Found() {
		names[f.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Looked returns how much was looked at. A test that expects no finding wants
// to know that it was something.
func (c *Checker) Looked() Looked {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Looked{c.looks, c.scanned}
}

// A look at a whole memory takes a millisecond for each few megabytes: not each
// call with a large one gets it, nor each that brings nothing but the time.
const (
	Large  = 16 << 20
	Rarely = 16
	clock  = abi.ModuleWASI + ".clock_time_get"
)

// look searches what has changed since the last look.
func (c *Checker) look(run, where string, memory []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	rare := len(memory) > Large && where != atEnd || where == clock
	if c.set.Empty() || rare && c.calls%Rarely != 0 {
		return
	}
	c.looks++
	r, found := c.run(run), false
	r.changes(memory, func(text []byte) { found = c.search(where, text) || found })
	if c.clean == nil && !found {
		c.clean = bytes.Clone(r.memory) // most of it is in every guest of its kind
	}
}

// atEnd is where a memory is left behind: it moves, or the run ends.
const atEnd = "the end of the memory"

// every is how many ranges lie between two that the slow scanner is given, and
// sample how much of one it gets.
const (
	every  = 256
	sample = 1 << 10
)

// search looks through one range, and reports whether a value was in it.
func (c *Checker) search(where string, text []byte) bool {
	c.scanned++
	if hit, ok := c.set.Find(text); ok {
		if hit.Form == guard.FormExcess && len(text) > page {
			return c.halves(where, text)
		}
		c.note(Finding{hit.Name, hit.Form}, where)
		// Scrub tells of each, and Find was the quicker no.
		_, _, _ = c.set.Scrub(nil, text, func(h guard.Hit) []byte {
			c.note(Finding{h.Name, h.Form}, where)
			return nil
		})
		return true
	}
	if c.scanned%every != 0 {
		return false
	}
	s := c.secrets[c.scanned/every%len(c.secrets)]
	if slow.Finds(string(s.Value), string(text[:min(len(text), sample)])) {
		c.note(Finding{s.Name, "what only the slow scanner knows"}, where)
		return true
	}
	return false
}

// halves searches a range in parts that are quicker to search: memory is no
// text, and the guard takes one that it cannot read for a hit.
func (c *Checker) halves(where string, text []byte) bool {
	middle := len(text) / 2
	first := c.search(where, text[:min(len(text), middle+Overlap/2)])
	return c.search(where, text[middle-Overlap/2:]) || first
}

func (c *Checker) note(f Finding, where string) {
	if c.found == nil {
		c.found = map[Finding]string{}
	}
	if _, known := c.found[f]; !known {
		c.found[f] = where
	}
}

// maxRuns is how many runs' memories are kept to compare with.
const maxRuns = 4

// run returns the copy of a run's memory.
func (c *Checker) run(id string) *copied {
	if have := c.runs[id]; have != nil {
		return have
	}
	if c.runs == nil {
		c.runs = map[string]*copied{}
	}
	if len(c.order) >= maxRuns {
		delete(c.runs, c.order[0])
		c.order = c.order[1:]
	}
	c.runs[id] = &copied{bytes.Clone(c.clean)}
	c.order = append(c.order, id)
	return c.runs[id]
}
