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
