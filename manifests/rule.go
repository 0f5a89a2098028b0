package manifests

import (
	"io/fs"
	"strings"
	"time"
)

// place is an origin with methods and paths, as send_to, capture and egress
// have it.
type place struct {
	origin  string // canonical; a template keeps its ${options.name}
	scheme  string // "" when the origin has none of ours; http for an option that is the whole origin
	methods []string
	paths   []string
}

// origin reads the origin of n, "" when it is wrong; scheme is then what it
// seems to be. Class 3 goes to no wildcard.
func (p *parser) origin(n node, noWildcard bool) (canonical, scheme string) {
	text := n.get("origin")
	if text.str() == "" {
		return "", "" // the meta-schema has said so
	}
	if isTemplate(text.str()) {
		return p.template(text)
	}
	o, wild, err := parseOriginRule(text.str())
	if err == nil && wild {
		err = checkWildcard(o.Host)
	}
	switch {
	case err != nil:
		p.add(text.pointer, err.Error(), "write scheme://host[:port]")
		return "", seemingScheme(text.str())
	case !wild:
		return o.String(), o.Scheme
	case noWildcard:
		p.add(text.pointer, `a password goes to no "*." origin`, "write each host out")
	}
	return strings.Replace(o.String(), "://", "://*.", 1), o.Scheme
}

func (p *parser) template(text node) (canonical, scheme string) {
	t, err := parseTemplate(text.str())
	if err != nil {
		p.add(text.pointer, err.Error(), `write "${options.name}", "https://${options.name}", "https://${options.name}.example.com" or "https://${options.name}:${options.port}"`)
		return "", seemingScheme(text.str())
	}
	for _, name := range t.options() {
		kind := "string"
		if name == t.port {
			kind = "integer"
		}
		p.cites(text, name, kind)
	}
	if t.whole {
		return t.text, "http"
	}
	scheme, _, _ = strings.Cut(t.text, "://")
	return t.text, scheme
}

// cites checks that an option can be a part of an origin.
func (p *parser) cites(at node, name, kind string) {
	option, ok := p.m.Options.Lookup(name)
	switch {
	case !ok:
		p.add(at.pointer, "options_schema declares no option "+name, p.suggestOption(name))
	case option.Type != kind:
		p.add(at.pointer, "the option "+name+" is not "+map[string]string{"string": "a text", "integer": "a whole number"}[kind], `give it the type "`+kind+`"`)
	case !option.Required && option.Default == nil:
		p.add(at.pointer, "the option "+name+" may be left out, and then there is no origin", "make it required, or give it a default")
	}
}

// seemingScheme is the scheme of an origin that is wrong otherwise.
func seemingScheme(origin string) string {
	scheme, _, _ := strings.Cut(origin, "://")
	if _, ok := schemePort(strings.ToLower(scheme)); ok {
		return strings.ToLower(scheme)
	}
	return ""
}

func (p *parser) suggestOption(name string) string {
	if p.m.Options != nil {
		if near := closest(name, p.m.Options.Names); near != "" {
			return "did you mean ${options." + near + "}?"
		}
	}
	return "declare it in options_schema.properties"
}

// place reads origin, methods and paths. Over HTTP paths have no default, and
// methods are GET and HEAD; a stream has neither.
func (p *parser) place(n node, noWildcard bool) place {
	var at place
	at.origin, at.scheme = p.origin(n, noWildcard)
	if at.scheme != "" && !isHTTP(at.scheme) {
		for _, name := range []string{"methods", "paths"} {
			if m := n.get(name); m.there {
				p.add(m.pointer, at.scheme+" has no "+name, "remove them")
			}
		}
		return at
	}
	at.methods = n.get("methods").strs()
	for _, m := range n.get("methods").items() {
		if m.str() == "CONNECT" || m.str() == "TRACE" {
			p.add(m.pointer, "CONNECT and TRACE are never sent", "remove it")
		}
	}
	at.paths = n.get("paths").strs()
	for _, path := range n.get("paths").items() {
		if err := checkPattern(path.str()); err != nil && path.str() != "" {
			p.add(path.pointer, err.Error(), "write a pattern such as /v1/users/* or /dav/**")
		}
	}
	if n.isObject() && !n.get("paths").there && (at.scheme != "" || !n.get("origin").there) {
		p.add(n.pointer, `"paths" is missing`, `list the paths, such as ["/v1/**"]; ["/**"] is every path`)
	}
	return at
}

// defaultMethods spells out the default over HTTP.
func (at place) defaultMethods() []string {
	if len(at.methods) == 0 && isHTTP(at.scheme) {
		return []string{"GET", "HEAD"}
	}
	return at.methods
}

func (p *parser) egress(n node) {
	for _, item := range n.items() {
		at := p.place(item, false)
		rule := EgressRule{Origin: at.origin, Methods: at.defaultMethods(), Paths: at.paths, Deny: item.get("deny").boolean()}
		if rule.Deny {
			rule.Methods = at.methods // none is every one
		}
		p.m.Egress = append(p.m.Egress, rule)
	}
	if _, network := p.m.Bindings["network"]; n.there && !network {
		p.warn("/egress: it has no effect without the binding network; add it to runtime_requirements.bindings")
	}
}

func (p *parser) duration(n node) time.Duration {
	if n.str() == "" {
		return 0 // the meta-schema has said so, or it is not there
	}
	d, err := parseDuration(n.str())
	if err != nil && !p.under(n.pointer) {
		p.add(n.pointer, "it is "+err.Error(), "weeks, days, hours, minutes and seconds only: a year and a month have no fixed length")
	}
	return d
}

// isModulePath reports whether path stays in its folder and is written in one
// way, on every system.
func isModulePath(path string) bool {
	return fs.ValidPath(path) && path != "." && !strings.ContainsAny(path, `\:`) && showable(path) == path
}
