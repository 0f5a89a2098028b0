package capabilities

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// The bounds of what is read here.
const (
	// MaxBytes bounds an envelope and a grant.
	MaxBytes = 1 << 20
	// MaxDepth bounds their nesting.
	MaxDepth = 32
	// MaxSerial bounds a serial, so that counting on never wraps.
	MaxSerial = 1 << 53
)

// ErrMalformed is wrapped by every error that the content of an envelope or a
// grant causes, other than a wrong signature.
var ErrMalformed = errors.New("malformed")

func malformedf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// decode reads one JSON object into a struct, strictly: every member is one
// of the struct's, spelled exactly so and there once; every field without
// omitempty or omitzero is there; null stands only where a field is tagged
// `null:"ok"`. encoding/json alone would fold case, keep the last duplicate
// and take null for anything.
func decode(raw []byte, into any) error {
	tree, err := strictjson.Parse(raw, strictjson.Limits{MaxBytes: MaxBytes, MaxDepth: MaxDepth})
	if err != nil {
		return malformedf("%w", err)
	}
	if err := shape(tree, reflect.TypeOf(into).Elem(), ""); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		wrong := (*json.UnmarshalTypeError)(nil)
		if errors.As(err, &wrong) {
			return malformedf("%s is not a %s", wrong.Field, wrong.Type.Kind())
		}
		return malformedf("a time or number is not written as it must be")
	}
	return nil
}

// shape holds a parsed value against the type that it is meant for. What is
// no struct, slice or map is left to encoding/json.
func shape(v any, t reflect.Type, at string) error {
	if t == reflect.TypeFor[json.RawMessage]() {
		return nil
	}
	if v == nil && t.Kind() != reflect.Interface {
		return malformedf("%s is null", where(at))
	}
	switch {
	case implementsUnmarshaler(t):
	case t.Kind() == reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			return malformedf("%s is not an object", where(at))
		}
		return members(object, t, at)
	case t.Kind() == reflect.Slice:
		array, ok := v.([]any)
		if !ok {
			return malformedf("%s is not an array", where(at))
		}
		for i, e := range array {
			if err := shape(e, t.Elem(), fmt.Sprintf("%s/%d", at, i)); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map:
		object, ok := v.(map[string]any)
		if !ok {
			return malformedf("%s is not an object", where(at))
		}
		for key, e := range object {
			if err := shape(e, t.Elem(), strictjson.Pointer(at, key)); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Pointer:
		return shape(v, t.Elem(), at)
	}
	return nil
}

func members(object map[string]any, t reflect.Type, at string) error {
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || name == "" {
			continue
		}
		known[name] = true
		v, there := object[name]
		switch {
		case !there && !strings.HasPrefix(options, "omit"):
			return malformedf("%s has no %q", where(at), name)
		case !there, v == nil && f.Tag.Get("null") == "ok":
			continue
		}
		if err := shape(v, f.Type, strictjson.Pointer(at, name)); err != nil {
			return err
		}
	}
	for name := range object {
		if !known[name] {
			return malformedf("%s has an unknown member %q", where(at), brief(name))
		}
	}
	return nil
}

func implementsUnmarshaler(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

func where(at string) string {
	if at == "" {
		return "the top level"
	}
	return brief(at)
}

// brief keeps an error one short line, whatever stood in the text.
func brief(s string) string {
	const most = 80
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
