package audit

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// The bounds of an event's texts, in bytes. What is longer is cut.
const (
	maxWord = 64
	maxPart = 256
	maxText = 1024
)

const cut = "…"

// clean bounds an event's texts and takes out what could mislead: an event
// quotes what a guest or a manifest said.
func clean(e host.Event) host.Event {
	e.Time = e.Time.UTC().Round(0)
	e.Kind = host.EventKind(text(string(e.Kind), maxWord))
	e.Scope = capabilities.Scope{
		Owner: text(e.Scope.Owner, maxPart), Connector: text(e.Scope.Connector, maxPart),
		Instance: text(e.Scope.Instance, maxPart), Grant: text(e.Scope.Grant, maxPart),
	}
	e.RunID = text(e.RunID, maxPart)
	e.Role = abi.Role(text(string(e.Role), maxWord))
	e.Op = text(e.Op, maxWord)
	e.Name = text(e.Name, maxPart)
	e.Class = abi.Class(text(string(e.Class), maxWord))
	e.Access = abi.Access(text(string(e.Access), maxWord))
	e.Rule = text(e.Rule, maxWord)
	e.Reason = text(e.Reason, maxText)
	e.Remedy = text(e.Remedy, maxText)
	e.Origin = text(origin(e.Origin), maxPart)
	e.Method = text(e.Method, maxWord)
	return e
}

// text replaces what does not print as itself (control, format and
// bidirectional characters, line ends, invalid UTF-8) and cuts.
func text(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsGraphic(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	end := most - len(cut)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cut
}

// origin leaves of an address no more than scheme, host and port.
func origin(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return scheme + rest
}
