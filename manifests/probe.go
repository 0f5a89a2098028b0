package manifests

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// ProbeValue takes the value's place in the path of a probe whose position is
// the path.
const ProbeValue = "${credential}"

// Probe is how the host asks the source whether a credential works, before it
// is relied on: one request, or, where the origin is not HTTP, a login.
type Probe struct {
	Origin   string // as [Destination].Origin
	Method   string // "" where the origin is not HTTP
	Path     string // escaped; with [ProbeValue] in it, once, as path; "" as url
	Query    map[string]string
	As       Position
	Status   []int  // that mean yes; empty is any 2xx
	Rejected []int  // that mean no; empty is what [Probe.Rejects] says
	Found    string // JSON pointer to what only a good credential shows, "" when there is none
	Account  string // JSON pointer to the account's name in the answer, "" when there is none
}

// Accepts reports whether an answer's status means yes, as far as a status
// tells: see Found.
func (p *Probe) Accepts(status int) bool {
	if len(p.Status) > 0 {
		return slices.Contains(p.Status, status)
	}
	return status >= 200 && status < 300
}

// Rejects reports whether an answer's status means no. Without a list of them
// those are 3xx and 4xx, but for the ones that are about the moment. What is
// neither tells nothing of the credential.
func (p *Probe) Rejects(status int) bool {
	if len(p.Rejected) > 0 {
		return slices.Contains(p.Rejected, status)
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 300 && status < 500
}

// probe reads a probe, which has to be one of the credential's own uses: the
// host may not send it where the connector may not.
func (p *parser) probe(n node, c *Credential) *Probe {
	if !n.there {
		return nil
	}
	call := &Probe{Method: n.get("method").str(), Path: n.get("path").str(), Found: n.get("found").str(), Account: n.get("account").str()}
	call.Status, call.Rejected = n.get("status").integers(), n.get("rejected").integers()
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
	} else {
		p.probeLogin(n, scheme)
	}
	if !p.under(n.pointer) {
		p.probePosition(n, call, c)
	}
	return call
}

func (p *parser) probeRequest(n node, call *Probe) {
	if call.Method == "" {
		call.Method = http.MethodGet
	}
	path, isURL := n.get("path"), n.get("as").str() == string(AsURL)
	switch err := CheckPath(call.matched()); {
	case isURL && (path.there || n.get("query").there):
		p.add(n.pointer, "a credential that is the address itself has a path and query of its own", "remove path and query")
	case isURL:
	case !path.there:
		p.add(n.pointer, `"path" is missing`, "write the path that answers to a good credential, such as /user")
	case err != nil && call.Path != "":
		p.add(path.pointer, err.Error(), "write one path, such as /user; as path, ${credential} is where the value stands")
	}
	p.probeQuery(n.get("query"), call)
}

// matched is the path that rules are matched against.
func (p *Probe) matched() string { return strings.Replace(p.Path, ProbeValue, standIn, 1) }

// probeQuery reads what stands in the query beside the credential: texts, and
// options.
func (p *parser) probeQuery(n node, call *Probe) {
	for _, key := range n.keys() {
		at := n.get(key)
		if !isPlainText(key) || !isPlainText(at.str()) {
			p.add(at.pointer, "it holds characters that do not show as they are", "remove them")
		}
		if name, cites := citedOption(at.str()); cites {
			p.citedQuery(at, name)
		} else if isTemplate(at.str()) {
			p.add(at.pointer, "it cites an option wrongly", "write ${options.name}, alone")
		}
		if call.Query == nil {
			call.Query = map[string]string{}
		}
		call.Query[key] = at.str()
	}
}

func (p *parser) citedQuery(at node, name string) {
	switch option, ok := p.m.Options.Lookup(name); {
	case !ok:
		p.add(at.pointer, "options_schema declares no option "+name, p.suggestOption(name))
	case !option.Required && option.Default == nil:
		p.add(at.pointer, "the option "+name+" may be left out, and then there is no probe", "make it required, or give it a default")
	}
}

// citedOption returns the name of the option that s consists of.
func citedOption(s string) (name string, ok bool) {
	name, open := strings.CutPrefix(s, optionOpen)
	name, closed := strings.CutSuffix(name, optionClose)
	return name, open && closed && isIdentifier(name)
}

// probeLogin checks a probe over a mail protocol, which is a login and no more.
func (p *parser) probeLogin(n node, scheme string) {
	for _, name := range []string{"method", "path", "query", "status", "rejected", "found", "account"} {
		if at := n.get(name); at.there {
			p.add(at.pointer, "a probe over "+scheme+" is a login: it has no "+name, "remove it")
		}
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
		if call.covered(d) {
			call.As = d.As
			p.probePlace(n, call)
			return
		}
	}
	p.add(n.pointer, "no entry of send_to covers the probe", "a probe is a use like any other: add its origin, method and path to send_to")
}

// covered reports whether d allows the probe, its origin apart.
func (p *Probe) covered(d Destination) bool {
	switch {
	case d.As.Stream():
		return true
	case !MatchMethod(d.Methods, p.Method):
		return false
	case d.As.Kind == AsURL:
		return p.As.Kind == AsURL // the value says which path: it is matched when it is known
	}
	return MatchPath(d.Paths, p.matched())
}

// probePlace checks that the value has one place in the probe.
func (p *parser) probePlace(n node, call *Probe) {
	at := n.get("path").pointer
	switch count := strings.Count(call.Path, ProbeValue); {
	case call.As.Kind == AsPath && count != 1:
		p.add(at, "the path does not say where the value stands", "write ${credential} in its place, once")
	case call.As.Kind != AsPath && count > 0:
		p.add(at, "the value does not stand in the path", "remove ${credential}, or write the position path")
	}
	if _, twice := call.Query[call.As.Param]; twice && call.As.Kind == AsQuery {
		p.add(n.get("query").get(call.As.Param).pointer, "the value stands there", "remove it")
	}
}

// bind returns the probe with its options put in; put does so for an origin.
func (p *Probe) bind(put func(string) string, values map[string]any) *Probe {
	if p == nil {
		return nil
	}
	bound := *p
	bound.Origin, bound.Query = put(p.Origin), maps.Clone(p.Query)
	for key, text := range bound.Query {
		if name, cites := citedOption(text); cites {
			bound.Query[key] = fmt.Sprint(values[name])
		}
	}
	return &bound
}
