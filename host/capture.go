package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/guard"
)

// maxCaptureBody bounds an answer that a secret is taken out of by a JSON
// pointer: it is held whole.
const maxCaptureBody = 4 << 20

// captureRule is one place in an answer that a rule takes a secret from.
type captureRule struct {
	c    *credential
	from string // "header:X-Token", "json:/token", "set-cookie"
}

// captureRules lists what approved rules take out of an answer to o.
func (r *run) captureRules(o *outgoing) (rules []captureRule) {
	a := r.standing.Load().Approval
	if a == nil {
		return nil
	}
	for i := range r.bound.Credentials {
		decl := &r.bound.Credentials[i]
		for _, from := range a.Captures(decl, o.target) {
			rules = append(rules, captureRule{r.credentials[decl.Name], from})
		}
	}
	return rules
}

// capture takes the new secrets out of an answer and puts surrogates in their
// places. It returns the body as it is now.
func (r *run) capture(o *outgoing, res *http.Response, rules []captureRule) (io.Reader, abi.Status) {
	var pointers []captureRule
	for _, rule := range rules {
		kind, param, _ := strings.Cut(rule.from, ":")
		switch kind {
		case "header":
			for i, value := range res.Header[param] {
				token, s := r.captured(o, rule.c, value)
				if s != abi.StatusOK {
					return nil, s
				}
				res.Header[param][i] = token
			}
		case "json":
			pointers = append(pointers, captureRule{rule.c, param})
		}
	}
	if s := r.captureCookies(o, res, rules); s != abi.StatusOK {
		return nil, s
	}
	if len(pointers) == 0 || res.Body == http.NoBody || o.target.Method == http.MethodHead {
		return res.Body, abi.StatusOK
	}
	return r.captureJSON(o, res, pointers)
}

// captured holds a value that was taken out of an answer, and returns its
// surrogate. It is used as the credential's own would be, and put keeps it.
func (r *run) captured(o *outgoing, c *credential, value string) (token string, s abi.Status) {
	if value == "" {
		return "", abi.StatusOK
	}
	if s := r.laundered(o, c, value); s != abi.StatusOK {
		return "", s
	}
	held := []byte(value)
	return r.holdCaptured(held, &holding{
		c: c, access: abi.AccessUse, passing: true, twin: twin{c: c, digest: sha256.Sum256(held)},
		value: func() ([]byte, error) { return held, nil },
		kept:  func() []byte { return held },
	})
}

// laundered stops the run when what is to be captured for c is, or holds, the
// value of another credential: a source could else give one the destinations
// of another, or have a password stored as a session.
func (r *run) laundered(o *outgoing, c *credential, value string) abi.Status {
	if other, form := r.watch.holds([]byte(value)); other != nil && other != c {
		return r.leaked(other.decl.Name, form, "a new secret for "+c.decl.Name+" in an answer of "+o.target.Origin.String())
	}
	return abi.StatusOK
}

// holdCaptured has a captured value looked for, and returns its surrogate: the
// same for the same value.
func (r *run) holdCaptured(value []byte, h *holding) (token string, s abi.Status) {
	h, ok := r.tokens.once(h)
	if ok && h.twin.cookie != "" && guard.Rate(value) != guard.Strong {
		return h.token, abi.StatusOK // a cookie lang=en would be found in every text
	}
	if !ok || !r.watch.add(h, value, h.c != nil && h.c.decl.Class == abi.ClassPassword) {
		return "", r.tooManySecrets()
	}
	return h.token, abi.StatusOK
}

func (r *run) tooManySecrets() abi.Status {
	r.note(Refusal{Thing: "a new secret in an answer", Rule: "limit_secrets", Reason: "the run holds too many already"})
	return abi.StatusExhausted
}

// captureJSON takes strings out of a JSON document. One that is none, or too
// large to be searched, is not shown at all: the secret may be in it. Only an
// answer that says that there is none, an error, may be another text.
func (r *run) captureJSON(o *outgoing, res *http.Response, pointers []captureRule) (io.Reader, abi.Status) {
	doc, err := io.ReadAll(io.LimitReader(res.Body, maxCaptureBody+1))
	switch {
	case err != nil:
		return nil, abi.StatusUnavailable
	case len(doc) > maxCaptureBody:
		return nil, r.refuseAnswer(o, "a secret is to be taken out of it, and it is larger than 4 MiB", abi.StatusTooLarge)
	case len(bytes.TrimSpace(doc)) == 0, res.StatusCode >= 300 && !json.Valid(doc):
		return bytes.NewReader(doc), abi.StatusOK
	}
	for _, p := range pointers {
		var s abi.Status
		doc, err = replaceAt(doc, p.from, func(value string) (string, error) {
			var token string
			if token, s = r.captured(o, p.c, value); s != abi.StatusOK {
				return "", errStopped
			}
			return token, nil
		})
		switch {
		case s != abi.StatusOK:
			return nil, s
		case err != nil:
			return nil, r.refuseAnswer(o, "a secret is to be taken out of it, and it is not JSON", abi.StatusUnavailable)
		}
	}
	return bytes.NewReader(doc), abi.StatusOK
}

