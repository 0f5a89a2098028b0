package manifests

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// A text of a hundred kilobytes must not cost gigabytes because a long name
// stands on the way to many values.
func TestLongNamesCostNoMoreThanTheyAre(t *testing.T) {
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	ones := "[1" + strings.Repeat(",1", 30_000) + "]"
	for _, name := range []string{strings.Repeat("k", 60_000), strings.Repeat("k", strictjson.MaxPathBytes-10)} {
		text := `{"` + name + `":` + ones + `}`
		if n := allocated(func() { _, _ = Parse([]byte(text)) }); n > 64<<20 {
			t.Errorf("a manifest of %d bytes costs %d MiB", len(text), n>>20)
		}
	}
	m, err := Parse([]byte(`{"protocol_version": "0.1.0", "connector_id": "https://example.org/c", "connector_key": "c", "version": "1", "display_name": "C",
	  "runtime_requirements": {"bindings": {}}, "streams": [{"name": "s", "semantics": "mutable_state", "primary_key": ["id"],
	  "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}, "additionalProperties": {"type": "array", "items": {"type": "integer"}}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]any, 300_000)
	for i := range list {
		list[i] = json.Number("1")
	}
	record := map[string]any{"id": "a", strings.Repeat("k", 2000): list}
	n := allocated(func() { err = m.Streams[0].ValidateDecoded(record) })
	if err == nil || n > 64<<20 {
		t.Errorf("a record costs %d MiB: %v", n>>20, err)
	}
}
