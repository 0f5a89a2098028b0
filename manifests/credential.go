package manifests

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
)

// options reads options_schema.
func (p *parser) options(n node) {
	if !n.there {
		return
	}
	o := &Options{Titles: map[string]string{}}
	properties, required := n.get("properties"), n.get("required").strs()
	for _, name := range properties.keys() {
		at := properties.get(name)
		option := Option{
			Name:        name,
			Title:       p.title(at, name),
			Description: p.shown(at.get("description")),
			Type:        at.get("type").str(),
			Format:      at.get("format").str(),
			Required:    slices.Contains(required, name),
		}
		option.Default = p.scalar(at.get("default"), option.Type)
		for _, value := range at.get("enum").items() {
			option.Enum = append(option.Enum, p.scalar(value, option.Type))
		}
		if looksSecret(name) && !p.upstream {
			p.warn("%s: an option is shown and logged; a secret is a credential", at.pointer)
		}
		o.Names = append(o.Names, name)
		o.Titles[name] = option.Title
		o.list = append(o.list, option)
	}
	p.requiredNames(n)
	p.m.Options = o
	if p.under(n.pointer) {
		return
	}
	var err error
	if o.schema, err = compileOurs(n.value, p.meta.options); err != nil {
		p.add(n.pointer, "it is not a JSON Schema: "+err.Error(), "see JSON Schema 2020-12")
		return
	}
	p.checkDefaults(n, o)
}

// looksSecret reports whether a name is one that secrets have.
func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"password", "passwd", "secret", "token", "api_key", "apikey", "private_key"}, func(s string) bool {
		return strings.Contains(name, s)
	})
}

// checkDefaults holds each default to its own schema.
func (p *parser) checkDefaults(n node, o *Options) {
	broken, err := o.schema.check(o.Defaults())
	if err != nil {
		p.add(n.pointer, err.Error(), "")
	}
	for _, v := range broken {
		if len(v.place) == 1 { // else an option without a default is missing
			p.add(n.get("properties").get(v.place[0]).get("default").pointer, "the default "+v.text(), "correct it, or leave it out")
		}
	}
}

// scalar returns a default or listed value in the form of its type.
func (p *parser) scalar(n node, kind string) any {
	if !n.there || !slices.Contains([]string{"string", "integer", "number", "boolean"}, kind) {
		return nil
	}
	v, err := normalOption(n.value, kind)
	if err != nil {
		p.add(n.pointer, err.Error(), "write a value of the option's type")
		return nil
	}
	return v
}

// title returns the title, or name.
func (p *parser) title(n node, name string) string {
	if s := p.shown(n.get("title")); s != "" {
		return s
	}
	return name
}

// shown reads a text that the owner is shown.
func (p *parser) shown(n node) string {
	if s := n.str(); showable(s) != s {
		p.add(n.pointer, "it holds characters that do not show as they are", "remove control, direction and line-break characters")
	}
	return n.str()
}

// requiredNames checks that what a schema requires is declared in it.
func (p *parser) requiredNames(schema node) {
	for _, item := range schema.get("required").items() {
		if name := item.str(); isIdentifier(name) && !schema.get("properties").get(name).there {
			p.add(item.pointer, "it is not one of the properties", "declare it, or remove it here")
		}
	}
}

// credentials reads credentials_schema.
func (p *parser) credentials(n node) {
	properties, required := n.get("properties"), n.get("required").strs()
	for _, name := range properties.keys() {
		c := p.credential(name, properties.get(name))
		c.Required = slices.Contains(required, name)
		p.m.Credentials = append(p.m.Credentials, c)
	}
	p.requiredNames(n)
	p.distinctNames(properties)
	for _, c := range p.m.Credentials {
		p.oauthNames(properties.get(c.Name).get("oauth2"))
		p.signNames(properties.get(c.Name).get("sign"))
	}
	if !n.there || p.under(n.pointer) {
		return
	}
	schema, err := compileOurs(n.value, p.meta.credentials)
	if err != nil {
		p.add(n.pointer, "it is not a JSON Schema: "+err.Error(), "see JSON Schema 2020-12")
		return
	}
	for i := range p.m.Credentials {
		c := &p.m.Credentials[i]
		c.form = newForm(schema.schema.Properties[c.Name])
	}
}

