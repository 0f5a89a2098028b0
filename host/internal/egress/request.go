package egress

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// requestError says why a request is refused. It never quotes it.
type requestError string

func (e requestError) Error() string        { return ErrRequest.Error() + ": " + string(e) }
func (e requestError) Is(target error) bool { return target == ErrRequest }

// wellFormed refuses a request that two readers could read differently. The
// host has checked what a guest wrote; net/http checks most of it again. This
// is the last gate, and does not rely on either.
func wellFormed(req *http.Request) error {
	u := req.URL
	switch {
	case u == nil || u.Scheme != "http" && u.Scheme != "https":
		return requestError("it is neither http nor https")
	case u.Opaque != "" || u.User != nil || u.Host == "" || !plain(u.Host):
		return requestError("its host is malformed")
	case req.Host != "" && req.Host != u.Host:
		return requestError("its Host header is not its URL's")
	case !httpguts.ValidHeaderFieldName(req.Method) || req.Method == http.MethodConnect:
		return requestError("its method is malformed")
	case !plain(u.RequestURI()) || u.RequestURI()[0] != '/':
		return requestError("its path or query has a space, a control or a character beyond ASCII")
	case len(req.TransferEncoding) > 0 || len(req.Trailer) > 0:
		return requestError("it frames its body itself")
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return requestError("a header's name is malformed")
		}
		if frames(name) {
			return requestError("a header frames the message, or is for a proxy")
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return requestError("a header's value has a control character")
			}
		}
	}
	return nil
}

// cleanHead drops headers whose names are none, such as "X-A : b", which
// net/http passes on. It reports false when one of them would frame the body
// for a reader that takes the space away.
func cleanHead(h http.Header) bool {
	for name := range h {
		if httpguts.ValidHeaderFieldName(name) {
			continue
		}
		if frames(strings.TrimSpace(name)) {
			return false
		}
		delete(h, name)
	}
	return true
}

// plain reports whether s is visible ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// frames reports whether a header says where a message ends or who reads it,
// in any case and with "_" for "-", as some gateways read it.
func frames(name string) bool {
	if len(name) < 2 || strings.IndexByte("cCtTuUeEpPhHkK", name[0]) < 0 {
		return false
	}
	switch strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
	case "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
		"transfer-encoding", "upgrade", "http2-settings":
		return true
	}
	return len(name) > 6 && strings.EqualFold(name[:5], "proxy")
}
