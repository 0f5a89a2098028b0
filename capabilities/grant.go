package capabilities

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// GrantVersion is the version of the PDPP core specification whose grants
// [ParseGrant] reads.
const GrantVersion = "0.1.0"

// SelfClient is the client of the owner's own grant: the owner.
const SelfClient = "self"

// The bounds of a grant's lists, in number.
const (
	maxStreams   = 1024
	maxInstances = 1024
	maxFields    = 4096
	maxResources = 65536
)

// Grant is a PDPP grant (core specification section 7), read strictly. It is
// immutable, and silent on credentials: those are an [Approval]'s.
type Grant struct {
	GrantID       string
	IssuedAt      time.Time
	SubjectID     string
	ClientID      string
	SourceID      string // the connector's URI
	SourceVersion string // of the source's declaration: evidence, compared with nothing
	PurposeCode   string // a URI; "" in the owner's own grant
	Continuous    bool   // access_mode continuous; else single_use: one run of each instance, see [Use]
	Streams       []GrantStream
	ExpiresAt     time.Time // zero is never
}

// GrantStream is one stream of a grant.
type GrantStream struct {
	Name        string
	InstanceIDs []string // nil means all, in the owner's own grant only
	Fields      []string // nil means all, in the owner's own grant only
	Resources   []string // nil means all
	TimeField   string   // "" when Since and Until are zero
	Since       time.Time
	Until       time.Time
}

// Self reports whether g is the owner's own.
func (g *Grant) Self() bool { return g.GrantID == vaultstore.SelfGrant }

// SelfGrant is the owner's own: continuous, over all of the manifest's
// streams, without end.
func SelfGrant(m *manifests.Manifest, owner string, now time.Time) *Grant {
	g := &Grant{
		GrantID:       vaultstore.SelfGrant,
		IssuedAt:      now.UTC().Round(0),
		SubjectID:     owner,
		ClientID:      SelfClient,
		SourceID:      m.ConnectorID,
		SourceVersion: m.Version,
		Continuous:    true,
	}
	for _, s := range m.Streams {
		g.Streams = append(g.Streams, GrantStream{Name: s.Name})
	}
	return g
}

// The wire shapes. What the specification leaves open is kept unread.
type (
	wireGrant struct {
		Version            string          `json:"version"`
		GrantID            string          `json:"grant_id"`
		IssuedAt           time.Time       `json:"issued_at"`
		Subject            wireID          `json:"subject"`
		Client             wireClient      `json:"client"`
		Source             wireSource      `json:"source"`
		SourceDeclaration  wireVersion     `json:"source_declaration"`
		PurposeCode        string          `json:"purpose_code,omitempty"`
		PurposeDescription string          `json:"purpose_description,omitempty"`
		AccessMode         string          `json:"access_mode"`
		Streams            []wireStream    `json:"streams"`
		SelectionPreset    json.RawMessage `json:"selection_preset,omitempty" null:"ok"`
		Retention          json.RawMessage `json:"retention,omitempty" null:"ok"`
		ExpiresAt          *time.Time      `json:"expires_at,omitempty" null:"ok"`
	}
	wireID struct {
		ID string `json:"id"`
	}
	wireClient struct {
		ClientID string          `json:"client_id"`
		Display  json.RawMessage `json:"client_display,omitempty" null:"ok"`
	}
	wireSource struct {
		Kind string `json:"kind"`
		ID   string `json:"id"`
	}
	wireVersion struct {
		Version string `json:"version"`
	}
	wireStream struct {
		Name           string          `json:"name"`
		InstanceIDs    []string        `json:"instance_ids,omitempty"`
		Fields         []string        `json:"fields,omitempty"`
		TimeConstraint *wireConstraint `json:"time_constraint,omitempty"`
		Resources      []string        `json:"resources,omitempty"`
	}
	wireConstraint struct {
		Field string    `json:"field"`
		Since time.Time `json:"since,omitzero"`
		Until time.Time `json:"until,omitzero"`
	}
)

// The values of access_mode, and the one of source.kind.
const (
	accessContinuous = "continuous"
	accessSingleUse  = "single_use"
	kindConnector    = "connector"
)

// ParseGrant reads a grant. It is read strictly, at most [MaxBytes]: the error
// wraps [ErrMalformed] and names the member. A grant whose grant_id is "self"
// must be the owner's own in every respect, so that nobody else's shares its
// credentials.
func ParseGrant(raw []byte) (*Grant, error) {
	var w wireGrant
	if err := decode(raw, &w); err != nil {
		return nil, err
	}
	g := &Grant{
		GrantID:       w.GrantID,
		IssuedAt:      w.IssuedAt.UTC(),
		SubjectID:     w.Subject.ID,
		ClientID:      w.Client.ClientID,
		SourceID:      w.Source.ID,
		SourceVersion: w.SourceDeclaration.Version,
		PurposeCode:   w.PurposeCode,
		Continuous:    w.AccessMode == accessContinuous,
	}
	if w.ExpiresAt != nil {
		g.ExpiresAt = w.ExpiresAt.UTC()
	}
	for i := range w.Streams {
		g.Streams = append(g.Streams, w.Streams[i].stream())
	}
	switch {
	case w.Version != GrantVersion:
		return nil, malformedf("version %q is not %s", brief(w.Version), GrantVersion)
	case w.Source.Kind != kindConnector:
		return nil, malformedf("source.kind %q is not %q", brief(w.Source.Kind), kindConnector)
	case w.AccessMode != accessContinuous && w.AccessMode != accessSingleUse:
		return nil, malformedf("access_mode %q is neither %q nor %q", brief(w.AccessMode), accessContinuous, accessSingleUse)
	case w.ExpiresAt != nil && w.ExpiresAt.IsZero():
		return nil, malformedf("expires_at is no time")
	}
	for i := range w.Streams {
		if c := w.Streams[i].TimeConstraint; c != nil && c.Since.IsZero() && c.Until.IsZero() {
			return nil, malformedf("streams/%d/time_constraint has neither since nor until", i)
		}
	}
	if err := g.validate(); err != nil {
		return nil, err
	}
	return g, nil
}

