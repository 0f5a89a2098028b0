package host

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Approvals is where a host learns what an owner has approved.
// Implementations are safe for concurrent use.
type Approvals interface {
	// Standing returns what is in force for scope, with every signature
	// checked. No approval at all is a Standing whose Approval is nil, not an
	// error; an error means that it could not be found out, and refuses.
	Standing(ctx context.Context, scope capabilities.Scope) (capabilities.Standing, error)

	// Watch calls changed, from one goroutine, once when it begins to look and
	// then whenever the standing of scope may have changed: within abi.RevocationDelay when another process
	// changed it, at once when this one did. It returns when ctx is done, and
	// changed is not called after that.
	Watch(ctx context.Context, scope capabilities.Scope, changed func())
}

// Suspender is an [Approvals] that can take an approval back on the host's own
// account. A host whose Approvals is none stops each run that lets a secret
// out, and suspends nothing.
type Suspender interface {
	// Strike notes that a run under the approval in force for scope was
	// stopped because a secret turned up where none may be. At the
	// MaxStrikes-th such run under one approval it revokes that approval, so
	// that the owner has to give a new one. serial is then the revocation's,
	// which states the strikes; else 0.
	Strike(ctx context.Context, scope capabilities.Scope) (serial uint64, err error)
}

// Spender is an [Approvals] that remembers which grants for a single use were
// used. A host whose Approvals is none runs no such grant.
type Spender interface {
	// Spend notes that the one run which the grant of scope allows begins. Of
	// all who ever ask, in all processes, one gets nil, and the use is durable
	// then; for the others the error wraps [ErrSpent], whatever was approved
	// meanwhile. After any other error the use may be spent all the same.
	Spend(ctx context.Context, scope capabilities.Scope, runID string) (capabilities.Use, error)
}

// MaxStrikes is how many runs under one approval may be stopped by the guard
// before the connector is suspended.
const MaxStrikes = 3

// Auditor keeps the audit log. Implementations are safe for concurrent use.
type Auditor interface {
	// Append writes events in order. When it returns nil they are durable.
	// A host refuses what it cannot audit.
	Append(ctx context.Context, events ...Event) error
}

// EventKind is what an [Event] tells of.
type EventKind string

// The kinds of event.
const (
	EventRunStarted  EventKind = "run_started"
	EventRunEnded    EventKind = "run_ended"
	EventLoadRefused EventKind = "load_refused"
	EventDecision    EventKind = "decision" // the first verdict on a use, and every change of it
	EventRepeats     EventKind = "repeats"  // how often the last verdict was repeated since
	EventEgress      EventKind = "egress"   // a request that was refused
	EventCredential  EventKind = "credential"
	EventInteraction EventKind = "interaction"
	EventApproval    EventKind = "approval"
	EventRevocation  EventKind = "revocation"
	EventVault       EventKind = "vault"
	EventAudit       EventKind = "audit"     // the log itself
	EventViolation   EventKind = "violation" // the guest broke the protocol
	EventLeak        EventKind = "leak"      // a value turned up where none may be
)

// Event is one line of the audit log: who, what, by which rule. It never
// holds a value, a URL, a path or a query.
type Event struct {
	Time    time.Time          `json:"time"`
	Kind    EventKind          `json:"kind"`
	Scope   capabilities.Scope `json:"scope"`
	RunID   string             `json:"run_id,omitempty"`
	Role    abi.Role           `json:"role,omitempty"`
	Op      string             `json:"op,omitempty"`
	Name    string             `json:"name,omitempty"` // of the credential, when it is a declared one
	Class   abi.Class          `json:"class,omitempty"`
	Access  abi.Access         `json:"access,omitempty"`
	Allowed bool               `json:"allowed"`
	Rule    string             `json:"rule,omitempty"`
	Reason  string             `json:"reason,omitempty"`
	Remedy  string             `json:"remedy,omitempty"`
	Version uint64             `json:"version,omitempty"` // the credential's generation
	Origin  string             `json:"origin,omitempty"`
	Method  string             `json:"method,omitempty"`
	Serial  uint64             `json:"serial,omitempty"` // of an approval or revocation
	Count   int64              `json:"count,omitempty"`
}

// StateStore keeps cursors between runs. Implementations are safe for
// concurrent use.
type StateStore interface {
	// Load returns the cursors of scope by stream, nil when there are none.
	// What cannot be read is an error, never nil.
	Load(ctx context.Context, scope capabilities.Scope) (map[string]json.RawMessage, error)
	// Commit replaces the cursors of the streams named and leaves the others.
	// It happens whole or not at all; when it returns nil it is durable.
	Commit(ctx context.Context, scope capabilities.Scope, cursors map[string]json.RawMessage) error
}

