package manifests

import (
	"os"
	"strings"
	"testing"
)

// Every rule of the meta-schema has a remedy, and every $ref in it leads
// somewhere.
func TestMetaSchema(t *testing.T) {
	m, err := loadMeta()
	if err != nil {
		t.Fatal(err)
	}
	defs := m.doc.(map[string]any)["$defs"].(map[string]any)
	for name, def := range defs {
		if (node{value: def}).get("x-remedy").str() == "" {
			t.Errorf("$defs/%s has no x-remedy", name)
		}
	}
}

// The example in MANIFEST.md is a manifest, and every member that the
// meta-schema knows is named on the page.
func TestReference(t *testing.T) {
	page, err := os.ReadFile("MANIFEST.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	_, example, _ := strings.Cut(text, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	m := parse(t, []byte(example))
	if m.NotRunnable != "" || len(m.Warnings) != 0 {
		t.Errorf("NotRunnable %q, warnings %q", m.NotRunnable, m.Warnings)
	}
	meta, err := loadMeta()
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range (node{value: meta.doc}).get("$defs").keys() {
		properties := (node{value: meta.doc}).get("$defs").get(def).get("properties")
		for _, name := range properties.keys() {
			if name[0] != '$' && name != "type" && name != "additionalProperties" && name != "properties" && name != "writeOnly" && !strings.Contains(text, name) {
				t.Errorf("MANIFEST.md does not name %s of %s", name, def)
			}
		}
	}
}
