package sallyport_test

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// The Go SDK depends on nothing of the host's, so it states the ABI's
// constants and functions itself. The tests here hold the two equal.

const sdkDir = "guest-sdk/go"

// noImports resolves nothing.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.ErrUnsupported }

// exportedConstants returns the exported constants of the package in dir by
// name. What the package imports is not read: a constant that depends on it
// is left out.
func exportedConstants(t *testing.T, dir string) map[string]constant.Value {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{Importer: noImports{}, Error: func(error) {}, IgnoreFuncBodies: true}
	pkg, _ := config.Check(dir, fset, files, nil) // errors: the imports that were not read
	values := map[string]constant.Value{}
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if ok && c.Exported() && c.Val().Kind() != constant.Unknown {
			values[name] = c.Val()
		}
	}
	return values
}

func TestSDKStatesTheConstants(t *testing.T) {
	host := exportedConstants(t, "abi")
	sdk := exportedConstants(t, sdkDir+"/abi")
	if len(host) < 80 || len(sdk) < 40 {
		t.Fatalf("found %d constants of the host's and %d of the SDK's: the test looks in the wrong place", len(host), len(sdk))
	}
	for name, got := range sdk {
		if want, ok := host[name]; !ok {
			t.Errorf("the SDK has %s = %v, which package abi does not know", name, got)
		} else if !constant.Compare(got, token.EQL, want) {
			t.Errorf("the SDK has %s = %v, package abi %v", name, got, want)
		}
	}
	for name := range host {
		if _, ok := sdk[name]; !ok && strings.HasPrefix(name, "Status") {
			t.Errorf("the SDK does not know %s", name)
		}
	}
}

// TestSDKImportsTheFunctions compares each go:wasmimport of the SDK with the
// signature in package abi.
func TestSDKImportsTheFunctions(t *testing.T) {
	known := map[string]abi.Func{}
	for _, f := range append(abi.Functions(), abi.WASIFunctions()...) {
		known[f.Module+" "+f.Name] = f
	}
	found := 0
	for _, s := range sources(t) {
		if layer, _ := layerOf(s.dir); layer != sdkDir {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(s.path), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Doc == nil {
				continue
			}
			for _, comment := range f.Doc.List {
				name, ok := strings.CutPrefix(comment.Text, "//go:wasmimport ")
				if !ok {
					continue
				}
				found++
				want, ok := known[name]
				if !ok {
					t.Errorf("%s imports %s, which package abi does not know", s.path, name)
					continue
				}
				params, results := valTypes(f.Type.Params), valTypes(f.Type.Results)
				if !slices.Equal(params, want.Params) || !slices.Equal(results, want.Results) {
					t.Errorf("%s imports %s as %x -> %x, package abi states %x -> %x", s.path, name, params, results, want.Params, want.Results)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d imports in the SDK: the test looks in the wrong place", found)
	}
}

// valTypes returns the WebAssembly types that Go gives the parameters or
// results of an imported function; 0 stands for one that it does not allow.
func valTypes(list *ast.FieldList) []abi.ValType {
	var all []abi.ValType
	if list == nil {
		return nil
	}
	for _, field := range list.List {
		var v abi.ValType
		switch expr := field.Type.(type) {
		case *ast.StarExpr:
			v = abi.I32
		case *ast.Ident:
			v = map[string]abi.ValType{"int32": abi.I32, "uint32": abi.I32, "int64": abi.I64, "uint64": abi.I64}[expr.Name]
		case *ast.SelectorExpr: // unsafe.Pointer
			v = abi.I32
		}
		for range max(1, len(field.Names)) {
			all = append(all, v)
		}
	}
	return all
}
