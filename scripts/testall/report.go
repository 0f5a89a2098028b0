package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action     string
	Package    string
	ImportPath string // of a package that did not build
	Test       string
	Output     string
}

// needs matches what a test says that cannot run here.
var needs = regexp.MustCompile(`skip: (needs .*)`)

// optional are the needs that leave no suite unrun: data that a developer may
// point at.
var optional = []string{"UPSTREAM_MANIFESTS"}

// report gathers what the suites said.
type report struct {
	w          io.Writer
	output     map[string][]string // by package and test, until it ends
	results    []string            // the result line of each package
	skipped    []string
	sawFailure bool
}

func newReport(w io.Writer) *report { return &report{w: w, output: map[string][]string{}} }

// read takes the events of one go test.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil { // go's own words, not an event
				fmt.Fprintf(r.w, "%s", line)
			} else {
				r.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take notes one event: output is kept until its test or package ends, and
// shown when that failed.
func (r *report) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "build-fail":
		r.sawFailure = true
	case "output":
		r.output[key] = append(r.output[key], e.Output)
		if m := needs.FindStringSubmatch(e.Output); m != nil {
			r.unrun(strings.TrimSpace(key), m[1])
		}
	case "pass", "skip", "fail":
		r.end(e, key)
	}
}

// end notes how a test or, with no test named, a package ended.
func (r *report) end(e event, key string) {
	lines := r.output[key]
	delete(r.output, key)
	if e.Action == "fail" {
		r.sawFailure = true
		fmt.Fprint(r.w, strings.Join(lines, ""))
	}
	if e.Test != "" {
		return
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") {
			r.results = append(r.results, strings.TrimSuffix(line, "\n"))
			if e.Action != "fail" {
				fmt.Fprint(r.w, line)
			}
		}
	}
}

// unrun notes what could not run, and why, once.
func (r *report) unrun(what, why string) {
	for _, word := range optional {
		if strings.Contains(why, word) {
			return
		}
	}
	if line := what + ": " + why; !slices.Contains(r.skipped, line) {
		r.skipped = append(r.skipped, line)
	}
}

// failed notes a module that could not be tested.
func (r *report) failed(dir, why string) {
	r.sawFailure = true
	fmt.Fprintln(r.w, why)
	r.results = append(r.results, "FAIL\t"+dir)
}

// finish writes the summary and says whether all is well.
func (r *report) finish(requireAll bool) bool {
	fmt.Fprintln(r.w, "\nresults:")
	slices.Sort(r.results)
	for _, line := range r.results {
		fmt.Fprintln(r.w, line)
	}
	if len(r.skipped) == 0 {
		fmt.Fprintln(r.w, "\nevery suite could run")
	} else {
		fmt.Fprintln(r.w, "\ncould not run:")
		for _, line := range r.skipped {
			fmt.Fprintln(r.w, "  "+line)
		}
	}
	ok := !r.sawFailure && len(r.results) > 0
	if requireAll && len(r.skipped) > 0 {
		fmt.Fprintln(r.w, "REQUIRE_ALL=1: what could not run counts as failed")
		ok = false
	}
	if ok {
		fmt.Fprintln(r.w, "PASS")
	} else {
		fmt.Fprintln(r.w, "FAIL")
	}
	return ok
}