// Holder is a [StateStore] that keeps the runs of a scope apart, so that none
// builds on cursors that another is about to replace.
type Holder interface {
	// Hold takes scope for one run, until release is called or the process
	// ends. When another run has it, or when what is stored could not be added
	// to, it is an error at once.
	Hold(ctx context.Context, scope capabilities.Scope) (release func(), err error)
}

// Turns makes those who share a vault take turns, goroutines and processes.
// Implementations are safe for concurrent use. A name has the bounds of a
// part of a vault address.
type Turns interface {
	// Lock waits until nobody else holds the lock of a name under scope, or
	// ctx is done. A process that ends lets go of it.
	Lock(ctx context.Context, scope capabilities.Scope, name string) (unlock func(), err error)
	// Mark returns what SetMark has left, nil when there is nothing. It is
	// called under the lock.
	Mark(ctx context.Context, scope capabilities.Scope, name string) ([]byte, error)
	// SetMark replaces the mark, nil removes it. When it returns nil, that is
	// durable. A mark holds no secret.
	SetMark(ctx context.Context, scope capabilities.Scope, name string, mark []byte) error
}

// Sink takes what a run collects. A host calls a run's sink from one
// goroutine at a time, in the order in which the guest emitted, and beside the
// guest: a slow sink slows the guest down, by what a run may hold for it.
type Sink interface {
	// Write takes one message: RECORD, SKIP_RESULT, DETAIL_COVERAGE or
	// DETAIL_GAP, valid and in scope. It may buffer.
	Write(ctx context.Context, m Message) error
	// Flush makes all that was written durable, as far as the sink can. It is
	// called before a STATE is acknowledged, and at the end of a run that
	// succeeded.
	Flush(ctx context.Context) error
}

// RunSink is a [Sink] that is told whose records it gets.
type RunSink interface {
	Sink
	// Begin is called once for a run that the approval in force admits, before
	// anything else, and heeds its context. end is called when the run gives
	// the sink nothing more and asks it nothing: what was not flushed by then
	// may be dropped.
	Begin(ctx context.Context, run RunInfo) (end func(), err error)
}

// RunInfo says which run a sink is for.
type RunInfo struct {
	RunID    string
	Scope    capabilities.Scope
	Manifest *manifests.Manifest
}

// StateSink is a [Sink] that keeps the cursors of what it holds, so that
// records and cursors cannot part. A host asks it instead of its own
// [StateStore]: a sink that holds nothing yet makes a run collect everything.
type StateSink interface {
	Sink
	// StateStore's Commit also does what Flush does, in one with it: either
	// all records and the cursors are durable, or neither the cursors nor the
	// records since the last Flush are.
	StateStore
}

// Message is one line of the Collection Profile, checked. Its slices are valid
// only during the call.
type Message struct {
	Type   abi.MessageType
	Stream string
	Line   []byte // one JSON object, no newline

	// Of a RECORD, what the line says:
	Key       abi.Key // as many parts as the stream's primary key
	Data      []byte  // a JSON object, as it stands in Line; nil when a delete has none
	EmittedAt string  // RFC 3339
	Delete    bool
}

// Prompter asks the owner. Implementations are safe for concurrent use and
// return soon after ctx is done.
type Prompter interface {
	// Prompt puts one question to the owner. An error wrapping [ErrDeclined]
	// says that the owner refused, one wrapping [ErrUnattended] that nobody is
	// there; ctx's error is passed through.
	Prompt(ctx context.Context, p Prompt) (Answer, error)
}

// Prompt is one question. Title is the host's words, with nobody else's among
// them. Connector and a Field's Title and Description are the manifest's author's,
// and Quote is the guest's, cut and stripped of control and bidirectional
// characters: a prompter shows them as such, in quotes.
type Prompt struct {
	Scope     capabilities.Scope
	Connector string // display name
	Kind      abi.InteractionKind
	Title     string // what is asked, in the host's words
	Quote     string // what the connector says; show it as its words, or not at all
	Fields    []Field
	Expires   time.Time // when the answer comes too late; zero is never
}

// Field is one value asked for.
type Field struct {
	Name        string
	Title       string
	Description string
	Class       abi.Class // shown to the owner
	Secret      bool      // do not echo
	Required    bool
	// Check says what is wrong with a value, nil when nothing is. Its error
	// never holds the value.
	Check func(value []byte) error
}

// Answer holds the values by field name.
type Answer map[string]vaultstore.Secret

// Observer is told how a run goes on, for an owner to see. Calls come from
// the run's goroutines, must not block, and never carry a secret.
type Observer interface {
	Progress(p abi.Progress)
	Log(level abi.LogLevel, line string)
}