var errStopped = errors.New("stopped")

// replaceAt puts put's answer in the place of the strings and numbers that a
// JSON pointer leads to: several when a key stands twice. All else stays as
// it is, byte by byte.
func replaceAt(doc []byte, pointer string, put func(string) (string, error)) ([]byte, error) {
	if !json.Valid(doc) {
		return nil, errors.New("not JSON")
	}
	for _, at := range slices.Backward(spans(doc, 0, pointerPath(pointer))) {
		value := string(doc[at[0]:at[1]])
		if value[0] == '"' {
			if err := json.Unmarshal(doc[at[0]:at[1]], &value); err != nil {
				return nil, err
			}
		} else if c := value[0]; c != '-' && (c < '0' || c > '9') {
			continue // null, true, an object: no secret
		}
		in, err := put(value)
		if err != nil {
			return nil, err
		}
		doc = slices.Concat(doc[:at[0]], []byte(strconv.Quote(in)), doc[at[1]:]) // a surrogate needs no escapes
	}
	return doc, nil
}

// pointerPath takes a JSON pointer apart (RFC 6901).
func pointerPath(pointer string) []string {
	path := strings.Split(pointer, "/")[1:]
	for i := range path {
		path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(path[i])
	}
	return path
}

// spans returns where in a valid document the values are that path leads to,
// in order. base is where doc begins.
func spans(doc []byte, base int, path []string) (found [][2]int) {
	if len(path) == 0 {
		start := len(doc) - len(bytes.TrimLeft(doc, " \t\r\n"))
		return [][2]int{{base + start, base + len(bytes.TrimRight(doc, " \t\r\n"))}}
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return nil
	}
	for i := 0; dec.More(); i++ {
		key := strconv.Itoa(i)
		if open == json.Delim('{') {
			name, err := dec.Token()
			if err != nil {
				return nil
			}
			key, _ = name.(string)
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil
		}
		if key == path[0] {
			found = append(found, spans(value, base+int(dec.InputOffset())-len(value), path[1:])...)
		}
	}
	return found
}

// captureCookies puts surrogates in the place of the cookies that a source
// sets: each is a secret, whatever it is for. One that no rule names goes
// back to where it came from, and nowhere else.
func (r *run) captureCookies(o *outgoing, res *http.Response, rules []captureRule) abi.Status {
	lines := res.Header["Set-Cookie"]
	if len(lines) == 0 {
		return abi.StatusOK
	}
	var session *credential
	for _, rule := range rules {
		if rule.from == "set-cookie" {
			session = rule.c
		}
	}
	kept := lines[:0]
	for _, line := range lines {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			continue // nobody could send it back
		}
		if session == nil && guard.Rate([]byte(cookie.Value)) != guard.Strong {
			kept = append(kept, line) // lang=en: it could not be looked for, and is none
			continue
		}
		if other, _ := r.watch.holds([]byte(cookie.Value)); session == nil && other != nil {
			kept = append(kept, line) // an echo, which gets the credential's own surrogate
			continue
		}
		token, s := r.cookie(o, session, cookie)
		if s != abi.StatusOK {
			return s
		}
		name, rest, _ := strings.Cut(line, "=")
		_, attributes, more := strings.Cut(rest, ";")
		if line = name + "=" + token; more {
			line += ";" + attributes
		}
		kept = append(kept, line)
	}
	if res.Header["Set-Cookie"] = kept; len(kept) == 0 {
		delete(res.Header, "Set-Cookie")
	}
	return abi.StatusOK
}

// cookie returns the surrogate of a cookie that was set: the same for the
// same value.
func (r *run) cookie(o *outgoing, session *credential, set *http.Cookie) (token string, s abi.Status) {
	if set.Value == "" || set.MaxAge < 0 {
		if session != nil {
			r.jars.set(session, o.url, set, o.carried(session))
		}
		return "", abi.StatusOK
	}
	if session != nil {
		if s := r.laundered(o, session, set.Value); s != abi.StatusOK {
			return "", s
		}
	}
	value := []byte(set.Value)
	if set.Quoted {
		value = []byte(`"` + set.Value + `"`)
	}
	h := &holding{
		c: session, origin: o.target.Origin, access: abi.AccessUse, passing: true,
		twin:  twin{session, o.target.Origin, set.Name, sha256.Sum256(value)},
		value: func() ([]byte, error) { return value, nil },
	}
	if session != nil {
		jar := r.jars.set(session, o.url, set, o.carried(session))
		h.kept = jar.State
	}
	return r.holdCaptured([]byte(set.Value), h)
}
