package manifests

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// MaxFaults is how many faults a *[Faults] lists; the last one then says that
// there are more.
const MaxFaults = 100

// shownFaults is how many of them [Faults.Error] puts into its line.
const shownFaults = 5

// Fault is one thing that is wrong with a document.
type Fault struct {
	Pointer string `json:"pointer"` // RFC 6901; "" is the whole document
	Problem string `json:"problem"` // what is wrong
	Remedy  string `json:"remedy"`  // what would be right
}

// String returns the fault as one line that is safe on a terminal.
func (f Fault) String() string {
	place := f.Pointer
	if place == "" {
		place = "the document"
	}
	line := place + ": " + f.Problem
	if f.Remedy != "" {
		line += "; " + f.Remedy
	}
	return showable(line)
}

// Faults is every fault of a document, ordered by pointer, each once.
type Faults struct {
	Faults []Fault `json:"faults"` // never empty
}

var _ error = (*Faults)(nil)

// Error returns one line: the fault, or how many there are and the first of
// them. [Faults.Lines] has them all.
func (f *Faults) Error() string {
	lines := f.Lines()
	if len(lines) == 1 {
		return lines[0]
	}
	line := strconv.Itoa(len(lines)) + " faults: " + strings.Join(lines[:min(len(lines), shownFaults)], " | ")
	if len(lines) > shownFaults {
		line += fmt.Sprintf(" | and %d more", len(lines)-shownFaults)
	}
	return line
}

// Lines returns one line for each fault.
func (f *Faults) Lines() []string {
	lines := make([]string, len(f.Faults))
	for i, fault := range f.Faults {
		lines[i] = fault.String()
	}
	return lines
}

// showable replaces what would not show as it is on a terminal. The joiners
// that some scripts need stay.
func showable(s string) string {
	return strings.Map(func(r rune) rune {
		if !isShown(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func isShown(r rune) bool {
	const zwnj, zwj = '\u200c', '\u200d'
	return r == zwnj || r == zwj || !unicode.In(r, unicode.C, unicode.Zl, unicode.Zp)
}

// faultList collects faults while a document is read.
type faultList struct{ list []Fault }

func (l *faultList) add(pointer, problem, remedy string) {
	l.list = append(l.list, Fault{Pointer: pointer, Problem: problem, Remedy: remedy})
}

// under reports whether a fault stands at pointer or inside it: what is
// derived from there would only repeat it.
func (l *faultList) under(pointer string) bool {
	return slices.ContainsFunc(l.list, func(f Fault) bool {
		return f.Pointer == pointer || strings.HasPrefix(f.Pointer, pointer+"/")
	})
}

// err returns the *[Faults], nil when there are none.
func (l *faultList) err() error {
	if len(l.list) == 0 {
		return nil
	}
	list := slices.Clone(l.list)
	slices.SortStableFunc(list, func(a, b Fault) int {
		if c := comparePointers(a.Pointer, b.Pointer); c != 0 {
			return c
		}
		return strings.Compare(a.Problem, b.Problem)
	})
	list = slices.Compact(list)
	if n := len(list); n > MaxFaults {
		list = append(list[:MaxFaults-1], Fault{Problem: fmt.Sprintf("there are %d more faults", n-MaxFaults+1), Remedy: "correct these first"})
	}
	return &Faults{Faults: list}
}

// comparePointers orders by token, indexes by number.
func comparePointers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "/"), strings.Split(b, "/"), func(x, y string) int {
		i, err1 := strconv.Atoi(x)
		j, err2 := strconv.Atoi(y)
		if err1 == nil && err2 == nil && i != j {
			return i - j
		}
		return strings.Compare(x, y)
	})
}

// pointerTo appends a token to an RFC 6901 pointer. Most have nothing to
// escape, and a manifest has thousands.
func pointerTo(base, token string) string {
	if strings.ContainsAny(token, "~/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
	}
	return base + "/" + token
}
