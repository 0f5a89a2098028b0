package profile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
)

// object reads the members of a decoded object; the first error sticks.
type object struct {
	members map[string]any
	err     error
}

func (o *object) fail(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

func (o *object) has(name string) bool { _, ok := o.members[name]; return ok }

func (o *object) only(names ...string) {
	first, found := "", false // the same one each time
	for have := range o.members {
		if !slices.Contains(names, have) && (!found || have < first) {
			first, found = have, true
		}
	}
	if found {
		o.fail("unknown member %q", clean(first))
	}
}

func (o *object) str(name string, required bool) string {
	v, ok := o.members[name]
	s, isString := v.(string)
	switch {
	case !ok && required:
		o.fail("%s is missing", name)
	case ok && !isString:
		o.fail("%s is not a string", name)
	}
	return s
}

func (o *object) boolean(name string) bool {
	v, ok := o.members[name]
	b, isBool := v.(bool)
	if ok && !isBool {
		o.fail("%s is not true or false", name)
	}
	return b
}

// count reads a whole number >= 0, nil when it is absent.
func (o *object) count(name string) *int64 {
	v, ok := o.members[name]
	if !ok {
		return nil
	}
	number, _ := v.(json.Number)
	n, err := number.Int64()
	if err != nil || n < 0 {
		o.fail("%s is not a whole number of 0 or more", name)
		return nil
	}
	return &n
}

func (o *object) hint() *abi.RecoveryHint {
	v, ok := o.members["recovery_hint"]
	if !ok {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		o.fail("recovery_hint cannot be read")
		return nil
	}
	var h abi.RecoveryHint
	if err := json.Unmarshal(raw, &h); err != nil {
		o.fail("%w", err)
		return nil
	}
	return &h
}

// keys reads a list of strings or numbers without duplicates, as text.
func (o *object) keys(name string, required bool) []string {
	v, ok := o.members[name]
	if !ok {
		if required {
			o.fail("%s is missing", name)
		}
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		o.fail("%s is not a list", name)
	}
	out := make([]string, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, item := range list {
		key := text(item)
		if !o.isText(item) || seen[key] {
			o.fail("%s holds something else than strings and numbers, each once", name)
			return nil
		}
		seen[key] = true
		out = append(out, key)
	}
	return out
}

func (*object) isText(v any) bool {
	switch v.(type) {
	case string, json.Number:
		return true
	}
	return false
}

// text returns a string or a number as it is written.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// keyOf reads a record's key.
func keyOf(v any) (abi.Key, error) {
	var key abi.Key
	switch v := v.(type) {
	case string:
		key = abi.Key{v}
	case []any:
		for _, part := range v {
			s, ok := part.(string)
			if !ok {
				return nil, fmt.Errorf("key holds something else than strings")
			}
			key = append(key, s)
		}
	}
	size := 0
	for _, part := range key {
		if part == "" {
			return nil, fmt.Errorf("key has an empty part")
		}
		size += len(part)
	}
	switch {
	case len(key) == 0:
		return nil, fmt.Errorf("key is not a string or a list of strings")
	case size > abi.MaxKeyBytes:
		return nil, fmt.Errorf("key is longer than %d bytes", abi.MaxKeyBytes)
	}
	return key, nil
}

// Clip cuts s to at most n bytes, at a character's border, and replaces what
// could act on a terminal or reorder its text: control and bidirectional
// characters. Newlines stay.
func Clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, size := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && size == 1 {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
			return '\ufffd'
		}
		return r
	}, s)
}

// clean makes a guest's name fit to be quoted in an error.
func clean(s string) string { return Clip(strings.ReplaceAll(s, "\n", " "), 64) }
