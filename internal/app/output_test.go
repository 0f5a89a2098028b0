package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/manifests"
)

func TestSayOnce(t *testing.T) {
	for text, want := range map[string]string{
		"audit log: audit log: line 3: disk full":      "audit log: line 3: disk full",
		"run: audit log: audit log: audit log: closed": "run: audit log: closed",
		"audit log: audit log is cut":                  "audit log is cut",
		"line 1: line 12 is cut":                       "line 1: line 12 is cut",
		"a: b: a: b":                                   "a: b: a: b",
		"at 12:00":                                     "at 12:00",
		"":                                             "",
	} {
		if got := sayOnce(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// What is given as an example has to be taken.
func TestExampleOf(t *testing.T) {
	options := `{"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"}, "d": {"type": "boolean"},
		"e": {"type": "string", "format": "uri"}, "f": {"type": "string", "format": "email"}, "g": {"type": "string", "format": "date"},
		"h": {"type": "string", "format": "date-time"}, "i": {"type": "string", "format": "hostname"}, "j": {"type": "string", "enum": ["x y", "z"]}}`
	m, err := manifests.Parse([]byte(strings.Replace(noteManifest, `{"pages": {"type": "integer", "title": "How many pages"}}, "required": ["pages"]`, options, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range m.Options.List() {
		if _, err := m.Options.ParseText(o.Name, fmt.Sprint(exampleOf(o))); err != nil {
			t.Errorf("%s: %v", o.Format+o.Type, err)
		}
	}
}
