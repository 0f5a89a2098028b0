// Package sallyport_test holds the tree to its layout: which way imports run,
// what may be imported from outside, and that every package says what it
// promises.
package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/sallyport-host/sallyport"

// source is one Go file of the tree, whatever its build constraints, parsed
// down to its imports.
type source struct {
	path    string // slash-separated, from the root
	dir     string
	pkg     string // the package's name
	doc     string
	imports []string
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// sources parses every Go file of every module of the tree, testdata left
// out.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(name)
		s := source{path: slash, dir: path.Dir(slash), pkg: tree.Name.Name, doc: tree.Doc.Text()}
		for _, spec := range tree.Imports {
			s.imports = append(s.imports, importPath(t, spec))
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("found %d Go files: the test looks in the wrong place", len(all))
	}
	return all
}

func importPath(t *testing.T, spec *ast.ImportSpec) string {
	t.Helper()
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Two packages stand beside the layers: any package may use leaf, which uses
// nothing of the tree, and any test may use testLeaf.
const (
	leaf     = "internal/strictjson"
	testLeaf = "internal/wasmtest"
)

// profiles needs a database to read a browser's profile: the CLI's main names
// it, nobody else.
const profiles = "internal/chromium"

// layers is the one direction of imports. A package belongs to the layer with
// the longest prefix, and may import its own and those named. Nothing is said
// of a layer that is not named: it is refused.
var layers = map[string][]string{
	"abi":        {},
	leaf:         {},
	testLeaf:     {"abi"},
	"manifests":  {leaf, "abi"},
	"vaultstore": {leaf, "abi"},
	// Heavy: the CLI's main names it, nobody else.
	"vaultstore/openbao":           {"abi", "vaultstore"},
	"vaultstore/openbao/vaulttest": {"abi", "vaultstore", "vaultstore/openbao"},
	"capabilities":                 {leaf, "abi", "manifests", "vaultstore"},
	"host/internal":                {leaf, "abi", "manifests", "vaultstore", "capabilities"},
	"host":                         {leaf, "abi", "manifests", "vaultstore", "capabilities", "host/internal"},
	"internal":                     {leaf, "abi", "manifests", "vaultstore", "capabilities", "host"},
	profiles:                       {"internal"},
	"sinks":                        {leaf, "abi", "manifests", "capabilities", "host"}, // heavy: the CLI's main names them, nobody else
	"cmd":                          {leaf, "abi", "manifests", "vaultstore", "capabilities", "host", "internal", "sinks", "vaultstore/openbao", profiles},
	"guest-sdk/go":                 {},
	"examples":                     {"guest-sdk/go"},
	"e2e":                          {"abi", "manifests", "vaultstore", "capabilities", "host", "guest-sdk/go", "examples"},
	"bench":                        {testLeaf, "abi", "manifests", "vaultstore", "capabilities", "host", "sinks", "guest-sdk/go", "examples"},
	"scripts":                      {},
}

// layerOf returns the layer of a folder of the tree.
func layerOf(dir string) (layer string, ok bool) {
	for name := range layers {
		if (dir == name || strings.HasPrefix(dir, name+"/")) && len(name) > len(layer) {
			layer = name
		}
	}
	return layer, layer != ""
}

func TestImportsRunOneWay(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "." {
			continue // this file
		}
		from, ok := layerOf(s.dir)
		if !ok {
			t.Errorf("%s is in no layer: name its folder in this test", s.path)
			continue
		}
		for _, imported := range s.imports {
			dir, ours := strings.CutPrefix(imported, modulePath+"/")
			if !ours {
				continue
			}
			to, ok := layerOf(dir)
			if s.isTest() && to == testLeaf {
				continue
			}
			if !ok || to != from && !slices.Contains(layers[from], to) {
				t.Errorf("%s imports %s: %s may import only %v", s.path, dir, from, layers[from])
			}
		}
	}
}

// outside names the modules from elsewhere that a layer may import, beside the
// standard library. Tests may import more. What a host's user links is decided
// here: no cloud SDK, browser or database comes in through the back.
var outside = map[string][]string{
	"abi":                {},
	leaf:                 {},
	testLeaf:             {"abi"},
	"manifests":          {"github.com/santhosh-tekuri/jsonschema/v5", "golang.org/x/net"},
	"vaultstore":         {"filippo.io/age", "github.com/gofrs/flock", "golang.org/x/crypto", "golang.org/x/sys"},
	"vaultstore/openbao": {"github.com/openbao/openbao/api/v2"},
	"capabilities":       {},
	"host/internal":      {"github.com/tetratelabs/wazero", "code.dny.dev/ssrf", "golang.org/x/net", "golang.org/x/time", "golang.org/x/sys"},
	"host":               {"github.com/tetratelabs/wazero", "golang.org/x/net", "golang.org/x/sys"},
	"internal":           {"filippo.io/age", "github.com/gofrs/flock", "golang.org/x/crypto", "golang.org/x/sys", "golang.org/x/term"},
	"cmd":                {"github.com/spf13/cobra", "github.com/spf13/pflag", "filippo.io/age", "golang.org/x/term", "golang.org/x/sys"},
	profiles:             {"modernc.org/sqlite"},
	"sinks":              {"modernc.org/sqlite", "github.com/gofrs/flock"},
	"guest-sdk/go":       {},
	"examples":           {"github.com/emersion"},
	"scripts":            {},
}

func TestLayersTakeLittleFromOutside(t *testing.T) {
	for _, s := range sources(t) {
		layer, ok := layerOf(s.dir)
		allowed, bounded := outside[layer]
		if !ok || !bounded || s.isTest() && layer != "abi" {
			continue
		}
		for _, imported := range s.imports {
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") || imported == modulePath || strings.HasPrefix(imported, modulePath+"/") {
				continue // the standard library, or ours
			}
			if !slices.ContainsFunc(allowed, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") }) {
				t.Errorf("%s imports %s: %s may take only %v from outside", s.path, imported, layer, allowed)
			}
		}
	}
}

// TestPackagesPromise: each package opens with what it guarantees; a command
// with what it does.
func TestPackagesPromise(t *testing.T) {
	docs := map[string]string{}
	mains := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		docs[s.dir] += s.doc
		mains[s.dir] = s.pkg == "main"
	}
	for dir, doc := range docs {
		switch {
		case mains[dir] && !strings.HasPrefix(doc, "Command "):
			t.Errorf("%s: the package comment of a command begins with \"Command …\", here %.40q", dir, doc)
		case !mains[dir] && !strings.HasPrefix(doc, "Package "):
			t.Errorf("%s has no package comment", dir)
		case !mains[dir] && !strings.Contains(doc, "# Promise\n"):
			t.Errorf("%s: the package comment has no section \"# Promise\"", dir)
		}
	}
}
