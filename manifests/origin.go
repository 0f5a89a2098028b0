package manifests

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ErrOrigin is wrapped by every error of [ParseOrigin] and [TargetOf] that is
// about the origin. None of them quotes what was given: it may hold a
// password before an "@".
var ErrOrigin = errors.New("not an origin")

// originError says what is wrong with an origin. It is a constant, so that
// refusing costs nothing.
type originError string

func (e originError) Error() string        { return "not an origin: " + string(e) }
func (e originError) Is(target error) bool { return target == ErrOrigin }

// Bounds of a host name (RFC 1035 section 2.3.4).
const (
	maxHostBytes  = 253
	maxLabelBytes = 63
)

// Origin is a canonical scheme, host and port. Two origins are the same place
// if and only if they are ==.
type Origin struct {
	Scheme string // http, https, imap, imaps, smtp, smtps, tls
	Host   string // lower case, ASCII (IDNA), no trailing dot; an IPv6 address without brackets
	Port   uint16 // never 0: the scheme's default when it was not given
}

// schemePort returns the port of a scheme when none is written; ok is false
// for a scheme that is none of ours, and the port is 0 where it has to be
// written. Mail is sent by submission (RFC 6409), so smtp is 587, not 25.
func schemePort(scheme string) (port uint16, ok bool) {
	switch scheme {
	case "http":
		return 80, true
	case "https":
		return 443, true
	case "imap":
		return 143, true
	case "imaps":
		return 993, true
	case "smtp":
		return 587, true
	case "smtps":
		return 465, true
	case "tls":
		return 0, true
	}
	return 0, false
}

// HTTP reports whether o speaks HTTP, so that methods and paths mean
// something. The others are streams.
func (o Origin) HTTP() bool { return isHTTP(o.Scheme) }

func isHTTP(scheme string) bool { return scheme == "http" || scheme == "https" }

// ParseOrigin reads an origin as a manifest writes it: no path but "/", no
// query, fragment or user. What can be written in two ways is made canonical
// (case, IDNA, the default port, IPv6) or refused (an IPv4 address that is not
// four decimal numbers, a trailing dot, an IPv6 zone).
func ParseOrigin(s string) (Origin, error) {
	o, rest, err := cutOrigin(s)
	if err != nil {
		return Origin{}, err
	}
	if rest != "" && rest != "/" {
		return Origin{}, originError("it goes on after the host: write scheme://host[:port] only")
	}
	return o, nil
}

// cutOrigin splits an absolute URL into its origin and what follows.
func cutOrigin(s string) (o Origin, rest string, err error) {
	scheme, authority, rest, err := cutURL(s)
	if err != nil {
		return Origin{}, "", err
	}
	o, err = parseAuthority(scheme, authority)
	return o, rest, err
}

func cutURL(s string) (scheme, authority, rest string, err error) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok {
		return "", "", "", originError("it has no scheme: write scheme://host[:port]")
	}
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority, rest = authority[:i], authority[i:]
	}
	return scheme, authority, rest, nil
}

func parseAuthority(scheme, authority string) (Origin, error) {
	scheme = strings.ToLower(scheme)
	port, ok := schemePort(scheme)
	if !ok {
		return Origin{}, originError("its scheme is none of http, https, imap, imaps, smtp, smtps, tls")
	}
	if strings.IndexByte(authority, '@') >= 0 {
		return Origin{}, originError("it has a user part: a credential is never written into an address")
	}
	host, portText, err := splitHostPort(authority)
	if err != nil {
		return Origin{}, err
	}
	if host, err = canonicalHost(host, authority[:1] == "["); err != nil {
		return Origin{}, err
	}
	if portText != "" {
		if port, err = parsePort(portText); err != nil {
			return Origin{}, err
		}
	}
	if port == 0 {
		return Origin{}, originError("a tls: origin has no default port: write one")
	}
	return Origin{Scheme: scheme, Host: host, Port: port}, nil
}

