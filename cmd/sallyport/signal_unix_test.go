//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/internal/app"
)

// installation is a home with the connector in ./notes approved.
func installation(t *testing.T, kind string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := setup(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes", "collector.wasm"), guestKinds[kind].bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"init --recovery-out recovery.txt",
		"vault set ./notes NOTES_TOKEN --file secret",
		"grant approve ./notes --option shelf=top --yes",
	} {
		if out, err := program(dir, strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return dir
}

func program(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("sallyport", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SALLYPORT_HOME="+filepath.Join(dir, "home"), "GORACE="+noExitSleep)
	return cmd
}

func exitCode(err error) app.Code {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return app.Code(exit.ExitCode())
	}
	if err != nil {
		return -1
	}
	return app.OK
}

// runsStarted counts the runs that the audit log tells of.
func runsStarted(dir string) (n int) {
	logs, _ := filepath.Glob(filepath.Join(dir, "home", "state", "audit", "*.jsonl"))
	for _, name := range logs {
		if b, err := os.ReadFile(name); err == nil {
			n += bytes.Count(b, []byte("run_started"))
		}
	}
	return n
}

// running starts a run that never ends by itself, and waits until the log
// says that it has started.
func running(t *testing.T, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	before := runsStarted(dir)
	cmd := program(dir, "run", "./notes")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if runsStarted(dir) > before {
			return cmd, &errs
		}
		if time.Now().After(deadline) {
			t.Fatalf("the run did not start: %s", errs.String())
		}
	}
}

func TestInterruptedRunEndsCleanly(t *testing.T) {
	dir := installation(t, "endless")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, errs := running(t, dir)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got := exitCode(cmd.Wait()); got != app.Interrupted {
			t.Errorf("%v: exit code %d: %s", sig, got, errs.String())
		}
	}
	out, err := program(dir, "audit", "verify").CombinedOutput()
	if err != nil {
		t.Errorf("the audit log does not hold afterwards: %v\n%s", err, out)
	}
}

// Whoever presses Ctrl-C twice does not wait.
func TestSecondInterruptExits(t *testing.T) {
	exited := make(chan int, 1)
	c := &cli{exit: func(code int) { exited <- code }}
	ctx, stop := c.signals()
	defer stop()
	interrupt := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	interrupt()
	<-ctx.Done()
	interrupt()
	if code := <-exited; code != int(app.Interrupted) {
		t.Errorf("exit code %d", code)
	}
}

// A reader that goes away ends the run with an error, not the process with a
// signal, so that the log and the state are as after any failed run.
func TestClosedStdout(t *testing.T) {
	dir := installation(t, "notes")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := program(dir, "run", "./notes")
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errs
	err = cmd.Run()
	w.Close()
	if got := exitCode(err); got != app.Internal || !strings.Contains(errs.String(), "stdout was closed") {
		t.Errorf("exit code %d: %s", got, errs.String())
	}
	cmd = program(dir, "run", "./notes", "--json", "--out", "out.jsonl")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"state_committed": [`) {
		t.Errorf("the next run: %v\n%s", err, out)
	}
}
