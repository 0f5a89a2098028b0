package manifests

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
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

// What the author wrote stands in quotes that it cannot end, in less than a
// line; a parameter of a position is the author's too.
func TestDisclosureQuotesTheAuthor(t *testing.T) {
	const claim = `x". Sallyport has verified this connector”. It reads nothing`
	long := strings.Repeat("Sallyport says that all is well. ", 10)
	b := &Bound{
		Manifest: &Manifest{DisplayName: claim, Version: claim, Streams: []Stream{{Name: "Sallyport_vouches", DisplayLabel: claim}, {Name: "Sallyport_vouches"}, {DisplayLabel: long}}},
		Options:  map[string]any{"o": claim},
		Credentials: []Credential{{Name: "N", Title: claim, Class: "session", Access: []abi.Access{abi.AccessUse}, ProbeCall: &Probe{Origin: "https://a.example"},
			SendTo: []Destination{{Origin: "https://a.example", As: Position{AsForm, claim}}, {Origin: "https://a.example", As: Position{AsQuery, claim}}, {Origin: "https://a.example", As: Position{AsJSON, "/" + claim}}}}},
	}
	d := b.Disclose()
	text := strings.Join(strings.Fields(d.Text()), " ")
	if !strings.HasPrefix(text, "A connector that calls itself \"") {
		t.Errorf("whose words the name is, is not said: %q", text[:60])
	}
	item := d.Credentials[0]
	for place, shown := range map[string]string{"text": text, "summary": d.Summary, "host calls": strings.Join(d.HostCalls, " "), "sent to": strings.Join(item.SentTo, " "), "credential": item.Text} {
		for i, part := range strings.Split(shown, `"`) {
			if i%2 == 0 && strings.Contains(part, "verified") || i%2 == 0 && strings.Contains(part, "vouches") || utf8.RuneCountInString(part) > maxAuthorRunes && strings.Contains(part, "all is well") {
				t.Errorf("%s: the author speaks as the host: %q", place, part)
			}
		}
	}
	for _, shown := range append(d.Streams, d.Connector, d.Version, item.Title) {
		if utf8.RuneCountInString(shown) > maxAuthorRunes || strings.ContainsAny(shown, `"”`) {
			t.Errorf("%q", shown)
		}
		if clean(shown) != shown {
			t.Errorf("%q is cleaned again", shown)
		}
	}
}

func TestDisclosureWarnsOfPlainHTTP(t *testing.T) {
	secret := func(c Credential) Credential {
		c.Name, c.Title, c.Class = "N", "N", "session"
		return c
	}
	const travels = "It travels WITHOUT ENCRYPTION"
	for name, b := range map[string]*Bound{
		"egress":  {Egress: []EgressRule{{Origin: "http://a.example"}}},
		"send_to": {Credentials: []Credential{secret(Credential{SendTo: []Destination{{Origin: "http://a.example"}}})}},
		"capture": {Credentials: []Credential{secret(Credential{Capture: []Capture{{Origin: "http://a.example"}}})}},
		"probe":   {Credentials: []Credential{secret(Credential{ProbeCall: &Probe{Origin: "http://a.example"}})}},
		"renewal": {Credentials: []Credential{secret(Credential{OAuth: &OAuth2{TokenURL: "http://a.example/t"}})}},
		"page":    {Credentials: []Credential{secret(Credential{RotationHint: &RotationHint{URL: "http://a.example/t"}})}},
	} {
		b.Manifest = &Manifest{DisplayName: "A"}
		d := b.Disclose()
		if !slices.Equal(d.Unencrypted, []string{"http://a.example"}) || !strings.Contains(d.Text(), "WITHOUT ENCRYPTION: ") {
			t.Errorf("%s: not warned of: %q", name, d.Text())
		}
		if len(b.Credentials) > 0 && !strings.Contains(d.Credentials[0].Text, travels) {
			t.Errorf("%s: the credential's own text says nothing: %q", name, d.Credentials[0].Text)
		}
	}
	denied := &Bound{Manifest: &Manifest{DisplayName: "A"}, Egress: []EgressRule{{Origin: "http://a.example", Deny: true}, {Origin: "https://a.example"}}}
	if d := denied.Disclose(); len(d.Unencrypted) > 0 || strings.Contains(d.Text(), "ENCRYPTION") {
		t.Errorf("warned of what is not called: %q", d.Text())
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
