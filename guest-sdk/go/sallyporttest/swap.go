package sallyporttest

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

func (s *session) hasSurrogate(text string) bool { return s.swapPlain(text) != text }

func (s *session) isSurrogate(text string) bool {
	return len(text) == abi.SurrogateLen && s.hasSurrogate(text)
}

// swap puts values into a header, and into Basic authentication.
func (s *session) swap(value string) string {
	if coded, ok := strings.CutPrefix(value, "Basic "); ok {
		if pair, err := base64.StdEncoding.DecodeString(coded); err == nil {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(s.swapPlain(string(pair))))
		}
	}
	return s.swapPlain(value)
}

// swapURL puts values into an address that is a surrogate as a whole, and into
// the path and the query of any other. place says where else a surrogate
// stands, where the host puts none in.
func (s *session) swapURL(address string) (swapped, place string) {
	if s.isSurrogate(address) {
		return s.swapPlain(address), ""
	}
	rest, fragment, _ := strings.Cut(address, "#")
	rest, query, asked := strings.Cut(rest, "?")
	scheme, rest, whole := strings.Cut(rest, "://")
	host, path, _ := strings.Cut(rest, "/")
	switch {
	case s.hasSurrogate(fragment):
		return "", "the fragment"
	case whole && s.isSurrogate(strings.TrimSuffix(rest, "/")):
		return s.swapPlain(strings.TrimSuffix(rest, "/")), ""
	case s.hasSurrogate(scheme) || s.hasSurrogate(host):
		return "", "the host name"
	case !s.hasSurrogate(path) && !s.hasSurrogate(query):
		return address, ""
	}
	swapped = scheme + "://" + host + "/" + s.swapAs(path, url.PathEscape)
	if asked {
		swapped += "?" + s.swapAs(query, url.QueryEscape)
	}
	return swapped, ""
}

func (s *session) swapPlain(text string) string {
	return s.swapAs(text, func(value string) string { return value })
}

// swapAs puts in the values as they are written there.
func (s *session) swapAs(text string, as func(string) string) string {
	for name, value := range s.host.Credentials {
		text = strings.ReplaceAll(text, Surrogate(name), as(value))
	}
	for name, value := range s.host.Captured {
		text = strings.ReplaceAll(text, capturedAs(name), as(value))
	}
	for surrogate, value := range s.signed {
		text = strings.ReplaceAll(text, surrogate, as(value))
	}
	return text
}
