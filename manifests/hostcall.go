package manifests

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

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
