package manifests

import (
	"errors"
	"slices"
	"strings"
)

// Bound is a manifest with its options put in: no ${options.…} is left, and
// every origin is canonical.
type Bound struct {
	Manifest    *Manifest
	Options     map[string]any // defaults put in; a string, bool, int64 or float64 each
	Credentials []Credential
	Egress      []EgressRule
}

// Credential returns the declared credential of that name or alias, its
// origins bound.
func (b *Bound) Credential(name string) (*Credential, bool) {
	return findCredential(b.Credentials, name)
}

// Credential returns the declared credential of that name or alias. It is not
// to be changed.
func (m *Manifest) Credential(name string) (*Credential, bool) {
	return findCredential(m.Credentials, name)
}

func findCredential(list []Credential, name string) (*Credential, bool) {
	for i := range list {
		if list[i].Name == name || slices.Contains(list[i].Aliases, name) {
			return &list[i], true
		}
	}
	return nil, false
}

// Stream returns the stream of that name. It is not to be changed.
func (m *Manifest) Stream(name string) (*Stream, bool) {
	for i := range m.Streams {
		if m.Streams[i].Name == name {
			return &m.Streams[i], true
		}
	}
	return nil, false
}

// Binding reports whether the manifest names a binding, and whether it needs
// it. browser and browser_automation are one.
func (m *Manifest) Binding(name string) (required, declared bool) {
	required, declared = m.Bindings[name]
	if other := map[string]string{"browser": "browser_automation", "browser_automation": "browser"}[name]; other != "" {
		required2, declared2 := m.Bindings[other]
		return required || required2, declared || declared2
	}
	return required, declared
}

// Bind checks options against options_schema, puts the defaults in, and puts
// the values into origins. A missing required option, an unknown one, or one
// that makes an origin invalid is a *[Faults]; its pointers lead into options.
func (m *Manifest) Bind(options map[string]any) (*Bound, error) {
	values, faults := m.Options.complete(options)
	if err := faults.err(); err != nil {
		return nil, err
	}
	b := &Bound{Manifest: m, Options: values}
	put := func(origin string) string { return bindOrigin(origin, values, faults) }
	for _, c := range m.Credentials {
		c.SendTo = slices.Clone(c.SendTo)
		for i := range c.SendTo {
			c.SendTo[i].Origin = put(c.SendTo[i].Origin)
		}
		c.Capture = slices.Clone(c.Capture)
		for i := range c.Capture {
			c.Capture[i].Origin = put(c.Capture[i].Origin)
		}
		c.ProbeCall = c.ProbeCall.bind(put, values)
		c.Sign = bindSign(c.Sign, values, faults)
		b.Credentials = append(b.Credentials, c)
	}
	for _, rule := range m.Egress {
		rule.Origin = put(rule.Origin)
		b.Egress = append(b.Egress, rule)
	}
	if len(faults.list) == 0 {
		b.coverage(faults)
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	return b, nil
}

// bindOrigin returns an origin with its option put in.
func bindOrigin(origin string, values map[string]any, faults *faultList) string {
	if !isTemplate(origin) {
		return origin
	}
	t, err := parseTemplate(origin)
	if err != nil {
		faults.add("", err.Error(), "") // unreachable: Parse has read it
		return ""
	}
	o, err := t.bind(values)
	if blame := t.option; err != nil {
		if errors.As(err, new(portError)) {
			blame = t.port
		}
		faults.add(pointerTo("", blame), err.Error(), "the option becomes a part of "+t.text)
		return ""
	}
	return o.String()
}

// coverage holds bound origins to egress: what [parser.coverage] could not
// tell before.
func (b *Bound) coverage(faults *faultList) {
	rules := newEgressIndex(b.Egress)
	for _, c := range b.Credentials {
		for _, origin := range c.origins() {
			if len(rules.covering(origin)) == 0 {
				faults.add("", c.Name+" may go to "+origin+", which no egress rule covers", "choose options that lead where the manifest's egress allows")
			}
		}
	}
}

// origins lists where a credential is sent by the guest, or captured from.
func (c *Credential) origins() []string {
	var list []string
	for _, d := range c.SendTo {
		list = append(list, d.Origin)
	}
	for _, r := range c.Capture {
		list = append(list, r.Origin)
	}
	return list
}

// egressIndex answers which rules that allow cover an origin. Each origin is parsed
// once: a manifest can name thousands.
type egressIndex struct {
	rules    []EgressRule
	parsed   []parsedRule
	byOrigin map[string][]*EgressRule
}

type parsedRule struct {
	origin Origin
	wild   bool
	ok     bool
}

func newEgressIndex(rules []EgressRule) *egressIndex {
	r := &egressIndex{rules: rules, parsed: make([]parsedRule, len(rules)), byOrigin: map[string][]*EgressRule{}}
	for i := range rules {
		origin, wild, err := parseOriginRule(rules[i].Origin)
		r.parsed[i] = parsedRule{origin, wild, err == nil}
	}
	return r
}

// covering returns the rules that allow and cover origin, as far as can be
// told before options are bound.
func (r *egressIndex) covering(origin string) []*EgressRule {
	if known, ok := r.byOrigin[origin]; ok {
		return known
	}
	var found []*EgressRule
	o, err := ParseOrigin(origin)
	for i := range r.rules {
		rule, p := &r.rules[i], r.parsed[i]
		if !rule.Deny && (rule.Origin == origin || err == nil && p.ok && p.origin.covers(p.wild, o)) {
			found = append(found, rule)
		}
	}
	r.byOrigin[origin] = found
	return found
}

// coverage adds a fault for each place that a credential may go to and the
// guest cannot reach, and a warning for each method.
func (p *parser) coverage() {
	if p.under("/egress") || p.under("/credentials_schema") {
		return
	}
	rules := newEgressIndex(p.m.Egress)
	open := slices.ContainsFunc(p.m.Egress, func(r EgressRule) bool { return !r.Deny && isTemplate(r.Origin) })
	for _, c := range p.m.Credentials {
		at := p.root.get("credentials_schema").get("properties").get(c.Name)
		sendTo, capture := at.get("send_to").items(), at.get("capture").items()
		for i, d := range c.SendTo {
			p.covered(sendTo[i], d.Origin, rules, open)
			p.methodsCovered(sendTo[i], d, rules)
		}
		for i, r := range c.Capture {
			p.covered(capture[i], r.Origin, rules, open)
		}
	}
}

// covered adds a fault when no rule covers origin. open says that one of them
// is known only when options are bound.
func (p *parser) covered(n node, origin string, rules *egressIndex, open bool) {
	switch {
	case len(rules.covering(origin)) > 0:
	case (open || isTemplate(origin)) && len(p.m.Egress) > 0: // told when options are bound
	default:
		p.add(n.get("origin").pointer, "no egress rule covers "+origin+", so that the credential could never go there", "add the origin to egress")
	}
}

func (p *parser) methodsCovered(n node, d Destination, rules *egressIndex) {
	covering := rules.covering(d.Origin)
	if len(covering) == 0 {
		return
	}
	for _, method := range d.Methods {
		allows := func(r *EgressRule) bool { return MatchMethod(r.Methods, method) }
		if !slices.ContainsFunc(covering, allows) && !(method == "HEAD" && !n.get("methods").there) {
			p.warn("%s: no egress rule for %s allows %s", strings.TrimSuffix(n.pointer, "/"), d.Origin, method)
		}
	}
}
