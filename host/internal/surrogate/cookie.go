package surrogate

import (
	"bytes"
	"strings"

	"github.com/sallyport-host/sallyport/manifests"
)

// cookies fills a Cookie header (RFC 6265, section 4.2): in the value of a
// cookie, or a part that is a surrogate alone and stands for cookies.
func (f *filler) cookies(value string) (string, error) {
	if _, found := In(value, f.live); !found {
		return value, nil
	}
	at := manifests.Position{Kind: manifests.AsCookie}
	var out []byte
	for i, part := range strings.Split(value, ";") {
		if i > 0 {
			out = append(out, ';')
		}
		name, content, named := strings.Cut(part, "=")
		encode := encodeCookie
		if !named {
			bare := strings.Trim(part, " \t")
			if token, found := In(part, f.live); found && token != bare {
				return "", &PlaceError{Token: token, Where: "a part of a cookie without a name", Remedy: "write NAME=, or the surrogate alone for a whole cookie header"}
			}
			name, content, encode = "", part, encodeCookies
		} else {
			if err := f.refuse(name, "a cookie's name", ""); err != nil {
				return "", err
			}
			name += "="
		}
		filled, err := f.all([]byte(content), at, encode)
		if err != nil {
			return "", err
		}
		out = append(append(out, name...), filled...)
	}
	return string(out), nil
}

func encodeCookie(dst, value []byte) ([]byte, string) {
	for _, c := range value {
		if !isCookieOctet(c) {
			return nil, `it has a character that a cookie cannot have, such as ";", a comma, a quote or a space`
		}
	}
	return append(dst, value...), ""
}

// isCookieOctet is cookie-octet of RFC 6265, section 4.1.1.
func isCookieOctet(c byte) bool {
	return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\'
}

// encodeCookies takes what a browser sends. It is laxer than RFC 6265 about
// what is in a cookie, as browsers are, and as strict about where one ends.
func encodeCookies(dst, value []byte) ([]byte, string) {
	const problem = `it is not a cookie header such as "a=1; b=2"`
	for part := range bytes.SplitSeq(value, []byte(";")) {
		name, _, ok := bytes.Cut(bytes.Trim(part, " "), []byte("="))
		if !ok || !isToken(name) {
			return nil, problem
		}
	}
	if hasControl(value, 0x20) || isBlank(value[0]) || isBlank(value[len(value)-1]) {
		return nil, problem
	}
	return append(dst, value...), ""
}

// isToken reports whether name is a token (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if !isAlnum(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(name) > 0
}
