package manifests

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
)

// Disclosure is what a grant hands over, in plain words. No list in it is nil,
// and no text in it holds a control or direction character. What the
// connector's author wrote (its name and version, the titles of credentials,
// the labels of streams) is cut to 72 characters and, inside a sentence,
// stands in quotes, so that it cannot speak as the host.
type Disclosure struct {
	Connector   string           `json:"connector"`
	Version     string           `json:"version"`
	Summary     string           `json:"summary"` // one sentence
	Credentials []DisclosureItem `json:"credentials"`
	Streams     []string         `json:"streams"`
	Options     map[string]any   `json:"options"`
	Reaches     []string         `json:"reaches"`      // every origin the guest may call, with methods and paths
	Denied      []string         `json:"denied"`       // what is taken out of Reaches again
	HostCalls   []string         `json:"host_calls"`   // every origin the host itself would call, and why
	Unencrypted []string         `json:"unencrypted"`  // every origin among all these that is plain http
	CannotReach string           `json:"cannot_reach"` // one sentence
}

// DisclosureItem says what happens with one credential.
type DisclosureItem struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Class  string   `json:"class"` // "identity" for an account name
	Access []string `json:"access"`
	Text   string   `json:"text"`    // sentences
	SentTo []string `json:"sent_to"` // every origin, with methods, paths and position
	Signs  []string `json:"signs"`   // what the connector has signed with it, a sentence each
}

// HostCall is an address that the host, not the guest, calls for a connector,
// or has the owner open.
type HostCall struct {
	Credential string
	Origin     string // canonical
	Method     string // "" when it is not an HTTP request of the host's
	Path       string
	Why        string // `to check that the "App password" works`
}

// Disclose words what approving b would hand over.
func (b *Bound) Disclose() Disclosure {
	m := b.Manifest
	d := Disclosure{
		Connector:   clean(m.DisplayName),
		Version:     clean(m.Version),
		Summary:     b.summary(),
		Credentials: []DisclosureItem{},
		Streams:     []string{},
		Options:     map[string]any{},
		Reaches:     []string{},
		Denied:      []string{},
		HostCalls:   []string{},
		Unencrypted: b.unencrypted(),
		CannotReach: b.cannotReach(),
	}
	for i := range b.Credentials {
		d.Credentials = append(d.Credentials, b.Credentials[i].disclose())
	}
	for i := range m.Streams {
		d.Streams = append(d.Streams, m.Streams[i].label())
	}
	for name, value := range b.Options {
		if s, ok := value.(string); ok {
			value = showable(s)
		}
		d.Options[name] = value
	}
	for _, rule := range b.Egress {
		if rule.Deny {
			d.Denied = append(d.Denied, reach(rule.Origin, rule.Methods, rule.Paths))
		} else {
			d.Reaches = append(d.Reaches, reach(rule.Origin, rule.Methods, rule.Paths))
		}
	}
	for _, call := range b.HostCalls() {
		d.HostCalls = append(d.HostCalls, call.text())
	}
	return d
}

// HostCalls lists what the host itself would call, or have the owner open, in
// the order of the credentials.
func (b *Bound) HostCalls() []HostCall {
	var calls []HostCall
	for i := range b.Credentials {
		calls = append(calls, b.Credentials[i].hostCalls()...)
	}
	return calls
}

func (c *Credential) hostCalls() []HostCall {
	var calls []HostCall
	if p := c.ProbeCall; p != nil {
		calls = append(calls, HostCall{c.Name, p.Origin, p.Method, p.Path, "to check that the " + quoted(c.shownTitle()) + " works"})
	}
	add := func(address, method, why string) {
		if call, ok := callOf(address, method, why+" the "+quoted(c.shownTitle())); ok {
			call.Credential = c.Name
			calls = append(calls, call)
		}
	}
	if o := c.OAuth; o != nil {
		add(o.TokenURL, "POST", "to renew")
		add(o.AuthorizationURL, "", "opened in your browser, to obtain")
		add(o.DeviceAuthorizationURL, "POST", "to obtain")
		add(o.RevocationURL, "POST", "to take back")
		add(o.UserinfoURL, "GET", "to see whose account it is, with")
	}
	if r := c.RotationHint; r != nil {
		add(r.URL, "", "where you renew")
	}
	return calls
}

func callOf(address, method, why string) (HostCall, bool) {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return HostCall{}, false
	}
	t, err := TargetOf("GET", u)
	if err != nil {
		return HostCall{}, false
	}
	return HostCall{Origin: t.Origin.String(), Method: method, Path: t.Path, Why: why}, true
}

func (c HostCall) text() string {
	if c.Method == "" {
		return c.Origin + ", " + c.Why
	}
	return c.Origin + " (" + strings.TrimSpace(c.Method+" "+c.Path) + "), " + c.Why
}

func (c *Credential) disclose() DisclosureItem {
	item := DisclosureItem{Name: c.Name, Title: c.shownTitle(), Class: string(c.Class), Access: []string{}, SentTo: []string{}, Signs: []string{}}
	if c.Identity {
		item.Class = "identity"
	}
	for _, a := range c.Access {
		item.Access = append(item.Access, string(a))
	}
	for _, d := range c.SendTo {
		item.SentTo = append(item.SentTo, reach(d.Origin, d.Methods, d.Paths)+" "+d.As.words())
	}
	for _, name := range c.SignNames() {
		item.Signs = append(item.Signs, showable(c.Sign[name].Describe()))
	}
	item.Text = strings.Join(c.sentences(), " ")
	return item
}

