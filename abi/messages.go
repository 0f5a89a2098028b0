package abi

import "encoding/json"

// MessageType is the "type" member of a message of the Collection Profile
// (spec-collection-profile v0.1.0).
type MessageType string

// The messages of the profile. START and INTERACTION_RESPONSE go to the
// guest, the others come from it.
const (
	TypeStart               MessageType = "START"
	TypeInteractionResponse MessageType = "INTERACTION_RESPONSE"

	TypeRecord         MessageType = "RECORD"
	TypeState          MessageType = "STATE"
	TypeSkipResult     MessageType = "SKIP_RESULT"
	TypeDetailCoverage MessageType = "DETAIL_COVERAGE"
	TypeDetailGap      MessageType = "DETAIL_GAP"
	TypeProgress       MessageType = "PROGRESS"
	TypeInteraction    MessageType = "INTERACTION"
	TypeDone           MessageType = "DONE"
)

// Start opens a run: exactly once, first.
type Start struct {
	Type           MessageType                `json:"type"`
	RunID          string                     `json:"run_id"`
	CollectionMode CollectionMode             `json:"collection_mode"`
	Scope          Scope                      `json:"scope"`
	State          map[string]json.RawMessage `json:"state"` // stream to cursor; null in the first run and in a single-use grant
	Bindings       map[string]json.RawMessage `json:"bindings"`
	Options        map[string]any             `json:"options,omitempty"` // ours: the approved options, no secrets
}

// CollectionMode says whether the run starts from nothing or from State.
type CollectionMode string

// The collection modes.
const (
	FullRefresh CollectionMode = "full_refresh"
	Incremental CollectionMode = "incremental"
)

// Scope is what may be collected in a run. Streams is never empty and never
// holds a wildcard.
type Scope struct {
	Streams []StreamScope `json:"streams"`
}

// StreamScope narrows one stream.
type StreamScope struct {
	Name      string     `json:"name"`
	Resources []string   `json:"resources,omitempty"` // canonical keys; a compound key is a minified JSON array
	TimeRange *TimeRange `json:"time_range,omitempty"`
	Fields    []string   `json:"fields,omitempty"` // absent means all
}

// TimeRange bounds a stream by its consent time field, RFC 3339 each.
type TimeRange struct {
	Since string `json:"since,omitempty"` // inclusive
	Until string `json:"until,omitempty"` // exclusive
}

// Key is a record's primary key, its parts in the order of the stream's
// primary_key. On the wire a key of one part may be a plain string.
type Key []string

// Record is one record. Op is "" to insert or replace, "delete" to delete; it
// is never "upsert".
type Record struct {
	Type      MessageType     `json:"type"`
	Stream    string          `json:"stream"`
	Key       Key             `json:"key"`
	Data      json.RawMessage `json:"data,omitempty"` // absent on delete
	EmittedAt string          `json:"emitted_at"`     // RFC 3339
	Op        string          `json:"op,omitempty"`
}

// OpDelete is the one value of [Record].Op.
const OpDelete = "delete"

// State is a stream's cursor, staged until DONE succeeds.
type State struct {
	Type   MessageType     `json:"type"`
	Stream string          `json:"stream"`
	Cursor json.RawMessage `json:"cursor"` // an object; never holds a secret
}

// Progress is for the owner to see.
type Progress struct {
	Type    MessageType `json:"type"`
	Message string      `json:"message"`
	Stream  string      `json:"stream,omitempty"`
	Count   *int64      `json:"count,omitempty"` // >= 0
	Total   *int64      `json:"total,omitempty"` // >= 0
}

// InteractionKind is what an INTERACTION asks for.
type InteractionKind string

// The kinds of interaction.
const (
	InteractCredentials  InteractionKind = "credentials"
	InteractOTP          InteractionKind = "otp"
	InteractManualAction InteractionKind = "manual_action"
)

