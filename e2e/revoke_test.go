package e2e_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// refused is the exit code of a command that a rule said no to.
const refused = 3

// TestRevokeStopsARunInAnotherProcess: a run whose source does not answer ends
// within abi.RevocationDelay of a revocation made by another process.
func TestRevokeStopsARunInAnotherProcess(t *testing.T) {
	server := startServer(t, "right")
	s := newShell(t)
	args := s.contacts(server, "right")
	arrived, release := server.Hold()
	defer release()
	run := s.start("", args...)
	select {
	case <-arrived:
	case <-time.After(30 * time.Second):
		t.Fatal("the run did not reach its source")
	}

	s.ok("", "grant", "revoke", "contacts")
	revoked := time.Now()
	code := run.end(t)
	took := time.Since(revoked)
	t.Logf("it ended %v after the revocation", took)
	if took > abi.RevocationDelay {
		t.Errorf("the run ended %v after the revocation, want at most %v", took, abi.RevocationDelay)
	}
	if code != refused || !strings.Contains(run.stderr.String(), "approval") {
		t.Errorf("it ended with exit code %d and said %q", code, run.stderr.String())
	}
}

// TestRevokedApprovalStaysDead: an approval that was put back, file by file, as
// it was before the revocation does not live again.
func TestRevokedApprovalStaysDead(t *testing.T) {
	server := startServer(t, "right")
	s := newShell(t)
	args := s.contacts(server, "right")
	s.ok("", args...)
	before := snapshot(t, s.home, "approvals")
	s.ok("", "grant", "revoke", "contacts")

	after := snapshot(t, s.home, "approvals")
	for name := range after {
		if _, ok := before[name]; !ok {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range before {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	calls := server.Counts().Requests
	p, code := s.do("", args...)
	if code != refused || server.Counts().Requests != calls {
		t.Errorf("exit code %d, %d calls to the source\n%s", code, server.Counts().Requests-calls, &p.stderr)
	}
}

// snapshot reads the files below every folder of that name in home.
func snapshot(t *testing.T, home, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(path, string(filepath.Separator)+folder+string(filepath.Separator)) {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no files in %s: the test looks in the wrong place", folder)
	}
	return files
}
