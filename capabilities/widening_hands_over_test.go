package capabilities

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// What is collected, and what the host itself calls, is handed over too: an
// update that adds to it is no short confirmation.
func TestWideningOfStreamsAndHostCalls(t *testing.T) {
	raw, err := os.ReadFile("../manifests/testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	approve := func(raw []byte) Approval {
		t.Helper()
		m, err := manifests.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Bind(map[string]any{"shop": "my-shop", "mail_host": "mail.example"})
		if err != nil {
			t.Fatal(err)
		}
		scope := Scope{Owner: "ann", Connector: "c", Instance: "default", Grant: "self"}
		return NewApproval(b, scope, map[abi.Role]string{abi.RoleCollector: strings.Repeat("a", 64)}, ModeLocal, time.Now())
	}
	old := approve(raw)
	if lines := Widening(&old, approve(raw)); lines != nil {
		t.Errorf("the same again: %q", lines)
	}
	moved := strings.ReplaceAll(string(raw), "https://auth.everything.example/token", "https://evil.example/token")
	if moved == string(raw) {
		t.Fatal("the manifest has no such token_url any more")
	}
	if lines := Widening(&old, approve([]byte(moved))); !slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "https://evil.example") }) {
		t.Errorf("another token_url: %q", lines)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	doc["streams"] = append(doc["streams"].([]any), map[string]any{"name": "bank_statements", "primary_key": []string{"id"},
		"schema": map[string]any{"type": "object", "properties": map[string]any{"id": map[string]any{"type": "string"}}, "required": []string{"id"}}})
	more, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if lines := Widening(&old, approve(more)); !slices.Contains(lines, "it may collect bank_statements") {
		t.Errorf("another stream: %q", lines)
	}
}
