package surrogate

import (
	"encoding/base64"
	"net/textproto"
	"strings"

	"github.com/sallyport-host/sallyport/manifests"
)

// Header puts values into one header's value. name is canonical, and the
// value a valid field value (RFC 9110, section 5.5).
func Header(name, value string, live Live, resolve func(token string, at manifests.Position) ([]byte, error)) (string, error) {
	f := &filler{live: live, resolve: resolve}
	return f.header(name, value)
}

func (f *filler) header(name, value string) (string, error) {
	switch name {
	case "Cookie":
		return f.cookies(value)
	case "Authorization":
		if filled, is, err := f.basic(value); is || err != nil {
			return filled, err
		}
	}
	if _, found := In(value, f.live); !found {
		return value, nil
	}
	at, ok := position(manifests.AsHeader, name)
	if !ok {
		return "", f.refuse(value, "the header "+printable(name), "")
	}
	out, err := f.all([]byte(value), at, encodeHeader)
	return string(out), err
}

// encodeHeader refuses what would end a header, what is no field content (RFC
// 9110, section 5.5), and the spaces that are cut off at either end.
func encodeHeader(dst, value []byte) ([]byte, string) {
	if hasControl(value, '\t') {
		return nil, "it has a line break or another control character, which a header cannot have"
	}
	if isBlank(value[0]) || isBlank(value[len(value)-1]) {
		return nil, "it begins or ends with a space, which a header loses"
	}
	return append(dst, value...), ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func hasControl(value []byte, but byte) bool {
	for _, c := range value {
		if (c < 0x20 || c == 0x7f) && c != but {
			return true
		}
	}
	return false
}

// basic fills the user and the password of Basic authentication (RFC 7617).
// is reports whether the credentials were that, with a surrogate in them.
func (f *filler) basic(value string) (filled string, is bool, err error) {
	scheme, credentials, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return "", false, nil
	}
	pair, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(credentials), "="))
	if err != nil {
		return "", false, nil // no credentials: a header like others
	}
	token, found := In(string(pair), f.live)
	if !found {
		return "", false, nil
	}
	user, password, ok := strings.Cut(string(pair), ":")
	if !ok {
		return "", false, &PlaceError{Token: token, Where: "basic authentication without a colon", Remedy: ErrPartial.Error(), partial: true}
	}
	left, err := f.basicPart(user, encodeUser)
	if err != nil {
		return "", false, err
	}
	right, err := f.basicPart(password, encodePassword)
	if err != nil {
		return "", false, err
	}
	return scheme + " " + base64.StdEncoding.EncodeToString([]byte(left+":"+right)), true, nil
}

func (f *filler) basicPart(part string, encode encoder) (string, error) {
	token, found := In(part, f.live)
	switch {
	case !found:
		return part, nil
	case token != part:
		return "", &PlaceError{Token: token, Where: "a part of a user or password", Remedy: ErrPartial.Error(), partial: true}
	}
	out, err := f.put(nil, token, manifests.Position{Kind: manifests.AsBasic}, encode)
	return string(out), err
}

func encodeUser(dst, value []byte) ([]byte, string) {
	for _, c := range value {
		if c == ':' {
			return nil, `it has a ":", which a user in basic authentication cannot have`
		}
	}
	return encodePassword(dst, value)
}

func encodePassword(dst, value []byte) ([]byte, string) {
	if hasControl(value, 0x20) {
		return nil, "it has a control character, which basic authentication cannot have"
	}
	return append(dst, value...), ""
}

// printable makes a name that the guest chose fit for an error: the host and
// its log read it.
func printable(name string) string {
	const maxShown = 64
	if len(name) > maxShown || strings.ContainsFunc(name, func(r rune) bool { return !isShown(r) }) {
		return "of that name"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

func isShown(r rune) bool { return r < 0x80 && (isAlnum(byte(r)) || strings.ContainsRune("-_.+/", r)) }
