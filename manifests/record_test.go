package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// stream returns a stream with the given schema.
func stream(t testing.TB, schema string) *Stream {
	t.Helper()
	m := parse(t, edit(t, "contacts.json", edits{"/streams": `[{"name":"s","primary_key":["id"],"schema":` + schema + `}]`}))
	return &m.Streams[0]
}

func TestStreamValidate(t *testing.T) {
	s, _ := parse(t, read(t, "contacts.json")).Stream("contacts")
	for _, data := range []string{
		`{"id":"1"}`, `{"id":"1","display_name":null,"emails":[{"value":"a@b"}],"more":{"x":[1e3]}}`,
		`{"id":"1","updated_at":"yesterday"}`, // a format is an annotation
	} {
		if err := s.Validate([]byte(data)); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	}
	for data, want := range map[string]string{
		`{}`:                                     "data must have every required member",
		`[]`:                                     "data must be of type object",
		`{"id":1}`:                               "/id must be of type string",
		`{"id":"1","emails":{}}`:                 "/emails must be of type array",
		`{"id":"1","display_name":7}`:            "/display_name must be of type string or null",
		`{"id":"1","emails":[{"value":"a"},{}]}`: "/emails/1 must have every required member",
		`{"id":"1","emails":[{"value":"a","types":[1]}]}`:     "/emails/0/types/0 must be of type string",
		`{"id":1,"display_name":2,"emails":3,"updated_at":4}`: "/display_name must be of type string or null, /emails must be of type array, /id must be of type string, and more",
		`{"id":"1","id":"2"}`:                                 "duplicate key (byte 14)",
		`{"id":"1"`:                                           "not valid JSON (byte 9)",
		`{"id":"1"} x`:                                        "not valid JSON (byte 11)",
		`{"id":"1","n":1e999999999}`:                          "too large",
		`{"id":"1","n":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`: "nested too deep",
	} {
		err := s.Validate([]byte(data))
		if err == nil || !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", data, err, want)
		}
	}
}

// An error about a record holds nothing of it: no value, and no name of a
// member that the schema does not know.
func TestRecordErrorsHoldNoData(t *testing.T) {
	const canary = "canary4c1d"
	s := stream(t, `{"type":"object","properties":{
		"id":{"type":"string","maxLength":3,"pattern":"^x"},"kind":{"enum":["a","b"]},"one":{"const":"c"},
		"map":{"type":"object","additionalProperties":{"type":"integer"}},"closed":{"type":"object","additionalProperties":false},
		"names":{"propertyNames":{"maxLength":2}},"pattern":{"patternProperties":{"^c":{"type":"integer"}}},
		"any":{"anyOf":[{"const":1},{"type":"array"}]},"num":{"type":"integer","maximum":3},"never":false,
		"dep":{"dependentRequired":{"canary4c1d":["x"]}},"items":{"uniqueItems":true,"contains":{"type":"integer"}}
	}}`)
	for _, data := range []string{
		`{"id":%q}`, `{"kind":%q}`, `{"one":%q}`, `{"map":{%q:"x"}}`, `{"closed":{%q:1}}`, `{"names":{%q:1}}`, `{"pattern":{%q:"x"}}`, `{"any":%q}`,
		`{"num":%q}`, `{"never":%q}`, `{"dep":{%q:1}}`, `{"items":[%q,"a","a"]}`, `{"map":{"a":{%[1]q:%[1]q}}}`, `%q`, `{%[1]q:1,%[1]q:2}`,
	} {
		data = fmt.Sprintf(data, canary)
		err := s.Validate([]byte(data))
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", data, err)
		}
	}
	if err := s.Validate([]byte(`{"num":987654321}`)); err == nil || strings.Contains(err.Error(), "9876") {
		t.Errorf("a number is in the error: %v", err)
	}
	if err := s.Validate([]byte(`{"never":1}`)); err == nil || !strings.Contains(err.Error(), "/never is not allowed") {
		t.Errorf("a property that is never allowed: %v", err)
	}
}

