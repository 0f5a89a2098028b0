package capabilities

import (
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// Decide answers r.
func Decide(r Request) Verdict { return Verdict{} }

// Approval is an owner's consent, signed by the host's key. It pins all that
// it was given for: whatever changes needs a new one.
type Approval struct {
	Version        int                  `json:"version"` // 1
	ApprovalID     string               `json:"approval_id"`
	Serial         uint64               `json:"serial"`
	Scope                               // flattened
	ManifestSHA256 string               `json:"manifest_sha256"`
	Modules        map[abi.Role]string  `json:"modules"`
	Options        map[string]any       `json:"options"`
	Credentials    []ApprovedCredential `json:"credentials"`
	Egress         []ApprovedEgress     `json:"egress"`
	Mode           Mode                 `json:"mode"`
	ApprovedAt     time.Time            `json:"approved_at"`
	ExpiresAt      time.Time            `json:"expires_at,omitzero"`
}

// ApprovedCredential, ApprovedDestination and ApprovedEgress are the
// manifest's declarations as the owner saw them, options put in.
type ApprovedCredential struct {
	Name     string                `json:"name"`
	Class    abi.Class             `json:"class,omitempty"`
	Identity bool                  `json:"identity,omitempty"`
	Access   []abi.Access          `json:"access"`
	SendTo   []ApprovedDestination `json:"send_to"`
	Capture  []ApprovedCapture     `json:"capture,omitempty"`
}

// ApprovedDestination is one approved place for a credential.
type ApprovedDestination struct {
	Origin  string   `json:"origin"`
	Methods []string `json:"methods"`
	Paths   []string `json:"paths"`
	As      string   `json:"as"`
}

// ApprovedCapture is one approved capture rule.
type ApprovedCapture struct {
	Origin  string   `json:"origin"`
	Methods []string `json:"methods"`
	Paths   []string `json:"paths"`
	From    string   `json:"from"`
}

// ApprovedEgress is one approved egress rule.
type ApprovedEgress struct {
	Origin  string   `json:"origin"`
	Methods []string `json:"methods"`
	Paths   []string `json:"paths"`
	Deny    bool     `json:"deny,omitempty"`
}

// Revocation is a tombstone: the approval it names, and every older one of
// the scope, never lives again.
type Revocation struct {
	Revokes string    `json:"revokes"`
	Scope             // flattened
	Serial  uint64    `json:"serial"`
	At      time.Time `json:"at"`
}

// Standing is what is in force for a scope.
type Standing struct {
	Approval  *Approval // nil when there never was a valid one
	Revoked   bool
	HighWater uint64 // the highest serial seen, in any valid envelope or given
	// Problems says which envelopes were refused and why, one line each.
	Problems []string
}

// The errors of this file's functions.
var (
	ErrSignature = errors.New("signature does not match")
	ErrMalformed = errors.New("malformed")
	ErrReplay    = errors.New("older than what was last seen")
)

// NewApproval states what the owner consents to: all that b declares, for
// these modules. It has no id, serial or signature yet.
func NewApproval(b *manifests.Bound, scope Scope, modules map[abi.Role]string, mode Mode, now time.Time) Approval {
	return Approval{}
}

// SignApproval returns the envelope that is kept.
func SignApproval(key ed25519.PrivateKey, a Approval) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// SignRevocation returns the envelope that is kept.
func SignRevocation(key ed25519.PrivateKey, r Revocation) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Resolve reads all envelopes of a scope, approvals and revocations in any
// order, and says what is in force. An envelope that does not verify, is of
// another scope, or has a serial at or below a revocation's is not in force;
// so is one below highWater, which the caller keeps where envelopes cannot be
// put back.
func Resolve(envelopes [][]byte, key ed25519.PublicKey, scope Scope, highWater uint64) Standing {
	return Standing{}
}

// Widening lists what b hands over beyond what a does, one line each: nil
// means that a short confirmation is enough.
func Widening(a *Approval, next Approval) []string { return nil }

// Grant is a PDPP grant (core specification section 7), read strictly.
type Grant struct {
	GrantID    string
	IssuedAt   time.Time
	SubjectID  string
	ClientID   string
	SourceID   string // the connector's URI
	Continuous bool   // access_mode continuous; else single_use
	Streams    []GrantStream
	ExpiresAt  time.Time
}

// GrantStream is one stream of a grant.
type GrantStream struct {
	Name        string
	InstanceIDs []string
	Fields      []string
	Resources   []string
	TimeField   string
	Since       time.Time
	Until       time.Time
}

// ParseGrant reads a grant.
func ParseGrant(raw []byte) (*Grant, error) { return nil, errors.ErrUnsupported }

// SelfGrant is the owner's own: continuous, over all of the manifest's
// streams.
func SelfGrant(m *manifests.Manifest, owner string, now time.Time) *Grant { return nil }
