package manifests

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// ErrValue is wrapped by the errors of [Credential.ValidateValue].
var ErrValue = errors.New("the value does not fit the credential's schema")

// MaxValueBytes bounds a credential's value.
const MaxValueBytes = 64 << 10

// form is what a credential's schema asserts of a value. The rules are applied
// to the bytes, so that no copy of the value is made, save for a format.
type form struct {
	minLength, maxLength int // in characters, -1 when there is none
	pattern              *regexp.Regexp
	format               string
	formatOK             func(any) bool
}

// newForm takes the rules out of a compiled schema; the meta-schema lets no
// others in.
func newForm(s *jsonschema.Schema) *form {
	if s == nil {
		return nil
	}
	return &form{s.MinLength, s.MaxLength, s.Pattern, s.Format, jsonschema.Formats[s.Format]}
}

// ValidateValue checks a value, as a JSON string, against the credential's
// schema: minLength, maxLength, pattern and format, which is asserted here.
// The error wraps [ErrValue] and names the rule; it never holds the value, nor
// a part of it, nor its length.
func (c *Credential) ValidateValue(value []byte) error {
	broken := ""
	switch f := c.form; {
	case len(value) == 0:
		broken = "may not be empty"
	case len(value) > MaxValueBytes:
		broken = fmt.Sprintf("must have at most %d bytes", MaxValueBytes)
	case !utf8.Valid(value):
		broken = "must be UTF-8 text"
	case f == nil:
	case f.minLength >= 0 && utf8.RuneCount(value) < f.minLength:
		broken = fmt.Sprintf("must have at least %d characters", f.minLength)
	case f.maxLength >= 0 && utf8.RuneCount(value) > f.maxLength:
		broken = fmt.Sprintf("must have at most %d characters", f.maxLength)
	case f.pattern != nil && !f.pattern.Match(value):
		broken = "must match the pattern in the manifest"
	case f.formatOK != nil && !f.formatOK(string(value)):
		broken = "must be a valid " + f.format
	}
	if broken == "" {
		return nil
	}
	return valueError(c.Name + " " + broken)
}

type valueError string

func (e valueError) Error() string        { return string(e) }
func (e valueError) Is(target error) bool { return target == ErrValue }
