package audit

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// What TestMain makes of the process when it is another one.
const envDir = "SALLYPORT_TEST_AUDIT_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(envDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := appendForEver(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// appendForEver says a line for each event that is durable.
func appendForEver(dir string) error {
	l, err := Open(dir, testKey)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := l.Append(context.Background(), event(i)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// TestProcessesAppendAndDie: several processes write one log and are killed in
// the middle; what they were told was written is there, and the log is whole.
func TestProcessesAppendAndDie(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, t.TempDir())
	const processes, least = 3, 8
	told := make([]int64, processes)
	var all sync.WaitGroup
	for p := range processes {
		all.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), envDir+"="+l.dir.Path("."))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Error(err)
				return
			}
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				if told[p]++; told[p] == least {
					_ = cmd.Process.Kill()
				}
			}
			_ = cmd.Wait()
		})
	}
	all.Wait()
	l.mustAppend(t, event(1))
	want := int64(1)
	for _, n := range told {
		if want += n; n < least {
			t.Errorf("a process wrote %d", n)
		}
	}
	r := verify(t, l.text(t), Anchor{})
	// Each may have written one more than it could say.
	if r.Fault != nil || r.Events < want || r.Events > want+processes {
		t.Errorf("%d events were promised: %+v", want, r)
	}
}
