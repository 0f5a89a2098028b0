package sallyport

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

type wireProgress struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Stream  string `json:"stream,omitempty"`
	Count   *int64 `json:"count,omitempty"`
	Total   *int64 `json:"total,omitempty"`
}

// Progress tells the owner what the connector is doing, in one line of at
// most 4 KiB. An empty one tells nothing: what was emitted is handed over, as
// with any other, and that is all.
func (r *Run) Progress(message string) error {
	if message == "" {
		return r.Flush()
	}
	return r.put("progress", wireProgress{Type: abi.TypeProgress, Message: cut(message, abi.MaxReasonBytes)}, true)
}

// RecoveryAction says what would help: one of the Collection Profile's.
type RecoveryAction string

// The recovery actions.
const (
	RetryByRuntime          RecoveryAction = abi.RetryByRuntime
	RetryOnConnectorUpgrade RecoveryAction = abi.RetryOnConnectorUpgrade
	RefreshCredentials      RecoveryAction = abi.RefreshCredentials
	ManualActionRequired    RecoveryAction = abi.ManualActionRequired
	UpdateSelector          RecoveryAction = abi.UpdateSelector
	UpstreamUnblock         RecoveryAction = abi.UpstreamUnblock
	NotRetriable            RecoveryAction = abi.NotRetriable
)

// ReasonScopeNotSupported is the reason that a connector has to give when it
// cannot honour a part of its scope.
const ReasonScopeNotSupported = abi.ReasonScopeNotSupported

// Skip says that something in scope was not collected.
type Skip struct {
	Stream       string         `json:"stream,omitempty"`
	Reason       string         `json:"reason,omitempty"` // a word, such as ReasonScopeNotSupported
	Message      string         `json:"message,omitempty"`
	RecoveryHint RecoveryAction `json:"recovery_hint,omitempty"`
}

// Skip emits a SKIP_RESULT.
func (r *Run) Skip(s Skip) error {
	s.Message = cut(s.Message, abi.MaxReasonBytes)
	return r.put("skip of "+s.Stream, struct {
		Type string `json:"type"`
		Skip
	}{abi.TypeSkipResult, s}, false)
}

// DetailGap says that a record's details are missing, and how to come back
// for them.
type DetailGap struct {
	Stream        string `json:"stream"`
	ParentStream  string `json:"parent_stream,omitempty"`
	RecordKey     Key    `json:"record_key,omitempty"`
	Reason        string `json:"reason,omitempty"`
	Retryable     bool   `json:"retryable"`
	DetailLocator any    `json:"detail_locator,omitempty"` // a JSON object; never holds a secret
}

// DetailGap emits a DETAIL_GAP.
func (r *Run) DetailGap(g DetailGap) error {
	return r.put("detail gap of "+g.Stream, struct {
		Type string `json:"type"`
		DetailGap
	}{abi.TypeDetailGap, g}, false)
}

// DetailCoverage says which of a stream's records have their details.
// HydratedKeys and GapKeys are among RequiredKeys, none twice.
type DetailCoverage struct {
	Stream       string   `json:"stream"`
	StateStream  string   `json:"state_stream"`
	RequiredKeys []string `json:"required_keys"`
	HydratedKeys []string `json:"hydrated_keys"`
	GapKeys      []string `json:"gap_keys,omitempty"`
}

// DetailCoverage emits a DETAIL_COVERAGE.
func (r *Run) DetailCoverage(c DetailCoverage) error {
	if c.RequiredKeys == nil {
		c.RequiredKeys = []string{}
	}
	if c.HydratedKeys == nil {
		c.HydratedKeys = []string{}
	}
	return r.put("detail coverage of "+c.Stream, struct {
		Type          string `json:"type"`
		ReferenceOnly bool   `json:"reference_only"`
		DetailCoverage
	}{abi.TypeDetailCoverage, true, c}, false)
}

// InteractionKind is what an [Interaction] asks for.
type InteractionKind string

// The kinds of interaction.
const (
	AskCredentials  InteractionKind = abi.InteractCredentials
	AskOTP          InteractionKind = abi.InteractOTP
	AskManualAction InteractionKind = abi.InteractManualAction
)

// Interaction asks the owner for something. The host words the question and
// quotes Message as the connector's.
type Interaction struct {
	Kind    InteractionKind
	Message string
	// Schema is a JSON Schema of type object whose properties are credentials
	// and options that the manifest declares; it marshals to JSON. nil asks
	// for none.
	Schema any
	// Timeout is how long to wait; zero leaves it to the host.
	Timeout time.Duration
	Stream  string
}

// ErrDeclined is the error of an [Interaction] that the owner refused, or that
// nobody was there to answer.
var ErrDeclined = errors.New("the owner did not answer")

type wireInteraction struct {
	Type           string          `json:"type"`
	RequestID      string          `json:"request_id"`
	Kind           InteractionKind `json:"kind"`
	Message        string          `json:"message"`
	Schema         any             `json:"schema,omitempty"`
	TimeoutSeconds float64         `json:"timeout_seconds,omitempty"`
	Stream         string          `json:"stream,omitempty"`
}

// Interact asks, and waits for the answer. All of the guest stands still
// meanwhile, timers and requests too. What comes back for a credential is a
// surrogate. The error is [ErrDeclined], [ErrTimeout], or a refusal.
func (r *Run) Interact(i Interaction) (map[string]any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return nil, ErrEnded
	case r.broken != nil:
		return nil, r.broken
	}
	if err := r.handOver(r.out.Len()); err != nil {
		return nil, err
	}
	r.asked++
	id := "i-" + strconv.Itoa(r.asked)
	ask, err := json.Marshal(wireInteraction{Type: abi.TypeInteraction, RequestID: id, Kind: i.Kind,
		Message: i.Message, Schema: i.Schema, TimeoutSeconds: i.Timeout.Seconds(), Stream: i.Stream})
	if err != nil {
		return nil, fmt.Errorf("interact: %w", err)
	}
	raw, err := r.result("interact", string(i.Kind), make([]byte, 4<<10),
		func(out []byte) abi.Result { return r.host.Interact(ask, out) })
	if err != nil {
		return nil, err
	}
	return readAnswer(raw, id)
}

func readAnswer(raw []byte, id string) (map[string]any, error) {
	var answer struct {
		RequestID string         `json:"request_id"`
		Status    string         `json:"status"`
		Data      map[string]any `json:"data"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("interact: %w", err)
	}
	if answer.RequestID != id {
		return nil, errors.New("interact: the answer is to another question")
	}
	switch answer.Status {
	case abi.InteractionSuccess:
		return answer.Data, nil
	case abi.InteractionTimeout:
		return nil, &Error{Op: "interact", Status: ErrTimeout}
	}
	return nil, fmt.Errorf("interact: %w", ErrDeclined)
}

// cut shortens s to at most n bytes, at the start of a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
