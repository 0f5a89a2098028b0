package manifests

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// dialect is the JSON Schema that all our schemas are in.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// maxViolations is how many broken rules are read; a list of faults has room
// for no more.
const maxViolations = 2 * MaxFaults

var errLoad = errors.New("a $ref leads out of the manifest")

// newCompiler returns a compiler that loads nothing from anywhere: left
// alone, jsonschema/v5 would open file URLs.
func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.LoadURL = func(string) (io.ReadCloser, error) { return nil, errLoad }
	return c
}

// compiled is a schema that can be asked, and the document that it is of.
type compiled struct {
	schema *jsonschema.Schema
	doc    any
}

// compile compiles doc, a decoded schema. The error is a
// *jsonschema.ValidationError where doc breaks a meta-schema.
func compile(c *jsonschema.Compiler, doc any) (_ *compiled, err error) {
	defer func() {
		if r := recover(); r != nil { // a schema is someone else's, and so is the compiler
			err = errors.New("the schema cannot be compiled")
		}
	}()
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	const name = "urn:sallyport:schema"
	if err := c.AddResource(name, bytes.NewReader(text)); err != nil {
		return nil, err
	}
	schema, err := c.Compile(name)
	if err != nil {
		var invalid *jsonschema.ValidationError
		if errors.As(err, &invalid) {
			return nil, invalid
		}
		return nil, err
	}
	return &compiled{schema, doc}, nil
}

// check validates v, decoded with UseNumber, and returns the rules that it
// breaks, nil when there are none.
func (c *compiled) check(v any) (broken []violation, err error) {
	defer func() {
		if r := recover(); r != nil {
			broken, err = nil, errors.New("the value cannot be checked")
		}
	}()
	err = c.schema.Validate(v)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &invalid):
		return violations(invalid, c.doc), nil
	}
	return nil, errors.New("the value cannot be checked")
}

// violation is one rule of a schema that an instance breaks. It holds nothing
// of the instance but the place.
type violation struct {
	place   []string // tokens of the instance location
	keyword string
	rule    any   // the keyword's value
	within  []any // the schemas around the keyword, outermost first
}

// violations reads the leaves of e, in a fixed order.
func violations(e *jsonschema.ValidationError, doc any) []violation {
	leaves := leavesOf(e, nil)
	slices.SortFunc(leaves, func(a, b *jsonschema.ValidationError) int {
		return cmp.Or(strings.Compare(a.InstanceLocation, b.InstanceLocation), strings.Compare(a.AbsoluteKeywordLocation, b.AbsoluteKeywordLocation))
	})
	list := make([]violation, min(len(leaves), maxViolations))
	for i := range list {
		list[i] = newViolation(leaves[i], doc)
	}
	return list
}

// leavesOf appends the leaves of e. Where one of several forms would do, the
// choice is the leaf, not each form that did not fit.
func leavesOf(e *jsonschema.ValidationError, list []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	at := e.AbsoluteKeywordLocation
	switch at[strings.LastIndexByte(at, '/')+1:] {
	case "anyOf", "oneOf", "not", "contains", "minContains", "maxContains":
		return append(list, e)
	}
	if len(e.Causes) == 0 {
		return append(list, e)
	}
	for _, cause := range e.Causes {
		list = leavesOf(cause, list)
	}
	return list
}

func newViolation(e *jsonschema.ValidationError, doc any) violation {
	_, location, _ := strings.Cut(e.AbsoluteKeywordLocation, "#")
	v := violation{place: tokens(e.InstanceLocation), rule: doc}
	var holds holding // what the tokens so far lead to
	for _, token := range tokens(location) {
		switch holds {
		case holdsSchema:
			v.keyword, holds = token, keywordHolds(token)
		case holdsSchemas:
			v.keyword, holds = "", holdsSchema
		default:
			return v // the rest is inside the keyword's value
		}
		v.within = append(v.within, v.rule)
		v.rule = child(v.rule, token)
	}
	return v
}

// holding is what stands at a place of a schema.
type holding int

const (
	holdsSchema holding = iota
	holdsSchemas
	holdsData
)

// keywordHolds says what stands under a keyword of JSON Schema 2020-12.
func keywordHolds(keyword string) holding {
	switch keyword {
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "allOf", "anyOf", "oneOf", "prefixItems":
		return holdsSchemas
	case "not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema":
		return holdsSchema
	}
	return holdsData
}

// tokens splits the library's pointers, which are escaped for a URL too.
func tokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	list := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, token := range list {
		if plain, err := url.PathUnescape(token); err == nil {
			token = plain
		}
		list[i] = unescape.Replace(token)
	}
	return list
}

func pointerOf(tokens []string) string {
	pointer := ""
	for _, token := range tokens {
		pointer = pointerTo(pointer, token)
	}
	return pointer
}

// child returns what stands in v under token, nil when nothing does.
func child(v any, token string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[token]
	case []any:
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// text words the rule, as what the value would have to be.
func (v violation) text() string {
	amount := fmt.Sprint(v.rule)
	switch v.keyword {
	case "type":
		names := []string{amount}
		if list, ok := v.rule.([]any); ok {
			names = names[:0]
			for _, name := range list {
				names = append(names, fmt.Sprint(name))
			}
		}
		return "must be of type " + strings.Join(names, " or ")
	case "enum", "const":
		return "must be a value that is listed"
	case "minLength":
		return "must have at least " + amount + " characters"
	case "maxLength":
		return "must have at most " + amount + " characters"
	case "pattern":
		return "must match the pattern"
	case "format":
		return "must be a valid " + amount
	case "minimum":
		return "must be at least " + amount
	case "maximum":
		return "must be at most " + amount
	case "exclusiveMinimum":
		return "must be above " + amount
	case "exclusiveMaximum":
		return "must be below " + amount
	case "minItems":
		return "must have at least " + amount + " items"
	case "maxItems":
		return "must have at most " + amount + " items"
	case "uniqueItems":
		return "must have each item once"
	case "minProperties":
		return "must have at least " + amount + " members"
	case "maxProperties":
		return "must have at most " + amount + " members"
	case "required", "dependentRequired":
		return "must have every required member"
	case "additionalProperties", "unevaluatedProperties":
		return "must have no other members"
	case "":
		return "is not allowed"
	}
	return "breaks the rule " + v.keyword
}