func TestValidateDecoded(t *testing.T) {
	s, _ := parse(t, read(t, "contacts.json")).Stream("contacts")
	if err := s.ValidateDecoded(map[string]any{"id": "1", "n": json.Number("12")}); err != nil {
		t.Error(err)
	}
	for _, v := range []any{
		nil, map[string]any{"id": json.Number("1")}, map[string]any{"id": "1", "n": json.Number("1e100000000")},
		map[string]any{"id": struct{}{}}, map[string]any{"id": "x", "n": json.Number("1e")},
	} {
		if err := s.ValidateDecoded(v); !errors.Is(err, ErrRecord) {
			t.Errorf("%v: %v", v, err)
		}
	}
	if err := new(Stream).ValidateDecoded(nil); !errors.Is(err, ErrRecord) {
		t.Errorf("a stream without a schema: %v", err)
	}
	integer := stream(t, `{"properties":{"id":{"type":"integer"}}}`)
	for _, n := range []json.Number{"x", "1e400000", "", "--1"} {
		if err := integer.ValidateDecoded(map[string]any{"id": n}); err == nil {
			t.Errorf("the number %q is accepted", n)
		}
	}
}

func TestRecordSchemaFaults(t *testing.T) {
	const at = "/streams/0/schema"
	wide := strings.Repeat(`{"type":"string"},`, maxSchemaNodes) + `true`
	doubling := `{"$ref":"#/$defs/d0","properties":{"id":{}},"$defs":{`
	for i := range 30 {
		doubling += fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	doubling += `"d30":{}}}`
	for name, c := range map[string]struct {
		schema string
		want   []string
	}{
		"a file":               {`{"$ref":"file:///etc/passwd"}`, []string{at + "/$ref ~ inside"}},
		"a web address":        {`{"$ref":"https://example.com/x.json"}`, []string{at + "/$ref ~ inside"}},
		"a relative file":      {`{"properties":{"id":{"$ref":"other.json#/x"}}}`, []string{at + "/properties/id/$ref ~ inside"}},
		"nowhere":              {`{"properties":{"id":{"$ref":"#/$defs/x"}}}`, []string{at + "/properties/id/$ref ~ inside"}},
		"an anchor":            {`{"properties":{"id":{"$ref":"#x","$anchor":"x"}}}`, []string{at + "/properties/id/$anchor ~ not taken", at + "/properties/id/$ref ~ inside"}},
		"a $ref no text":       {`{"properties":{"id":{"$ref":1}}}`, []string{at + "/properties/id/$ref ~ inside"}},
		"to what is no schema": {`{"properties":{"id":{"$ref":"#/x/y"}},"x":{"y":{}}}`, []string{at + "/properties/id/$ref ~ inside"}},
		"draft 7":              {`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"id":{}}}`, []string{at + "/$schema ~ dialect"}},
		"another dialect":      {`{"$schema":"file:///x","properties":{"id":{}}}`, []string{at + "/$schema ~ dialect"}},
		"an id inside":         {`{"properties":{"id":{"$id":"https://x.example/"}}}`, []string{at + "/properties/id/$id ~ no $id"}},
		"a dynamic ref":        {`{"$dynamicRef":"#x","properties":{"id":{}}}`, []string{at + "/$dynamicRef ~ not taken"}},
		"a type":               {`{"type":"strng","properties":{"id":{}}}`, []string{at + "/type ~ none of the forms"}},
		"a pattern":            {`{"properties":{"id":{"pattern":"(?=x)"}}}`, []string{at + "/properties/id/pattern ~ not JSON Schema"}},
		"a pattern as name":    {`{"properties":{"id":{}},"patternProperties":{"[":{}}}`, []string{at + "/patternProperties/[ ~ not JSON Schema"}},
		"a negative length":    {`{"properties":{"id":{"minLength":-1}}}`, []string{at + "/properties/id/minLength ~ not JSON Schema"}},
		"too many":             {`{"properties":{"id":{}},"anyOf":[` + wide + `]}`, []string{at + " ~ subschemas"}},
		"doubling":             {doubling, []string{at + " ~ too large"}},
		"itself":               {`{"$ref":"#","properties":{"id":{}}}`, []string{at + " ~ itself"}},
		"each other":           {`{"properties":{"id":{}},"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}`, []string{at + " ~ itself"}},
		"twice at one place":   {`{"properties":{"id":{},"c":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`, []string{at + " ~ two ways"}},
		"by name and by all":   {`{"properties":{"id":{},"c":{"$ref":"#"}},"patternProperties":{"^c":{"$ref":"#"}}}`, []string{at + " ~ two ways"}},
		"at two depths":        {`{"properties":{"id":{},"c":{"allOf":[{"$ref":"#"},{"properties":{"c":{"$ref":"#"}}}]}}}`, []string{at + " ~ two ways"}},
		"by two names":         {`{"properties":{"id":{},"c":{"$ref":"#/$defs/u"}},"$defs":{"t":{"properties":{"c":{"$ref":"#/$defs/u"}}},"u":{"allOf":[{"properties":{"c":{"$ref":"#/$defs/t"}}},{"properties":{"c":{"$ref":"#/$defs/u"}}}]}}}`, []string{at + " ~ two ways"}},
		"by index and by all":  {`{"properties":{"id":{}},"prefixItems":[{"$ref":"#"}],"contains":{"$ref":"#"}}`, []string{at + " ~ two ways"}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := edit(t, "contacts.json", edits{"/streams": `[{"name":"s","primary_key":["id"],"schema":` + c.schema + `}]`})
			got := faultsOf(t, second(Parse(raw)))
			if len(got) == 0 {
				t.Fatal("accepted")
			}
			for i, want := range c.want {
				pointer, problem, _ := strings.Cut(want, " ~ ")
				if i >= len(got) || got[i].Pointer != pointer || !strings.Contains(got[i].Problem, problem) {
					t.Fatalf("faults %q, want %q", got, c.want)
				}
			}
		})
	}
}

