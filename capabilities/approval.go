package capabilities

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// ApprovalVersion is the version of [Approval] that this package reads and
// writes.
const ApprovalVersion = 1

// Approval is an owner's consent, signed by the host's key. It pins all that
// it was given for: whatever changes needs a new one. It is not to be changed
// once it is signed or resolved.
type Approval struct {
	Version        int                  `json:"version"` // ApprovalVersion
	ApprovalID     string               `json:"approval_id"`
	Serial         uint64               `json:"serial"` // from 1, counted per scope together with revocations
	Scope                               // flattened
	ManifestSHA256 string               `json:"manifest_sha256"`
	Modules        map[abi.Role]string  `json:"modules"` // SHA-256 of the actual bytes
	Options        map[string]any       `json:"options"`
	Credentials    []ApprovedCredential `json:"credentials"`
	Egress         []ApprovedEgress     `json:"egress"`
	Streams        []string             `json:"streams,omitempty"`    // what may be collected
	HostCalls      []ApprovedCall       `json:"host_calls,omitempty"` // what the host calls for the connector
	Mode           Mode                 `json:"mode"`
	ApprovedAt     time.Time            `json:"approved_at"`
	ExpiresAt      time.Time            `json:"expires_at,omitzero"` // zero is never
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
	Sign     []ApprovedSign        `json:"sign,omitempty"`
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

// ApprovedSign is one approved way to sign with a credential. An approval
// from before there were any has none, and allows none.
type ApprovedSign struct {
	Name string `json:"name"`
	Pin  string `json:"pin"`  // manifests.SignTemplate.Pin: all that it allows
	What string `json:"what"` // the same as the owner read it
}

// ApprovedEgress is one approved egress rule.
type ApprovedEgress struct {
	Origin  string   `json:"origin"`
	Methods []string `json:"methods"`
	Paths   []string `json:"paths"`
	Deny    bool     `json:"deny,omitempty"`
}

// ApprovedCall is a call of the host's own: a probe, a token endpoint, an
// address that the owner's browser is sent to.
type ApprovedCall struct {
	Credential string `json:"credential"`
	Origin     string `json:"origin"`
	Method     string `json:"method,omitempty"` // "" when it is not a request of the host's
	Path       string `json:"path,omitempty"`
}

// Revocation is a tombstone: the approval it names, and every older one of
// the scope, never lives again. It is the owner's, or a host's that suspends.
type Revocation struct {
	Revokes string    `json:"revokes"` // an approval_id; "" when none could be read
	Scope             // flattened
	Serial  uint64    `json:"serial"`
	At      time.Time `json:"at"`
	// Strikes is how many runs under the approval the guard had stopped, where
	// that is why; 0 where the owner took it back.
	Strikes int `json:"strikes,omitempty"`
}

// Use is the record that the one run which a grant for a single use allows
// has begun. No approval given later takes it back.
type Use struct {
	RunID  string    `json:"run_id"`
	Scope            // flattened
	Serial uint64    `json:"serial"` // counted with those of approvals and revocations
	At     time.Time `json:"at"`
}

// NewApproval states what the owner consents to: all that b declares, for
// these modules. It has no id, serial or signature yet, and it never expires
// unless the caller says so. Nothing in it is shared with b or modules.
func NewApproval(b *manifests.Bound, scope Scope, modules map[abi.Role]string, mode Mode, now time.Time) Approval {
	a := Approval{
		Version:        ApprovalVersion,
		Scope:          scope,
		ManifestSHA256: b.Manifest.Digest(),
		Modules:        map[abi.Role]string{},
		Options:        map[string]any{},
		Credentials:    make([]ApprovedCredential, 0, len(b.Credentials)),
		Egress:         make([]ApprovedEgress, 0, len(b.Egress)),
		Mode:           mode,
		ApprovedAt:     now.UTC().Round(0),
	}
	maps.Copy(a.Modules, modules)
	for name, value := range b.Options {
		a.Options[name] = cloneJSON(value)
	}
	for _, c := range b.Credentials {
		a.Credentials = append(a.Credentials, approveCredential(c))
	}
	for _, e := range b.Egress {
		rule := ApprovedEgress{Origin: e.Origin, Methods: list(e.Methods), Paths: list(e.Paths), Deny: e.Deny}
		if !e.Deny { // the default is one of what is allowed: a denial stays as wide as it is
			rule.Methods = methods(e.Origin, e.Methods)
		}
		a.Egress = append(a.Egress, rule)
	}
	for _, s := range b.Manifest.Streams {
		a.Streams = append(a.Streams, s.Name)
	}
	for _, c := range b.HostCalls() {
		a.HostCalls = append(a.HostCalls, ApprovedCall{Credential: c.Credential, Origin: c.Origin, Method: c.Method, Path: c.Path})
	}
	return a
}

func approveCredential(c manifests.Credential) ApprovedCredential {
	out := ApprovedCredential{
		Name:     c.Name,
		Class:    c.Class,
		Identity: c.Identity,
		Access:   append([]abi.Access{}, c.Access...),
		SendTo:   make([]ApprovedDestination, 0, len(c.SendTo)),
	}
	for _, d := range c.SendTo {
		out.SendTo = append(out.SendTo, ApprovedDestination{
			Origin: d.Origin, Methods: methods(d.Origin, d.Methods), Paths: list(d.Paths), As: d.As.String()})
	}
	for _, p := range c.Capture {
		out.Capture = append(out.Capture, ApprovedCapture{
			Origin: p.Origin, Methods: methods(p.Origin, p.Methods), Paths: list(p.Paths), From: p.From})
	}
	for _, name := range c.SignNames() {
		t := c.Sign[name]
		out.Sign = append(out.Sign, ApprovedSign{Name: name, Pin: t.Pin(), What: t.Describe()})
	}
	return out
}

// AllowsSign reports whether the credential of that name may sign by t: only
// by a template that is to the last detail the one that was approved. It does
// not ask whether the approval is in force.
func (a *Approval) AllowsSign(name string, t manifests.SignTemplate) bool {
	c := a.Credential(name)
	return c != nil && slices.Contains(c.Access, abi.AccessSign) &&
		slices.ContainsFunc(c.Sign, func(s ApprovedSign) bool { return s.Name == t.Name && s.Pin == t.Pin() })
}

// Credential returns the approved credential of that name, nil when the
// approval has none.
func (a *Approval) Credential(name string) *ApprovedCredential {
	for i := range a.Credentials {
		if a.Credentials[i].Name == name {
			return &a.Credentials[i]
		}
	}
	return nil
}

// EgressRules returns the approved egress as package manifests matches it.
func (a *Approval) EgressRules() []manifests.EgressRule {
	rules := make([]manifests.EgressRule, len(a.Egress))
	for i, e := range a.Egress {
		rules[i] = manifests.EgressRule{Origin: e.Origin, Methods: list(e.Methods), Paths: list(e.Paths), Deny: e.Deny}
	}
	return rules
}

// methods spells out the default, so that what is signed says what it means.
// A stream has no methods.
func methods(origin string, in []string) []string {
	if len(in) == 0 && strings.HasPrefix(origin, "http") {
		return []string{"GET", "HEAD"}
	}
	return list(in)
}

// list is a copy that is never nil: nil would be written as null.
func list(in []string) []string { return append([]string{}, in...) }

func cloneJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = cloneJSON(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneJSON(e)
		}
		return out
	}
	return v
}
