package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/textproto"
	"regexp"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
)

// signMembers says which members go with each kind of algorithm.
var signMembers = map[string][]string{
	"mac": {"encoding", "key_encoding", "max_bytes"},
	"jwt": {"jwt"},
	"aws": {"region", "service", "access_key_id", "session_token"},
}

// signKind returns the kind of an algorithm, "" when it is none of ours.
func signKind(alg string) string {
	switch alg {
	case AlgHMACSHA1, AlgHMACSHA256, AlgHMACSHA512:
		return "mac"
	case AlgRS256, AlgES256, AlgEdDSA:
		return "jwt"
	case AlgAWS4:
		return "aws"
	}
	return ""
}

// sign reads the templates of a credential, which go with access sign.
func (p *parser) sign(n node, c *Credential) {
	at := n.get("sign")
	signs := slices.Contains(c.Access, abi.AccessSign)
	switch {
	case p.under(n.get("access").pointer):
	case signs && !at.there:
		p.add(n.pointer, `"sign" is missing: access sign says what may be signed`, `write "sign": {"name": {"alg": …}}, or take sign out of access`)
	case !signs && at.there:
		p.add(at.pointer, "it has no effect without access sign", `add "sign" to access, or remove it`)
	}
	for _, name := range at.keys() {
		if c.Sign == nil {
			c.Sign = map[string]SignTemplate{}
		}
		c.Sign[name] = p.signTemplate(name, at.get(name), c)
	}
}

func (p *parser) signTemplate(name string, n node, c *Credential) SignTemplate {
	t := SignTemplate{Name: name, Alg: n.get("alg").str()}
	kind := signKind(t.Alg)
	if kind == "" {
		return t // the meta-schema has said so
	}
	for _, other := range slices.Sorted(maps.Keys(signMembers)) {
		for _, member := range signMembers[other] {
			if m := n.get(member); other != kind && m.there {
				p.add(m.pointer, fmt.Sprintf("it does not go with %s", t.Alg), "remove it, or write the algorithm that it belongs to")
			}
		}
	}
	switch kind {
	case "mac":
		t.MAC = macTemplate(n)
	case "jwt":
		t.JWT = p.jwtTemplate(n)
	case "aws":
		t.AWS = p.awsTemplate(n, c)
	}
	return t
}

func macTemplate(n node) *MACTemplate {
	t := &MACTemplate{Encoding: "hex", KeyEncoding: "text", MaxBytes: DefaultMACBytes}
	if s := n.get("encoding").str(); s != "" {
		t.Encoding = s
	}
	if s := n.get("key_encoding").str(); s != "" {
		t.KeyEncoding = s
	}
	if m := n.get("max_bytes"); m.there {
		t.MaxBytes = int(m.integer())
	}
	return t
}

func (p *parser) awsTemplate(n node, c *Credential) *AWSTemplate {
	t := &AWSTemplate{
		Service:      n.get("service").str(),
		AccessKeyID:  n.get("access_key_id").str(),
		SessionToken: n.get("session_token").str(),
		region:       p.signText(n.get("region"), false),
	}
	t.Region = t.region.String()
	if cites := isTemplate(t.Region) && !t.region.moves(); t.Region != "" && !cites && !isRegion(t.Region) {
		p.add(n.get("region").pointer, "it is not the name of a region", "write one such as eu-central-1")
	}
	for _, member := range []string{"region", "service", "access_key_id"} {
		if !n.get(member).there {
			p.add(n.pointer, fmt.Sprintf("%q is missing", member), "write region, service and access_key_id")
		}
	}
	p.sentAs(n.get("alg"), c, "Authorization")
	return t
}

