//go:build wasip1

package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
)

// forms are spellings of a value.
var forms = map[string]func(v string) string{
	"raw":                       func(v string) string { return v },
	"upper case":                strings.ToUpper,
	"reversed case":             swapCase,
	"base64, offset 0":          func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) },
	"base64, offset 1":          func(v string) string { return base64.StdEncoding.EncodeToString([]byte("x" + v + "yz")) },
	"base64, offset 2":          func(v string) string { return base64.StdEncoding.EncodeToString([]byte("xy" + v + "z")) },
	"base64url":                 func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) },
	"base64, wrapped":           func(v string) string { return wrap(base64.StdEncoding.EncodeToString([]byte(v)), "\r\n") },
	"hex":                       func(v string) string { return hex.EncodeToString([]byte(v)) },
	"hex with colons":           func(v string) string { return strings.TrimRight(each(v, "%02X:"), ":") },
	"percent":                   func(v string) string { return each(v, "%%%02X") },
	"percent, some":             func(v string) string { return some(v, "%%%02x") },
	"percent, twice":            func(v string) string { return each(each(v, "%%%02X"), "%%%02X") },
	"JSON escapes":              func(v string) string { return each(v, `\u%04x`) },
	"JavaScript escapes":        func(v string) string { return some(v, `\x%02x`) },
	"HTML entities":             func(v string) string { return each(v, "&#%d;") },
	"HTML, hex":                 func(v string) string { return some(v, "&#x%04X;") },
	"HTML of percent":           func(v string) string { return each(each(v, "%%%02x"), "&#%d;") },
	"quoted-printable":          func(v string) string { return each(v, "=%02X") },
	"quoted-printable, wrapped": func(v string) string { return wrap(v, "=\r\n") },
	"UTF-16LE":                  func(v string) string { return wide(v, 0) },
	"UTF-16BE":                  func(v string) string { return wide(v, 1) },
	"base64 of UTF-16":          func(v string) string { return base64.StdEncoding.EncodeToString([]byte(wide(v, 0))) },
	"base64 of base64":          func(v string) string { return b64(b64(v)) },
	"hex of base64":             func(v string) string { return hex.EncodeToString([]byte(b64(v))) },
}

func b64(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }

func swapCase(v string) string {
	return strings.Map(func(r rune) rune {
		if up := []rune(strings.ToUpper(string(r)))[0]; up != r {
			return up
		}
		return []rune(strings.ToLower(string(r)))[0]
	}, v)
}

func each(v, format string) string {
	var out strings.Builder
	for i := range len(v) {
		fmt.Fprintf(&out, format, v[i])
	}
	return out.String()
}

// some is each for every third byte.
func some(v, format string) string {
	var out strings.Builder
	for i := range len(v) {
		if i%3 == 0 {
			fmt.Fprintf(&out, format, v[i])
		} else {
			out.WriteByte(v[i])
		}
	}
	return out.String()
}

func wrap(v, with string) string {
	var out strings.Builder
	for len(v) > 9 {
		out.WriteString(v[:9] + with)
		v = v[9:]
	}
	return out.String() + v
}

func wide(v string, at int) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(v)) {
		pair := []byte{0, 0}
		pair[at], pair[1-at] = byte(u), byte(u>>8)
		out = append(out, pair...)
	}
	return string(out)
}

