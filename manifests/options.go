package manifests

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Options is a manifest's options_schema: the settings that are no secrets.
// A nil *Options has none.
type Options struct {
	Names  []string // ordered
	Titles map[string]string
	list   []Option
	schema *compiled
}

// Option is one setting.
type Option struct {
	Name        string
	Title       string // the name when the manifest gives none
	Description string
	Type        string // "string", "integer", "number" or "boolean"
	Format      string // of a string, "" when it has none
	Required    bool
	Default     any   // nil when there is none
	Enum        []any // the only values, nil when there are others
}

// List returns the options, ordered by name.
func (o *Options) List() []Option {
	if o == nil {
		return nil
	}
	return slices.Clone(o.list)
}

// Lookup returns the option of that name.
func (o *Options) Lookup(name string) (Option, bool) {
	if o == nil {
		return Option{}, false
	}
	i, ok := slices.BinarySearch(o.Names, name)
	if !ok {
		return Option{}, false
	}
	return o.list[i], true
}

// Defaults returns the values that hold when the owner says nothing.
func (o *Options) Defaults() map[string]any {
	values := map[string]any{}
	for _, option := range o.List() {
		if option.Default != nil {
			values[option.Name] = option.Default
		}
	}
	return values
}

// ParseText reads a value as a command line or a prompt gives it, by the
// option's type.
func (o *Options) ParseText(name, text string) (any, error) {
	option, ok := o.Lookup(name)
	if !ok {
		return nil, o.unknown(name)
	}
	switch option.Type {
	case "integer", "number":
		if !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("option %s is a number", name)
		}
		return normalOption(json.Number(text), option.Type)
	case "boolean":
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("option %s is true or false", name)
	}
	return text, nil
}

func (o *Options) unknown(name string) error {
	faults := &faultList{}
	o.addUnknown(name, faults)
	return faults.err()
}

func (o *Options) addUnknown(name string, faults *faultList) {
	remedy := "the connector has no options"
	if o != nil && len(o.Names) > 0 {
		remedy = fmt.Sprintf("the options are %q", o.Names)
		if near := closest(name, o.Names); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
	}
	faults.add(pointerTo("", name), "it is not an option of the connector", remedy)
}

// Validate checks values. The error is a *[Faults] whose pointers lead into
// values.
func (o *Options) Validate(values map[string]any) error {
	_, faults := o.complete(values)
	return faults.err()
}

// complete returns values with the defaults put in and every number in one
// form: int64 for an integer, float64 for another number.
func (o *Options) complete(values map[string]any) (map[string]any, *faultList) {
	faults := &faultList{}
	all := o.Defaults()
	for name, value := range values {
		option, ok := o.Lookup(name)
		if !ok {
			o.addUnknown(name, faults)
			continue
		}
		normal, err := normalOption(value, option.Type)
		if err != nil {
			faults.add(pointerTo("", name), err.Error(), "")
			continue
		}
		all[name] = normal
	}
	for _, option := range o.List() {
		at := pointerTo("", option.Name)
		if _, ok := all[option.Name]; option.Required && !ok && !faults.under(at) {
			faults.add(at, "it is missing", "give a value for "+option.Title)
		}
	}
	if o != nil && len(faults.list) == 0 {
		o.check(all, faults)
	}
	return all, faults
}

func (o *Options) check(values map[string]any, faults *faultList) {
	broken, err := o.schema.check(values)
	if err != nil {
		faults.add("", err.Error(), "")
	}
	for _, v := range broken {
		faults.add(pointerOf(v.place), "it "+v.text(), "")
	}
}

// normalOption returns v in the one form of its type.
func normalOption(v any, kind string) (any, error) {
	switch kind {
	case "string":
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, fmt.Errorf("it is not a text")
	case "boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, fmt.Errorf("it is not true or false")
	}
	f, ok := asFloat(v)
	switch {
	case !ok || math.IsNaN(f) || math.IsInf(f, 0):
		return nil, fmt.Errorf("it is not a number")
	case kind == "number":
		return f, nil
	case f != math.Trunc(f) || math.Abs(f) >= 1<<53:
		return nil, fmt.Errorf("it is not a whole number of less than 2^53")
	}
	return int64(f), nil
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}
