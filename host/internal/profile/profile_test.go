package profile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

const manifest = `{
  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/test", "connector_key": "test",
  "version": "1.0.0", "display_name": "Test", "runtime_requirements": {"bindings": {}},
  "streams": [
    {"name": "notes", "semantics": "mutable_state", "primary_key": ["id"], "consent_time_field": "at", "coverage_strategy": "full_inventory",
     "schema": {"type": "object", "properties": {"id": {"type": "string"}, "at": {"type": "string"}, "text": {"type": "string"}, "extra": {"type": "string"}}, "required": ["id"]}},
    {"name": "parts", "semantics": "mutable_state", "primary_key": ["note", "n"], "coverage_strategy": "full_inventory",
     "schema": {"type": "object", "properties": {"note": {"type": "string"}, "n": {"type": "integer"}}, "required": ["note", "n"]}},
    {"name": "other", "semantics": "mutable_state", "primary_key": ["id"], "coverage_strategy": "full_inventory",
     "schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}]
}`

func checker(t testing.TB) *Checker {
	t.Helper()
	m, err := manifests.Parse([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(m, abi.Scope{Streams: []abi.StreamScope{
		{Name: "notes", Fields: []string{"text"}, Resources: []string{"a", "b"}, TimeRange: &abi.TimeRange{Since: "2026-01-01T00:00:00Z", Until: "2027-01-01T00:00:00Z"}},
		{Name: "parts"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func record(stream, key, data, more string) string {
	return fmt.Sprintf(`{"type":"RECORD","stream":%q,"key":%s,"data":%s,"emitted_at":"2026-05-01T10:00:00.5+02:00"%s}`, stream, key, data, more)
}

func TestCheck(t *testing.T) {
	note := func(key, data string) string { return record("notes", key, data, "") }
	deep := strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70)
	for _, c := range []struct{ name, line, says string }{
		{"record", note(`"a"`, `{"id":"a","text":"x","at":"2026-03-01T00:00:00Z"}`), ""},
		{"key as a list", note(`["b"]`, `{"id":"b","at":"2026-03-01"}`), ""},
		{"compound key, a number in the data", record("parts", `["x","7"]`, `{"note":"x","n":7}`, ""), ""},
		{"delete", `{"type":"RECORD","stream":"notes","key":"a","op":"delete","emitted_at":"2026-05-01T10:00:00Z"}`, ""},
		{"delete with data", record("notes", `"a"`, `{"id":"a"}`, `,"op":"delete"`), ""},
		{"first instant of the range", note(`"a"`, `{"id":"a","at":"2026-01-01T00:00:00Z"}`), ""},

		{"not an object", `[]`, "a JSON object"},
		{"no type", `{}`, "none that a connector may emit"},
		{"unknown type", `{"type":"ASSISTANCE"}`, "none that a connector may emit"},
		{"interaction", `{"type":"INTERACTION"}`, "through interact"},
		{"duplicate key", `{"type":"RECORD","type":"STATE"}`, "duplicate key"},
		{"duplicate key deep in the data", note(`"a"`, `{"id":"b","id":"a"}`), "duplicate key"},
		{"deep", deep, "too deep"},
		{"trailing", `{"type":"DONE"} x`, "not valid JSON"},
		{"unknown member", note(`"a"`, `{"id":"a"},"secret":1`), `unknown member "secret"`},
		{"stream not in scope", record("other", `"a"`, `{"id":"a"}`, ""), `stream "other" is not in scope`},
		{"no stream", `{"type":"RECORD","key":"a"}`, "missing"},
		{"upsert", record("parts", `["x","7"]`, `{"note":"x","n":7}`, `,"op":"upsert"`), "delete"},
		{"empty op", record("parts", `["x","7"]`, `{"note":"x","n":7}`, `,"op":""`), "delete"},
		{"emitted_at", strings.Replace(note(`"a"`, `{"id":"a"}`), "2026-05-01T10:00:00.5+02:00", "yesterday", 1), "RFC 3339"},
		{"key of numbers", record("parts", `["x",7]`, `{"note":"x","n":7}`, ""), "strings"},
		{"key too short", record("parts", `"x"`, `{"note":"x","n":7}`, ""), "1 parts"},
		{"empty key", note(`""`, `{"id":""}`), "empty part"},
		{"key is not the data's", note(`"a"`, `{"id":"b","at":"2026-03-01"}`), "data.id is not the key"},
		{"key from null", record("parts", `["x","null"]`, `{"note":"x","n":null}`, ""), "data.n is not the key"},
		{"long key", note(`"`+strings.Repeat("a", 5000)+`"`, `{}`), "longer than"},
		{"resource not in scope", note(`"c"`, `{"id":"c","at":"2026-03-01"}`), "resources"},
		{"field not in scope", note(`"a"`, `{"id":"a","at":"2026-03-01","extra":"x"}`), `field "extra"`},
		{"before the range", note(`"a"`, `{"id":"a","at":"2025-12-31"}`), "before"},
		{"first instant after the range", note(`"a"`, `{"id":"a","at":"2027-01-01T00:00:00Z"}`), "after"},
		{"no time", note(`"a"`, `{"id":"a"}`), "not a time"},
		{"delete with more than its key", record("notes", `"a"`, `{"id":"a","at":"1999-01-01"}`, `,"op":"delete"`), "no more"},
		{"against the schema", note(`"a"`, `{"id":"a","at":"2026-03-01","text":7}`), "text"},
		{"no data", `{"type":"RECORD","stream":"notes","key":"a","emitted_at":"2026-05-01T10:00:00Z"}`, "data is not an object"},

		{"state", `{"type":"STATE","stream":"notes","cursor":{"n":1}}`, ""},
		{"state not in scope", `{"type":"STATE","stream":"other","cursor":{}}`, "not in scope"},
		{"state without an object", `{"type":"STATE","stream":"notes","cursor":"x"}`, "not an object"},
		{"state too long", `{"type":"STATE","stream":"notes","cursor":{"x":"` + strings.Repeat("a", abi.MaxCursorBytes) + `"}}`, "longer than"},

		{"progress", `{"type":"PROGRESS","message":"half","stream":"notes","count":1,"total":2,"provider_budget":{}}`, ""},
		{"progress without words", `{"type":"PROGRESS","message":""}`, "empty"},
		{"progress with a negative count", `{"type":"PROGRESS","message":"x","count":-1}`, "count"},
		{"progress with half a count", `{"type":"PROGRESS","message":"x","count":1.5}`, "count"},

		{"skip", `{"type":"SKIP_RESULT","stream":"notes","reason":"scope_not_supported","recovery_hint":"not_retriable"}`, ""},
		{"skip with a long text", `{"type":"SKIP_RESULT","message":"` + strings.Repeat("a", 5000) + `"}`, "longer than"},
		{"skip with a bad hint", `{"type":"SKIP_RESULT","recovery_hint":"pray"}`, "recovery_hint"},
		{"skip with a bad continuation", `{"type":"SKIP_RESULT","continuation":{"owner":"me"}}`, "owner"},
		{"coverage", `{"type":"DETAIL_COVERAGE","reference_only":true,"stream":"notes","state_stream":"parts","required_keys":["a",1],"hydrated_keys":[1],"gap_keys":["a"]}`, ""},
		{"coverage of what was not required", `{"type":"DETAIL_COVERAGE","reference_only":true,"stream":"notes","state_stream":"parts","required_keys":[],"hydrated_keys":["a"]}`, "required_keys"},
		{"coverage twice", `{"type":"DETAIL_COVERAGE","reference_only":true,"stream":"notes","state_stream":"parts","required_keys":["a","a"],"hydrated_keys":[]}`, "each once"},
		{"coverage without its mark", `{"type":"DETAIL_COVERAGE","stream":"notes","state_stream":"parts","required_keys":[],"hydrated_keys":[]}`, "reference_only"},
		{"gap", `{"type":"DETAIL_GAP","stream":"notes","record_key":"a","retryable":true,"detail_locator":{"x":1}}`, ""},
		{"gap with a bad locator", `{"type":"DETAIL_GAP","stream":"notes","detail_locator":"x"}`, "detail_locator"},

		{"done", `{"type":"DONE","status":"succeeded","records_emitted":3}`, ""},
		{"failed", `{"type":"DONE","status":"failed","records_emitted":0,"error":{"message":"m","retryable":true,"code":"a_1","recovery_hint":{"action":"unknown","retryable":false}}}`, ""},
		{"done without a count", `{"type":"DONE","status":"succeeded"}`, "records_emitted"},
		{"done, status", `{"type":"DONE","status":"fine","records_emitted":0}`, "status"},
		{"succeeded with an error", `{"type":"DONE","status":"succeeded","records_emitted":0,"error":{"message":"m"}}`, "does not go"},
		{"error with an unknown member", `{"type":"DONE","status":"failed","records_emitted":0,"error":{"message":"m","stack":"x"}}`, `unknown member "stack"`},
		{"error with a bad code", `{"type":"DONE","status":"failed","records_emitted":0,"error":{"message":"m","code":"A b"}}`, "code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := checker(t).Check([]byte(c.line))
			switch {
			case c.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.says == "" && string(m.Line) != c.line:
				t.Errorf("the line was changed: %s", m.Line)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestErrorsQuoteNoData(t *testing.T) {
	const canary = "canary-7f3Kq9zX2mW8"
	for _, line := range []string{
		record("notes", `"a"`, `{"id":"a","at":"2026-03-01","text":["`+canary+`"]}`, ""),
		record("notes", `"`+canary+`"`, `{"id":"a"}`, ""),
		record("parts", `["x","7"]`, `{"note":"`+canary+`","n":7}`, ""),
		`{"type":"STATE","stream":"notes","cursor":"` + canary + `"}`,
	} {
		if _, err := checker(t).Check([]byte(line)); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%v", err)
		}
	}
}

func TestAScopeMustBeDeclared(t *testing.T) {
	m, err := manifests.Parse([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, abi.Scope{Streams: []abi.StreamScope{{Name: "nope"}}}); err == nil {
		t.Error("no error")
	}
	if _, err := New(m, abi.Scope{Streams: []abi.StreamScope{{Name: "notes", TimeRange: &abi.TimeRange{Since: "soon"}}}}); err == nil {
		t.Error("a time range that is none: no error")
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n\ttext": "plain\n\ttext", "a\x1b[31mb": "a\ufffd[31mb", "x\u202ey\u2066z": "x\ufffdy\ufffdz", "tü": "t", "12345": "12",
	} {
		n := 100
		if want == "t" || want == "12" {
			n = 2
		}
		if got := Clip(in, n); got != want {
			t.Errorf("Clip(%q, %d) = %q, want %q", in, n, got, want)
		}
	}
}

// FuzzCheck checks that a record that passes says what it said to a decoder of
// its own.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(record("parts", `["x","7"]`, `{"note":"x","n":7}`, "")))
	f.Add([]byte(`{"type":"DONE","status":"failed","records_emitted":1e0,"error":{"message":"\u0000"}}`))
	f.Add([]byte(`{"type":"DETAIL_COVERAGE","reference_only":true,"stream":"notes","state_stream":"parts","required_keys":[1],"hydrated_keys":[]}`))
	c := checker(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := c.Check(line)
		if err != nil {
			return
		}
		var plain struct {
			Type   abi.MessageType
			Stream string
		}
		if err := json.Unmarshal(line, &plain); err != nil || plain.Type != m.Type || plain.Stream != m.Stream {
			t.Fatalf("Check(%q) = %+v, encoding/json says %+v, %v", line, m, plain, err)
		}
	})
}

func BenchmarkCheckRecord(b *testing.B) {
	c := checker(b)
	line := []byte(record("notes", `"a"`, `{"id":"a","text":"some words of a note","at":"2026-03-01T00:00:00Z"}`, ""))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Check(line); err != nil {
			b.Fatal(err)
		}
	}
}
