// Package manifests reads what a connector says of itself: a PDPP connector
// manifest, with members of ours that say which credentials it uses and where
// each may go.
//
// # Promise
//
// [Parse] accepts a manifest whole or refuses it with every fault at once,
// each with its JSON pointer, what is wrong and what would be right. What it
// does not know among our members is a fault; what it does not know among
// PDPP's is kept. Bad input of any kind is an error, never a panic. The
// matcher of origins, methods and paths that decides where a secret goes
// stands here, once, for everyone.
//
// # Limits
//
// A manifest is a claim by the connector's author. Nothing in it is in force
// before an owner has approved it: see package capabilities.
//
// Everything is immutable once returned, and safe for concurrent use. The
// package does no I/O: a schema's $ref leads to a place inside that schema or
// is a fault. A manifest, and a record held to one of its schemas, is checked
// in time that the bounds here keep small, whatever its author intends.
//
// # Reference
//
// MANIFEST.md beside this file tells authors what each member means, and
// manifest.schema.json is the JSON Schema of our members.
package manifests

import (
	"encoding/json"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// The bounds of a manifest.
const (
	MaxBytes = 1 << 20 // of the JSON text
	MaxDepth = 64      // levels of nesting
)

// Manifest is a valid manifest.
type Manifest struct {
	raw    []byte
	digest string

	ConnectorID  string // a URI
	ConnectorKey string // the name in addresses and on the command line
	Version      string
	DisplayName  string

	// Bindings maps a binding of runtime_requirements to whether it is
	// required.
	Bindings map[string]bool
	Streams  []Stream

	Credentials []Credential // ordered by name
	Options     *Options     // nil when there is no options_schema
	Egress      []EgressRule
	Modules     map[abi.Role]Module
	Limits      Limits

	// Warnings are for the author: things that load but look wrong, such as
	// an unknown member that is close to one of ours.
	Warnings []string
	// NotRunnable says why a manifest loads and discloses but cannot run; ""
	// when it can. An upstream manifest without our members is such a one.
	NotRunnable string
}

// Stream is one stream of records.
type Stream struct {
	Name             string
	Description      string
	DisplayLabel     string
	PrimaryKey       []string
	ConsentTimeField string
	CursorField      string
	Semantics        string
	StateStream      string
	ParentStreams    []string
	Required         []string // the schema's own "required"
	schema           *recordSchema
}

// Credential is one property of credentials_schema.
type Credential struct {
	Name         string
	Title        string
	Description  string
	Aliases      []string
	Class        abi.Class // abi.ClassNone for an identity
	Identity     bool      // an account name: used plainly, shown freely
	Required     bool
	ObtainedVia  []string
	RotationHint *RotationHint
	Access       []abi.Access // never empty
	SendTo       []Destination
	Capture      []Capture
	Probe        json.RawMessage // as written; ProbeCall is what it says
	OAuth2       json.RawMessage // as written; OAuth is what it says
	ProbeCall    *Probe          // nil when there is none
	OAuth        *OAuth2         // nil when there is none

	// Sign says what may be signed with it, by name; nil without access sign.
	Sign map[string]SignTemplate

	form *form
}

// Capture is one rule by which the host takes a new secret out of a response.
type Capture struct {
	Origin  string
	Methods []string
	Paths   []string
	From    string
}

// RotationHint says when a credential wants renewal.
type RotationHint struct {
	Lifetime    time.Duration // 0 when it does not say
	RenewBefore time.Duration
	URL         string
}

// Module is one guest of the connector.
type Module struct {
	Path   string // relative to the manifest, slash-separated, never outside
	SHA256 string // lower-case hex; "" in source, before the build
}

// Raw returns the bytes that were parsed. Do not change them.
func (m *Manifest) Raw() []byte { return m.raw }

// Digest returns the SHA-256 of [Manifest.Raw] in lower-case hex: what an
// approval pins.
func (m *Manifest) Digest() string { return m.digest }
