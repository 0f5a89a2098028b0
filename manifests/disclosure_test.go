package manifests

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.ReplaceAll(read(t, name), []byte("\r\n"), []byte("\n"))
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

// Parse refuses such texts of ours; a stream's label it keeps, and what is
// derived from another declaration never went through it.
func TestDisclosureShowsNoControls(t *testing.T) {
	const bad = "a\u202eb\x1b[31m\nc"
	b := &Bound{
		Manifest:    &Manifest{DisplayName: bad, Version: bad, Streams: []Stream{{DisplayLabel: bad}}},
		Options:     map[string]any{"o": bad},
		Credentials: []Credential{{Name: "N", Title: bad, Class: "session", Access: []abi.Access{abi.AccessUse}, ProbeCall: &Probe{Origin: "https://a.example"}}},
	}
	d := b.Disclose()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{d.Text(), string(text)} {
		if strings.ContainsAny(s, "\u202e\x1b") || strings.Contains(s, `\u001b`) || strings.Contains(s, `b\n`) {
			t.Errorf("a control character is shown: %q", s)
		}
	}
}

func TestDisclosureGolden(t *testing.T) {
	_, all := everything(t)
	for name, b := range map[string]*Bound{
		"contacts":   bind(t, parse(t, read(t, "contacts.json")), nil),
		"everything": all,
		"nothing":    bind(t, parse(t, edit(t, "contacts.json", edits{"/credentials_schema": "", "/options_schema": "", "/egress": ""})), nil),
	} {
		d := b.Disclose()
		golden(t, name+".disclosure.txt", []byte(d.Text()))
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".disclosure.json", append(text, '\n'))
		for line := range strings.Lines(d.Text()) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > textColumns {
				t.Errorf("%s: longer than %d columns: %q", name, textColumns, line)
			}
		}
		if strings.Contains(string(text), "null") {
			t.Errorf("%s: a list is null", name)
		}
	}
}
