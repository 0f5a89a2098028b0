package manifests

import (
	"encoding/json"
	"fmt"
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

// A manifest that names many places must not take minutes to hold against
// each other: each origin is parsed once. (64 credentials of 64 places took 77
// seconds.) What is counted is allocations, which do not depend on the
// machine.
func TestManyPlacesAreHeldToEgressOnce(t *testing.T) {
	const origin = "https://xn--bcher-kva.xn--bcher-kva.example"
	methods := make([]string, 26)
	for i := range methods {
		methods[i] = string(rune('A' + i))
	}
	props := map[string]any{}
	for i := range 64 {
		places := make([]any, 64)
		for j := range places {
			places[j] = map[string]any{"origin": origin, "methods": methods, "paths": []string{"/**"}, "as": "basic"}
		}
		props[fmt.Sprintf("C%d", i)] = map[string]any{"type": "string", "class": "session", "send_to": places}
	}
	egress := []any{map[string]any{"origin": origin, "paths": []string{"/**"}}}
	for i := range 127 {
		egress = append(egress, map[string]any{"origin": fmt.Sprintf("https://a%d.xn--bcher-kva.example", i), "paths": []string{"/**"}})
	}
	raw, err := json.Marshal(map[string]any{
		"protocol_version": "0.1.0", "connector_id": "https://example.org/c", "connector_key": "c", "version": "1", "display_name": "C",
		"runtime_requirements": map[string]any{"bindings": map[string]any{"network": map[string]any{"required": true}}},
		"streams": []any{map[string]any{"name": "s", "semantics": "mutable_state", "primary_key": []string{"id"},
			"schema": map[string]any{"type": "object", "required": []string{"id"}, "properties": map[string]any{"id": map[string]any{"type": "string"}}}}},
		"credentials_schema": map[string]any{"type": "object", "properties": props}, "egress": egress,
	})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := Parse(raw)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if n := after.Mallocs - before.Mallocs; n > 20_000_000 {
		t.Errorf("%d bytes cost %d allocations", len(raw), n)
	}
	if len(m.Warnings) > MaxFaults {
		t.Errorf("%d warnings", len(m.Warnings))
	}
}

func TestADenialHoldsForWhatAServerTakesForTheSame(t *testing.T) {
	rules := []EgressRule{
		{Origin: "https://a.example", Paths: []string{"/**"}},
		{Origin: "https://a.example", Paths: []string{"/admin/**", "/one", "/v1/*/keys"}, Deny: true},
	}
	origin := Origin{Scheme: "https", Host: "a.example", Port: 443}
	for path, allowed := range map[string]bool{
		"/admin/x": false, "/admin;x=1/y": false, "/admin;/y": false, "/%61dmin/x": false, "/%2561dmin/x": false, "/admin%3Bx/y": false,
		"/one": false, "/one/": false, "/one;a": false, "/v1/u/keys": false, "/v1/u/keys/": false, "/v1/u;x/keys;y": false,
		"/admins": true, "/two": true, "/one/two": true, "/v1/keys": true, "/": true,
	} {
		if ok, why := AllowEgress(rules, Target{Origin: origin, Method: "GET", Path: path}); ok != allowed {
			t.Errorf("%s: allowed is %v (%s), want %v", path, ok, why, allowed)
		}
	}
}

func TestAnEscapeThatIsEscapedAgainInPartsIsRefused(t *testing.T) {
	for _, path := range []string{"/a/%252%66b", "/a/%25%32%66b", "/x/%252%65%252%65/admin", "/a/%25%35%63", "/a/%252f", "/a/%25%32%35"} {
		if err := CheckPath(path); err == nil {
			t.Errorf("CheckPath(%q) accepts it", path)
		}
	}
	for _, path := range []string{"/a/100%25", "/a/%25zz", "/a/%25%7a1", "/a/%2541"} {
		if err := CheckPath(path); err != nil {
			t.Errorf("CheckPath(%q) = %v", path, err)
		}
	}
}
