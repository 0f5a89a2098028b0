// Package profile checks what a guest emits against the Collection Profile
// (PDPP spec-collection-profile v0.1.0, sections 3 and 4), the connector's
// manifest and the scope of the run.
//
// # Promise
//
// A message that passes has the shape the profile gives it, belongs to a
// stream in scope, and, when it is a RECORD, fits its stream's schema, its
// key, and the fields, resources and time range that were granted. One text
// has one reading: a duplicate key is refused. Errors say what is wrong with
// the guest's own message, and quote no more of it than names.
package profile

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/strictjson"
	"github.com/sallyport-host/sallyport/manifests"
)

// Message is a message that passed.
type Message struct {
	Type   abi.MessageType
	Stream string
	Line   []byte // as the guest wrote it

	Key       abi.Key // of a RECORD
	Data      []byte  // of a RECORD: the data's text, within Line; nil when a delete has none
	EmittedAt string  // of a RECORD
	Delete    bool    // of a RECORD

	Cursor   json.RawMessage // of a STATE
	Progress abi.Progress    // of a PROGRESS
	Done     abi.Done        // of a DONE
}

// Checker checks the messages of one run. It is not safe for concurrent use.
type Checker struct {
	streams map[string]*stream
	names   strictjson.Names // records share theirs
}

type stream struct {
	*manifests.Stream
	scope     abi.StreamScope
	fields    map[string]bool // nil means all
	resources map[string]bool // nil means all
}

// New returns a checker for a scope, each of whose streams m declares.
func New(m *manifests.Manifest, scope abi.Scope) (*Checker, error) {
	c := &Checker{streams: map[string]*stream{}}
	for _, sc := range scope.Streams {
		declared, ok := m.Stream(sc.Name)
		if !ok {
			return nil, fmt.Errorf("stream %q is in scope, but the manifest does not declare it", sc.Name)
		}
		s := &stream{Stream: declared, scope: sc}
		if r := sc.TimeRange; r != nil {
			for _, bound := range []string{r.Since, r.Until} {
				if _, ok := parseTime(bound); bound != "" && !ok {
					return nil, fmt.Errorf("the time range of stream %q has a bound that is no time", sc.Name)
				}
			}
		}
		if sc.Resources != nil {
			s.resources = make(map[string]bool, len(sc.Resources))
			for _, key := range sc.Resources {
				s.resources[key] = true
			}
		}
		if sc.Fields != nil {
			s.fields = map[string]bool{}
			for _, f := range slices.Concat(sc.Fields, declared.PrimaryKey, declared.Required) {
				s.fields[f] = true
			}
			if declared.ConsentTimeField != "" {
				s.fields[declared.ConsentTimeField] = true
			}
		}
		c.streams[sc.Name] = s
	}
	return c, nil
}

// Check reads one line.
func (c *Checker) Check(line []byte) (Message, error) {
	v, data, err := c.names.Cut(line, strictjson.Limits{MaxBytes: abi.MaxEmitBytes, MaxDepth: abi.MaxMessageDepth}, "data")
	if err != nil {
		return Message{}, err
	}
	body, ok := v.(map[string]any)
	if !ok {
		return Message{}, fmt.Errorf("a message is a JSON object")
	}
	typ, _ := body["type"].(string)
	m := Message{Type: abi.MessageType(typ), Line: line}
	o := &object{members: body}
	switch m.Type {
	case abi.TypeRecord:
		m.Data = data
		err = c.record(&m, o)
	case abi.TypeState:
		err = c.state(&m, o)
	case abi.TypeProgress:
		err = c.progress(&m, o)
	case abi.TypeSkipResult:
		err = c.skipResult(&m, o)
	case abi.TypeDetailCoverage:
		err = c.detailCoverage(&m, o)
	case abi.TypeDetailGap:
		err = c.detailGap(&m, o)
	case abi.TypeDone:
		err = done(&m, o)
	case abi.TypeInteraction:
		err = fmt.Errorf("an INTERACTION goes through interact, not emit")
	default:
		err = fmt.Errorf("type is none that a connector may emit")
	}
	if err == nil {
		err = o.err
	}
	if err != nil && typ != "" && m.Type != "" {
		return Message{}, fmt.Errorf("%s: %w", clean(typ), err)
	}
	return m, err
}

// inScope finds a message's stream.
func (c *Checker) inScope(name string) (*stream, error) {
	if s, ok := c.streams[name]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("stream %q is not in scope", clean(name))
}

