package manifests

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// An origin may take its place, its host or one label of its host from an
// option: "${options.base_url}", "https://${options.host}:8443",
// "https://${options.shop}.example.com". Nothing else of it is open, so that
// an option can choose where, among places of one kind, and never smuggle in a
// user, a port or another scheme.
type template struct {
	option string // the option's name
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
	before, rest, ok := strings.Cut(s, optionOpen)
	name, after, closed := strings.Cut(rest, optionClose)
	if !ok || !closed || !isIdentifier(name) || strings.Contains(before+after, "${") {
		return template{}, originError("it cites an option wrongly: write ${options.name}, once")
	}
	t := template{option: name}
	if before == "" && after == "" {
		t.text, t.whole = s, true
		return t, nil
	}
	if !strings.Contains(before, "://") || strings.Contains(strings.ToLower(s), standIn) {
		return template{}, originError("an option is the whole origin, its host, or one label of its host")
	}
	o, err := ParseOrigin(before + standIn + after)
	if err != nil {
		return template{}, err
	}
	labels := strings.Split(o.Host, ".")
	at := slices.Index(labels, standIn)
	if at < 0 || at > 0 && at == len(labels)-1 {
		return template{}, originError("an option is the whole origin, its host, or one label of its host")
	}
	t.dots = len(labels) - 1
	t.text = strings.Replace(o.String(), standIn, optionOpen+name+optionClose, 1)
	return t, nil
}

// bind puts a value in. Where the option is the whole origin it is an
// http(s) address, whose path may say more but has no part in the origin.
func (t template) bind(value string) (Origin, error) {
	if t.whole {
		return bindWhole(value)
	}
	if strings.ContainsAny(value, ":/?#@[]\\%*") {
		return Origin{}, originError("it is a host name alone: no scheme, port, user or path")
	}
	o, err := ParseOrigin(strings.Replace(t.text, optionOpen+t.option+optionClose, value, 1))
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
