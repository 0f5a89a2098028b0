package abi

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// errKey and errHint are all that is said of a bad key or hint: what a guest
// sent is never quoted, as it may hold a value.
var (
	errKey  = errors.New("key must be a string or a non-empty array of strings")
	errHint = errors.New("recovery_hint must be an action of the profile or {action, retryable}")
)

// UnmarshalJSON accepts a string or a non-empty array of strings. Its error
// never quotes the input.
func (k *Key) UnmarshalJSON(b []byte) error {
	var one *string
	if json.Unmarshal(b, &one) == nil && one != nil {
		*k = Key{*one}
		return nil
	}
	var many []*string // pointers: a null part is an error, not ""
	if err := json.Unmarshal(b, &many); err != nil || len(many) == 0 {
		return errKey
	}
	key := make(Key, len(many))
	for i, part := range many {
		if part == nil {
			return errKey
		}
		key[i] = *part
	}
	*k = key
	return nil
}

// MarshalJSON writes a key of one part as a plain string. A key without parts
// is an error.
func (k Key) MarshalJSON() ([]byte, error) {
	if len(k) == 0 {
		return nil, errKey
	}
	if len(k) == 1 {
		return json.Marshal(k[0])
	}
	return json.Marshal([]string(k))
}

// Canonical returns the key as the scope's resources name it: the one part,
// or a minified JSON array of the parts. A key without parts has none: "".
func (k Key) Canonical() string {
	switch len(k) {
	case 0:
		return ""
	case 1:
		return k[0]
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode([]string(k)); err != nil {
		return "" // unreachable: strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// UnmarshalJSON accepts an action, or {action, retryable?} and no other
// member; an action outside the profile's vocabulary is an error. Its error
// never quotes the input.
func (h *RecoveryHint) UnmarshalJSON(b []byte) error {
	var hint RecoveryHint
	if json.Unmarshal(b, &hint.Action) != nil {
		var err error
		if hint, err = hintObject(b); err != nil {
			return err
		}
	}
	if !slices.Contains(RecoveryActions(), hint.Action) {
		return errHint
	}
	*h = hint
	return nil
}

// hintObject reads the members by their exact names: encoding/json alone
// would take "ACTION" too, and null for absent.
func hintObject(b []byte) (hint RecoveryHint, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return RecoveryHint{}, errHint
	}
	for name, value := range members {
		switch name {
		case "action":
			err = json.Unmarshal(value, &hint.Action)
		case "retryable":
			err = json.Unmarshal(value, &hint.Retryable)
			if hint.Retryable == nil {
				err = errHint
			}
		default:
			err = errHint
		}
		if err != nil {
			return RecoveryHint{}, errHint
		}
	}
	return hint, nil
}