func (c *Checker) record(m *Message, o *object) error {
	o.only("type", "stream", "key", "data", "emitted_at", "op")
	m.Stream = o.str("stream", true)
	emitted := o.str("emitted_at", true)
	op := o.str("op", false)
	key, keyErr := keyOf(o.members["key"])
	m.Key, m.EmittedAt, m.Delete = key, emitted, op == abi.OpDelete
	if o.err != nil {
		return o.err
	}
	s, err := c.inScope(m.Stream)
	switch {
	case err != nil:
		return err
	case keyErr != nil:
		return keyErr
	case !isTime(emitted):
		return fmt.Errorf("emitted_at is not a time of RFC 3339")
	case o.has("op") && op != abi.OpDelete:
		return fmt.Errorf("op is %q or absent", abi.OpDelete)
	case len(key) != len(s.PrimaryKey):
		return fmt.Errorf("key has %d parts, the primary key of %s has %d", len(key), s.Name, len(s.PrimaryKey))
	case s.resources != nil && !s.resources[key.Canonical()]:
		return fmt.Errorf("its key is not among the resources in scope")
	}
	data, ok := o.members["data"].(map[string]any)
	if !ok {
		if op == abi.OpDelete && !o.has("data") {
			return nil
		}
		return fmt.Errorf("data is not an object")
	}
	for i, field := range s.PrimaryKey {
		if text(data[field]) != key[i] || !o.isText(data[field]) {
			return fmt.Errorf("data.%s is not the key", field)
		}
	}
	if op == abi.OpDelete {
		// Nothing of a deleted record is in or out of scope but its key.
		if len(data) != len(s.PrimaryKey) {
			return fmt.Errorf("the data of a delete is its key, and no more")
		}
		return nil
	}
	if err := s.fieldsInScope(data); err != nil {
		return err
	}
	if err := s.timeInScope(data); err != nil {
		return err
	}
	return s.ValidateDecoded(data)
}

func (s *stream) fieldsInScope(data map[string]any) error {
	if s.fields == nil {
		return nil
	}
	for name := range data {
		if !s.fields[name] {
			return fmt.Errorf("field %q is not in scope", clean(name))
		}
	}
	return nil
}

func (s *stream) timeInScope(data map[string]any) error {
	if s.scope.TimeRange == nil {
		return nil
	}
	if s.ConsentTimeField == "" {
		return fmt.Errorf("the scope has a time range, and the stream no consent_time_field")
	}
	value, _ := data[s.ConsentTimeField].(string)
	at, ok := parseTime(value)
	if !ok {
		return fmt.Errorf("data.%s is not a time, and the scope has a time range", s.ConsentTimeField)
	}
	if since, ok := parseTime(s.scope.TimeRange.Since); ok && at.Before(since) {
		return fmt.Errorf("data.%s is before the time range in scope", s.ConsentTimeField)
	}
	if until, ok := parseTime(s.scope.TimeRange.Until); ok && !at.Before(until) {
		return fmt.Errorf("data.%s is after the time range in scope", s.ConsentTimeField)
	}
	return nil
}

func (c *Checker) state(m *Message, o *object) error {
	o.only("type", "stream", "cursor")
	m.Stream = o.str("stream", true)
	if o.err != nil {
		return o.err
	}
	if _, err := c.inScope(m.Stream); err != nil {
		return err
	}
	cursor, ok := o.members["cursor"].(map[string]any)
	if !ok {
		return fmt.Errorf("cursor is not an object")
	}
	raw, err := json.Marshal(cursor)
	if err != nil || len(raw) > abi.MaxCursorBytes {
		return fmt.Errorf("cursor is longer than %d bytes", abi.MaxCursorBytes)
	}
	m.Cursor = raw
	return nil
}

func (c *Checker) progress(m *Message, o *object) error {
	p := abi.Progress{Type: abi.TypeProgress, Message: o.str("message", true), Stream: o.str("stream", false)}
	p.Count, p.Total = o.count("count"), o.count("total")
	if o.err == nil && p.Message == "" {
		return fmt.Errorf("message is empty")
	}
	if p.Stream != "" {
		if _, err := c.inScope(p.Stream); err != nil {
			return err
		}
	}
	p.Message = Clip(p.Message, abi.MaxReasonBytes)
	m.Stream, m.Progress = p.Stream, p
	return nil
}

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

func done(m *Message, o *object) error {
	o.only("type", "status", "records_emitted", "error")
	d := abi.Done{Type: abi.TypeDone, Status: abi.DoneStatus(o.str("status", true))}
	n := o.count("records_emitted")
	switch {
	case o.err != nil:
		return o.err
	case n == nil:
		return fmt.Errorf("records_emitted is missing")
	case d.Status != abi.Succeeded && d.Status != abi.Failed && d.Status != abi.Cancelled:
		return fmt.Errorf("status is succeeded, failed or cancelled")
	case d.Status == abi.Succeeded && o.has("error"):
		return fmt.Errorf("error does not go with succeeded")
	}
	d.RecordsEmitted = *n
	if o.has("error") {
		members, ok := o.members["error"].(map[string]any)
		if !ok {
			return fmt.Errorf("error is not an object")
		}
		e := &object{members: members}
		e.only("message", "retryable", "code", "recovery_hint")
		d.Error = &abi.DoneError{
			Message:   Clip(e.str("message", true), abi.MaxErrorBytes),
			Retryable: e.boolean("retryable"),
			Code:      e.str("code", false),
		}
		if e.err == nil && e.has("code") && !codePattern.MatchString(d.Error.Code) {
			return fmt.Errorf("error.code does not match %s", codePattern)
		}
		d.Error.RecoveryHint = e.hint()
		if e.err != nil {
			return fmt.Errorf("error: %w", e.err)
		}
	}
	m.Done = d
	return nil
}

func isTime(s string) bool { _, err := time.Parse(time.RFC3339Nano, s); return err == nil }

// parseTime reads a time or, as many sources give it, a date.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
