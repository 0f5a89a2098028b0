package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// The manifests that the reference implementation publishes all load, as they
// are, and none runs before it says where each credential may go.
func TestUpstreamManifests(t *testing.T) {
	dir := os.Getenv("UPSTREAM_MANIFESTS")
	if dir == "" {
		t.Skip("skip: needs UPSTREAM_MANIFESTS, the folder of the connector manifests of PDP-Connect/pdpp")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d manifests in UPSTREAM_MANIFESTS, want 30: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.ConnectorKey == "" || len(m.Streams) == 0 || len(m.Bindings) == 0 {
				t.Errorf("incomplete: %q, %d streams, bindings %v", m.ConnectorKey, len(m.Streams), m.Bindings)
			}
			capture := strings.Contains(string(raw), `"credential_capture"`)
			if m.NotRunnable == "" || capture != strings.Contains(m.NotRunnable, "setup.credential_capture") {
				t.Errorf("NotRunnable is %q", m.NotRunnable)
			}
			if len(m.Warnings) > 0 {
				t.Errorf("warnings: %q", m.Warnings)
			}
			b, err := m.Bind(requiredOptions(m))
			if err != nil {
				t.Fatal(err)
			}
			if d := b.Disclose(); d.Summary == "" || len(d.Streams) != len(m.Streams) {
				t.Error("no disclosure")
			}
		})
	}
}

// requiredOptions gives each option that has to be there a value.
func requiredOptions(m *Manifest) map[string]any {
	options := map[string]any{}
	for _, o := range m.Options.List() {
		if o.Required {
			options[o.Name] = "https://source.example"
		}
	}
	return options
}

// expected is what was found by reading a manifest.
type expected struct {
	Key         string               `json:"key"`
	Credentials []expectedCredential `json:"credentials"`
	Options     []expectedCredential `json:"options"`
}

type expectedCredential struct {
	Name       string    `json:"name"`
	Class      abi.Class `json:"class"`
	Identity   bool      `json:"identity"`
	Aliases    []string  `json:"aliases"`
	Undeclared bool      `json:"undeclared"`
}

func (e expectedCredential) String() string {
	return fmt.Sprintf("%s class=%s identity=%v aliases=%v", e.Name, e.Class, e.Identity, e.Aliases)
}

// Every credential, alias, class, identity and option of each manifest is as
// the inventory has it, which was written by reading them.
func TestUpstreamCredentials(t *testing.T) {
	dir := os.Getenv("UPSTREAM_MANIFESTS")
	if dir == "" {
		t.Skip("skip: needs UPSTREAM_MANIFESTS, the folder of the connector manifests of PDP-Connect/pdpp")
	}
	inventory := readInventory(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d manifests in UPSTREAM_MANIFESTS, want 30: %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := parse(t, raw)
		want, ok := inventory[m.ConnectorKey]
		if !ok {
			t.Errorf("%s is not in the inventory", m.ConnectorKey)
			continue
		}
		var got []string
		for _, c := range m.Credentials {
			if len(c.SendTo) > 0 {
				t.Errorf("%s: %s goes somewhere", m.ConnectorKey, c.Name)
			}
			got = append(got, expectedCredential{Name: c.Name, Class: c.Class, Identity: c.Identity, Aliases: c.Aliases}.String())
		}
		for _, o := range m.Options.List() {
			got = append(got, "option "+o.Name)
		}
		slices.Sort(got)
		if lines := want.lines(); !slices.Equal(got, lines) {
			t.Errorf("%s:\n got %q\nwant %q", m.ConnectorKey, got, lines)
		}
	}
}

func (e expected) lines() (list []string) {
	for _, c := range e.Credentials {
		if !c.Undeclared {
			list = append(list, c.String())
		}
	}
	for _, o := range e.Options {
		if !o.Undeclared {
			list = append(list, "option "+o.Name)
		}
	}
	slices.Sort(list)
	return list
}

func readInventory(t *testing.T) map[string]expected {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "internal", "inventory", "inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Connectors []expected `json:"connectors"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	byKey := map[string]expected{}
	for _, c := range doc.Connectors {
		byKey[c.Key] = c
	}
	return byKey
}

// A manifest of upstream's shape needs nobody's folder to be tested.
func TestDerivesCredentials(t *testing.T) {
	const manifest = `{"connector_id":"x","connector_key":"x","version":"1","display_name":"X","streams":[{"name":"a","schema":{},"primary_key":["id"]}],
		"runtime_requirements":{"bindings":{"network":{},"browser":{}},"environment_variables":["X_FEED_URL","X_BASE_URL","X_COOKIE","X_TOKEN"]},
		"capabilities":{"auth":{"kind":"env","required":["X_TOKEN",["X_PAT","X_KEY"]]}},
		"setup":{"credential_capture":{"kind":"username_password","fields":[
			{"name":"username","secret":true,"env":["X_USER"],"required":true},
			{"name":"password","secret":true,"label":"Password","env":["X_PASSWORD","X_OLD_PASSWORD"]},
			{"name":"secret","secret":true,"env":["X_APP"]},
			{"name":"host","env":["X_HOST"],"required":true}]}}}`
	m := parse(t, []byte(manifest))
	var got []string
	for _, c := range m.Credentials {
		got = append(got, expectedCredential{Name: c.Name, Class: c.Class, Identity: c.Identity, Aliases: c.Aliases}.String())
	}
	want := []string{
		"CONNECTOR_SESSION class=session identity=false aliases=[]",
		"X_APP class=long_lived_token identity=false aliases=[secret]",
		"X_COOKIE class=session identity=false aliases=[]",
		"X_FEED_URL class=long_lived_token identity=false aliases=[]",
		"X_PASSWORD class=password identity=false aliases=[X_OLD_PASSWORD password]",
		"X_PAT class=long_lived_token identity=false aliases=[X_KEY]",
		"X_TOKEN class=long_lived_token identity=false aliases=[]",
		"X_USER class= identity=true aliases=[username]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("credentials:\n got %q\nwant %q", got, want)
	}
	if !slices.Equal(m.Options.Names, []string{"X_BASE_URL", "X_HOST"}) {
		t.Errorf("options: %q", m.Options.Names)
	}
	if m.NotRunnable == "" {
		t.Error("it may run, though nobody has said where its secrets go")
	}
	nameless := strings.Replace(manifest, `"name":"secret","secret":true,"env":["X_APP"]`, `"secret":true,"env":["not a name"]`, 1)
	_, err := Parse([]byte(nameless))
	wantFaults(t, err, "/setup/credential_capture/fields/2 ~ names no environment variable")
}

func BenchmarkParseUpstream(b *testing.B) {
	dir := os.Getenv("UPSTREAM_MANIFESTS")
	if dir == "" {
		b.Skip("skip: needs UPSTREAM_MANIFESTS, the folder of the connector manifests of PDP-Connect/pdpp")
	}
	for _, name := range []string{"apple_contacts.json", "ynab.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
