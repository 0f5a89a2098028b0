package manifests

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ErrTarget is wrapped by the errors of [TargetOf] that are not about the
// origin or the path.
var ErrTarget = errors.New("not a request target")

type targetError string

func (e targetError) Error() string        { return "the request " + string(e) }
func (e targetError) Is(target error) bool { return target == ErrTarget }

// maxMethodBytes bounds a method's name.
const maxMethodBytes = 32

// Target is where a request goes.
type Target struct {
	Origin Origin
	Method string // "" where the origin is not HTTP
	Path   string // escaped, as sent; "" where the origin is not HTTP
}

// TargetOf says where a request for u goes, as net/http would send it: the
// escaped path as it stands on the wire, "/" when there is none. What has two
// readings is an error, which never quotes u: a user part, an opaque URL, a
// method that is not a token, and all that [ParseOrigin] and [CheckPath]
// refuse. CONNECT and TRACE are refused too: one opens a tunnel, the other
// echoes credentials. A fragment is never sent, and ignored. What is dialled and
// stands in Host should be the target's origin, which is canonical, not u's.
//
// For a stream (imap, smtp, tls) method must be "", and u has no path or
// query.
func TargetOf(method string, u *url.URL) (Target, error) {
	switch {
	case u == nil:
		return Target{}, targetError("has no address")
	case u.Opaque != "":
		return Target{}, targetError("has an opaque address: write scheme://host/path")
	case u.User != nil:
		return Target{}, originError("it has a user part: a credential is never written into an address")
	case u.Host == "":
		return Target{}, originError("it has no host")
	}
	o, err := parseAuthority(u.Scheme, u.Host)
	if err != nil {
		return Target{}, err
	}
	if !o.HTTP() {
		if method != "" || u.Path != "" || u.RawQuery != "" || u.ForceQuery {
			return Target{}, targetError("goes to a stream, which has no method, path or query")
		}
		return Target{Origin: o}, nil
	}
	if err := checkMethod(method); err != nil {
		return Target{}, err
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if err := CheckPath(path); err != nil {
		return Target{}, err
	}
	return Target{Origin: o, Method: method, Path: path}, nil
}

func checkMethod(method string) error {
	switch {
	case method == "CONNECT" || method == "TRACE":
		return targetError("may not use CONNECT or TRACE")
	case len(method) > maxMethodBytes || !isToken(method) || strings.ToUpper(method) != method:
		return targetError("has a method that is not an upper-case word such as GET or PROPFIND")
	}
	return nil
}

// MatchOrigin reports whether an origin rule, which may begin its host with
// "*." for exactly one label, covers o. A rule that is no origin covers
// nothing.
func MatchOrigin(rule string, o Origin) bool {
	r, wild, err := parseOriginRule(rule)
	return err == nil && r.covers(wild, o)
}

// covers reports whether o is r, or one label under it when wild.
func (r Origin) covers(wild bool, o Origin) bool {
	if !wild {
		return r == o
	}
	if r.Scheme != o.Scheme || r.Port != o.Port {
		return false
	}
	label, parent, ok := strings.Cut(o.Host, ".")
	return ok && label != "" && parent == r.Host
}

// parseOriginRule reads an origin that may begin its host with "*."; the
// origin it returns is then the parent's.
func parseOriginRule(rule string) (o Origin, wild bool, err error) {
	scheme, authority, rest, err := cutURL(rule)
	if err != nil {
		return Origin{}, false, err
	}
	if rest != "" && rest != "/" {
		return Origin{}, false, originError("it goes on after the host: write scheme://host[:port] only")
	}
	authority, wild = strings.CutPrefix(authority, "*.")
	if o, err = parseAuthority(scheme, authority); err != nil {
		return Origin{}, false, err
	}
	if wild && !isName(o.Host) {
		return Origin{}, false, originError(`"*." stands before a name, not an address`)
	}
	return o, wild, nil
}

// isName reports whether a canonical host is a name, not an address.
func isName(host string) bool {
	return strings.IndexByte(host, ':') < 0 && !endsInNumber(host[strings.LastIndexByte(host, '.')+1:])
}

// MatchMethod reports whether methods, by default GET and HEAD, hold method.
func MatchMethod(methods []string, method string) bool {
	if len(methods) == 0 {
		return method == "GET" || method == "HEAD"
	}
	for _, m := range methods {
		if m == method {
			return true
		}
	}
	return false
}

// Destination is one entry of send_to: a place a credential may go.
type Destination struct {
	Origin  string   // canonical, or with a ${options.name} until bound
	Methods []string // never empty once parsed, but nil where the position is a stream's
	Paths   []string // likewise
	As      Position
	// Rejected are the statuses of an answer that say that the source does not
	// take the credential; empty is 401 alone.
	Rejected []int
}

// Rejects reports whether an answer's status says that the source does not take
// the credential which went to d. Where d is nil, that is 401.
func (d *Destination) Rejects(status int) bool {
	if d == nil || len(d.Rejected) == 0 {
		return status == http.StatusUnauthorized
	}
	return slices.Contains(d.Rejected, status)
}

// Destination returns the entry of send_to that covers t at position p, nil when
// none does.
func (c *Credential) Destination(t Target, p Position) *Destination {
	for i := range c.SendTo {
		if c.SendTo[i].Allows(t, p) {
			return &c.SendTo[i]
		}
	}
	return nil
}

// Allows reports whether d covers t at position p. Without paths it covers
// nothing over HTTP.
func (d Destination) Allows(t Target, p Position) bool {
	if d.As != p || !p.fits(t.Origin.Scheme) || !MatchOrigin(d.Origin, t.Origin) {
		return false
	}
	return p.Stream() || MatchMethod(d.Methods, t.Method) && MatchPath(d.Paths, t.Path)
}

// EgressRule is one rule of egress. A rule with Deny wins over all that
// allow, and without methods it denies every one; a rule that allows has GET
// and HEAD then.
type EgressRule struct {
	Origin  string
	Methods []string
	Paths   []string
	Deny    bool
}

// AllowEgress reports whether rules let t pass: some rule allows it and none
// denies it. why names the rule, or what is missing and how to add it, by
// origin and method and never by path.
//
// A rule to deny also denies what a server may take for the same path: with
// parameters behind a ";", with a slash at its end, escaped more than once.
// Case is compared as it stands. One that cannot be read denies everything.
func AllowEgress(rules []EgressRule, t Target) (ok bool, why string) {
	var allowed *EgressRule
	reached, method := false, false
	for i := range rules {
		r := &rules[i]
		origin, wild, err := parseOriginRule(r.Origin)
		if err != nil {
			if r.Deny {
				return false, "an egress rule that denies is not readable: correct its origin"
			}
			continue
		}
		if !origin.covers(wild, t.Origin) {
			continue
		}
		methodOK, pathOK := r.covers(t)
		switch {
		case r.Deny && methodOK && pathOK:
			return false, "the egress rule for " + r.Origin + " denies it"
		case r.Deny:
		case methodOK && pathOK && allowed == nil:
			allowed = r
		default:
			reached, method = true, method || methodOK
		}
	}
	switch {
	case allowed != nil:
		return true, allowed.Origin
	case method:
		return false, "no egress rule for " + t.Origin.String() + " with " + t.Method + " covers the path: add it to the rule's paths"
	case reached:
		return false, "no egress rule for " + t.Origin.String() + " allows " + t.Method + ": add it to the rule's methods"
	}
	return false, "no egress rule covers " + t.Origin.String() + ": add one to egress"
}

// covers reports whether r's methods and paths cover t, whose origin it
// covers already.
func (r *EgressRule) covers(t Target) (method, path bool) {
	if !t.Origin.HTTP() {
		return true, true
	}
	method = r.Deny && len(r.Methods) == 0 || MatchMethod(r.Methods, t.Method)
	if r.Deny {
		return method, matchLoosely(r.Paths, t.Path)
	}
	return method, MatchPath(r.Paths, t.Path)
}
