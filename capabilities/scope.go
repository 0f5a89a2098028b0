package capabilities

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// ErrGrant is wrapped by every error that says why a grant allows no run.
var ErrGrant = errors.New("grant does not allow this")

// Active says why g is not in force at now, nil when it is. The end is
// exclusive.
func (g *Grant) Active(now time.Time) error {
	switch {
	case now.IsZero():
		return fmt.Errorf("%w: no time was given", ErrGrant)
	case now.Before(g.IssuedAt):
		return fmt.Errorf("%w: grant %q begins at %s", ErrGrant, g.GrantID, stamp(g.IssuedAt))
	case !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt):
		return fmt.Errorf("%w: grant %q ended at %s; ask for a new one", ErrGrant, g.GrantID, stamp(g.ExpiresAt))
	}
	return nil
}

// ScopeFor is what g lets a run of m on instance collect at now: the streams
// that name the instance, each with its fields widened by what no record can
// do without: the schema's own required ones, the primary key and the consent
// time field. The error wraps [ErrGrant] when g is not [Grant.Active], is of
// another connector, names a stream or a field that m does not declare, bounds a
// time by a field that is not the stream's, or names the instance nowhere.
//
// That a grant for a single use is used once is for who starts the run: see
// [Use]. The source's declaration may be of another version than m: the
// specification (section 7, "Version layering") has that version as evidence
// of what was consented to, and the grant's own streams and fields as what is
// enforced.
func (g *Grant) ScopeFor(m *manifests.Manifest, instance string, now time.Time) (abi.Scope, error) {
	if err := g.Active(now); err != nil {
		return abi.Scope{}, err
	}
	if g.SourceID != m.ConnectorID {
		return abi.Scope{}, fmt.Errorf("%w: grant %q is for %s, not for %s", ErrGrant, g.GrantID, g.SourceID, m.ConnectorID)
	}
	var scope abi.Scope
	for i := range g.Streams {
		s := &g.Streams[i]
		declared := streamOf(m, s.Name)
		if declared == nil {
			return abi.Scope{}, fmt.Errorf("%w: grant %q names stream %q, which %s does not declare",
				ErrGrant, g.GrantID, s.Name, m.ConnectorKey)
		}
		if s.InstanceIDs != nil && !slices.Contains(s.InstanceIDs, instance) {
			continue
		}
		narrowed, err := s.narrow(declared)
		if err != nil {
			return abi.Scope{}, fmt.Errorf("%w: grant %q, stream %q: %w", ErrGrant, g.GrantID, s.Name, err)
		}
		scope.Streams = append(scope.Streams, narrowed)
	}
	if len(scope.Streams) == 0 {
		return abi.Scope{}, fmt.Errorf("%w: grant %q names no stream of instance %q", ErrGrant, g.GrantID, instance)
	}
	return scope, nil
}

func streamOf(m *manifests.Manifest, name string) *manifests.Stream {
	for i := range m.Streams {
		if m.Streams[i].Name == name {
			return &m.Streams[i]
		}
	}
	return nil
}

func (s *GrantStream) narrow(declared *manifests.Stream) (abi.StreamScope, error) {
	if unknown := declared.Undeclared(s.Fields); len(unknown) > 0 {
		return abi.StreamScope{}, fmt.Errorf("it names the field %q, which the stream's schema does not have (%d such); "+
			"ask for a grant of this version's fields", brief(unknown[0]), len(unknown))
	}
	out := abi.StreamScope{Name: s.Name, Resources: slices.Clone(s.Resources), Fields: s.widened(declared)}
	if s.TimeField == "" {
		return out, nil
	}
	if s.TimeField != declared.ConsentTimeField {
		return out, fmt.Errorf("it bounds the time by %q, but the stream's consent_time_field is %q", s.TimeField, declared.ConsentTimeField)
	}
	out.TimeRange = &abi.TimeRange{Since: bound(s.Since), Until: bound(s.Until)}
	return out, nil
}

// widened adds to the granted fields those that a record is not valid without.
func (s *GrantStream) widened(declared *manifests.Stream) []string {
	if s.Fields == nil {
		return nil
	}
	fields := slices.Clone(s.Fields)
	need := slices.Concat(declared.Required, declared.PrimaryKey)
	if declared.ConsentTimeField != "" {
		need = append(need, declared.ConsentTimeField)
	}
	for _, name := range need {
		if !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	}
	return fields
}

func bound(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