// The last line of defence, should a $ref get past the checks: the compiler
// opens nothing, though the library would.
func TestCompilerLoadsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte("true"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"file://" + filepath.ToSlash(file), "https://example.com/schema.json", "schema.json"} {
		if _, err := compile(newCompiler(), map[string]any{"$ref": ref}); err == nil || !strings.Contains(err.Error(), errLoad.Error()) {
			t.Errorf("$ref %q: %v", ref, err)
		}
	}
}

// What all streams have together is bounded too, and so is what one record
// may cost.
func TestSchemaBudget(t *testing.T) {
	var streams []string
	for i := range maxAllNodes/maxSchemaNodes + 1 {
		streams = append(streams, fmt.Sprintf(`{"name":"s%d","primary_key":["id"],"schema":{"properties":{"id":{}},"anyOf":[%s true]}}`, i, strings.Repeat("true,", maxSchemaNodes-10)))
	}
	raw := edit(t, "contacts.json", edits{"/streams": "[" + strings.Join(streams, ",") + "]"})
	wantFaults(t, second(Parse(raw)), fmt.Sprintf("/streams/%d/schema ~ all streams together", len(streams)-1))

	expands := `{"properties":{"id":{}},"allOf":[` + strings.Repeat(`{"$ref":"#/$defs/a"},`, 100) + `true],"$defs":{"a":{"allOf":[` + strings.Repeat(`{"$ref":"#/$defs/b"},`, 70) + `true]},"b":{}}}`
	streams = streams[:0]
	for i := range 3 {
		streams = append(streams, fmt.Sprintf(`{"name":"s%d","primary_key":["id"],"schema":%s}`, i, expands))
	}
	raw = edit(t, "contacts.json", edits{"/streams": "[" + strings.Join(streams, ",") + "]"})
	wantFaults(t, second(Parse(raw)), "/streams/2/schema ~ too large")

	s := stream(t, `{"properties":{"id":{}},"items":{"anyOf":[`+strings.Repeat(`{"type":"string"},`, 100)+`true]}}`)
	list := make([]any, maxWork/50)
	if err := s.ValidateDecoded(list); err == nil || !strings.Contains(err.Error(), "too many values") {
		t.Errorf("a record of %d values: %v", len(list), err)
	}
}

