package manifests_test

import (
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/manifests"
)

const notes = `{
  "connector_id": "https://connectors.example/notes",
  "connector_key": "notes",
  "version": "1.0.0",
  "display_name": "Notes",
  "runtime_requirements": {"bindings": {"network": {"required": true}}},
  "streams": [{
    "name": "notes",
    "display": {"label": "Your notes"},
    "primary_key": ["id"],
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "text": {"type": "string"}}, "required": ["id"]}
  }],
  "credentials_schema": {
    "type": "object",
    "properties": {
      "NOTES_TOKEN": {
        "type": "string", "title": "Notes token", "class": "long_lived_token",
        "send_to": [{"origin": "https://api.notes.example", "paths": ["/v1/**"], "as": "header:Authorization"}]
      }
    },
    "required": ["NOTES_TOKEN"]
  },
  "egress": [{"origin": "https://api.notes.example", "paths": ["/v1/**"]}],
  "modules": {"collector": {"path": "notes.wasm"}}
}`

func ExampleParse() {
	m, err := manifests.Parse([]byte(notes))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, _ := m.Credential("NOTES_TOKEN")
	fmt.Println(m.DisplayName, token.Class, token.SendTo[0].Origin, token.SendTo[0].Methods)

	_, err = manifests.Parse([]byte(`{"connector_id": "x", "connector_key": "x", "version": "1", "display_name": "X", "egress": {}}`))
	var faults *manifests.Faults
	if errors.As(err, &faults) {
		for _, line := range faults.Lines() {
			fmt.Println(line)
		}
	}
	// Output:
	// Notes long_lived_token https://api.notes.example [GET HEAD]
	// the document: "streams" is missing; write a list of the streams that the connector collects
	// /egress: it must be of type array; write a list of at most 128 rules {origin, methods, paths}
}

func ExampleBound_Disclose() {
	m, err := manifests.Parse([]byte(notes))
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := m.Bind(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(b.Disclose().Text())
	// Output:
	// A connector that calls itself "Notes", version "1.0.0"
	//
	// "Notes" may use your "Notes token" (a long-lived token), sent only to
	// https://api.notes.example in the header Authorization; it collects "Your
	// notes".
	//
	// What it may use
	//   - "Notes token" (NOTES_TOKEN): A long-lived token. Sallyport puts it into
	//     requests on the way out. The connector never sees it.
	//     - sent to https://api.notes.example (GET, HEAD; /v1/**) in the header
	//       Authorization
	//
	// What it collects
	//   - "Your notes"
	//
	// Where it may connect
	//   - https://api.notes.example (GET, HEAD; /v1/**)
	//
	// What it cannot do
	//   It cannot reach any other address, your files, other programs or any
	//   credential that is not listed, and it never sees a secret that it uses.
}
