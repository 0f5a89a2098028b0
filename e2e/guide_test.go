package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

// TestGuideBuilds builds the connector of docs/connector-guide.md in a module
// of its own, as its reader would, and loads it with the guide's manifest.
func TestGuideBuilds(t *testing.T) {
	raw, err := os.ReadFile("../docs/connector-guide.md")
	if err != nil {
		t.Fatal(err)
	}
	fenced := func(label string) string {
		_, rest, ok := strings.Cut(string(raw), "```"+label+"\n")
		text, _, end := strings.Cut(rest, "```")
		if !ok || !end {
			t.Fatalf("the guide has no block %q", label)
		}
		return text
	}
	sdk, err := filepath.Abs("../guest-sdk/go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const sdkPath = "github.com/sallyport-host/sallyport/guest-sdk/go"
	for name, text := range map[string]string{
		"main.go": fenced("go"),
		"go.mod":  fmt.Sprintf("module example.com/me\n\ngo 1.26\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", sdkPath, sdkPath, sdk),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-buildmode=c-shared", "-o", "collector.wasm", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "collector.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t.Context(), t, nowhere, nil)
	w.loadPackage(host.Package{Manifest: []byte(fenced("json")), Modules: map[abi.Role][]byte{abi.RoleCollector: module}})
}
