package manifests

import (
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// quickPair is a schema as quick and as the validator have it, nil when it is
// none.
func quickPair(text string) (*quick, *compiled) {
	doc, err := strictjson.Parse([]byte(text), strictjson.Limits{})
	if err != nil {
		return nil, nil
	}
	if object, ok := doc.(map[string]any); ok {
		object["$schema"] = dialect // as in a stream's: a format is an annotation then
	}
	c, err := compile(newCompiler(), doc)
	if err != nil {
		return nil, nil
	}
	return newQuick(c.schema, map[*jsonschema.Schema]*quick{}), c
}

var quickSchemas = []string{
	`{}`, `true`, `{"type":"string"}`, `{"type":["string","null"]}`, `{"type":"integer"}`, `{"type":"number"}`, `{"type":["integer","string"]}`, `{"type":"boolean"}`,
	`{"type":"object","required":["a"],"properties":{"a":{"type":"string"},"b":{"type":"integer"}}}`,
	`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"properties":{"a":true},"additionalProperties":{"type":"integer"}}`,
	`{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":2}`, `{"type":"object","minProperties":1,"maxProperties":2}`,
	`{"minLength":2,"maxLength":3}`, `{"pattern":"^a"}`, `{"format":"date-time","type":"string"}`, `{"minimum":2,"maximum":10}`,
	`{"enum":["a",null,true]}`, `{"const":"a"}`, `{"anyOf":[{"type":"string"},{"type":"object","required":["a"]}]}`,
	`{"allOf":[{"type":"object"},{"required":["a"]}]}`,
	`{"$ref":"#/$defs/x","$defs":{"x":{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}}}}}`,
	`{"contentEncoding":"base64","contentMediaType":"application/json","type":"string"}`,
}

// unsureSchemas have something that quick leaves to the validator.
var unsureSchemas = []string{
	`false`, `{"not":{"type":"string"}}`, `{"oneOf":[{"type":"string"},{"const":"a"}]}`, `{"if":{"type":"string"},"then":{"const":"a"}}`, `{"patternProperties":{"^a":{"type":"string"}}}`,
	`{"propertyNames":{"maxLength":1}}`, `{"uniqueItems":true}`, `{"prefixItems":[{"type":"string"}]}`, `{"contains":{"const":"a"}}`, `{"multipleOf":3}`,
	`{"exclusiveMinimum":2}`, `{"exclusiveMaximum":2}`, `{"minimum":0.5}`, `{"maximum":1e30}`, `{"enum":[1,"a"]}`, `{"const":{"a":1}}`, `{"minItems":1}`, `{"maxProperties":1}`,
	`{"dependentRequired":{"a":["b"]}}`, `{"dependentSchemas":{"a":{"required":["b"]}}}`, `{"unevaluatedProperties":false,"properties":{"a":true}}`, `{"unevaluatedItems":false}`,
}

var quickValues = []string{
	`null`, `true`, `false`, `"a"`, `"ab"`, `"äöü"`, `"abcd"`, `""`, `0`, `1`, `-1`, `2`, `10`, `11`, `1.0`, `1.5`, `1e2`, `1e-2`, `-0`, `9223372036854775807`, `9223372036854775808`, `1e300`,
	`[]`, `["a"]`, `["a","a"]`, `["a",1]`, `["a","b","c"]`, `{}`, `{"a":"x"}`, `{"a":1}`, `{"a":"x","b":2}`, `{"a":"x","b":"y"}`, `{"b":1}`, `{"a":{"a":{"a":null}}}`, `{"a":{"a":{}}}`, `{"a":1,"b":2,"c":3}`,
}

// Whatever quick says fits, fits; of what it knows, it says so of all that
// does, but for numbers that are not written as whole ones.
func TestQuickAgreesWithTheValidator(t *testing.T) {
	for i, text := range append(append([]string{}, quickSchemas...), unsureSchemas...) {
		q, c := quickPair(text)
		if q == nil {
			t.Fatalf("%s is no schema", text)
		}
		if q.unsure != (i >= len(quickSchemas)) {
			t.Errorf("%s: unsure is %v", text, q.unsure)
		}
		for _, value := range quickValues {
			v, err := strictjson.Parse([]byte(value), strictjson.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			broken, err := c.check(v)
			if err != nil {
				t.Fatal(err)
			}
			_, number := v.(json.Number)
			switch valid, sure := len(broken) == 0, q.fits(v); {
			case sure && !valid:
				t.Errorf("%s is said to fit %s", value, text)
			case valid && !sure && !q.unsure && !number:
				t.Errorf("%s is not said to fit %s", value, text)
			}
		}
	}
}

// FuzzQuick looks for a value that quick takes and the validator does not.
func FuzzQuick(f *testing.F) {
	for i, schema := range append(append([]string{}, quickSchemas...), unsureSchemas...) {
		f.Add(schema, quickValues[i%len(quickValues)])
	}
	f.Fuzz(func(t *testing.T, schema, value string) {
		if len(schema) > 4<<10 {
			return
		}
		m, err := Parse([]byte(`{"protocol_version":"0.1.0","connector_id":"https://example.org/x","connector_key":"x","version":"1.0.0","display_name":"X",
			"runtime_requirements":{"bindings":{}},"streams":[{"name":"s","primary_key":["id"],"schema":{"type":"object","properties":{"id":{"type":"string"},"v":` + schema + `}}}]}`))
		if err != nil {
			return
		}
		v, err := strictjson.Parse([]byte(`{"id":"1","v":`+value+`}`), strictjson.Limits{})
		if err != nil {
			return
		}
		s := m.Streams[0].schema
		if weight, ok := weigh(v, 64, 0); !ok || weight > maxWork/s.size || !s.quick.fits(v) {
			return
		}
		if broken, err := s.check(v); err != nil || len(broken) > 0 {
			t.Errorf("%s is said to fit %s, and does not: %v", value, schema, err)
		}
	})
}

func TestQuickAllocatesNothing(t *testing.T) {
	s, _ := parse(t, read(t, "contacts.json")).Stream("contacts")
	v, err := strictjson.Parse([]byte(`{"id":"1","display_name":null,"emails":[{"value":"a@b"}],"more":{"x":[1e3]}}`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := s.ValidateDecoded(v); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("a record that fits costs %v allocations", n)
	}
}
