package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// ErrRecord is wrapped by the errors of [Stream.Validate] and
// [Stream.ValidateDecoded].
var ErrRecord = errors.New("the record does not fit its stream's schema")

// Bounds of a number, past which calculating with it costs more than it is
// worth: no double and no 256-bit integer is beyond them.
const (
	maxNumberBytes    = 128
	maxNumberExponent = 400
)

// maxWork bounds the values of a record times the size of its schema: the time
// that a record can take, which nothing can interrupt.
const maxWork = 1 << 23

// shownRules is how many broken rules an error about a record names.
const shownRules = 3

// recordError names places and rules of the schema, and nothing of the data.
type recordError string

func (e recordError) Error() string        { return ErrRecord.Error() + ": " + string(e) }
func (e recordError) Is(target error) bool { return target == ErrRecord }

// recordSchema is a stream's schema, and the names that are in it.
type recordSchema struct {
	*compiled
	quick *quick // says of most records that they fit
	names map[string]bool
	size  int // every $ref replaced by what it leads to; at least 1
}

// Validate checks a record's data, JSON text, against the stream's schema. The
// error wraps [ErrRecord] and names the place and the rule, never the data. A
// format is an annotation, as JSON Schema 2020-12 has it, and not asserted.
func (s *Stream) Validate(data []byte) error {
	v, err := strictjson.Parse(data, strictjson.Limits{MaxBytes: abi.MaxEmitBytes, MaxDepth: abi.MaxMessageDepth})
	var syntax *strictjson.Error
	if errors.As(err, &syntax) {
		return recordError(fmt.Sprintf("%v (byte %d)", syntax.Err, syntax.Offset))
	}
	return s.ValidateDecoded(v)
}

// ValidateDecoded is [Stream.Validate] for data that is decoded already, with
// numbers as json.Number.
func (s *Stream) ValidateDecoded(v any) error {
	if s.schema == nil {
		return recordError("the stream has no schema")
	}
	switch weight, ok := weigh(v, abi.MaxMessageDepth, 0); {
	case !ok:
		return recordError("it is nested too deep, or has a number that is too long or too large")
	case weight > maxWork/s.schema.size:
		return recordError("it has too many values for so large a schema")
	}
	if s.schema.quick.fits(v) {
		return nil
	}
	broken, err := s.schema.check(v)
	switch {
	case err != nil:
		return recordError(err.Error())
	case len(broken) == 0:
		return nil
	}
	var lines []string
	for _, b := range broken[:min(len(broken), shownRules)] {
		lines = append(lines, s.schema.place(b.place, v)+" "+b.text())
	}
	if len(broken) > len(lines) {
		lines = append(lines, "and more")
	}
	return recordError(strings.Join(lines, ", "))
}

// place writes an instance location. A member's name that the schema does not
// know is data, and shown as "*".
func (r *recordSchema) place(path []string, v any) string {
	if len(path) == 0 {
		return "data"
	}
	shown := ""
	for _, token := range path {
		if _, object := v.(map[string]any); object && !r.names[token] {
			shown += "/*"
		} else {
			shown = pointerTo(shown, token)
		}
		v = child(v, token)
	}
	return shown
}

// recordSchema checks and compiles a stream's schema.
func (p *parser) recordSchema(n node) *recordSchema {
	before := len(p.list)
	nodes := p.subschemas(n)
	size := 1
	if len(p.list) == before {
		size = p.cost(n, nodes)
	}
	if len(p.list) > before {
		return nil
	}
	doc := maps.Clone(n.value.(map[string]any))
	delete(doc, "$id") // every $ref begins with "#"
	doc["$schema"] = dialect
	c, err := compile(newCompiler(), doc)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		for _, leaf := range leavesOf(invalid, nil) {
			message := leaf.Message
			if strings.HasSuffix(message, "Of failed") {
				message = "it has none of the forms that it may have"
			}
			p.add(n.pointer+pointerOf(tokens(leaf.InstanceLocation)), "it is not JSON Schema: "+message, "see JSON Schema 2020-12; a pattern is one that RE2 knows")
		}
		return nil
	default:
		p.add(n.pointer, "the schema cannot be compiled: "+err.Error(), "see JSON Schema 2020-12")
		return nil
	}
	r := &recordSchema{compiled: c, quick: newQuick(c.schema, map[*jsonschema.Schema]*quick{}), names: map[string]bool{}, size: size}
	for _, sub := range nodes {
		for _, name := range sub.get("properties").keys() {
			r.names[name] = true
		}
	}
	return r
}

// pathWeight is how many bytes of the names on the way to a value weigh as
// much as a value: the validator writes them out at each.
const pathWeight = 32

// weigh counts the values in v, each with the names on its way, and reports
// whether they are within depth and their numbers within bounds.
func weigh(v any, depth, path int) (count int, ok bool) {
	count = 1 + path/pathWeight
	switch v := v.(type) {
	case json.Number:
		return count, saneNumber(string(v))
	case map[string]any:
		for name, e := range v {
			n, ok := weighInside(e, depth, path+len(name))
			if count += n; !ok {
				return count, false
			}
		}
	case []any:
		for _, e := range v {
			n, ok := weighInside(e, depth, path)
			if count += n; !ok {
				return count, false
			}
		}
	}
	return count, true
}

func weighInside(v any, depth, path int) (int, bool) {
	if depth == 0 {
		return 0, false
	}
	return weigh(v, depth-1, path)
}

func saneNumber(s string) bool {
	if len(s) > maxNumberBytes {
		return false
	}
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(s[i+1:])
	return err == nil && -maxNumberExponent <= exponent && exponent <= maxNumberExponent
}

// walkNumbers calls bad for each number that is not within bounds.
func walkNumbers(n node, bad func(node)) {
	switch v := n.value.(type) {
	case json.Number:
		if !saneNumber(string(v)) {
			bad(n)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walkNumbers(n.get(key), bad)
		}
	case []any:
		for i, item := range v {
			if number, ok := item.(json.Number); ok && saneNumber(string(number)) {
				continue // no pointer for each of a long list
			}
			walkNumbers(node{item, true, n.pointer + "/" + strconv.Itoa(i)}, bad)
		}
	}
}