// splitHostPort splits what stands before the path. The host comes without
// brackets; authority is not empty when err is nil.
func splitHostPort(authority string) (host, port string, err error) {
	var after string
	if strings.HasPrefix(authority, "[") {
		var ok bool
		if host, after, ok = strings.Cut(authority[1:], "]"); !ok {
			return "", "", originError(`"[" without "]"`)
		}
	} else if i := strings.IndexByte(authority, ':'); i >= 0 {
		host, after = authority[:i], authority[i:]
	} else {
		host = authority
	}
	switch {
	case host == "":
		return "", "", originError("it has no host")
	case after == "":
		return host, "", nil
	case after[0] != ':' || len(after) == 1:
		return "", "", originError("its port is not a number from 1 to 65535")
	case strings.IndexByte(after[1:], ':') >= 0:
		return "", "", originError("an IPv6 address stands in brackets")
	}
	return host, after[1:], nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] < '1' || s[0] > '9' {
		return 0, originError("its port is not a number from 1 to 65535")
	}
	return uint16(n), nil
}

// canonicalHost returns the one spelling of a host. It allocates only for one
// that is not yet canonical.
func canonicalHost(host string, bracketed bool) (string, error) {
	if bracketed {
		return canonicalIPv6(host)
	}
	ascii := true
	for i := 0; i < len(host); i++ {
		ascii = ascii && host[i] < 0x80
	}
	if ascii {
		host = strings.ToLower(host)
	}
	if !ascii || strings.HasPrefix(host, "xn--") || strings.Contains(host, ".xn--") {
		mapped, err := idna.Lookup.ToASCII(host)
		again, err2 := idna.Lookup.ToASCII(mapped)
		if err != nil || err2 != nil || again != mapped { // what is not UTF-8 maps to what maps to nothing
			return "", originError("its host is not a valid internationalised name")
		}
		host = mapped
	}
	if err := checkHostName(host); err != nil {
		return "", err
	}
	return host, nil
}

func canonicalIPv6(host string) (string, error) {
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil || !a.Is6():
		return "", originError("what stands in brackets is not an IPv6 address")
	case a.Zone() != "":
		return "", originError("its IPv6 address has a zone")
	case a.Is4In6():
		return "", originError("it is an IPv4 address written as IPv6: write it plainly")
	}
	return a.String(), nil
}

// checkHostName checks a lower-case ASCII host: a name of letters, digits and
// hyphens, or an IPv4 address.
func checkHostName(host string) error {
	if len(host) > maxHostBytes {
		return originError("its host is longer than 253 bytes")
	}
	last := host
	for label := range strings.SplitSeq(host, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
		last = label
	}
	if !endsInNumber(last) {
		return nil
	}
	if a, err := netip.ParseAddr(host); err != nil || a.String() != host {
		return originError("an IPv4 address is four decimal numbers from 0 to 255, without leading zeros")
	}
	return nil
}

func checkLabel(label string) error {
	if label == "" {
		return originError("its host has an empty label: no dot at an end, no two in a row")
	}
	if len(label) > maxLabelBytes {
		return originError("a label of its host is longer than 63 bytes")
	}
	for i := 0; i < len(label); i++ {
		if c := label[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return originError("its host has a character other than letters, digits, hyphens and dots")
		}
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return originError("a label of its host begins or ends with a hyphen")
	}
	return nil
}

// endsInNumber is how URL parsers tell an IPv4 address from a name: by the
// last label, decimal or hexadecimal (WHATWG URL, "ends in a number").
func endsInNumber(label string) bool {
	digits, hex := label, false
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		digits, hex = rest, true
	}
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		if !('0' <= c && c <= '9') && !(hex && 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

// String writes the origin, its port left out when it is the scheme's own.
func (o Origin) String() string {
	host := o.Host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if port, _ := schemePort(o.Scheme); port == o.Port {
		return o.Scheme + "://" + host
	}
	return o.Scheme + "://" + host + ":" + strconv.Itoa(int(o.Port))
}
