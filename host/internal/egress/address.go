package egress

import (
	"net/netip"
	"strings"

	"code.dny.dev/ssrf"
)

// special tells addresses that are not a public host's. code.dny.dev/ssrf
// covers IANA's registries: of IPv6 all outside 2000::/3 (loopback, mapped and
// compatible IPv4, NAT64, unique local, link-local, multicast), and Teredo,
// 6to4 and documentation within. What it does not cover is added here.
type special struct{ guard *ssrf.Guardian }

func newSpecial() special {
	return special{ssrf.New(
		ssrf.WithAnyPort(),
		// Azure's platform endpoint: a public address that means the machine's own cloud.
		ssrf.WithDeniedV4Prefixes(netip.PrefixFrom(netip.AddrFrom4([4]byte{168, 63, 129, 16}), 32)),
	)}
}

// refuses reports whether a is special. An IPv4 address written as IPv6 is
// taken for what it is.
func (s special) refuses(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return true
	}
	a = a.Unmap()
	return s.guard.SafeAddr(a) != nil || isatap(a)
}

// isatap reports whether an IPv6 address carries an IPv4 address for a tunnel
// (RFC 5214, section 6.1).
func isatap(a netip.Addr) bool {
	if !a.Is6() {
		return false
	}
	b := a.As16()
	return b[8]&^0x03 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// Reasons for which a host is refused before it is looked up.
const (
	reasonSpecial   = "it is at a loopback, private or otherwise special address"
	reasonLocal     = "it means this machine"
	reasonSpelling  = "it is an address in an unusual spelling: write four decimal numbers, or plain IPv6"
	reasonMalformed = "it is not a host name in its canonical spelling: lower case, no dot at its end"
)

// maxHostBytes bounds a name (RFC 1035, section 2.3.4).
const maxHostBytes = 253

// hostFault says why a host may not be looked up, or "". Resolvers take
// "127.1", "0x7f000001" or "2130706433" for addresses, and other spellings of
// a name would escape what was decided about the first.
func hostFault(host string) string {
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" || a.Is4In6() {
			return reasonSpecial
		}
		return ""
	}
	if host == "" || len(host) > maxHostBytes {
		return reasonMalformed
	}
	last := host
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || !inside(label) {
			return reasonMalformed
		}
		last = label
	}
	switch {
	case number(last):
		return reasonSpelling
	case last == "localhost": // RFC 6761, section 6.3, whatever a resolver says
		return reasonLocal
	}
	return ""
}

// inside reports whether all of a label is of the characters of a name.
func inside(label string) bool {
	for i := range len(label) {
		if c := label[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// number reports whether a last label makes a host an IPv4 address for some
// reader: decimal, octal or hexadecimal.
func number(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