// sentences say what the credential is and what may be done with it.
func (c *Credential) sentences() []string {
	if c.Identity {
		return []string{"An account name, no secret: the connector reads it."}
	}
	list := []string{capital(classWords(c.Class)) + "."}
	for _, access := range c.Access {
		list = append(list, accessWords(access))
	}
	if !slices.Contains(c.Access, abi.AccessReveal) {
		list = append(list, "The connector never sees it.")
	}
	if slices.ContainsFunc(c.everyOrigin(), isPlainHTTP) {
		list = append(list, "It travels WITHOUT ENCRYPTION where the address begins with http:.")
	}
	if len(c.Capture) > 0 {
		list = append(list, "A new one is taken from answers of "+join(c.captureOrigins(), "and")+".")
	}
	return list
}

// everyOrigin is all that the value goes to or comes from.
func (c *Credential) everyOrigin() []string {
	list := c.origins()
	for _, call := range c.hostCalls() {
		list = append(list, call.Origin)
	}
	return list
}

func isPlainHTTP(origin string) bool { return strings.HasPrefix(origin, "http://") }

// unencrypted lists the plain http origins of everything that is disclosed.
func (b *Bound) unencrypted() []string {
	list := b.reachedOrigins()
	for i := range b.Credentials {
		list = append(list, b.Credentials[i].everyOrigin()...)
	}
	plain := []string{}
	for _, origin := range distinct(list) {
		if isPlainHTTP(origin) {
			plain = append(plain, origin)
		}
	}
	return plain
}

func (c *Credential) captureOrigins() []string {
	var list []string
	for _, r := range c.Capture {
		list = append(list, r.Origin)
	}
	return distinct(list)
}

func classWords(c abi.Class) string {
	switch c {
	case abi.ClassToken:
		return "a long-lived token"
	case abi.ClassSession:
		return "a login session"
	case abi.ClassPassword:
		return "a password"
	case abi.ClassOneTime:
		return "a one-time code"
	}
	return "an account name"
}

func accessWords(a abi.Access) string {
	switch a {
	case abi.AccessSign:
		return "Sallyport signs with it, in the ways listed."
	case abi.AccessTOTP:
		return "Sallyport computes one-time codes from it."
	case abi.AccessReveal:
		return "THE CONNECTOR READS IT and could keep it."
	}
	return "Sallyport puts it into requests on the way out."
}

// words says where in a request the value stands.
func (p Position) words() string {
	switch p.Kind {
	case AsHeader:
		return "in the header " + p.Param
	case AsBasic:
		return "in the login of each request"
	case AsCookie:
		return "as a cookie"
	case AsQuery:
		return "in the address, as " + quoted(p.Param)
	case AsPath:
		return "in the address's path"
	case AsForm:
		return "in the form field " + quoted(p.Param)
	case AsJSON:
		return "in the request's body, at " + quoted(p.Param)
	case AsURL:
		return "as the address itself"
	case AsIMAP:
		return "to log in to the mailbox"
	case AsSMTP:
		return "to log in to send mail"
	}
	return "typed into its login page"
}

// reach writes an origin with its methods and paths.
func reach(origin string, methods, paths []string) string {
	scheme, _, _ := strings.Cut(origin, "://")
	if !isHTTP(scheme) {
		return origin
	}
	method := "any method"
	if len(methods) > 0 {
		method = strings.Join(methods, ", ")
	}
	path := strings.Join(paths, ", ")
	if slices.Contains(paths, "/**") {
		path = "any path"
	}
	return origin + " (" + method + "; " + path + ")"
}

// summary is the disclosure in one sentence.
func (b *Bound) summary() string {
	var uses []string
	for i := range b.Credentials {
		if c := &b.Credentials[i]; !c.Identity {
			uses = append(uses, c.use())
		}
	}
	does := "uses none of your credentials"
	if len(uses) > 0 {
		does = "may use " + strings.Join(uses, "; and ")
	} else if origins := b.reachedOrigins(); len(origins) > 0 {
		does += " and may connect only to " + join(origins, "and")
	}
	var streams []string
	for i := range b.Manifest.Streams {
		streams = append(streams, quoted(b.Manifest.Streams[i].label()))
	}
	return showable(fmt.Sprintf("%s %s; it collects %s.", quoted(b.Manifest.DisplayName), does, join(streams, "and")))
}

// use is the part of the summary that is about one credential.
func (c *Credential) use() string {
	var origins, positions []string
	for _, d := range c.SendTo {
		origins = append(origins, d.Origin)
		positions = append(positions, d.As.words())
	}
	text := "your " + quoted(c.shownTitle()) + " (" + classWords(c.Class) + ")"
	if slices.Contains(c.Access, abi.AccessReveal) {
		text += ", WHICH IT READS"
	}
	if len(origins) == 0 {
		return text + ", sent nowhere by Sallyport"
	}
	return text + ", sent only to " + join(distinct(origins), "and") + " " + join(distinct(positions), "or")
}

func (b *Bound) reachedOrigins() []string {
	var list []string
	for _, rule := range b.Egress {
		if !rule.Deny {
			list = append(list, rule.Origin)
		}
	}
	return distinct(list)
}

func (b *Bound) cannotReach() string {
	others := "any address"
	if len(b.reachedOrigins()) > 0 {
		others = "any other address"
	}
	text := "It cannot reach " + others + ", your files, other programs or any credential that is not listed"
	for i := range b.Credentials {
		if slices.Contains(b.Credentials[i].Access, abi.AccessReveal) {
			return text + "."
		}
	}
	return text + ", and it never sees a secret that it uses."
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// join writes a list as prose: "a, b and c".
func join(list []string, last string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	end := len(list) - 1
	return strings.Join(list[:end], ", ") + " " + last + " " + list[end]
}

// distinct keeps the first of each.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
