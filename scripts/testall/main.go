// Command testall runs the test suites of every module in go.work and says at
// the end which could not run, and why.
//
// Its arguments go to go test: testall -race -count=1. A test that needs
// something the machine does not have skips itself with "skip: needs X
// (apt-get install X)"; testall collects these. With REQUIRE_ALL=1 in the
// environment a suite that could not run is a failure.
//
// The exit status is 0 when all that ran passed (and all ran, where that is
// required), else 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Args[1:], os.Getenv("REQUIRE_ALL") == "1", os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testall:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run tests all modules, writes the report to w, and says whether all is well.
func run(ctx context.Context, args []string, requireAll bool, w io.Writer) (bool, error) {
	modules, err := workspace(ctx)
	if err != nil {
		return false, err
	}
	r := newReport(w)
	if slices.Contains(args, "-race") && !raceWorks(ctx) {
		args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-race" })
		r.unrun("the race detector", "needs a C compiler (apt-get install gcc)")
	}
	for _, m := range modules {
		if err := test(ctx, m, args, r); err != nil {
			return false, err
		}
	}
	if err := testApart(ctx, args, r); err != nil {
		return false, err
	}
	return r.finish(requireAll), nil
}

// apart are modules outside the workspace, so that what they require decides
// no version in it. HashiCorp Vault takes minutes to build, and would take them
// again with -race: there it is left out, and the store over a provider is
// raced in vaultstore/remote alone.
var apart = []string{"vaultstore/openbao/vaulttest"}

func testApart(ctx context.Context, args []string, r *report) error {
	for _, dir := range apart {
		if slices.Contains(args, "-race") {
			fmt.Fprintf(r.w, "%s: left out of the race detector's pass\n", dir)
			continue
		}
		if err := test(ctx, dir, args, r, "GOWORK=off"); err != nil {
			return err
		}
	}
	return nil
}

// workspace returns the folders of the workspace's modules.
func workspace(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", withStderr(err))
	}
	return strings.Fields(string(out)), nil
}

// withStderr adds what the command said to its exit status.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// raceWorks reports whether the race detector can be linked here.
func raceWorks(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED", "CC").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || fields[0] != "1" {
		return false
	}
	_, err = exec.LookPath(fields[1])
	return err == nil
}

// test runs the suites of the module in dir. That tests fail is in the report,
// not an error.
func test(ctx context.Context, dir string, args []string, r *report, env ...string) error {
	if filepath.Base(dir) == "bench" { // its figures would be the race detector's
		args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-race" })
	}
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"test", "-json"}, args, []string{"./..."})...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := r.read(out); err != nil {
		return errors.Join(err, cmd.Wait())
	}
	err = cmd.Wait()
	if said := bytes.TrimSpace(stderr.Bytes()); err != nil && len(said) > 0 && !noPackages(said) {
		r.failed(dir, string(said))
	} else if err != nil && !r.sawFailure && !noPackages(said) {
		r.failed(dir, err.Error())
	}
	return ctx.Err()
}

// noPackages reports whether go said that a module has nothing to test.
func noPackages(stderr []byte) bool {
	return bytes.Contains(stderr, []byte("matched no packages"))
}
