package manifests

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// metaSchema is the JSON Schema of our members. An editor can use it as it
// is; a fault takes its remedy from it.
//
//go:embed manifest.schema.json
var metaSchemaText []byte

// meta is the meta-schema, compiled: of a manifest, and of the two schemas
// that our keywords extend.
type meta struct {
	doc                            any
	manifest, credentials, options *compiled
}

// loadMeta compiles the meta-schema once in a process: it is a constant.
var loadMeta = sync.OnceValues(func() (*meta, error) {
	doc, err := strictjson.Parse(metaSchemaText, strictjson.Limits{MaxDepth: MaxDepth})
	if err != nil {
		return nil, fmt.Errorf("manifest.schema.json: %w", err)
	}
	m := &meta{doc: doc}
	for part, to := range map[string]**compiled{"": &m.manifest, "credentials_schema": &m.credentials, "options_schema": &m.options} {
		whole := maps.Clone(doc.(map[string]any))
		if part != "" {
			delete(whole, "properties")
			whole["$ref"] = "#/$defs/" + part
		}
		delete(whole, "$id") // each is compiled under a name of its own
		c := newCompiler()
		c.AssertFormat = true
		if *to, err = compile(c, whole); err != nil {
			return nil, fmt.Errorf("manifest.schema.json: %w", err)
		}
	}
	return m, nil
})

// keywords registers our keywords with a compiler. They annotate: they say
// what the host may do with a value, and assert nothing of it, so that the
// schema stays an ordinary one. The compiler refuses a schema that breaks
// their meta-schema.
type keywords struct{}

var _ jsonschema.ExtCompiler = keywords{}

// Compile returns nil: there is nothing to validate a value by.
func (keywords) Compile(jsonschema.CompilerContext, map[string]any) (jsonschema.ExtSchema, error) {
	return nil, nil
}

// compileOurs compiles a credentials_schema or options_schema, with formats
// asserted.
func compileOurs(doc any, meta *compiled) (*compiled, error) {
	c := newCompiler()
	c.AssertFormat = true
	c.RegisterExtension("sallyport", meta.schema, keywords{})
	return compile(c, doc)
}

// checkOurs adds a fault for everything in ours, the members that are ours,
// that the meta-schema refuses.
func (m *meta) checkOurs(ours map[string]any, faults *faultList) error {
	broken, err := m.manifest.check(any(ours))
	if err != nil {
		return err
	}
	for _, v := range broken {
		v.fault(node{value: ours}, faults)
	}
	return nil
}

// fault words a violation for an author, with the remedy that the meta-schema
// has for it. What is unknown or missing is a fault for each name.
func (v violation) fault(root node, faults *faultList) {
	at := root
	for _, token := range v.place {
		at = node{child(at.value, token), true, pointerTo(at.pointer, token)}
	}
	switch v.keyword {
	case "additionalProperties":
		v.unknownMembers(at, faults)
	case "required":
		for _, name := range (node{value: v.rule}).strs() {
			if !at.get(name).there {
				faults.add(at.pointer, fmt.Sprintf("%q is missing", name), v.remedy())
			}
		}
	case "pattern", "maxLength", "minLength":
		faults.add(at.pointer, "it does not have the right form", v.remedy())
	default:
		faults.add(at.pointer, "it "+v.text(), v.remedy())
	}
}

func (v violation) unknownMembers(at node, faults *faultList) {
	names := node{value: v.within[len(v.within)-1]}.get("properties").keys()
	for _, name := range at.keys() {
		if slices.Contains(names, name) {
			continue
		}
		remedy := "remove it; " + v.remedy()
		if near := closest(name, names); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		faults.add(at.get(name).pointer, "it is not known here", remedy)
	}
}

// remedy returns the innermost x-remedy around the rule.
func (v violation) remedy() string {
	for _, around := range slices.Backward(v.within) {
		schema, _ := around.(map[string]any)
		if remedy, ok := schema["x-remedy"].(string); ok {
			return remedy
		}
	}
	return ""
}