func (w *wireStream) stream() GrantStream {
	s := GrantStream{Name: w.Name, InstanceIDs: w.InstanceIDs, Fields: w.Fields, Resources: w.Resources}
	if c := w.TimeConstraint; c != nil {
		s.TimeField, s.Since, s.Until = c.Field, c.Since.UTC(), c.Until.UTC()
	}
	return s
}

// MarshalJSON writes g as [ParseGrant] reads it.
func (g *Grant) MarshalJSON() ([]byte, error) {
	w := wireGrant{
		Version:           GrantVersion,
		GrantID:           g.GrantID,
		IssuedAt:          g.IssuedAt,
		Subject:           wireID{g.SubjectID},
		Client:            wireClient{ClientID: g.ClientID},
		Source:            wireSource{kindConnector, g.SourceID},
		SourceDeclaration: wireVersion{g.SourceVersion},
		PurposeCode:       g.PurposeCode,
		AccessMode:        accessSingleUse,
		Streams:           []wireStream{},
	}
	if g.Continuous {
		w.AccessMode = accessContinuous
	}
	if !g.ExpiresAt.IsZero() {
		w.ExpiresAt = &g.ExpiresAt
	}
	for _, s := range g.Streams {
		out := wireStream{Name: s.Name, InstanceIDs: s.InstanceIDs, Fields: s.Fields, Resources: s.Resources}
		if s.TimeField != "" {
			out.TimeConstraint = &wireConstraint{Field: s.TimeField, Since: s.Since, Until: s.Until}
		}
		w.Streams = append(w.Streams, out)
	}
	return json.Marshal(w)
}

func (g *Grant) validate() error {
	switch {
	case !validPart(g.GrantID):
		return malformedf("grant_id is empty, too long or not printable")
	case !validPart(g.SubjectID):
		return malformedf("subject.id is empty, too long or not printable")
	case !validPart(g.ClientID):
		return malformedf("client.client_id is empty, too long or not printable")
	case !validURI(g.SourceID):
		return malformedf("source.id is no URI")
	case !validPart(g.SourceVersion):
		return malformedf("source_declaration.version is empty, too long or not printable")
	case g.IssuedAt.IsZero():
		return malformedf("issued_at is no time")
	case !g.ExpiresAt.IsZero() && !g.ExpiresAt.After(g.IssuedAt):
		return malformedf("expires_at is not after issued_at")
	case len(g.Streams) == 0 || len(g.Streams) > maxStreams:
		return malformedf("streams is empty or longer than %d", maxStreams)
	case g.Self() && !(g.ClientID == SelfClient && g.Continuous && g.ExpiresAt.IsZero() && g.PurposeCode == ""):
		return malformedf("grant_id %q is the owner's own grant, and this is none", vaultstore.SelfGrant)
	case !g.Self() && !validURI(g.PurposeCode):
		return malformedf("purpose_code is no URI")
	}
	seen := map[string]bool{}
	for i := range g.Streams {
		s := &g.Streams[i]
		if seen[s.Name] {
			return malformedf("streams/%d names %q a second time", i, brief(s.Name))
		}
		seen[s.Name] = true
		if fault := s.fault(g.Self()); fault != "" {
			return malformedf("streams/%d %s", i, fault)
		}
	}
	return nil
}

// fault says what is wrong with a stream, "" when nothing is.
func (s *GrantStream) fault(self bool) string {
	switch {
	case !validPart(s.Name) || strings.ContainsAny(s.Name, "*?"):
		return "has a name that is empty, too long, not printable or a wildcard"
	case !distinct(s.InstanceIDs, maxInstances, self, validPart):
		return "has instance_ids that are missing, too many, repeated or not printable"
	case !distinct(s.Fields, maxFields, self, validPart):
		return "has fields that are missing, too many, repeated or not printable"
	case !distinct(s.Resources, maxResources, true, validKey):
		return "has resources that are none, too many or repeated, or one that is no key"
	case s.TimeField == "" && !(s.Since.IsZero() && s.Until.IsZero()), s.TimeField != "" && !validPart(s.TimeField):
		return "has a time_constraint whose field is empty, too long or not printable"
	case !s.Since.IsZero() && !s.Until.IsZero() && !s.Until.After(s.Since):
		return "has a time_constraint that ends before it begins"
	}
	return ""
}

// distinct reports whether list is one of the grant's: not empty (or absent,
// where optional says so), within most, each part valid, no wildcard, none
// twice.
func distinct(list []string, most int, optional bool, valid func(string) bool) bool {
	if list == nil {
		return optional
	}
	if len(list) == 0 || len(list) > most {
		return false
	}
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) == len(list) &&
		!slices.ContainsFunc(list, func(s string) bool { return !valid(s) || s == "*" })
}

// validKey reports whether s can be a record's canonical key, which the source
// chose and not we.
func validKey(s string) bool {
	return s != "" && len(s) <= abi.MaxKeyBytes && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func validURI(s string) bool {
	if !validPart(s) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}