// sentAs demands that a credential may go where a signature by AWS's scheme
// puts it.
func (p *parser) sentAs(at node, c *Credential, header string) {
	where := Position{Kind: AsHeader, Param: textproto.CanonicalMIMEHeaderKey(header)}
	if !p.under(at.pointer) && !slices.ContainsFunc(c.SendTo, func(d Destination) bool { return d.As == where }) {
		p.add(at.pointer, fmt.Sprintf("%s has no place header:%s in send_to, where AWS expects it", c.Name, where.Param), "add the place to its send_to")
	}
}

// isRegion reports whether s can stand in the scope of a signature.
func isRegion(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// signNames checks the credentials that a template names, once all are read.
func (p *parser) signNames(n node) {
	for _, name := range n.keys() {
		id, token := n.get(name).get("access_key_id"), n.get(name).get("session_token")
		if c := p.signName(id); c != nil && !c.Identity {
			p.sentAs(id, c, "Authorization")
		}
		if c := p.signName(token); c != nil {
			if c.Identity {
				p.add(token.pointer, "it is an identity, which is no secret", "name a credential with a class")
				continue
			}
			p.sentAs(token, c, "X-Amz-Security-Token")
		}
	}
}

func (p *parser) signName(n node) *Credential {
	if !isIdentifier(n.str()) {
		return nil
	}
	c, ok := p.m.Credential(n.str())
	if !ok {
		p.add(n.pointer, "no credential has that name", "declare it in credentials_schema.properties")
		return nil
	}
	return c
}

func (p *parser) jwtTemplate(n node) *JWTTemplate {
	at := n.get("jwt")
	t := &JWTTemplate{Lifetime: p.duration(at.get("lifetime")), Backdate: p.duration(at.get("backdate"))}
	switch {
	case !at.there:
		p.add(n.pointer, `"jwt" is missing`, `write {"claims": {…}, "lifetime": "PT10M"}`)
		return t
	case t.Lifetime > MaxTokenLifetime:
		p.add(at.get("lifetime").pointer, "it is longer than a day", "write at most P1D: a new one is made whenever it is needed")
	case t.Backdate > MaxTokenBackdate:
		p.add(at.get("backdate").pointer, "it is longer than five minutes", "write at most PT5M")
	case t.Backdate > 0 && t.Backdate >= t.Lifetime && t.Lifetime > 0:
		p.add(at.get("backdate").pointer, "it is not shorter than lifetime", "write a shorter one")
	}
	t.header = p.signMap(at.get("header"), false)
	t.claims = p.signMap(at.get("claims"), true)
	p.jwtHeader(at.get("header"))
	p.jwtTimes(at.get("claims"), t)
	t.holes = p.holes(at, t)
	return t
}

// jwtHeader refuses the members that are the host's, or that tell whoever
// checks the token where to find a key.
func (p *parser) jwtHeader(n node) {
	for _, name := range n.keys() {
		switch name {
		case "alg":
			p.add(n.get(name).pointer, "the host writes it", "remove it")
		case "jku", "jwk", "x5u", "x5c", "x5t", "crit", "b64", "enc", "zip":
			p.add(n.get(name).pointer, "it has no place in a token that the host signs", "remove it")
		}
	}
}

// jwtTimes holds the claims of time to the lifetime.
func (p *parser) jwtTimes(n node, t *JWTTemplate) {
	for name, hole := range map[string]string{"exp": holeExp, "iat": holeNow, "nbf": holeNow} {
		value, there := t.claims[name]
		switch {
		case !there && name == "exp" && n.isObject():
			p.add(n.pointer, `the claim "exp" is missing`, `write "exp": "${exp}": a token ends`)
		case there && !p.under(n.get(name).pointer) && !(value.isSet && value.text.is(hole)):
			p.add(n.get(name).pointer, "it is not the host's time", `write "${`+hole+`}"`)
		}
	}
}

// signMap reads a header or claims; times says whether the time may stand in
// it.
func (p *parser) signMap(n node, times bool) map[string]signValue {
	out := map[string]signValue{}
	for _, name := range n.keys() {
		at := n.get(name)
		switch value := at.value.(type) {
		case string:
			out[name] = signValue{text: p.signText(at, times), isSet: true}
		case []any:
			v := signValue{list: []signText{}}
			for _, item := range at.items() {
				v.list = append(v.list, p.signText(item, false))
			}
			out[name] = v
		case json.Number:
			out[name] = signValue{plain: plainNumber(value)}
		case bool:
			out[name] = signValue{plain: value}
		}
	}
	return out
}

// signText reads a text with holes, its options among those declared.
func (p *parser) signText(n node, times bool) signText {
	t, err := parseSignText(n.str())
	if err != nil {
		p.add(n.pointer, err.Error(), "write ${options.NAME}, ${now}, ${exp} or ${random}")
		return nil
	}
	for _, part := range t {
		switch {
		case part.option != "":
			p.citedOption(n, part.option)
		case part.hole == holeNow || part.hole == holeExp:
			if !times || len(t) > 1 {
				p.add(n.pointer, "a time stands alone, in a claim", `write "${`+part.hole+`}" and nothing else`)
			}
		}
	}
	return t
}

// citedOption demands that an option is declared and has a value.
func (p *parser) citedOption(n node, name string) {
	option, ok := p.m.Options.Lookup(name)
	switch {
	case p.under(p.root.get("options_schema").get("properties").get(name).pointer):
	case !ok:
		p.add(n.pointer, "options_schema declares no option "+name, p.suggestOption(name))
	case !option.Required && option.Default == nil:
		p.add(n.pointer, "the option "+name+" may be left out, and then there is no value", "make it required, or give it a default")
	}
}

func (p *parser) holes(n node, t *JWTTemplate) map[string]Hole {
	fill := n.get("fill")
	out := map[string]Hole{}
	for _, name := range fill.keys() {
		at := fill.get(name)
		if _, said := t.claims[name]; said {
			p.add(at.pointer, "the manifest says that claim itself", "leave it out here, or in claims")
		}
		if slices.Contains([]string{"exp", "iat", "nbf"}, name) {
			p.add(at.pointer, "the times of a token are the host's", "remove it")
		}
		hole := Hole{Pattern: at.get("pattern").str(), MaxBytes: DefaultHoleBytes, Optional: at.get("optional").boolean()}
		if m := at.get("max_length"); m.there {
			hole.MaxBytes = int(m.integer())
		}
		var err error
		if hole.whole, err = regexp.Compile(`\A(?:` + hole.Pattern + `)\z`); err != nil && !p.under(at.pointer) {
			p.add(at.get("pattern").pointer, "it is not a pattern of its own", "write a regular expression that RE2 knows")
		}
		out[name] = hole
	}
	return out
}

// bindSign returns the templates with the options put in.
func bindSign(templates map[string]SignTemplate, options map[string]any, faults *faultList) map[string]SignTemplate {
	if templates == nil {
		return nil
	}
	out := make(map[string]SignTemplate, len(templates))
	for name, t := range templates {
		if t.AWS != nil {
			t.AWS = t.AWS.bind(options, faults)
		}
		if t.JWT != nil {
			t.JWT = t.JWT.bind(options)
		}
		out[name] = t
	}
	return out
}

func (t *AWSTemplate) bind(options map[string]any, faults *faultList) *AWSTemplate {
	bound := *t
	bound.region = t.region.bind(options)
	bound.Region = bound.region.String()
	if !isRegion(bound.Region) {
		for _, part := range t.region {
			if part.option != "" {
				faults.add(pointerTo("", part.option), "it does not make a region", "the option becomes a part of "+t.Region)
			}
		}
	}
	return &bound
}

func (t *JWTTemplate) bind(options map[string]any) *JWTTemplate {
	bound := *t
	bound.header, bound.claims = map[string]signValue{}, map[string]signValue{}
	for name, v := range t.header {
		bound.header[name] = v.bind(options)
	}
	for name, v := range t.claims {
		bound.claims[name] = v.bind(options)
	}
	return &bound
}
