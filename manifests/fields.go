package manifests

import (
	"regexp"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Undeclared returns those of fields, top-level members of a record, that the
// stream's schema does not name: neither among its properties or
// patternProperties, nor through $ref, allOf and their like, nor by an
// additionalProperties that is a schema. A schema that names none at all
// leaves its fields open.
func (s *Stream) Undeclared(fields []string) []string {
	if s.schema == nil {
		return nil
	}
	d := declared{names: map[string]bool{}, seen: map[*jsonschema.Schema]bool{}}
	d.add(s.schema.schema)
	if d.open || len(d.names) == 0 && len(d.patterns) == 0 {
		return nil
	}
	var list []string
	for _, name := range fields {
		if !d.has(name) {
			list = append(list, name)
		}
	}
	return list
}

// declared are the members that a schema names.
type declared struct {
	names    map[string]bool
	patterns []*regexp.Regexp
	open     bool // it has a schema for all others
	seen     map[*jsonschema.Schema]bool
}

func (d *declared) has(name string) bool {
	if d.names[name] {
		return true
	}
	for _, p := range d.patterns {
		if p.MatchString(name) {
			return true
		}
	}
	return false
}

// add takes in a schema and all that apply to the same instance.
func (d *declared) add(schemas ...*jsonschema.Schema) {
	for _, s := range schemas {
		if s == nil || d.seen[s] {
			continue
		}
		d.seen[s] = true
		for name := range s.Properties {
			d.names[name] = true
		}
		for pattern := range s.PatternProperties {
			d.patterns = append(d.patterns, pattern)
		}
		others, ok := s.AdditionalProperties.(*jsonschema.Schema)
		d.open = d.open || ok && others.Always == nil || s.UnevaluatedProperties != nil && s.UnevaluatedProperties.Always == nil
		d.add(s.Ref, s.DynamicRef, s.RecursiveRef, s.If, s.Then, s.Else)
		d.add(s.AllOf...)
		d.add(s.AnyOf...)
		d.add(s.OneOf...)
		for _, dependent := range s.DependentSchemas {
			d.add(dependent)
		}
	}
}
