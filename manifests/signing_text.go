package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The holes of a template's texts, beside ${options.NAME}.
const (
	holeNow    = "now"    // the time it is made, as a NumericDate
	holeExp    = "exp"    // the time it ends
	holeRandom = "random" // something no other token has
)

// signText is a text of a template, its holes cut out at parse time: what an
// option puts in is never read for holes again.
type signText []signPart

type signPart struct {
	literal string
	option  string // the option's name
	hole    string // one of the constants above
}

// parseSignText cuts s at its holes.
func parseSignText(s string) (signText, error) {
	var t signText
	for s != "" {
		before, rest, cites := strings.Cut(s, "${")
		if before != "" {
			t = append(t, signPart{literal: before})
		}
		if !cites {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		option, isOption := strings.CutPrefix(name, "options.")
		switch {
		case !closed:
			return nil, errors.New("a ${ is not closed")
		case isOption && isIdentifier(option):
			t = append(t, signPart{option: option})
		case name == holeNow || name == holeExp || name == holeRandom:
			t = append(t, signPart{hole: name})
		default:
			return nil, errors.New("it cites something else than an option, the time or a random text")
		}
		s = after
	}
	return t, nil
}

func (t signText) String() string {
	var b strings.Builder
	for _, part := range t {
		switch {
		case part.option != "":
			b.WriteString(optionOpen + part.option + optionClose)
		case part.hole != "":
			b.WriteString("${" + part.hole + "}")
		default:
			b.WriteString(part.literal)
		}
	}
	return b.String()
}

// is reports whether t is one hole and nothing else.
func (t signText) is(hole string) bool { return len(t) == 1 && t[0].hole == hole }

// moves reports whether t differs from token to token.
func (t signText) moves() bool {
	return slices.ContainsFunc(t, func(part signPart) bool { return part.hole != "" })
}

// bind puts the options in.
func (t signText) bind(options map[string]any) signText {
	out := make(signText, len(t))
	for i, part := range t {
		if part.option != "" {
			part = signPart{literal: fmt.Sprint(options[part.option])}
		}
		out[i] = part
	}
	return out
}

// signValues are what the holes of a bound text become.
type signValues struct {
	now, exp int64
	random   string
}

func (t signText) render(v signValues) any {
	switch {
	case t.is(holeNow):
		return v.now
	case t.is(holeExp):
		return v.exp
	}
	var b strings.Builder
	for _, part := range t {
		if part.hole == holeRandom {
			b.WriteString(v.random)
		}
		b.WriteString(part.literal)
	}
	return b.String()
}

// signValue is what stands at one name of a token's header or claims: a text,
// a list of texts, or a number or flag.
type signValue struct {
	text  signText
	list  []signText
	isSet bool // text is meant, be it empty
	plain any  // json.Number, int64, float64 or bool
}

func (v signValue) texts() []signText {
	if v.isSet {
		return []signText{v.text}
	}
	return v.list
}

func (v signValue) moves() bool { return slices.ContainsFunc(v.texts(), signText.moves) }

// bind puts the options in. An option that is the whole value keeps its type.
func (v signValue) bind(options map[string]any) signValue {
	if v.isSet && len(v.text) == 1 && v.text[0].option != "" {
		if value := options[v.text[0].option]; !isString(value) {
			return signValue{plain: value}
		}
	}
	v.text = v.text.bind(options)
	list := make([]signText, len(v.list))
	for i, t := range v.list {
		list[i] = t.bind(options)
	}
	v.list = list
	return v
}

func isString(v any) bool { _, ok := v.(string); return ok }

func (v signValue) render(values signValues) any {
	switch {
	case v.plain != nil:
		return v.plain
	case v.isSet:
		return v.text.render(values)
	}
	list := make([]any, len(v.list))
	for i, t := range v.list {
		list[i] = t.render(values)
	}
	return list
}

// String is the value as an author wrote it.
func (v signValue) String() string {
	switch {
	case v.plain != nil:
		return fmt.Sprint(v.plain)
	case v.isSet:
		return v.text.String()
	}
	list := make([]string, len(v.list))
	for i, t := range v.list {
		list[i] = t.String()
	}
	return strings.Join(list, ", ")
}

// pin is the value in a form that tells a literal "${now}" from the hole.
func (v signValue) pin() any {
	if v.plain != nil {
		return v.plain
	}
	out := []any{v.isSet}
	for _, t := range v.texts() {
		var parts [][3]string
		for _, part := range t {
			parts = append(parts, [3]string{part.literal, part.option, part.hole})
		}
		out = append(out, parts)
	}
	return out
}

// plainNumber reads a json.Number in the one form of its value, so that a token
// says 1 where the manifest says 1.0.
func plainNumber(n json.Number) any {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i
	}
	f, _ := n.Float64() // the parser has bounded it
	return f
}
