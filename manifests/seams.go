package manifests

// This file is the outline that the rest of the tree builds against; the
// functions move to files of their own as they are written.

import "errors"

type validator interface{ validate(doc []byte) error }

// Options is a manifest's options_schema.
type Options struct {
	Names  []string // ordered
	Titles map[string]string
	schema validator
}

// Bound is a manifest with its options put in: no ${options.…} is left, and
// every origin is canonical.
type Bound struct {
	Manifest    *Manifest
	Options     map[string]any
	Credentials []Credential
	Egress      []EgressRule
}

// Parse reads a manifest. The error is a *Faults.
func Parse(raw []byte) (*Manifest, error) { return nil, errors.ErrUnsupported }

// Bind checks options against options_schema and puts them into origins. A
// missing required option, an unknown one, or one that makes an origin
// invalid is a *Faults.
func (m *Manifest) Bind(options map[string]any) (*Bound, error) { return nil, errors.ErrUnsupported }

// Credential returns the declared credential of that name or alias.
func (m *Manifest) Credential(name string) (*Credential, bool) { return nil, false }

// Stream returns the stream of that name.
func (m *Manifest) Stream(name string) (*Stream, bool) { return nil, false }

// Validate checks a record's data against the stream's schema. The error
// names the place and the rule, never the data.
func (s *Stream) Validate(data []byte) error { return errors.ErrUnsupported }

// ValidateValue checks a value against the credential's schema. The error
// never holds the value, nor a part of it, nor its length.
func (c *Credential) ValidateValue(value []byte) error { return errors.ErrUnsupported }

// Disclosure is what a grant hands over, in plain words.
type Disclosure struct {
	Connector   string           `json:"connector"`
	Version     string           `json:"version"`
	Summary     string           `json:"summary"` // one sentence
	Credentials []DisclosureItem `json:"credentials"`
	Streams     []string         `json:"streams"`
	Options     map[string]any   `json:"options"`
	Reaches     []string         `json:"reaches"`      // every origin the guest may call, with methods
	HostCalls   []string         `json:"host_calls"`   // every origin the host itself would call
	CannotReach string           `json:"cannot_reach"` // one sentence
}

// DisclosureItem says what happens with one credential.
type DisclosureItem struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Class  string   `json:"class"`
	Access []string `json:"access"`
	Text   string   `json:"text"`
	SentTo []string `json:"sent_to"`
}

// Disclose words what approving b would hand over.
func (b *Bound) Disclose() Disclosure { return Disclosure{} }

// Text renders the disclosure for a terminal.
func (d Disclosure) Text() string { return "" }