// distinctNames refuses two things of one name: credentials, their aliases
// and options share one space, as a prompt asks for them by name.
func (p *parser) distinctNames(properties node) {
	owner := map[string]string{}
	if p.m.Options != nil {
		for _, name := range p.m.Options.Names {
			owner[name] = "an option"
		}
	}
	take := func(at node, name string) {
		if other, taken := owner[name]; taken {
			p.add(at.pointer, fmt.Sprintf("%s has the name %q already", other, name), "give each credential, alias and option a name of its own")
		}
	}
	for _, name := range properties.keys() {
		take(properties.get(name), name)
		owner[name] = "another credential"
	}
	for _, name := range properties.keys() {
		for _, alias := range properties.get(name).get("aliases").items() {
			take(alias, alias.str())
			owner[alias.str()] = "another alias"
		}
	}
}

func (p *parser) credential(name string, n node) Credential {
	c := Credential{
		Name:        name,
		Title:       p.title(n, name),
		Description: p.shown(n.get("description")),
		Aliases:     n.get("aliases").strs(),
		Class:       abi.Class(n.get("class").str()),
		Identity:    n.get("identity").boolean(),
		ObtainedVia: n.get("obtained_via").strs(),
		Probe:       n.get("probe").raw(),
		OAuth2:      n.get("oauth2").raw(),
	}
	for _, access := range n.get("access").strs() {
		c.Access = append(c.Access, abi.Access(access))
	}
	if len(c.Access) == 0 {
		c.Access = []abi.Access{abi.AccessUse}
	}
	if len(c.ObtainedVia) == 0 {
		c.ObtainedVia = []string{"user"}
	}
	if c.Identity {
		p.identity(n)
		return c
	}
	p.class(n, &c)
	p.lengths(n)
	c.RotationHint = p.rotation(n.get("rotation_hint"))
	for _, item := range n.get("send_to").items() {
		c.SendTo = append(c.SendTo, p.destination(item, c.Class))
	}
	for _, item := range n.get("capture").items() {
		c.Capture = append(c.Capture, p.capture(item))
	}
	p.sign(n, &c)
	c.ProbeCall = p.probe(n.get("probe"), &c)
	c.OAuth = p.oauth(n.get("oauth2"))
	return c
}

// identity checks an account name: no secret, so that nothing of what guards
// one applies.
func (p *parser) identity(n node) {
	for _, name := range []string{"class", "access", "send_to", "capture", "probe", "oauth2", "rotation_hint", "sign"} {
		if m := n.get(name); m.there {
			p.add(m.pointer, "an identity is an account name, not a secret: it has no "+name, "remove it, or remove identity")
		}
	}
	p.lengths(n)
}

// lengths refuses a form that no value can have.
func (p *parser) lengths(n node) {
	lower, upper := n.get("minLength"), n.get("maxLength")
	if lower.there && upper.there && lower.integer() > upper.integer() {
		p.add(upper.pointer, "it is below minLength", "write at least minLength")
	}
}