func TestRecordSchemasThatAreRight(t *testing.T) {
	for name, c := range map[string]struct{ schema, good, bad string }{
		"a list":             {`{"$id":"https://x.example/s","type":"object","properties":{"id":{},"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}},"required":["id"]}`, `{"id":1,"next":{"id":2,"next":null}}`, `{"id":1,"next":{"id":2,"next":{}}}`},
		"a tree":             {`{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/$defs/n","properties":{"id":{}},"$defs":{"n":{"type":"object","properties":{"left":{"$ref":"#/$defs/n"},"right":{"$ref":"#/$defs/n"}}}}}`, `{"left":{"right":{}}}`, `{"left":{"right":1}}`},
		"children":           {`{"properties":{"id":{},"children":{"type":"array","items":{"$ref":"#"}}}}`, `{"children":[{"children":[]}]}`, `{"children":[{"children":1}]}`},
		"any JSON":           {`{"properties":{"id":{},"v":{"$ref":"#/$defs/v"}},"$defs":{"v":{"anyOf":[{"type":["string","number"]},{"type":"array","items":{"$ref":"#/$defs/v"}},{"type":"object","additionalProperties":{"$ref":"#/$defs/v"}}]}}}`, `{"v":[{"a":[1,"x"]}]}`, `{"v":[{"a":[null]}]}`},
		"an odd name":        {`{"properties":{"id":{},"a b/c":{"$ref":"#/$defs/x~1y%25"}},"$defs":{"x/y%":{"type":"string"}}}`, `{"a b/c":"x"}`, `{"a b/c":1}`},
		"data like a schema": {`{"properties":{"id":{},"$ref":{"type":"string"}},"default":{"$ref":"file:///x"},"examples":[{"$id":"x"}]}`, `{"$ref":"x"}`, `{"$ref":1}`},
	} {
		s := stream(t, c.schema)
		if err := s.Validate([]byte(c.good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Validate([]byte(c.bad)); err == nil {
			t.Errorf("%s: %s is accepted", name, c.bad)
		}
	}
}

// The canary is a value that must not be in any error.
func TestValidateValue(t *testing.T) {
	m, _ := everything(t)
	key, _ := m.Credential("API_KEY")
	id, _ := parse(t, read(t, "contacts.json")).Credential("APPLE_ID")
	const canary = "canary9e2b"
	for _, c := range []struct {
		c     *Credential
		value string
		want  string
	}{
		{key, "key_" + canary, ""},
		{key, canary, "API_KEY must match the pattern in the manifest"},
		{key, "key_1", "API_KEY must have at least 10 characters"},
		{key, "key_" + strings.Repeat(canary, 10), "API_KEY must have at most 100 characters"},
		{key, "", "API_KEY may not be empty"},
		{key, canary + "\xff", "API_KEY must be UTF-8 text"},
		{key, strings.Repeat("a", MaxValueBytes+1), "API_KEY must have at most 65536 bytes"},
		{id, canary + "@example.com", ""},
		{id, canary, "APPLE_ID must be a valid email"},
		{&Credential{Name: "X"}, canary, ""},
		{&Credential{Name: "X", form: &form{minLength: 3, maxLength: 3}}, "éé", "X must have at least 3 characters"},
		{&Credential{Name: "X", form: &form{minLength: 3, maxLength: 3}}, "ééé", ""},
	} {
		err := c.c.ValidateValue([]byte(c.value))
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want || !errors.Is(err, ErrValue)) {
			t.Errorf("%s: %v, want %q", c.c.Name, err, c.want)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
			t.Errorf("%s: the error holds the value", c.c.Name)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	s, _ := parse(b, read(b, "contacts.json")).Stream("contacts")
	data := []byte(`{"id":"1","display_name":"Ada Lovelace","updated_at":"2026-01-02T03:04:05Z","emails":[{"types":["home"],"value":"ada@example.com"},{"value":"a@example.com"}]}`)
	v, err := strictjson.Parse(data, strictjson.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Validate(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoded", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.ValidateDecoded(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := read(b, "contacts.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