// Interaction asks the owner for something. The guest emits nothing until it
// is answered.
type Interaction struct {
	Type           MessageType     `json:"type"`
	RequestID      string          `json:"request_id"`
	Kind           InteractionKind `json:"kind"`
	Message        string          `json:"message"`
	Schema         json.RawMessage `json:"schema,omitempty"`
	TimeoutSeconds float64         `json:"timeout_seconds,omitempty"` // > 0; absent means the host's own
	Stream         string          `json:"stream,omitempty"`
}

// InteractionResponse answers an [Interaction]. Data holds surrogates, never
// values.
type InteractionResponse struct {
	Type      MessageType       `json:"type"`
	RequestID string            `json:"request_id"`
	Status    InteractionStatus `json:"status"`
	Data      map[string]any    `json:"data,omitempty"` // only on success
}

// InteractionStatus says how an interaction ended.
type InteractionStatus string

// The ends of an interaction.
const (
	InteractionSuccess   InteractionStatus = "success"
	InteractionCancelled InteractionStatus = "cancelled"
	InteractionTimeout   InteractionStatus = "timeout"
)

// DoneStatus says how a run ended.
type DoneStatus string

// The ends of a run.
const (
	Succeeded DoneStatus = "succeeded"
	Failed    DoneStatus = "failed"
	Cancelled DoneStatus = "cancelled"
)

// Done is the last message of a run.
type Done struct {
	Type           MessageType `json:"type"`
	Status         DoneStatus  `json:"status"`
	RecordsEmitted int64       `json:"records_emitted"`
	Error          *DoneError  `json:"error,omitempty"` // never on succeeded
}

// DoneError says why a run did not succeed.
type DoneError struct {
	Message      string        `json:"message"`
	Retryable    bool          `json:"retryable"`
	Code         string        `json:"code,omitempty"` // ^[a-z][a-z0-9_]{0,63}$
	RecoveryHint *RecoveryHint `json:"recovery_hint,omitempty"`
}

// RecoveryHint says what would help. On the wire it may be a plain string,
// the action.
type RecoveryHint struct {
	Action    RecoveryAction `json:"action"`
	Retryable *bool          `json:"retryable,omitempty"`
}

// RecoveryAction is the profile's vocabulary of remedies.
type RecoveryAction string

// The recovery actions.
const (
	RetryByRuntime          RecoveryAction = "retry_by_runtime"
	RetryOnConnectorUpgrade RecoveryAction = "retry_on_connector_upgrade"
	RefreshCredentials      RecoveryAction = "refresh_credentials"
	ManualActionRequired    RecoveryAction = "manual_action_required"
	UpdateSelector          RecoveryAction = "update_selector"
	UpstreamUnblock         RecoveryAction = "upstream_unblock"
	NotRetriable            RecoveryAction = "not_retriable"
	RecoveryUnknown         RecoveryAction = "unknown"
)

// RecoveryActions lists the recovery actions.
func RecoveryActions() []RecoveryAction {
	return []RecoveryAction{RetryByRuntime, RetryOnConnectorUpgrade, RefreshCredentials,
		ManualActionRequired, UpdateSelector, UpstreamUnblock, NotRetriable, RecoveryUnknown}
}

// Codes of DONE.error that a host gives meaning to.
const (
	CodeCredentialDenied   = "credential_denied"
	CodeCredentialRejected = "credential_rejected"
	CodeLimitExceeded      = "limit_exceeded"
	CodeLeakBlocked        = "leak_blocked"
	CodeSourceUnavailable  = "source_unavailable"
	CodeRevoked            = "approval_revoked"
	CodeCancelled          = "run_cancelled"
	CodeProtocolViolation  = "connector_protocol_violation"
	CodeConnectorFailed    = "connector_failed"
	CodeConnectorCrashed   = "connector_crashed"
	CodeHostError          = "runtime_error"
)

