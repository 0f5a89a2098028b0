package manifests

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
)

// The reference implementation's manifests have no credentials_schema. They
// name the environment variables that a connector reads, in up to four places,
// and say of some whether they are secret. What follows makes of that the two
// schemas that this package reads, without a word on where a credential may
// go: nobody has said it.

// SessionName is the credential that a connector which works in a browser has
// for its cookies.
const SessionName = "CONNECTOR_SESSION"

// The bounds of a text in a derived schema, those of the meta-schema.
const (
	maxDerived      = 64
	maxDerivedTitle = 128
	maxDerivedText  = 4096
	maxAliases      = 16
)

// isUpstream reports whether the credentials have to be derived.
func (p *parser) isUpstream() bool {
	if p.root.get("credentials_schema").there {
		return false
	}
	return p.root.get("setup").get("credential_capture").there ||
		!slices.ContainsFunc(ourMembers(), func(name string) bool { return p.root.get(name).there })
}

// derived is one variable of an upstream manifest.
type derived struct {
	at       node
	names    []string // the first is the credential's, the others are aliases
	title    string
	text     string
	class    abi.Class // abi.ClassNone for an identity or an option
	identity bool
	option   bool
	required bool
}

// derivation collects them. A name belongs to what took it first.
type derivation struct {
	p     *parser
	taken map[string]bool
	list  []derived
}

// derive returns credentials_schema and options_schema as the manifest's
// author would have written them, save for send_to.
func (p *parser) derive() (credentials, options node) {
	d := &derivation{p: p, taken: map[string]bool{}}
	d.capture(p.root.get("setup").get("credential_capture"))
	d.auth(p.root.get("capabilities").get("auth"))
	for _, item := range p.root.get("runtime_requirements").get("environment_variables").items() {
		d.variable(item, []string{item.str()}, "", "", false)
	}
	for _, binding := range []string{"browser", "browser_automation"} {
		if _, ok := p.m.Bindings[binding]; ok {
			d.add(derived{
				at: p.root.get("runtime_requirements").get("bindings").get(binding), names: []string{SessionName},
				title: "Browser session", text: "The cookies of a browser that is logged in.", class: abi.ClassSession,
			})
		}
	}
	if len(d.list) > maxDerived {
		p.add("/setup", "it declares too many variables", "declare at most 64")
		d.list = nil
	}
	return d.schema(false, "/credentials_schema"), d.schema(true, "/options_schema")
}

// capture reads setup.credential_capture.
func (d *derivation) capture(block node) {
	required := block.get("required").value != false
	for _, f := range block.get("fields").items() {
		v := derived{
			at:       f,
			names:    append(f.get("env").strs(), f.get("name").str()),
			title:    f.get("label").str(),
			text:     f.get("help_text").str(),
			required: required && f.get("required").boolean(),
		}
		v.classify(f, block.get("kind").str())
		d.add(v)
	}
}

// classify says what a field is. Who declares it says whether it is a secret;
// a login name is none, and is used beside one.
func (v *derived) classify(f node, kind string) {
	isPassword := slices.ContainsFunc(v.names, func(env string) bool { return strings.HasSuffix(env, "PASSWORD") }) ||
		f.get("autocomplete").str() == "current-password"
	switch {
	case f.get("identity").boolean(), f.get("name").str() == "username", f.get("autocomplete").str() == "username":
		v.identity = true
	case !f.get("secret").boolean():
		v.option = true
	case kind == "username_password" && isPassword:
		v.class = abi.ClassPassword
	case slices.ContainsFunc(v.names, func(name string) bool { return strings.Contains(strings.ToUpper(name), "COOKIE") }):
		v.class = abi.ClassSession
	default:
		v.class = abi.ClassToken
	}
}

