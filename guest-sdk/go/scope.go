package sallyport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scope is what is wanted of one stream. The host checks every record against
// it, so a connector uses it to leave out work, not to keep to the rules.
type Scope struct {
	// Resources are the records wanted, by their canonical keys; empty means
	// all.
	Resources []string
	// Fields are the members of the data wanted; empty means all.
	Fields []string
	// Since and Until bound the stream by its consent time field: Since
	// inclusive, Until exclusive, each zero when there is no bound.
	Since, Until time.Time
}

// WantsField reports whether a member of the data is wanted: a connector need
// not fetch a photograph that would be dropped.
func (s Scope) WantsField(name string) bool {
	return len(s.Fields) == 0 || slices.Contains(s.Fields, name)
}

// WantsKey reports whether the record of that key is wanted.
func (s Scope) WantsKey(parts ...string) bool {
	return len(s.Resources) == 0 || slices.Contains(s.Resources, Key(parts).canonical())
}

// WantsTime reports whether a record of that time is wanted.
func (s Scope) WantsTime(t time.Time) bool {
	return (s.Since.IsZero() || !t.Before(s.Since)) && (s.Until.IsZero() || t.Before(s.Until))
}

// wireScope is a stream's scope in START.
type wireScope struct {
	Name      string   `json:"name"`
	Resources []string `json:"resources"`
	Fields    []string `json:"fields"`
	TimeRange *struct {
		Since string `json:"since"`
		Until string `json:"until"`
	} `json:"time_range"`
}

func (w wireScope) scope() (s Scope, err error) {
	s = Scope{Resources: w.Resources, Fields: w.Fields}
	if w.TimeRange == nil {
		return s, nil
	}
	if s.Since, err = readTime(w.TimeRange.Since); err != nil {
		return s, fmt.Errorf("time_range.since: %w", err)
	}
	if s.Until, err = readTime(w.TimeRange.Until); err != nil {
		return s, fmt.Errorf("time_range.until: %w", err)
	}
	return s, nil
}

func readTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, s)
}

// Key is a record's primary key: its parts, in the order of the stream's
// primary_key.
type Key []string

// MarshalJSON writes a key of one part as a plain string.
func (k Key) MarshalJSON() ([]byte, error) {
	if len(k) == 1 {
		return json.Marshal(k[0])
	}
	return json.Marshal([]string(k))
}

// canonical is the key as a scope names it: its one part, or a minified JSON
// array of its parts.
func (k Key) canonical() string {
	if len(k) == 1 {
		return k[0]
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode([]string(k)) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// keepFields drops the members of an object that are neither wanted nor in
// keep.
func keepFields(data json.RawMessage, wanted, keep []string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("a record's data must be an object: %w", err)
	}
	for name := range members {
		if !slices.Contains(wanted, name) && !slices.Contains(keep, name) {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}
