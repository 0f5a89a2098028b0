// Package abi states the numbers and names of Sallyport's guest ABI, version
// 1, as the Go SDK uses them.
//
// # Promise
//
// The names are those of the host's own package abi, and so are the values: a
// test outside this module holds the two equal. The SDK imports nothing of
// the host's, so that a guest does not drag in what a host needs. The
// authority for both is abi/ABI.md in the host's tree.
//
// Authors of connectors have no need of this package; package sallyport says
// the same things in Go's own terms.
package abi

// Version is what a reactor's sallyport_abi export returns.
const Version = 1

// Names of the import modules that the SDK uses.
const (
	ModuleRun              = "sallyport:run/v1"
	ModuleCredential       = "sallyport:credential/v1"
	ModuleCredentialSign   = "sallyport:credential-sign/v1"
	ModuleCredentialStore  = "sallyport:credential-store/v1"
	ModuleCredentialReveal = "sallyport:credential-reveal/v1"
	ModuleHTTP             = "sallyport:http/v1"
	ModuleStream           = "sallyport:stream/v1"
	ModuleWASI             = "wasi_snapshot_preview1"
)

// Names of the exports of a reactor.
const (
	ExportRun        = "sallyport_run"
	ExportABI        = "sallyport_abi"
	ExportInitialize = "_initialize"
	ExportMemory     = "memory"
)

// BodyFollows as the body length of http send says that the body comes by
// later calls of write, the last of them with a length of zero.
const BodyFollows = 0xFFFF_FFFF

// FirstHandle is the lowest handle that send returns.
const FirstHandle = 64

// Bounds that the SDK keeps to, or cuts at, by itself.
const (
	MaxNameBytes        = 128
	MaxEmitBytes        = 8 << 20
	MaxCursorBytes      = 1 << 20
	MaxKeyBytes         = 4 << 10
	MaxInteractBytes    = 64 << 10
	MaxLogBytes         = 4 << 10
	MaxErrorBytes       = 8 << 10
	MaxReasonBytes      = 4 << 10
	MaxHandles          = 64
	MaxHeadBytes        = 64 << 10
	MaxSignBytes        = 64 << 10
	MaxHeaders          = 128
	MaxURLBytes         = 8 << 10
	MaxRequestBodyBytes = 64 << 20
)

// Status is a refusal as the host tells it.
type Status int64

// The statuses.
const (
	StatusOK          Status = 0
	StatusDenied      Status = -1
	StatusNotFound    Status = -2
	StatusInvalid     Status = -3
	StatusExpired     Status = -4
	StatusRevoked     Status = -5
	StatusTimeout     Status = -6
	StatusUnavailable Status = -7
	StatusTooLarge    Status = -8
	StatusCancelled   Status = -9
	StatusLeakBlocked Status = -10
	StatusRateLimited Status = -11
	StatusExhausted   Status = -12
	StatusAgain       Status = -13
	StatusRejected    Status = -14
)

// statusNames are the statuses' names in JSON, at minus their codes.
var statusNames = [...]string{"ok", "denied", "not_found", "invalid", "expired", "revoked", "timeout",
	"unavailable", "too_large", "cancelled", "leak_blocked", "rate_limited", "exhausted", "again", "rejected"}

// statusTexts are the statuses' generic messages, likewise.
var statusTexts = [...]string{"ok", "denied", "not found", "invalid argument", "expired", "revoked", "timed out",
	"unavailable", "too large", "cancelled", "blocked: a credential would have leaked", "rate limited",
	"limit reached", "not ready", "rejected by the source"}

// String returns the status's name in JSON.
func (s Status) String() string {
	if s > 0 || int(-s) >= len(statusNames) {
		return "unknown"
	}
	return statusNames[-s]
}

// Text returns the status's generic message.
func (s Status) Text() string {
	if s > 0 || int(-s) >= len(statusTexts) {
		return "refused"
	}
	return statusTexts[-s]
}

// StatusNamed returns the status of that name, [StatusUnavailable] when there
// is none.
func StatusNamed(name string) Status {
	for i, n := range statusNames {
		if n == name && i > 0 {
			return Status(-i)
		}
	}
	return StatusUnavailable
}

// StatusTexted returns the status of that generic message, [StatusInvalid]
// when there is none.
func StatusTexted(text string) Status {
	for i, t := range statusTexts {
		if t == text && i > 0 {
			return Status(-i)
		}
	}
	return StatusInvalid
}

// Result is what every function returns.
type Result int64

// OK packs a length and a ticket.
func OK(n, ticket uint32) Result { return Result(int64(ticket&0x7fff_ffff)<<32 | int64(n)) }

// Status returns the status in r, [StatusOK] when r is not negative.
func (r Result) Status() Status {
	if r < 0 {
		return Status(r)
	}
	return StatusOK
}

// Len returns the full length, a handle, or a count; 0 when r is a status.
func (r Result) Len() uint32 {
	if r < 0 {
		return 0
	}
	return uint32(r)
}

// Ticket returns the ticket under which the host keeps a result that did not
// fit: 0 when it did, and when r is a status.
func (r Result) Ticket() uint32 {
	if r < 0 {
		return 0
	}
	return uint32(r >> 32)
}

// The types of message.
const (
	TypeStart               = "START"
	TypeInteractionResponse = "INTERACTION_RESPONSE"
	TypeRecord              = "RECORD"
	TypeState               = "STATE"
	TypeSkipResult          = "SKIP_RESULT"
	TypeDetailCoverage      = "DETAIL_COVERAGE"
	TypeDetailGap           = "DETAIL_GAP"
	TypeProgress            = "PROGRESS"
	TypeInteraction         = "INTERACTION"
	TypeDone                = "DONE"
)

// OpDelete is the one value of a record's op.
const OpDelete = "delete"

// The collection modes.
const (
	FullRefresh = "full_refresh"
	Incremental = "incremental"
)

// The kinds and ends of an interaction.
const (
	InteractCredentials  = "credentials"
	InteractOTP          = "otp"
	InteractManualAction = "manual_action"

	InteractionSuccess   = "success"
	InteractionCancelled = "cancelled"
	InteractionTimeout   = "timeout"
)

// The ends of a run.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// The recovery actions.
const (
	RetryByRuntime          = "retry_by_runtime"
	RetryOnConnectorUpgrade = "retry_on_connector_upgrade"
	RefreshCredentials      = "refresh_credentials"
	ManualActionRequired    = "manual_action_required"
	UpdateSelector          = "update_selector"
	UpstreamUnblock         = "upstream_unblock"
	NotRetriable            = "not_retriable"
	RecoveryUnknown         = "unknown"
)

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
)

// ReasonScopeNotSupported is the reason a connector must give when it cannot
// honour a part of its scope.
const ReasonScopeNotSupported = "scope_not_supported"

// The states that http wait reports.
const (
	ReadyHead  = "head"
	ReadyBody  = "body"
	ReadyDone  = "done"
	ReadyError = "error"
)

// The states of a credential.
const (
	CredentialActive   = "active"
	CredentialMissing  = "missing"
	CredentialExpired  = "expired"
	CredentialRejected = "rejected"
)

// The reasons of credential reject.
const (
	RejectUnauthorized = 1
	RejectExpired      = 2
	RejectScope        = 3
)

// The log levels.
const (
	LogDebug = 0
	LogInfo  = 1
	LogWarn  = 2
	LogError = 3
)

// The shape of a surrogate: the prefix, then letters and digits.
const (
	SurrogatePrefix   = "sp1"
	SurrogateLen      = 40
	SurrogateAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
