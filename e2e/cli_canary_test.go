package e2e_test

import (
	"os"
	"testing"
	"time"
)

// TestCanariesAroundTheCommandLine plants canaries around the real command
// line, and finds none in what it prints, in the process list while it runs,
// nor in any file that it keeps.
func TestCanariesAroundTheCommandLine(t *testing.T) {
	f := plant(t)
	server := startServer(t, f.password)
	s := newShell(t, os.Environ()...)
	args := s.contacts(server, f.password)

	arrived, release := server.Hold()
	defer release()
	run := s.start("", args...)
	select {
	case <-arrived:
	case <-time.After(30 * time.Second):
		t.Fatal("the run did not reach its source")
	}
	f.processes()
	release()
	if code := run.end(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, &run.stderr)
	}
	if run.stdout.Len() == 0 || server.Counts().Allowed == 0 {
		t.Errorf("%d bytes of records, %d requests let in: the test looks in the wrong place", run.stdout.Len(), server.Counts().Allowed)
	}
	f.look("stdout", run.stdout.Bytes())
	f.look("stderr", run.stderr.Bytes())

	for _, command := range [][]string{
		{"vault", "list"}, {"vault", "list", "--json"}, {"grant", "list", "--json"}, {"audit", "show", "--json"}, {"audit", "verify"},
		{"grant", "revoke", "contacts"}, args, {"--log-level", "debug", "vault", "set", built.Connectors["contacts"], "NO_SUCH_NAME", "--stdin"},
	} {
		p, _ := s.do(f.password, command...)
		f.look("stdout of "+command[0], p.stdout.Bytes())
		f.look("stderr of "+command[0], p.stderr.Bytes())
	}
	f.files("the home", s.home)
	f.report(t)
}