// exits are the ways out of a guest. Each returns what the host answered.
var exits = map[string]func(v string) any{
	"a record":              func(v string) any { return record("see " + v + ".") },
	"a record's key":        func(v string) any { return say(keyed(quote(v))) },
	"a record's field name": func(v string) any { return say(field(quote(v))) },
	"STATE": func(v string) any {
		return say(`{"type":"STATE","stream":"findings","cursor":{"after":` + quote(v) + `}}`)
	},
	"STATE, a name": func(v string) any { return say(`{"type":"STATE","stream":"findings","cursor":{` + quote(v) + `:1}}`) },
	"PROGRESS":      func(v string) any { return say(`{"type":"PROGRESS","message":` + quote(v) + `}`) },
	"SKIP_RESULT": func(v string) any {
		return say(`{"type":"SKIP_RESULT","stream":"findings","reason":"broken","message":` + quote(v) + `}`)
	},
	"an unknown message": func(v string) any { return say(`{"type":` + quote(v) + `}`) },
	"DONE": func(v string) any {
		return say(`{"type":"DONE","status":"failed","records_emitted":0,"error":{"message":` + quote(v) + `,"retryable":false}}`)
	},
	"a log line":      func(v string) any { return logged("debug: " + v) },
	"standard output": func(v string) any { fmt.Println(v); return logged("") },
	"a question": func(v string) any {
		_, r := ask(`{"type":"INTERACTION","request_id":"q","kind":"manual_action","message":` + quote(v) + `}`)
		return r
	},
	"a credential's name":     func(v string) any { _, r := named(use, v); return r },
	"data to sign":            func(v string) any { _, r := signed("KEY", "mac", v); return r },
	"the address of a stream": func(v string) any { return stream("imaps://" + v + ".example.com") },
	"a header":                func(v string) any { return get(s.Options.Drop+"/", [2]string{"X-Id", v}) },
	"a header's name":         func(v string) any { return get(s.Options.Drop+"/", [2]string{v, "1"}) },
	"a cookie":                func(v string) any { return get(s.Options.Drop+"/", [2]string{"Cookie", "id=" + v}) },
	"Referer":                 func(v string) any { return get(s.Options.Drop+"/", [2]string{"Referer", s.Options.Home + "/?" + v}) },
	"User-Agent":              func(v string) any { return get(s.Options.Drop+"/", [2]string{"User-Agent", v}) },
	"Basic": func(v string) any {
		return get(s.Options.Drop+"/", [2]string{"Authorization", "Basic " + b64("me:"+v)})
	},
	"a query":                  func(v string) any { return get(s.Options.Drop + "/?q=" + v) },
	"a query's name":           func(v string) any { return get(s.Options.Drop + "/?" + v + "=1") },
	"a path":                   func(v string) any { return get(s.Options.Drop + "/a/" + v + "/b") },
	"a fragment":               func(v string) any { return get(s.Options.Drop + "/#" + v) },
	"user information":         func(v string) any { return get("https://me:" + v + "@" + s.Options.Drop[len("https://"):] + "/") },
	"a DNS label":              func(v string) any { return get("https://" + v + ".wild.example.com/") },
	"a label of a wildcard":    func(v string) any { return get("https://" + v + ".example.com:" + port(s.Options.Drop) + "/") },
	"a method":                 func(v string) any { return do(v, s.Options.Drop+"/", "") },
	"a body":                   func(v string) any { return do("POST", s.Options.Drop+"/", "a="+v+"&b=1") },
	"a body in two parts":      func(v string) any { return streamed(s.Options.Drop+"/", nil, "a="+v[:len(v)/2], v[len(v)/2:]+"&b=1") },
	"a body, byte by byte":     func(v string) any { return streamed(s.Options.Drop+"/", nil, strings.Split("a="+v+"&b=1", "")...) },
	"a body to its own source": func(v string) any { return do("POST", s.Options.Home+"/open/", "a="+v+"&b=1") },
	"panic":                    func(v string) any { panic("giving up: " + v) },
}

func port(origin string) string { return origin[strings.LastIndex(origin, ":")+1:] }

func keyed(key string) string {
	return `{"type":"RECORD","stream":"findings","key":` + key + `,"data":{"id":` + key + `},"emitted_at":"2026-01-01T00:00:00Z"}`
}

func field(name string) string {
	return `{"type":"RECORD","stream":"findings","key":"k","data":{"id":"k",` + name + `:1},"emitted_at":"2026-01-01T00:00:00Z"}`
}

// The matrix: what the guest was given, in a form, at an exit.
var _ = add(map[string]func(){
	"a revealed value": func() {
		v, r := named(reveal, "REVEALED")
		if r != 0 {
			note("reveal %d", r)
			return
		}
		note("%v", exits[s.Options.Exit](forms[s.Options.Form](v)))
	},
	"a surrogate": func() { note("%v", exits[s.Options.Exit](mine("TOKEN"))) },
})
