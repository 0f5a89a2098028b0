package manifests

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of the streams' schemas. The compiler's time grows with the square of
// a schema's size, and a record's with its expansion; what all streams may have
// together keeps the worst manifest under a second.
const (
	maxSchemaNodes = 2048               // of one stream
	maxAllNodes    = 4 * maxSchemaNodes // of all
	maxExpansion   = 16 << 10           // schemas, every $ref replaced by what it leads to
	maxAllExpanded = 2 * maxExpansion   // of all
	maxRecursion   = 64                 // places where a schema leads back into itself
)

// schemaBudget is how much of the bounds for all streams is used up.
type schemaBudget struct{ nodes, expanded int }

// subschema is one schema inside another, and which part of an instance it is
// applied to.
type subschema struct {
	node
	step string // see the steps below
}

// The steps from an instance to the part of it that a subschema looks at: a
// named property is "." and its name, an item of a known index is "#" and the
// index.
const (
	stepSame   = ""  // the same instance
	stepKey    = "!" // the name of a property
	stepMember = "*" // any property
	stepItem   = "#" // any item
	stepNone   = "-" // nothing: it is applied by $ref only
)

// children lists the subschemas of a schema by the keywords of 2020-12.
func children(n node) []subschema {
	var list []subschema
	one := func(step string, names ...string) {
		for _, name := range names {
			if m := n.get(name); m.there {
				list = append(list, subschema{m, step})
			}
		}
	}
	one(stepSame, "not", "if", "then", "else")
	one(stepKey, "propertyNames")
	one(stepMember, "additionalProperties", "unevaluatedProperties")
	one(stepItem, "items", "contains", "unevaluatedItems")
	one(stepNone, "contentSchema")
	for _, name := range []string{"allOf", "anyOf", "oneOf"} {
		for _, item := range n.get(name).items() {
			list = append(list, subschema{item, stepSame})
		}
	}
	for i, item := range n.get("prefixItems").items() {
		list = append(list, subschema{item, fmt.Sprint(stepItem, i)})
	}
	for name, step := range map[string]string{
		"properties": ".", "patternProperties": stepMember, "dependentSchemas": stepSame, "$defs": stepNone, "definitions": stepNone,
	} {
		for _, key := range n.get(name).keys() {
			at := step
			if step == "." {
				at = step + key
			}
			list = append(list, subschema{n.get(name).get(key), at})
		}
	}
	return list
}

// subschemas returns every schema inside n, by pointer, and adds a fault for
// the keywords that would lead out of the manifest or around its bounds.
func (p *parser) subschemas(n node) map[string]node {
	all := map[string]node{}
	var walk func(n node)
	walk = func(n node) {
		if len(all) > maxSchemaNodes || p.budget.nodes > maxAllNodes {
			return
		}
		all[n.pointer] = n
		p.schemaKeywords(n, len(all) == 1)
		for _, sub := range children(n) {
			walk(sub.node)
		}
	}
	walk(n)
	p.budget.nodes += len(all)
	if len(all) > maxSchemaNodes || p.budget.nodes > maxAllNodes {
		p.add(n.pointer, fmt.Sprintf("it has more than %d subschemas, or all streams together more than %d", maxSchemaNodes, maxAllNodes), "make it simpler")
		return all
	}
	for _, sub := range all {
		if ref := sub.get("$ref"); ref.there {
			if _, ok := all[target(n, ref)]; !ok {
				p.add(ref.pointer, "it does not lead to a schema inside this one", `write "#/$defs/NAME"; nothing is ever loaded`)
			}
		}
	}
	return all
}

func (p *parser) schemaKeywords(n node, root bool) {
	if at := n.get("$schema"); at.there && strings.TrimSuffix(at.str(), "#") != dialect {
		p.add(at.pointer, "the schema is in another dialect", "write "+dialect+", or leave it out")
	}
	if at := n.get("$id"); at.there && !root {
		p.add(at.pointer, "a schema inside another has no $id", "remove it")
	}
	for _, name := range []string{"$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary", "dependencies"} {
		if at := n.get(name); at.there {
			p.add(at.pointer, name+" is not taken here", `use $ref with "#/$defs/NAME", or dependentSchemas and dependentRequired`)
		}
	}
}

// target returns the pointer that a $ref in the schema root leads to.
func target(root, ref node) string {
	fragment, ok := strings.CutPrefix(ref.str(), "#")
	if !ok || fragment != "" && fragment[0] != '/' {
		return "\x00" // nowhere
	}
	return root.pointer + pointerOf(tokens(fragment))
}

// cost refuses a schema whose checking could take time out of proportion to
// the record: one that is huge when every $ref is replaced by what it leads
// to, or that leads back into itself along two ways which one record can take
// both, so that the work doubles with each level. (The ways back, as paths
// into an instance, have to be a prefix code.) It returns the size.
func (p *parser) cost(root node, all map[string]node) int {
	e := expansion{root: root, all: all, entered: map[string]int{}}
	if p.budget.expanded <= maxAllExpanded {
		e.expand(root, nil)
	}
	p.budget.expanded += e.count
	problem := ""
	switch {
	case e.count > maxExpansion || p.budget.expanded > maxAllExpanded:
		problem = "it is too large when every $ref is replaced by what it leads to"
	case e.endless:
		problem = "a $ref leads back to itself without going into the record"
	case len(e.back) > maxRecursion || ambiguous(e.back):
		problem = "it leads back into itself along two ways that one record can take both"
	}
	if problem != "" {
		p.add(root.pointer, problem, "make it simpler: checking it could take time without bound")
	}
	return max(e.count, 1)
}

type expansion struct {
	root    node
	all     map[string]node
	entered map[string]int // schemas being expanded, and how far into an instance each began
	count   int
	endless bool
	back    [][]string // ways to where a schema leads back
}

func (e *expansion) expand(n node, way []string) {
	if e.count++; e.count > maxExpansion || e.endless || len(e.back) > maxRecursion {
		return
	}
	if depth, again := e.entered[n.pointer]; again {
		e.endless = depth == len(way)
		e.back = append(e.back, slices.Clone(way))
		return
	}
	e.entered[n.pointer] = len(way)
	defer delete(e.entered, n.pointer)
	if ref := n.get("$ref"); ref.there {
		e.expand(e.all[target(e.root, ref)], way)
	}
	for _, sub := range children(n) {
		switch sub.step {
		case stepNone:
		case stepSame:
			e.expand(sub.node, way)
		default:
			e.expand(sub.node, append(way[:len(way):len(way)], sub.step))
		}
	}
}

// ambiguous reports whether one way may be the beginning of another.
func ambiguous(ways [][]string) bool {
	for i, a := range ways {
		for _, b := range ways[:i] {
			if overlap(a, b) {
				return true
			}
		}
	}
	return false
}

func overlap(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		if !stepsMeet(a[i], b[i]) {
			return false
		}
	}
	return true
}

// stepsMeet reports whether two steps can lead to one part of an instance.
func stepsMeet(a, b string) bool {
	if a == b {
		return true
	}
	member := func(s string) bool { return s == stepMember || s[0] == '.' }
	item := func(s string) bool { return s[0] == '#' }
	any := a == stepMember || b == stepMember || a == stepItem || b == stepItem
	return any && (member(a) && member(b) || item(a) && item(b))
}
