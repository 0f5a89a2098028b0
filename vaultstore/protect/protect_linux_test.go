package protect

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

const childEnv = "SALLYPORT_TEST_PROTECT"

// TestProcess changes a process of its own: the test's stays debuggable.
func TestProcess(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		child(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcess$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func child(t *testing.T) {
	if err := Process(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
		t.Errorf("cores of %d to %d bytes, %v", limit.Cur, limit.Max, err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("dumpable is %d, %v", dumpable, err)
	}
}

func TestDo(t *testing.T) {
	ran := false
	Do(func() { ran = true })
	if !ran {
		t.Error("the function did not run")
	}
}