// class checks what the class of a secret allows.
func (p *parser) class(n node, c *Credential) {
	if !n.get("class").there && n.isObject() {
		p.add(n.pointer, `"class" is missing`, "write long_lived_token, session, password or one_time, or mark an account name identity: true")
	}
	only := func(name string, found bool, why string) {
		if found {
			p.add(n.get(name).pointer, why, "remove it")
		}
	}
	if c.Class == abi.ClassPassword {
		only("access", slices.Contains(c.Access, abi.AccessReveal), "a password is never revealed")
		only("capture", n.get("capture").there, "a password is entered by its owner, never captured")
		only("obtained_via", slices.Contains(c.ObtainedVia, "bootstrap_tool"), "a password is entered by its owner")
		only("oauth2", n.get("oauth2").there, "a password takes no part in OAuth")
	}
	if c.Class == abi.ClassOneTime {
		only("capture", n.get("capture").there, "a one-time code is never stored, so it is never captured")
		only("rotation_hint", n.get("rotation_hint").there, "a one-time code is never stored, so it is never renewed")
		only("probe", n.get("probe").there, "a one-time code is used up by a probe")
		only("oauth2", n.get("oauth2").there, "a one-time code takes no part in OAuth")
		only("access", !slices.Equal(c.Access, []abi.Access{abi.AccessUse}), "a one-time code has access use alone")
	}
	reveals := slices.Equal(c.Access, []abi.Access{abi.AccessReveal})
	if !n.get("send_to").there && !reveals && n.isObject() && !p.upstream {
		p.add(n.pointer, `"send_to" is missing`, "list the places where the credential may go: it goes nowhere else")
	}
}

func (p *parser) rotation(n node) *RotationHint {
	if !n.there {
		return nil
	}
	hint := &RotationHint{
		Lifetime:    p.duration(n.get("lifetime")),
		RenewBefore: p.duration(n.get("renew_before")),
		URL:         p.httpsURL(n.get("url")),
	}
	if hint.Lifetime > 0 && hint.RenewBefore >= hint.Lifetime {
		p.add(n.get("renew_before").pointer, "it is not shorter than lifetime", "write a shorter one")
	}
	return hint
}

func (p *parser) destination(n node, class abi.Class) Destination {
	at := p.place(n, class == abi.ClassPassword)
	d := Destination{Origin: at.origin, Methods: at.defaultMethods(), Paths: at.paths, Rejected: n.get("rejected").integers()}
	if rejected := n.get("rejected"); rejected.there && at.scheme != "" && !isHTTP(at.scheme) {
		p.add(rejected.pointer, "a request to "+at.scheme+" is answered by no HTTP status", "remove it")
	}
	as := n.get("as")
	if class == abi.ClassPassword && isHTTP(at.scheme) && !n.get("methods").there {
		p.add(n.pointer, `"methods" is missing`, "a password goes nowhere by default: list the methods")
	}
	if as.str() == "" {
		return d
	}
	position, err := ParsePosition(as.str())
	switch {
	case err != nil:
		p.add(as.pointer, err.Error(), "write "+positionForms)
	case at.scheme != "" && !position.fits(at.scheme):
		p.add(as.pointer, fmt.Sprintf("a request to %s has no position %s", at.scheme, position.Kind),
			"imap goes with imap and imaps, smtp with smtp and smtps, the others with http and https")
	}
	d.As = position
	return d
}

func (p *parser) capture(n node) Capture {
	at := p.place(n, false)
	c := Capture{Origin: at.origin, Methods: at.defaultMethods(), Paths: at.paths}
	if at.scheme != "" && !isHTTP(at.scheme) {
		p.add(n.get("origin").pointer, "a secret is captured over HTTP only", "write an http or https origin")
	}
	from := n.get("from")
	if from.str() == "" {
		return c
	}
	var ok bool
	if c.From, ok = captureFrom(from.str()); !ok {
		p.add(from.pointer, "it is not a place in a response", "write set-cookie, header:NAME, json:/POINTER or dom:SELECTOR")
	}
	return c
}

// captureFrom returns the one spelling of a capture's from.
func captureFrom(s string) (canonical string, ok bool) {
	kind, param, colon := strings.Cut(s, ":")
	switch {
	case s == "set-cookie":
		return s, true
	case !colon || param == "" || !isPlainText(param):
		return "", false
	case kind == "header":
		return headerFrom(param)
	case kind == "json":
		return s, isJSONPointer(param)
	}
	return s, kind == "dom"
}