// auth reads capabilities.auth: variables that are required, each a name or a
// list of names for the same, or those of an OAuth client.
func (d *derivation) auth(n node) {
	for _, item := range n.get("required").items() {
		names := item.strs()
		if name := item.str(); name != "" {
			names = []string{name}
		}
		d.variable(item, names, "", "", true)
	}
	for _, item := range n.get("deployment_config").items() {
		names := []string{item.get("env_alias").str(), item.get("logical_key").str()}
		v := derived{at: item, names: names, title: item.get("label").str(), option: true}
		if item.get("secret").boolean() {
			v.option, v.class, v.required = false, abi.ClassToken, true
		}
		d.add(v)
	}
	for _, item := range n.get("connection_config").items() {
		d.variable(item, []string{item.get("env_var").str(), item.get("bundle_field").str()}, "", "", item.get("required").value != false)
	}
}

// variable adds one of which nothing is known but its name.
func (d *derivation) variable(at node, names []string, title, text string, required bool) {
	v := derived{at: at, names: names, title: title, text: text}
	if len(names) > 0 {
		v.class = classOfName(names[0])
	}
	v.option, v.required = v.class == abi.ClassNone, required && v.class != abi.ClassNone
	d.add(v)
}

// classOfName guesses what a variable holds; what may be a secret is one. An
// address is, unless its name says that it is only a server's.
func classOfName(name string) abi.Class {
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
	}
	switch {
	case strings.Contains(name, "COOKIE"):
		return abi.ClassSession
	case ends("APP_PASSWORD", "SPECIFIC_PASSWORD", "TOKEN", "KEY", "SECRET", "_PAT"):
		return abi.ClassToken
	case ends("PASSWORD", "PASSWD", "PASSPHRASE"):
		return abi.ClassPassword
	case ends("_URL") && !ends("BASE_URL", "SERVER_URL", "REDIRECT_URL"):
		return abi.ClassToken
	}
	return abi.ClassNone
}

// add keeps the names that are some and are free. A variable that is named in
// a second place is the one that it was in the first.
func (d *derivation) add(v derived) {
	first := v.names
	v.names = nil
	for i, name := range first {
		switch {
		case d.taken[name] && i == 0:
			return
		case isIdentifier(name) && !d.taken[name] && !slices.Contains(v.names, name) && len(v.names) <= maxAliases:
			v.names = append(v.names, name)
		}
	}
	if len(v.names) == 0 {
		d.p.add(v.at.pointer, "it names no environment variable", "name one, of letters, digits and _, such as SERVICE_TOKEN")
		return
	}
	for _, name := range v.names {
		d.taken[name] = true
	}
	d.list = append(d.list, v)
}

// schema writes the options, or the credentials, as a schema; nothing where
// there are none.
func (d *derivation) schema(options bool, pointer string) node {
	properties, required := map[string]any{}, []any{}
	for _, v := range d.list {
		if v.option != options {
			continue
		}
		name := v.names[0]
		properties[name] = v.property()
		if v.required {
			required = append(required, name)
		}
	}
	if len(properties) == 0 {
		return node{pointer: pointer}
	}
	doc := map[string]any{"type": "object", "properties": properties, "required": required}
	return node{value: doc, there: true, pointer: pointer}
}

func (v *derived) property() map[string]any {
	property := map[string]any{"type": "string"}
	if title := cut(v.title, maxDerivedTitle); title != "" {
		property["title"] = title
	}
	if text := cut(v.text, maxDerivedText); text != "" {
		property["description"] = text
	}
	if v.option {
		return property
	}
	if v.identity {
		property["identity"] = true
	} else {
		property["class"] = string(v.class)
	}
	aliases := []any{}
	for _, name := range v.names[1:] {
		aliases = append(aliases, name)
	}
	property["aliases"] = aliases
	return property
}

// cut makes a text fit a schema of ours.
func cut(text string, characters int) string {
	text = strings.TrimSpace(showable(text))
	if utf8.RuneCountInString(text) > characters {
		text = string([]rune(text)[:characters-1]) + "…"
	}
	return text
}
