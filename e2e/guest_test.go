package e2e_test

import (
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

// nowhere is an address for worlds whose guests call nobody.
var nowhere = netip.MustParseAddrPort("127.0.0.1:1")

// emptyManifest is a connector that declares a stream and nothing else.
const emptyManifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.com/empty", "connector_key": "empty",
  "version": "1.0.0", "display_name": "Empty", "runtime_requirements": {"bindings": {}},
  "streams": [{"name": "nothing", "primary_key": ["id"], "semantics": "mutable_state",
    "schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}],
  "modules": {"collector": {"path": "collector.wasm"}}
}`

// workedGuest returns the bytes of the whole guest in abi/ABI.md.
func workedGuest(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../abi/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```module\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("ABI.md has no block \"module\"")
	}
	var module []byte
	for line := range strings.Lines(block) {
		digits, _, _ := strings.Cut(line, "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		module = append(module, b...)
	}
	return module
}

func emptyPackage(t *testing.T) host.Package {
	t.Helper()
	return host.Package{Manifest: []byte(emptyManifest), Modules: map[abi.Role][]byte{abi.RoleCollector: workedGuest(t)}}
}

// TestWorkedGuestRuns: every host of this version runs the guest that ABI.md
// spells out.
func TestWorkedGuestRuns(t *testing.T) {
	w := newWorld(t.Context(), t, nowhere, nil)
	c := w.loadPackage(emptyPackage(t))
	w.approve(c, nil)
	result, err := w.host.Run(t.Context(), c, host.RunOptions{})
	if err != nil || result.Done.Status != abi.Succeeded {
		t.Fatalf("it ended as %+v, %v", result.Done, err)
	}
}
