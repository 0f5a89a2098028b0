package abi

import (
	"encoding/json"
	"errors"
	"strings"
)

// UnmarshalJSON accepts a string or an array of strings.
func (k *Key) UnmarshalJSON(b []byte) error {
	var one string
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		*k = Key{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil || len(many) == 0 {
		return errors.New("key must be a string or a non-empty array of strings")
	}
	*k = many
	return nil
}

// MarshalJSON writes a key of one part as a plain string.
func (k Key) MarshalJSON() ([]byte, error) {
	if len(k) == 1 {
		return json.Marshal(k[0])
	}
	return json.Marshal([]string(k))
}

// Canonical returns the key as the scope's resources name it: the one part,
// or a minified JSON array of the parts.
func (k Key) Canonical() string {
	if len(k) == 1 {
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

// UnmarshalJSON accepts a string or {action, retryable?}; an action outside
// the profile's vocabulary is an error.
func (h *RecoveryHint) UnmarshalJSON(b []byte) error {
	type plain RecoveryHint
	var p plain
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &p.Action); err != nil {
			return err
		}
	} else if err := json.Unmarshal(b, &p); err != nil {
		return errors.New("recovery_hint must be a string or {action, retryable}")
	}
	for _, a := range RecoveryActions() {
		if p.Action == a {
			*h = RecoveryHint(p)
			return nil
		}
	}
	return errors.New("recovery_hint has an unknown action")
}
