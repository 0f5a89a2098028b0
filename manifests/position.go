package manifests

import (
	"errors"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrPosition is wrapped by every error of [ParsePosition].
var ErrPosition = errors.New("not a position")

type positionError string

func (e positionError) Error() string        { return "not a position: " + string(e) }
func (e positionError) Is(target error) bool { return target == ErrPosition }

// Position says where in a request a value stands.
type Position struct {
	Kind  PositionKind
	Param string // the header, key, field or JSON pointer; a header's is canonical
}

// PositionKind is the part of a position before the colon.
type PositionKind string

// The positions of send_to.
const (
	AsHeader  PositionKind = "header"
	AsBasic   PositionKind = "basic"
	AsCookie  PositionKind = "cookie"
	AsQuery   PositionKind = "query"
	AsPath    PositionKind = "path"
	AsForm    PositionKind = "form"
	AsJSON    PositionKind = "json"
	AsURL     PositionKind = "url"
	AsIMAP    PositionKind = "imap"
	AsSMTP    PositionKind = "smtp"
	AsBrowser PositionKind = "browser"
)

// maxParamBytes bounds what follows the colon of a position.
const maxParamBytes = 256

const positionForms = "header:NAME, basic, cookie, query:KEY, path, form:FIELD, json:/POINTER, url, imap, smtp or browser"

// takesParam reports whether a position of this kind has a part after the
// colon; known is false for a kind that is none of ours.
func (k PositionKind) takesParam() (takes, known bool) {
	switch k {
	case AsHeader, AsQuery, AsForm, AsJSON:
		return true, true
	case AsBasic, AsCookie, AsPath, AsURL, AsIMAP, AsSMTP, AsBrowser:
		return false, true
	}
	return false, false
}

// ParsePosition reads a position as send_to writes it: "basic",
// "header:Authorization", "query:key", "json:/auth/token". A query key or form
// field is written as decoded.
func ParsePosition(s string) (Position, error) {
	kind, param, colon := strings.Cut(s, ":")
	p := Position{Kind: PositionKind(kind), Param: param}
	takes, known := p.Kind.takesParam()
	switch {
	case !known:
		return Position{}, positionError("write " + positionForms)
	case !takes && colon:
		return Position{}, positionError(kind + " has nothing after it")
	case !takes:
		return p, nil
	case param == "":
		return Position{}, positionError(kind + " needs a name after a colon")
	case len(param) > maxParamBytes || !isPlainText(param):
		return Position{}, positionError("what follows " + kind + ": is not a plain name of at most 256 bytes")
	}
	switch p.Kind {
	case AsHeader:
		if err := checkHeaderName(param); err != nil {
			return Position{}, err
		}
		p.Param = textproto.CanonicalMIMEHeaderKey(param)
	case AsJSON:
		if !isJSONPointer(param) {
			return Position{}, positionError("what follows json: is not a JSON pointer such as /auth/token")
		}
	}
	return p, nil
}

// String writes the position as [ParsePosition] reads it.
func (p Position) String() string {
	if p.Param == "" {
		return string(p.Kind)
	}
	return string(p.Kind) + ":" + p.Param
}

// Stream reports whether the position is in a mail connection and not in an
// HTTP request, so that methods and paths mean nothing.
func (p Position) Stream() bool { return p.Kind == AsIMAP || p.Kind == AsSMTP }

// fits reports whether the position exists where scheme is spoken.
func (p Position) fits(scheme string) bool {
	switch p.Kind {
	case AsIMAP:
		return scheme == "imap" || scheme == "imaps"
	case AsSMTP:
		return scheme == "smtp" || scheme == "smtps"
	}
	return isHTTP(scheme)
}

// checkHeaderName refuses what is no header name and the headers that belong
// to the connection, to the host, or to another position.
func checkHeaderName(name string) error {
	if !isToken(name) {
		return positionError("the header's name is not a token")
	}
	lower := strings.ToLower(name)
	switch lower {
	case "cookie", "cookie2":
		return positionError(`a cookie has a position of its own: write "cookie"`)
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer",
		"expect", "http2-settings", "accept-encoding", "content-encoding", "range", "set-cookie", "set-cookie2":
		return positionError("the host itself sets the header " + textproto.CanonicalMIMEHeaderKey(name))
	}
	if strings.HasPrefix(lower, "proxy-") {
		return positionError("a Proxy- header would go to a proxy")
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// isPlainText reports whether s is UTF-8 that shows as it is: no control,
// format (bidirectional, zero-width) or private characters, no line breaks.
func isPlainText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			return false
		}
	}
	return true
}

// isJSONPointer reports whether s is an RFC 6901 pointer to something inside.
func isJSONPointer(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return false
		}
	}
	return true
}