// SkipResult says that something in scope was not collected.
type SkipResult struct {
	Type         MessageType     `json:"type"`
	Stream       string          `json:"stream,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	Message      string          `json:"message,omitempty"`
	RecoveryHint *RecoveryHint   `json:"recovery_hint,omitempty"`
	Continuation json.RawMessage `json:"continuation,omitempty"`
}

// DetailCoverage says which of a parent stream's keys have their details. Keys
// are strings or numbers, none twice.
type DetailCoverage struct {
	Type          MessageType       `json:"type"`
	ReferenceOnly bool              `json:"reference_only"` // always true
	Stream        string            `json:"stream"`
	StateStream   string            `json:"state_stream"`
	RequiredKeys  []json.RawMessage `json:"required_keys"`
	HydratedKeys  []json.RawMessage `json:"hydrated_keys"`
	GapKeys       []json.RawMessage `json:"gap_keys,omitempty"`
}

// DetailGap says that one record's details are missing, and how to come back
// for them.
type DetailGap struct {
	Type          MessageType     `json:"type"`
	Stream        string          `json:"stream"`
	ParentStream  string          `json:"parent_stream,omitempty"`
	RecordKey     Key             `json:"record_key,omitempty"`
	Reason        string          `json:"reason,omitempty"`
	Retryable     *bool           `json:"retryable,omitempty"`
	DetailLocator json.RawMessage `json:"detail_locator,omitempty"` // an object; never holds a secret
	ListCursor    json.RawMessage `json:"list_cursor,omitempty"`
	LastError     json.RawMessage `json:"last_error,omitempty"`
	GapID         string          `json:"gap_id,omitempty"`
	LeaseID       string          `json:"lease_id,omitempty"`
}

// ReasonScopeNotSupported is the reason a connector must give when it cannot
// honour a part of its scope.
const ReasonScopeNotSupported = "scope_not_supported"

// RequestHead is the head of an HTTP request, as http send takes it.
type RequestHead struct {
	Method    string      `json:"method"`
	URL       string      `json:"url"`
	Headers   [][2]string `json:"headers,omitempty"`
	TimeoutMS int64       `json:"timeout_ms,omitempty"` // the whole exchange; 0 means the host's own
}

// ReadyState is how far a handle has come.
type ReadyState string

// The states that http wait reports.
const (
	ReadyHead  ReadyState = "head"  // the head has come, no body bytes yet
	ReadyBody  ReadyState = "body"  // body bytes can be read
	ReadyDone  ReadyState = "done"  // the body has ended
	ReadyError ReadyState = "error" // the exchange failed
)

// Ready is one entry of what http wait returns. Status and Headers are there
// from the head on, in every report.
type Ready struct {
	Handle  uint32      `json:"handle"`
	State   ReadyState  `json:"state"`
	Status  int         `json:"status,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
	Error   string      `json:"error,omitempty"` // a status's name
}

// CredentialState is how a credential stands, as credential status tells it.
type CredentialState string

// The states of a credential.
const (
	CredentialActive   CredentialState = "active"
	CredentialMissing  CredentialState = "missing"
	CredentialExpired  CredentialState = "expired"
	CredentialRejected CredentialState = "rejected"
)

// CredentialStatus is what credential status returns.
type CredentialStatus struct {
	Class     Class           `json:"class,omitempty"` // absent for an identity
	State     CredentialState `json:"state"`
	ExpiresAt string          `json:"expires_at,omitempty"` // RFC 3339
}

// PutMetadata is what credential-store put is told of a value.
type PutMetadata struct {
	ExpiresAt string `json:"expires_at,omitempty"` // RFC 3339
}

// RejectReason is the last argument of credential reject.
type RejectReason uint32

// The reasons a guest may give.
const (
	RejectUnauthorized RejectReason = 1 // the source refused the credential
	RejectExpired      RejectReason = 2 // the source said that it has expired
	RejectScope        RejectReason = 3 // it is good, but does not reach far enough; never marks it rejected
)

// LogLevel is the first argument of run log.
type LogLevel uint32

// The log levels.
const (
	LogDebug LogLevel = 0
	LogInfo  LogLevel = 1
	LogWarn  LogLevel = 2
	LogError LogLevel = 3
)
