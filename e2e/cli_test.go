package e2e_test

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/e2e/internal/dav"
)

// shell runs the real command line in a home of its own.
type shell struct {
	t    *testing.T
	home string
	env  []string
}

// newShell makes a home with a vault in it.
func newShell(t *testing.T, env ...string) *shell {
	t.Helper()
	dir := t.TempDir()
	s := &shell{t: t, home: filepath.Join(dir, "home")}
	s.env = append(env, "SALLYPORT_HOME="+s.home)
	s.ok("", "init", "--recovery-out", filepath.Join(dir, "recovery.txt"))
	return s
}

// process is one call of the program.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// start starts the program; it is killed when the test ends.
func (s *shell) start(stdin string, args ...string) *process {
	s.t.Helper()
	p := &process{Cmd: exec.CommandContext(s.t.Context(), built.CLI, args...)}
	p.Env, p.Stdin, p.Stdout, p.Stderr = s.env, strings.NewReader(stdin), &p.stdout, &p.stderr
	p.WaitDelay = 10 * time.Second
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// end waits for the process and returns its exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", p.Args, err)
	}
	return p.ProcessState.ExitCode()
}

// do runs the program to its end.
func (s *shell) do(stdin string, args ...string) (p *process, code int) {
	s.t.Helper()
	p = s.start(stdin, args...)
	return p, p.end(s.t)
}

// ok runs the program and expects exit code 0.
func (s *shell) ok(stdin string, args ...string) *process {
	s.t.Helper()
	p, code := s.do(stdin, args...)
	if code != 0 {
		s.t.Fatalf("sallyport %s: exit code %d\n%s%s", strings.Join(args, " "), code, &p.stdout, &p.stderr)
	}
	return p
}

// contacts stores what the contacts connector needs, approves it, and returns
// the command line that runs it against server.
func (s *shell) contacts(server *dav.Server, password string) (run []string) {
	s.t.Helper()
	dir := built.Connectors["contacts"]
	s.ok("alice", "vault", "set", dir, "ACCOUNT", "--stdin")
	s.ok(password, "vault", "set", dir, "APP_PASSWORD", "--stdin")
	s.ok("", "grant", "approve", dir, "--option", "base_url="+server.URL(source), "--yes")
	return []string{"run", dir, "--allow-address", source + "=" + server.Addr().String()}
}
