package manifests

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// quick is a schema in a form that says of most records that fit it that they
// do, without allocating: what most schemas are made of, and no more. It never
// says so of one that does not fit. What it is not sure of is for the
// validator, which also words what is wrong.
type quick struct {
	unsure bool // the schema has something that is not known here

	types      kinds // 0 is all
	values     []any // enum or const: strings, booleans, null
	properties map[string]*quick
	required   []string
	closed     bool   // no other members
	others     *quick // what other members fit, nil is anything
	items      *quick
	all        []*quick // $ref and allOf
	any        []*quick

	size    bounds // of an object or a list
	length  bounds // of a text, in characters
	between [2]*int64
	pattern *regexp.Regexp
}

// bounds are a least and a most, -1 when there is none.
type bounds struct{ least, most int }

func (b bounds) hold(n int) bool { return n >= b.least && (b.most < 0 || n <= b.most) }

// kinds is a set of JSON types.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindNumber
	kindInteger
	kindString
	kindArray
	kindObject
)

var kindNames = map[string]kinds{
	"null": kindNull, "boolean": kindBoolean, "number": kindNumber | kindInteger, "integer": kindInteger, "string": kindString, "array": kindArray, "object": kindObject,
}

// newQuick makes the quick form of a compiled schema.
func newQuick(s *jsonschema.Schema, made map[*jsonschema.Schema]*quick) *quick {
	if q, ok := made[s]; ok {
		return q
	}
	q := &quick{
		unsure:   unknown(s),
		required: s.Required,
		size:     bounds{max(s.MinItems, s.MinProperties), -1},
		length:   bounds{s.MinLength, s.MaxLength},
		pattern:  s.Pattern,
	}
	made[s] = q // a schema may lead back to itself
	if q.unsure {
		return q
	}
	for _, name := range s.Types {
		q.types |= kindNames[name]
	}
	q.sized(s)
	q.valued(s)
	q.inner(s, made)
	return q
}

// unknown reports whether s has a keyword that quick does not know.
func unknown(s *jsonschema.Schema) bool {
	return s.Always != nil && !*s.Always ||
		s.RecursiveRef != nil || s.DynamicRef != nil || s.Not != nil || s.OneOf != nil || s.If != nil ||
		s.PropertyNames != nil || s.RegexProperties || s.PatternProperties != nil || s.Dependencies != nil || s.DependentRequired != nil || s.DependentSchemas != nil ||
		s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil ||
		s.UniqueItems || s.Items != nil || s.AdditionalItems != nil || s.PrefixItems != nil || s.Contains != nil ||
		s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil || len(s.Extensions) > 0
}

// sized takes the bounds of an object and of a list, which are one here: a
// schema that has both is for the validator.
func (q *quick) sized(s *jsonschema.Schema) {
	object, list := s.MinProperties >= 0 || s.MaxProperties >= 0, s.MinItems >= 0 || s.MaxItems >= 0
	q.size.most = max(s.MaxItems, s.MaxProperties)
	if object && (list || q.types != kindObject) || list && q.types != kindArray {
		q.unsure = true
	}
}

// valued takes what a value may be.
func (q *quick) valued(s *jsonschema.Schema) {
	q.values = append(append(q.values, s.Enum...), s.Constant...)
	for _, v := range q.values {
		switch v.(type) {
		case nil, bool, string:
		default:
			q.unsure = true
		}
	}
	q.unsure = q.unsure || len(s.Enum) > 0 && len(s.Constant) > 0
	for i, bound := range []*big.Rat{s.Minimum, s.Maximum} {
		switch {
		case bound == nil:
		case bound.IsInt() && bound.Num().IsInt64():
			n := bound.Num().Int64()
			q.between[i] = &n
		default:
			q.unsure = true
		}
	}
}

// inner takes the schemas inside.
func (q *quick) inner(s *jsonschema.Schema, made map[*jsonschema.Schema]*quick) {
	if len(s.Properties) > 0 {
		q.properties = make(map[string]*quick, len(s.Properties))
	}
	for name, inside := range s.Properties {
		q.properties[name] = newQuick(inside, made)
	}
	switch others := s.AdditionalProperties.(type) {
	case bool:
		q.closed = !others
	case *jsonschema.Schema:
		q.others = newQuick(others, made)
	}
	if s.Items2020 != nil {
		q.items = newQuick(s.Items2020, made)
	}
	if s.Ref != nil {
		q.all = append(q.all, newQuick(s.Ref, made))
	}
	for _, inside := range s.AllOf {
		q.all = append(q.all, newQuick(inside, made))
	}
	for _, inside := range s.AnyOf {
		q.any = append(q.any, newQuick(inside, made))
	}
}

// fits reports whether v fits for sure.
func (q *quick) fits(v any) bool {
	if q.unsure || !q.fitsValue(v) {
		return false
	}
	for _, also := range q.all {
		if !also.fits(v) {
			return false
		}
	}
	for _, either := range q.any {
		if either.fits(v) {
			return true
		}
	}
	return len(q.any) == 0
}

func (q *quick) fitsValue(v any) bool {
	kind := kindNull
	ok := true
	switch v := v.(type) {
	case nil:
	case bool:
		kind = kindBoolean
	case string:
		kind, ok = kindString, q.fitsText(v)
	case json.Number:
		kind, ok = q.fitsNumber(string(v))
	case []any:
		kind, ok = kindArray, q.fitsList(v)
	case map[string]any:
		kind, ok = kindObject, q.fitsObject(v)
	default:
		return false
	}
	return ok && (q.types == 0 || q.types&kind != 0) && (q.values == nil || q.lists(v, kind))
}

func (q *quick) lists(v any, kind kinds) bool {
	if kind&(kindNull|kindBoolean|kindString) == 0 {
		return false // and not to be compared: a map would panic
	}
	for _, one := range q.values {
		if one == v {
			return true
		}
	}
	return false
}

func (q *quick) fitsText(s string) bool {
	if q.length.least > 0 || q.length.most >= 0 {
		if !q.length.hold(utf8.RuneCountInString(s)) {
			return false
		}
	}
	return q.pattern == nil || q.pattern.MatchString(s)
}

// fitsNumber is sure of whole numbers that are written as such, and of any
// other where no bound asks for its value.
func (q *quick) fitsNumber(s string) (kinds, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	least, most := q.between[0], q.between[1]
	if err != nil {
		return kindNumber, least == nil && most == nil
	}
	return kindInteger, (least == nil || n >= *least) && (most == nil || n <= *most)
}

func (q *quick) fitsList(list []any) bool {
	if !q.size.hold(len(list)) {
		return false
	}
	if q.items == nil {
		return true
	}
	for _, v := range list {
		if !q.items.fits(v) {
			return false
		}
	}
	return true
}

func (q *quick) fitsObject(members map[string]any) bool {
	if !q.size.hold(len(members)) {
		return false
	}
	for _, name := range q.required {
		if _, ok := members[name]; !ok {
			return false
		}
	}
	if q.properties == nil && !q.closed && q.others == nil {
		return true
	}
	for name, v := range members {
		inside, known := q.properties[name]
		switch {
		case known && !inside.fits(v), !known && q.closed, !known && q.others != nil && !q.others.fits(v):
			return false
		}
	}
	return true
}
