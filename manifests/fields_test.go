package manifests

import (
	"fmt"
	"slices"
	"testing"
)

func TestUndeclared(t *testing.T) {
	fields := []string{"id", "n", "x_1", "secret"}
	for schema, want := range map[string][]string{
		`{"type":"object","properties":{"id":{},"n":{}}}`:                                                               {"x_1", "secret"},
		`{"type":"object","properties":{"id":{"properties":{"secret":{}}}}}`:                                            {"n", "x_1", "secret"},
		`{"type":"object","properties":{"id":{}},"additionalProperties":true}`:                                          {"n", "x_1", "secret"},
		`{"type":"object","properties":{"id":{}},"additionalProperties":false}`:                                         {"n", "x_1", "secret"},
		`{"type":"object","properties":{"id":{}},"additionalProperties":{"type":"string"}}`:                             nil,
		`{"type":"object","properties":{"id":{}},"patternProperties":{"^x_":{}}}`:                                       {"n", "secret"},
		`{"type":"object","properties":{"id":{}},"allOf":[{"$ref":"#/$defs/n"}],"$defs":{"n":{"properties":{"n":{}}}}}`: {"x_1", "secret"},
		`{"type":"object"}`: nil,
	} {
		m := parse(t, []byte(fmt.Sprintf(`{"connector_id":"https://a.example","connector_key":"a","version":"1","display_name":"A",
			"streams":[{"name":"s","primary_key":["id"],"schema":%s}]}`, schema)))
		if got := m.Streams[0].Undeclared(fields); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", schema, got, want)
		}
	}
}
