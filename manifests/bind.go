package manifests

import (
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
		if c.ProbeCall != nil {
			probe := *c.ProbeCall
			probe.Origin = put(probe.Origin)
			c.ProbeCall = &probe
		}
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
	value, _ := values[t.option].(string)
	o, err := t.bind(value)
	if err != nil {
		faults.add(pointerTo("", t.option), err.Error(), "the option becomes a part of "+t.text)
		return ""
	}
	return o.String()
}

// coverage holds bound origins to egress: what [parser.coverage] could not
// tell before.
func (b *Bound) coverage(faults *faultList) {
	for _, c := range b.Credentials {
		for _, origin := range c.origins() {
			if !reached(origin, b.Egress) {
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

// reached reports whether a rule that allows covers origin.
func reached(origin string, rules []EgressRule) bool {
	return slices.ContainsFunc(rules, func(r EgressRule) bool { return !r.Deny && originTextCovers(r.Origin, origin) })
}

// coverage adds a fault for each place that a credential may go to and the
// guest cannot reach, and a warning for each method.
func (p *parser) coverage() {
	if p.under("/egress") || p.under("/credentials_schema") {
		return
	}
	for _, c := range p.m.Credentials {
		at := p.root.get("credentials_schema").get("properties").get(c.Name)
		for i, d := range c.SendTo {
			p.covered(at.get("send_to").items()[i], d.Origin)
			p.methodsCovered(at.get("send_to").items()[i], d)
		}
		for i, r := range c.Capture {
			p.covered(at.get("capture").items()[i], r.Origin)
		}
	}
}

func (p *parser) covered(n node, origin string) {
	open := isTemplate(origin) || slices.ContainsFunc(p.m.Egress, func(r EgressRule) bool { return !r.Deny && isTemplate(r.Origin) })
	switch {
	case reached(origin, p.m.Egress):
	case open && len(p.m.Egress) > 0: // told when options are bound
	default:
		p.add(n.get("origin").pointer, "no egress rule covers "+origin+", so that the credential could never go there", "add the origin to egress")
	}
}

func (p *parser) methodsCovered(n node, d Destination) {
	for _, method := range d.Methods {
		allows := func(r EgressRule) bool {
			return !r.Deny && originTextCovers(r.Origin, d.Origin) && MatchMethod(r.Methods, method)
		}
		if reached(d.Origin, p.m.Egress) && !slices.ContainsFunc(p.m.Egress, allows) && !(method == "HEAD" && !n.get("methods").there) {
			p.warn("%s: no egress rule for %s allows %s", strings.TrimSuffix(n.pointer, "/"), d.Origin, method)
		}
	}
}
