package abi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// The tests of this file hold ABI.md and the package together: what one
// states and the other does not is a failure.

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the text between the heading that begins with title and the
// next of the same rank.
func section(t *testing.T, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(document(t), "\n## "+title)
	if !ok {
		t.Fatalf("ABI.md has no section %q", title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// rows returns the cells of the tables in text, heads and rules left out.
func rows(text string) [][]string {
	var all [][]string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") ||
			i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		all = append(all, cells)
	}
	return all
}

func unquote(cell string) string { return strings.Trim(cell, "`") }

// signature writes f as ABI.md's headings do, parameter names left out.
func signature(f abi.Func) string {
	types := func(list []abi.ValType) string {
		var names []string
		for _, v := range list {
			names = append(names, map[abi.ValType]string{abi.I32: "i32", abi.I64: "i64"}[v])
		}
		return strings.Join(names, ", ")
	}
	s := f.Module + "." + f.Name + "(" + types(f.Params) + ")"
	if len(f.Results) > 0 {
		s += " -> " + types(f.Results)
	}
	return s
}

// compare reports what only one of two sets holds.
func compare(t *testing.T, what string, inGo, inDoc map[string]bool) {
	t.Helper()
	for s := range inGo {
		if !inDoc[s] {
			t.Errorf("%s %q is not in ABI.md", what, s)
		}
	}
	for s := range inDoc {
		if !inGo[s] {
			t.Errorf("ABI.md states %s %q, which the package does not", what, s)
		}
	}
}

func TestDocumentListsEveryFunction(t *testing.T) {
	heading := regexp.MustCompile("^#{3,4} `([a-z_]+)\\(([^)]*)\\) -> (i64)`$")
	module := regexp.MustCompile("^#{2,3} .*`(sallyport:[a-z/0-9-]+)`$")
	inDoc := map[string]bool{}
	var current string
	for line := range strings.Lines(document(t)) {
		line = strings.TrimSuffix(line, "\n")
		if m := module.FindStringSubmatch(line); m != nil {
			current = m[1]
		}
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var types []string
		for param := range strings.SplitSeq(m[2], ", ") {
			_, valType, _ := strings.Cut(param, ": ")
			types = append(types, valType)
		}
		inDoc[fmt.Sprintf("%s.%s(%s) -> %s", current, m[1], strings.Join(types, ", "), m[3])] = true
	}
	inGo := map[string]bool{}
	for _, f := range abi.Functions() {
		inGo[signature(f)] = true
	}
	compare(t, "function", inGo, inDoc)
}

func TestDocumentListsEveryWASIFunction(t *testing.T) {
	inDoc := map[string]bool{}
	for _, cells := range rows(section(t, "10. WASI")) {
		f := fmt.Sprintf("%s.%s(%s)", abi.ModuleWASI, unquote(cells[0]), unquote(cells[1]))
		if unquote(cells[0]) != "proc_exit" {
			f += " -> i32"
		}
		inDoc[f] = true
	}
	inGo := map[string]bool{}
	for _, f := range abi.WASIFunctions() {
		inGo[signature(f)] = true
	}
	compare(t, "WASI function", inGo, inDoc)
}

func TestDocumentListsEveryStatus(t *testing.T) {
	inDoc := map[string]bool{}
	for _, cells := range rows(section(t, "3. Statuses")) {
		inDoc[cells[0]+" "+unquote(cells[1])+" "+cells[2]] = true
	}
	inGo := map[string]bool{}
	for _, s := range append(abi.Statuses(), abi.StatusOK) {
		inGo[fmt.Sprintf("%d %s %s", int64(s), s, s.Text())] = true
	}
	compare(t, "status", inGo, inDoc)
}

func TestDocumentListsEveryBound(t *testing.T) {
	values := map[string]any{
		"MaxModuleBytes": abi.MaxModuleBytes, "MaxNameBytes": abi.MaxNameBytes, "MaxEmitBytes": abi.MaxEmitBytes,
		"MaxMessageDepth": abi.MaxMessageDepth, "MaxCursorBytes": abi.MaxCursorBytes, "MaxKeyBytes": abi.MaxKeyBytes,
		"MaxInteractBytes": abi.MaxInteractBytes, "MaxLogBytes": abi.MaxLogBytes, "MaxErrorBytes": abi.MaxErrorBytes,
		"MaxReasonBytes": abi.MaxReasonBytes, "MaxTickets": abi.MaxTickets, "MaxTicketBytes": abi.MaxTicketBytes, "MaxHandles": abi.MaxHandles,
		"MaxHeadBytes": abi.MaxHeadBytes, "MaxSignBytes": abi.MaxSignBytes, "MaxResults": abi.MaxResults, "MaxHeaders": abi.MaxHeaders, "MaxURLBytes": abi.MaxURLBytes,
		"MaxRequestBodyBytes": abi.MaxRequestBodyBytes, "MaxResponseHeadBytes": abi.MaxResponseHeadBytes,
		"MaxResponseBodyBytes": abi.MaxResponseBodyBytes, "MaxWaitHandles": abi.MaxWaitHandles,
		"MaxPollSubscriptions": abi.MaxPollSubscriptions, "MaxRandomBytes": abi.MaxRandomBytes,
		"FirstHandle": abi.FirstHandle, "RevocationDelay": abi.RevocationDelay, "CancelDelay": abi.CancelDelay,
	}
	for _, name := range constants(t, "bounds.go") {
		if _, ok := values[name]; !ok {
			t.Errorf("bounds.go has %s, which this test does not know: add it here and to ABI.md", name)
		}
	}
	inGo, inDoc := map[string]bool{}, map[string]bool{}
	for name, value := range values {
		if d, ok := value.(time.Duration); ok {
			value = fmt.Sprintf("%d ms", d.Milliseconds())
		}
		inGo[fmt.Sprintf("%s %v", name, value)] = true
	}
	for _, cells := range rows(section(t, "13. Bounds")) {
		inDoc[unquote(cells[0])+" "+cells[1]] = true
	}
	compare(t, "bound", inGo, inDoc)
}

// TestDocumentNamesEveryString looks for each exported string constant of the
// package, between backticks or as a JSON string: modules, exports, classes,
// roles, codes, states, actions, message types.
func TestDocumentNamesEveryString(t *testing.T) {
	text := document(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for name, value := range stringConstants(t, file) {
			if value == "" || name == "SurrogatePrefix" || name == "SurrogateAlphabet" { // in the shape, below
				continue
			}
			seen++
			word := regexp.MustCompile("`" + regexp.QuoteMeta(value) + "`|\"" + regexp.QuoteMeta(value) + "\"|\\b" + value + "\\b")
			if !word.MatchString(text) {
				t.Errorf("ABI.md does not name %s, %q", name, value)
			}
		}
	}
	if seen < 50 {
		t.Errorf("found %d string constants in the package: the test looks in the wrong place", seen)
	}
}

// TestDocumentedSurrogateShape holds the expression in ABI.md, the constants
// and IsSurrogate to each other.
func TestDocumentedSurrogateShape(t *testing.T) {
	m := regexp.MustCompile(`(?m)^\^sp1.*\$$`).FindString(section(t, "6. "))
	if m == "" {
		t.Fatal("section 6 of ABI.md has no shape of a surrogate")
	}
	shape := regexp.MustCompile(m)
	for _, c := range abi.SurrogateAlphabet {
		s := abi.SurrogatePrefix + strings.Repeat(string(c), abi.SurrogateLen-len(abi.SurrogatePrefix))
		if !shape.MatchString(s) || !abi.IsSurrogate(s) {
			t.Errorf("%q is a surrogate by the constants, not by both the shape and IsSurrogate", s)
		}
	}
}

func TestDocumentStatesTheVersion(t *testing.T) {
	if want := fmt.Sprintf("# The Sallyport ABI, version %d\n", abi.Version); !strings.HasPrefix(document(t), want) {
		t.Errorf("ABI.md does not begin with %q", want)
	}
}

// TestDocumentIndex follows the links of the table of contents.
func TestDocumentIndex(t *testing.T) {
	text := document(t)
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		found := false
		for line := range strings.Lines(text) {
			found = found || strings.HasPrefix(line, "## ") && anchor(line[3:]) == m[1]
		}
		if !found {
			t.Errorf("ABI.md links to #%s, and no heading makes that anchor", m[1])
		}
	}
}

// anchor makes the anchor that a Markdown renderer gives a heading.
func anchor(heading string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(strings.TrimSpace(heading)))
}

// constants returns the names of the exported constants of a file.
func constants(t *testing.T, file string) []string {
	t.Helper()
	var names []string
	eachConstant(t, file, func(name string, _ ast.Expr) { names = append(names, name) })
	return names
}

// stringConstants returns the exported constants of a file that are string
// literals.
func stringConstants(t *testing.T, file string) map[string]string {
	t.Helper()
	values := map[string]string{}
	eachConstant(t, file, func(name string, value ast.Expr) {
		literal, ok := value.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return
		}
		s, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		values[name] = s
	})
	return values
}

func eachConstant(t *testing.T, file string, visit func(name string, value ast.Expr)) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range tree.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			for i, name := range value.Names {
				if name.IsExported() && i < len(value.Values) {
					visit(name.Name, value.Values[i])
				}
			}
		}
	}
}
