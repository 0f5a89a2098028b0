package manifests

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// Probe is the request by which the host asks the source whether a credential
// works, before it is relied on.
type Probe struct {
	Origin  string // as [Destination].Origin
	Method  string // "" where the origin is not HTTP: the probe is then a login
	Path    string // escaped
	As      Position
	Status  []int  // that mean yes; empty is any 2xx
	Account string // JSON pointer to the account's name in the answer, "" when there is none
}

// OAuth2 says how the host renews a token. The names are of credentials or
// options, "" when there is none.
type OAuth2 struct {
	TokenURL               string
	AuthorizationURL       string // opened in the owner's browser
	DeviceAuthorizationURL string
	RevocationURL          string
	UserinfoURL            string
	ClientID               string
	ClientSecret           string
	RefreshToken           string
	ClientAuth             string // "basic" or "form"
	Scopes                 []string
}

// headerFrom is captureFrom for a response's header.
func headerFrom(name string) (string, bool) {
	if !isToken(name) {
		return "", false
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	return "header:" + canonical, canonical != "Set-Cookie"
}

// httpsURL reads an address that the host or the owner's browser calls.
func (p *parser) httpsURL(n node) string {
	if n.str() == "" {
		return ""
	}
	u, err := url.Parse(n.str())
	if err == nil {
		_, err = TargetOf(http.MethodGet, u)
	}
	if err != nil || !strings.HasPrefix(n.str(), "https://") || u.Fragment != "" {
		p.add(n.pointer, "it is not an https address with one reading", "write https://host/path, without user or fragment")
		return ""
	}
	return n.str()
}

// probe reads a probe, which has to be one of the credential's own uses: the
// host may not send it where the connector may not.
func (p *parser) probe(n node, c *Credential) *Probe {
	if !n.there {
		return nil
	}
	call := &Probe{Method: n.get("method").str(), Path: n.get("path").str(), Account: n.get("account").str()}
	for _, status := range n.get("status").items() {
		call.Status = append(call.Status, int(status.integer()))
	}
	var scheme string
	if call.Origin, scheme = p.origin(n, false); call.Origin == "" {
		return call
	}
	if strings.Contains(call.Origin, "*.") {
		p.add(n.get("origin").pointer, "a probe goes to one host", "write the host out")
		return call
	}
	if isHTTP(scheme) {
		p.probeRequest(n, call)
	} else if n.get("method").there || n.get("path").there {
		p.add(n.pointer, "a probe over "+scheme+" is a login: it has no method or path", "remove them")
	}
	if p.under(n.pointer) {
		return call
	}
	p.probePosition(n, call, c)
	return call
}

func (p *parser) probeRequest(n node, call *Probe) {
	if call.Method == "" {
		call.Method = http.MethodGet
	}
	switch err := CheckPath(call.Path); {
	case !n.get("path").there:
		p.add(n.pointer, `"path" is missing`, "write the path that answers to a good credential, such as /user")
	case err != nil && call.Path != "":
		p.add(n.get("path").pointer, err.Error(), "write one path, such as /user")
	}
}

// probePosition finds the entry of send_to that the probe is a use of.
func (p *parser) probePosition(n node, call *Probe, c *Credential) {
	as := n.get("as")
	if as.str() != "" {
		var err error
		if call.As, err = ParsePosition(as.str()); err != nil {
			p.add(as.pointer, err.Error(), "write "+positionForms)
			return
		}
	}
	for _, d := range c.SendTo {
		if call.As.Kind != "" && d.As != call.As || d.Origin == "" || !originTextCovers(d.Origin, call.Origin) {
			continue
		}
		if d.As.Stream() || MatchMethod(d.Methods, call.Method) && MatchPath(d.Paths, call.Path) {
			call.As = d.As
			return
		}
	}
	p.add(n.pointer, "no entry of send_to covers the probe", "a probe is a use like any other: add its origin, method and path to send_to")
}

// originTextCovers reports whether a rule's origin covers another rule's, as
// far as can be told before options are bound.
func originTextCovers(rule, other string) bool {
	if rule == other {
		return true
	}
	o, err := ParseOrigin(other)
	return err == nil && MatchOrigin(rule, o)
}

func (p *parser) oauth(n node) *OAuth2 {
	if !n.there {
		return nil
	}
	o := &OAuth2{
		TokenURL:               p.httpsURL(n.get("token_url")),
		AuthorizationURL:       p.httpsURL(n.get("authorization_url")),
		DeviceAuthorizationURL: p.httpsURL(n.get("device_authorization_url")),
		RevocationURL:          p.httpsURL(n.get("revocation_url")),
		UserinfoURL:            p.httpsURL(n.get("userinfo_url")),
		ClientID:               n.get("client_id").str(),
		ClientSecret:           n.get("client_secret").str(),
		RefreshToken:           n.get("refresh_token").str(),
		ClientAuth:             n.get("client_auth").str(),
		Scopes:                 n.get("scopes").strs(),
	}
	if o.ClientAuth == "" {
		o.ClientAuth = "form"
	}
	return o
}

// oauthNames checks that the names in oauth2 are declared: the client's id may
// be an option or an identity, the secrets are credentials.
func (p *parser) oauthNames(n node) {
	for _, member := range []string{"client_id", "client_secret", "refresh_token"} {
		at := n.get(member)
		if !isIdentifier(at.str()) {
			continue
		}
		_, isOption := p.m.Options.Lookup(at.str())
		c, isCredential := p.m.Credential(at.str())
		switch {
		case !isCredential && !(isOption && member == "client_id"):
			p.add(at.pointer, "no credential has that name", "declare it in credentials_schema.properties")
		case isCredential && c.Identity && member != "client_id":
			p.add(at.pointer, "it is an identity, which is no secret", "name a credential with a class")
		}
	}
}
