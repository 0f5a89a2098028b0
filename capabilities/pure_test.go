package capabilities

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// pureImports is all that the package may know of the world.
var pureImports = map[string]bool{
	"crypto/ed25519": true, "crypto/sha256": true, "encoding/base64": true, "encoding/hex": true, "encoding/json": true,
	"errors": true, "fmt": true, "maps": true, "net/url": true, "reflect": true, "slices": true, "strings": true,
	"time": true, "unicode": true, "unicode/utf8": true,
	"github.com/sallyport-host/sallyport/abi":                 true,
	"github.com/sallyport-host/sallyport/internal/strictjson": true,
	"github.com/sallyport-host/sallyport/manifests":           true,
	"github.com/sallyport-host/sallyport/vaultstore":          true,
}

// TestPackageIsPure: no file, network, environment, clock, randomness,
// goroutine or variable of the package stands behind a verdict.
func TestPackageIsPure(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		read++
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range tree.Imports {
			if path := strings.Trim(spec.Path.Value, `"`); !pureImports[path] {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
		checkPure(t, f.Name(), tree)
	}
	if read < 8 {
		t.Errorf("%d files read: the test looks in the wrong place", read)
	}
}

func checkPure(t *testing.T, name string, tree *ast.File) {
	for _, decl := range tree.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			continue
		}
		for _, spec := range d.Specs {
			for _, v := range spec.(*ast.ValueSpec).Names {
				if !strings.HasPrefix(v.Name, "Err") && v.Name != "_" {
					t.Errorf("%s has the variable %s", name, v.Name)
				}
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s starts a goroutine", name)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
				switch n.Sel.Name {
				case "Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc", "Local", "LoadLocation":
					t.Errorf("%s uses time.%s", name, n.Sel.Name)
				}
			}
		}
		return true
	})
}
