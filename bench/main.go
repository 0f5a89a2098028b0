// Command bench measures what Sallyport costs beside bare wazero and native
// clients, in one run on one machine, and writes RESULTS.md.
//
// # Promise
//
// Every figure that is compared was measured side by side with what it is
// compared to, in turns, and is the median of its rounds. Trust the ratios;
// the times are of the machine it ran on. Nothing is left out because it
// looks bad.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/bench/hostile"
)

func main() {
	out := flag.String("o", "RESULTS.md", "where to write the results")
	rounds := flag.Int("rounds", 11, "rounds of each measurement")
	calls := flag.Int("calls", 1_000_000, "host calls in a round")
	contacts := flag.String("contacts", filepath.Join("..", "examples", "contacts"), "the contacts example, built")
	gets := flag.Bool("gets", false, "measure the requests only, and write no file")
	flag.Parse()
	if spec := os.Getenv(childVariable); spec != "" {
		if err := holdCrowd(context.Background(), spec, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *gets {
		text, err := measureTraffic(context.Background(), sizes{rounds: *rounds, gets: 500, getsOnly: true})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(text)
		return
	}
	text, err := measure(context.Background(), *rounds, *calls, *contacts)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
	if err := os.WriteFile(*out, []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}

func measure(ctx context.Context, rounds, calls int, contacts string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# What Sallyport costs\n\nWritten by `make bench`; %s, %s/%s, %d CPUs, %s. Medians of %d rounds, measured in turns in one process.\n"+
		"Trust the ratios, not the times.\n", time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), rounds)
	for _, section := range []func() (string, error){
		func() (string, error) { return measureCalls(ctx, rounds, calls) },
		func() (string, error) { return measurePeers(ctx, max(3, rounds/2), calls/10) },
		func() (string, error) {
			guests, err := computations()
			if err != nil {
				return "", err
			}
			return measureCompute(ctx, rounds, guests)
		},
		func() (string, error) {
			return measureTraffic(ctx, sizes{rounds: rounds, gets: 500, fetches: 20, download: 256 << 20})
		},
		func() (string, error) { return measureGuard(ctx, 3, "500ms") },
		func() (string, error) { return measureRecords(ctx, min(rounds, 5), 20_000) },
		func() (string, error) { return measureLoads(ctx, rounds, contacts) },
		func() (string, error) { return measureDensity(ctx, 1000, contacts) },
		func() (string, error) { return measureScales(ctx, min(rounds, 5), calls, 2000) },
		func() (string, error) { return measureStops(ctx, 500*time.Millisecond) },
		func() (string, error) { return measureFairness(ctx, 100) },
		func() (string, error) { return hostile.Compare(ctx) },
	} {
		text, err := section()
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + strings.TrimSpace(text) + "\n")
	}
	return b.String(), nil
}

// inTurns runs each of fs rounds times, one after the other, and returns the
// median of what each returned.
func inTurns(rounds int, fs ...func() (time.Duration, error)) ([]time.Duration, error) {
	all := make([][]time.Duration, len(fs))
	for range rounds {
		for i, f := range fs {
			runtime.GC()
			d, err := f()
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], d)
		}
	}
	medians := make([]time.Duration, len(fs))
	for i, ds := range all {
		slices.Sort(ds)
		medians[i] = ds[len(ds)/2]
	}
	return medians, nil
}

func ratio(a, b time.Duration) string { return fmt.Sprintf("%.2f", float64(a)/float64(b)) }
