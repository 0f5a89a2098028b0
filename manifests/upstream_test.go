package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The manifests that the reference implementation publishes all load, as they
// are, and none runs before it says where each credential may go.
func TestUpstreamManifests(t *testing.T) {
	dir := os.Getenv("UPSTREAM_MANIFESTS")
	if dir == "" {
		t.Skip("skip: needs UPSTREAM_MANIFESTS, the folder of the connector manifests of PDP-Connect/pdpp")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d manifests in UPSTREAM_MANIFESTS, want 30: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.ConnectorKey == "" || len(m.Streams) == 0 || len(m.Bindings) == 0 {
				t.Errorf("incomplete: %q, %d streams, bindings %v", m.ConnectorKey, len(m.Streams), m.Bindings)
			}
			capture := strings.Contains(string(raw), `"credential_capture"`)
			if m.NotRunnable == "" || capture != strings.Contains(m.NotRunnable, "setup.credential_capture") {
				t.Errorf("NotRunnable is %q", m.NotRunnable)
			}
			if len(m.Warnings) > 0 {
				t.Errorf("warnings: %q", m.Warnings)
			}
			b, err := m.Bind(nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := b.Disclose(); d.Summary == "" || len(d.Streams) != len(m.Streams) {
				t.Error("no disclosure")
			}
		})
	}
}

func BenchmarkParseUpstream(b *testing.B) {
	dir := os.Getenv("UPSTREAM_MANIFESTS")
	if dir == "" {
		b.Skip("skip: needs UPSTREAM_MANIFESTS, the folder of the connector manifests of PDP-Connect/pdpp")
	}
	for _, name := range []string{"apple_contacts.json", "ynab.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
