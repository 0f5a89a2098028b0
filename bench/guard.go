package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// guardPackage has the benchmark; it is not for others to import.
const guardPackage = "github.com/sallyport-host/sallyport/host/internal/guard"

var guardLine = regexp.MustCompile(`(?m)^BenchmarkStream/(\S+)\s.*?([0-9.]+) MB/s.*?(\d+) allocs/op`)

// measureGuard has go test run the guard's own benchmark, on one CPU.
func measureGuard(ctx context.Context, rounds int, each string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=^BenchmarkStream$", "-cpu=1", "-benchtime="+each, "-count="+strconv.Itoa(rounds), guardPackage)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	speeds, allocs := map[string][]float64{}, map[string]string{}
	var texts []string
	for _, m := range guardLine.FindAllStringSubmatch(string(out), -1) {
		speed, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return "", err
		}
		if speeds[m[1]] == nil {
			texts = append(texts, m[1])
		}
		speeds[m[1]], allocs[m[1]] = append(speeds[m[1]], speed), m[3]
	}
	if len(texts) == 0 {
		return "", fmt.Errorf("no benchmark in what go test said: %s", out)
	}
	slices.Sort(texts)
	var b strings.Builder
	fmt.Fprintf(&b, "## The guard alone\n\nHow fast one CPU searches a MiB of what sources send for 10 live credentials in all their forms, in pieces of 32 KiB: the benchmark of\n"+
		"`host/internal/guard`, in a process of its own. Medians of %d.\n\n| text | MB/s | allocations |\n|---|---|---|\n", rounds)
	for _, text := range texts {
		all := slices.Sorted(slices.Values(speeds[text]))
		fmt.Fprintf(&b, "| %s | **%.0f** | %s |\n", strings.ReplaceAll(text, "-", " "), all[len(all)/2], allocs[text])
	}
	b.WriteString("\n")
	return b.String(), nil
}
