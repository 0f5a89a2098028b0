package inventory

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

var update = flag.Bool("update", false, "write docs/inventory.md")

func TestDocument(t *testing.T) {
	connectors, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "inventory.md")
	want := Markdown(connectors)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/inventory.md is not what inventory.json says; run: go test ./internal/inventory -update")
	}
}

// A name means one thing in a connector, and everything has a class or is an
// account name.
func TestConsistent(t *testing.T) {
	connectors, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if len(connectors) != 44 {
		t.Errorf("%d connectors, want all 44 of upstream", len(connectors))
	}
	keys := map[string]bool{}
	for _, c := range connectors {
		if c.Key == "" || c.Title == "" || keys[c.Key] {
			t.Errorf("connector %q: named twice or not at all", c.Key)
		}
		keys[c.Key] = true
		names := map[string]bool{}
		take := func(list ...string) {
			for _, n := range list {
				if names[n] {
					t.Errorf("%s: %s is named twice", c.Key, n)
				}
				names[n] = true
			}
		}
		session := false
		for _, cred := range c.Credentials {
			take(append(append([]string{cred.Name}, cred.Aliases...), cred.Also...)...)
			stored := cred.Class.Valid() && cred.Class != abi.ClassOneTime
			if cred.Identity == stored {
				t.Errorf("%s: %s is of class %q, identity %v", c.Key, cred.Name, cred.Class, cred.Identity)
			}
			session = session || cred.Name == "CONNECTOR_SESSION"
		}
		for _, o := range c.Options {
			take(append([]string{o.Name}, o.Aliases...)...)
		}
		if session != (len(c.Sites) > 0) {
			t.Errorf("%s: a session and the sites of its cookies go together", c.Key)
		}
	}
}
