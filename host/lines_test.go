package host_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

// trapInC is a guest that traps two calls deep, on line 6.
const trapInC = `__attribute__((export_name("sallyport_abi"))) int version(void) { return 1; }

volatile int at;
__attribute__((noinline)) static int inner(int n) {
	at = n;
	if (n == at) __builtin_trap();
	return n;
}
__attribute__((noinline)) static int outer(int n) {
	return inner(n + 1) + at;
}
__attribute__((export_name("sallyport_run"))) int run(void) {
	return outer(at) + at;
}
`

// TestATrapNamesItsLines: the guest is metered, and its trace still says where
// it was.
func TestATrapNamesItsLines(t *testing.T) {
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("skip: needs clang (apt-get install clang lld)")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "trap.c"), []byte(trapInC), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("clang", "--target=wasm32", "-g", "-O1", "-nostdlib", "-Wl,--no-entry", "-o", "trap.wasm", "trap.c")
	build.Dir = dir
	if said, err := build.CombinedOutput(); err != nil {
		t.Skipf("skip: needs clang and lld for wasm32 (apt-get install clang lld): %s", said)
	}
	module, err := os.ReadFile(filepath.Join(dir, "trap.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.connector = w.load(testManifest, module)
	w.approve("none")
	w.store("TOKEN", canary, abi.ClassToken)
	res, err := w.again(host.RunOptions{})
	if !errors.Is(err, host.ErrSourceFailed) || res.Done.Error == nil || res.Done.Error.Code != abi.CodeConnectorCrashed {
		t.Fatalf("%v, %+v", err, res.Done)
	}
	rest := res.Done.Error.Message
	for _, line := range []string{"trap.c:6", "trap.c:10", "trap.c:13"} {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Errorf("no %s, in order, in\n%s", line, res.Done.Error.Message)
		}
		rest = after
	}
}
