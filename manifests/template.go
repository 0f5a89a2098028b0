package manifests

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// An origin may take its place, its host, one label of its host or its port
// from an option: "${options.base_url}", "https://${options.host}:8443",
// "https://${options.shop}.example.com", "imaps://${options.host}:${options.port}".
// Nothing else of it is open, so that an option can choose where, among places
// of one kind, and never smuggle in a user or another scheme.
type template struct {
	option string // the option's name, "" where only the port is open
	port   string // the name of the port's option, "" when there is none
	text   string // canonical, with "${options.NAME}" in it
	whole  bool   // the option is the whole origin
	dots   int    // where it is one label of the host, the dots of the host; else 0
}

const (
	optionOpen  = "${options."
	optionClose = "}"
	// standIn takes the option's place while the rest is checked.
	standIn = "sallyport-option-stand-in"
)

// isTemplate reports whether an origin cites an option.
func isTemplate(s string) bool { return strings.Contains(s, "${") }

// parseTemplate reads an origin that cites an option.
func parseTemplate(s string) (template, error) {
	before, rest, found := strings.Cut(s, ":"+optionOpen)
	if !found {
		return parseHostTemplate(s, "")
	}
	port, ok := strings.CutSuffix(rest, optionClose)
	if !ok || !isIdentifier(port) {
		return template{}, errCitation
	}
	t, err := parseHostTemplate(before, ":1")
	t.port = port
	if t.whole {
		return template{}, errPlace
	}
	t.text += ":" + optionOpen + port + optionClose
	return t, err
}

const (
	errCitation = originError("it cites an option wrongly: write ${options.name}, once")
	errPlace    = originError("an option is the whole origin, its host, one label of its host, or its port")
)

// parseHostTemplate reads an origin whose port, if an option, is left out;
// standInPort then takes its place.
func parseHostTemplate(s, standInPort string) (template, error) {
	before, rest, cites := strings.Cut(s, optionOpen)
	name, after, closed := strings.Cut(rest, optionClose)
	if standInPort != "" && !cites && !strings.Contains(s, "${") {
		o, err := ParseOrigin(s + standInPort)
		return template{text: strings.TrimSuffix(o.String(), standInPort)}, err
	}
	if !cites || !closed || !isIdentifier(name) || strings.Contains(before+after, "${") {
		return template{}, errCitation
	}
	t := template{option: name}
	if before == "" && after == "" {
		t.text, t.whole = s, true
		return t, nil
	}
	if !strings.Contains(before, "://") || strings.Contains(strings.ToLower(s), standIn) {
		return template{}, errPlace
	}
	o, err := ParseOrigin(before + standIn + after + standInPort)
	if err != nil {
		return template{}, err
	}
	labels := strings.Split(o.Host, ".")
	at := slices.Index(labels, standIn)
	if at < 0 || at > 0 && at == len(labels)-1 {
		return template{}, errPlace
	}
	t.dots = len(labels) - 1
	t.text = strings.TrimSuffix(strings.Replace(o.String(), standIn, optionOpen+name+optionClose, 1), standInPort)
	return t, nil
}

// options lists the names that the origin cites.
func (t template) options() []string {
	return slices.DeleteFunc([]string{t.option, t.port}, func(name string) bool { return name == "" })
}

// bind puts the options' values in; one of another type than the option's is
// none.
func (t template) bind(values map[string]any) (Origin, error) {
	host, _ := values[t.option].(string)
	if t.port == "" {
		return t.bindHost(t.text, host)
	}
	port, ok := values[t.port].(int64)
	if !ok || port < 1 || port > maxPort {
		return Origin{}, portError("it is not a port: a number from 1 to 65535")
	}
	return t.bindHost(strings.Replace(t.text, optionOpen+t.port+optionClose, strconv.FormatInt(port, 10), 1), host)
}

const maxPort = 1<<16 - 1

// portError is an [originError] that the port's option is to blame for.
type portError string

func (e portError) Error() string { return string(e) }

// bindHost puts a value into text. Where the option is the whole origin it is
// an http(s) address, whose path may say more but has no part in the origin.
func (t template) bindHost(text, value string) (Origin, error) {
	switch {
	case t.whole:
		return bindWhole(value)
	case t.option == "":
		return ParseOrigin(text)
	case strings.ContainsAny(value, ":/?#@[]\\%*$"):
		return Origin{}, originError("it is a host name alone: no scheme, port, user or path")
	}
	o, err := ParseOrigin(strings.Replace(text, optionOpen+t.option+optionClose, value, 1))
	if err == nil && t.dots > 0 && strings.Count(o.Host, ".") != t.dots {
		return Origin{}, originError("it is one label of a host name: no dots")
	}
	return o, err
}

func bindWhole(value string) (Origin, error) {
	o, rest, err := cutOrigin(value)
	switch {
	case err != nil:
		return Origin{}, err
	case !o.HTTP():
		return Origin{}, originError("it is an http or https address")
	case strings.ContainsAny(rest, "?#"):
		return Origin{}, originError("it has a query or a fragment")
	case rest != "":
		if err := CheckPath(rest); err != nil {
			return Origin{}, err
		}
	}
	return o, nil
}

// checkWildcard refuses "*." right under a public suffix: it would stand for
// everyone's names.
func checkWildcard(parent string) error {
	if _, err := publicsuffix.EffectiveTLDPlusOne(parent); err != nil {
		return originError("anyone can have a name under " + parent + ": write more of the host after \"*.\"")
	}
	return nil
}

// isIdentifier reports whether s can name a credential or an option.
func isIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && s[i] != '_' {
			return false
		}
	}
	return s != "" && !('0' <= s[0] && s[0] <= '9')
}
