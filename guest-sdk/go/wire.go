package sallyport

import (
	"encoding/json"
	"strconv"
	"strings"
)

// What passes between a guest and its host for each request is written and
// read here by hand: in a guest encoding/json takes longer for it than the
// network takes for a small answer. What is out of the ordinary is left to
// encoding/json all the same.

type wireReady struct {
	Handle  uint32      `json:"handle"`
	State   string      `json:"state"`
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
	Error   string      `json:"error"`
}

// appendHead appends the head of a request as JSON.
func appendHead(b []byte, method, url string, header Header, timeoutMS int64) []byte {
	b = append(b, `{"method":`...)
	b = appendString(b, method)
	b = append(b, `,"url":`...)
	b = appendString(b, url)
	next := `,"headers":[[`
	for _, name := range header.names(make([]string, 0, 16)) {
		for _, value := range header[name] {
			b = append(b, next...)
			b = appendString(b, name)
			b = append(b, ',')
			b = appendString(b, value)
			b = append(b, ']')
			next = `,[`
		}
	}
	if next == `,[` {
		b = append(b, ']')
	}
	if timeoutMS != 0 {
		b = append(b, `,"timeout_ms":`...)
		b = strconv.AppendInt(b, timeoutMS, 10)
	}
	return append(b, '}')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				quoted = []byte(`""`) // of a string there is no error
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// firstReady reads the first of the reports that wait returned; State is empty
// when there is none.
func firstReady(raw []byte) (wireReady, error) {
	if string(raw) == "[]" {
		return wireReady{}, nil
	}
	text := string(raw) // what is read of it are parts of this one copy
	if r, ok := plainReady(text); ok {
		return r, nil
	}
	var all []wireReady
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) == 0 {
		return wireReady{}, err
	}
	return all[0], nil
}

// plainReady reads a single report as hosts write it: its members in order, no
// white space, nothing escaped. It believes the host that this is JSON.
func plainReady(text string) (r wireReady, ok bool) {
	if strings.IndexByte(text, '\\') >= 0 {
		return r, false
	}
	s := scanner{text}
	if !s.skip(`[{"handle":`) {
		return r, false
	}
	handle, ok := s.number()
	if !ok || !s.skip(`,"state":`) {
		return r, false
	}
	r.Handle = uint32(handle)
	if r.State, ok = s.quoted(); !ok {
		return r, false
	}
	if s.skip(`,"status":`) {
		status, ok := s.number()
		if !ok {
			return r, false
		}
		r.Status = int(status)
	}
	if s.skip(`,"headers":`) {
		if r.Headers, ok = s.pairs(); !ok {
			return r, false
		}
	}
	if s.skip(`,"error":`) {
		if r.Error, ok = s.quoted(); !ok {
			return r, false
		}
	}
	return r, s.rest == "}]"
}

// scanner takes a text apart from its beginning.
type scanner struct{ rest string }

func (s *scanner) skip(prefix string) (ok bool) {
	s.rest, ok = strings.CutPrefix(s.rest, prefix)
	return ok
}

// number takes an unsigned decimal.
func (s *scanner) number() (uint64, bool) {
	n := 0
	for n < len(s.rest) && '0' <= s.rest[n] && s.rest[n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(s.rest[:n], 10, 32)
	s.rest = s.rest[n:]
	return v, err == nil
}

// quoted takes a string in which nothing is escaped.
func (s *scanner) quoted() (string, bool) {
	if !s.skip(`"`) {
		return "", false
	}
	text, rest, ok := strings.Cut(s.rest, `"`)
	s.rest = rest
	return text, ok
}

// pairs takes a list of pairs of strings that is not empty.
func (s *scanner) pairs() (pairs [][2]string, ok bool) {
	const usual = 16
	pairs = make([][2]string, 0, usual)
	for next := "[["; s.skip(next); next = ",[" {
		var p [2]string
		if p[0], ok = s.quoted(); !ok || !s.skip(",") {
			return nil, false
		}
		if p[1], ok = s.quoted(); !ok || !s.skip("]") {
			return nil, false
		}
		pairs = append(pairs, p)
	}
	return pairs, len(pairs) > 0 && s.skip("]")
}
