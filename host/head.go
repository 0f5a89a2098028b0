package host

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// parseHead decodes a head that has one reading.
func parseHead(text []byte) (h abi.RequestHead, err error) {
	v, err := strictjson.Parse(text, strictjson.Limits{})
	if err != nil {
		return h, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return h, errors.New("the head is not an object")
	}
	for name, v := range members {
		ok := false
		switch name {
		case "method":
			h.Method, ok = v.(string)
		case "url":
			h.URL, ok = v.(string)
		case "timeout_ms":
			n, isNumber := v.(json.Number)
			h.TimeoutMS, err = n.Int64()
			ok = isNumber && err == nil && h.TimeoutMS >= 0
		case "headers":
			h.Headers, ok = headerPairs(v)
		}
		if !ok {
			return h, errors.New("the head has an unknown member, or one of another type")
		}
	}
	return h, nil
}

func headerPairs(v any) (pairs [][2]string, ok bool) {
	list, ok := v.([]any)
	for _, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return nil, false
		}
		name, ok1 := pair[0].(string)
		value, ok2 := pair[1].(string)
		if !ok1 || !ok2 {
			return nil, false
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, ok
}

// plainHead reads a head as SDKs write it: its members in the order of
// [abi.RequestHead], no white space, plain ASCII and nothing escaped. What it
// reads has that one reading; ok is false for all else.
func plainHead(text string) (h abi.RequestHead, ok bool) {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c >= 0x7f || c == '\\' {
			return h, false
		}
	}
	p := plainText{text}
	if !p.skip(`{"method":`) {
		return h, false
	}
	if h.Method, ok = p.quoted(); !ok || !p.skip(`,"url":`) {
		return h, false
	}
	if h.URL, ok = p.quoted(); !ok {
		return h, false
	}
	if p.skip(`,"headers":`) {
		if h.Headers, ok = p.pairs(); !ok {
			return h, false
		}
	}
	if p.skip(`,"timeout_ms":`) {
		if h.TimeoutMS, ok = p.number(); !ok {
			return h, false
		}
	}
	return h, p.rest == "}"
}

// plainText is taken apart from its beginning.
type plainText struct{ rest string }

func (p *plainText) skip(prefix string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, prefix)
	return ok
}

func (p *plainText) quoted() (text string, ok bool) {
	if !p.skip(`"`) {
		return "", false
	}
	text, p.rest, ok = strings.Cut(p.rest, `"`)
	return text, ok
}

// number takes a whole number that is not negative.
func (p *plainText) number() (int64, bool) {
	n := 0
	for n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9' {
		n++
	}
	digits := p.rest[:n]
	p.rest = p.rest[n:]
	v, err := strconv.ParseInt(digits, 10, 64)
	return v, err == nil && (digits[0] != '0' || n == 1)
}

// pairs takes a list of pairs of strings that is not empty.
func (p *plainText) pairs() (pairs [][2]string, ok bool) {
	for next := "[["; p.skip(next); next = ",[" {
		var pair [2]string
		if pair[0], ok = p.quoted(); !ok || !p.skip(",") {
			return nil, false
		}
		if pair[1], ok = p.quoted(); !ok || !p.skip("]") {
			return nil, false
		}
		pairs = append(pairs, pair)
	}
	return pairs, len(pairs) > 0 && p.skip("]")
}
