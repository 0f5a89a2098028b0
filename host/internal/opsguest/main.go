//go:build wasip1

// Command opsguest is the guest of the tests of what a guest can have done
// with a credential: it does the steps that its option says, with bare hands,
// and emits what came of them. The build tag put adds the import that only
// some roles may have.
package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

type start struct {
	Options map[string]string `json:"options"`
}

// step is one thing to do. In texts, ${name} is what another step has left.
type step struct {
	Do      string      `json:"do"`
	Name    string      `json:"name,omitempty"`
	Arg     string      `json:"arg,omitempty"`
	Data    string      `json:"data,omitempty"`
	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
	Body    string      `json:"body,omitempty"`
	Follows bool        `json:"follows,omitempty"`
	As      string      `json:"as,omitempty"`
	Times   int         `json:"times,omitempty"`
	Quiet   bool        `json:"quiet,omitempty"`
	Steps   []step      `json:"steps,omitempty"`
}

var (
	vars    = map[string]string{}
	base    string
	records int
	ended   bool
)

//go:wasmexport sallyport_abi
func abiVersion() int32 { return 1 }

//go:wasmexport sallyport_run
func run() int32 {
	text, r := out(4096, func(o, c uint32) int64 { return input(o, c) })
	var s start
	var steps []step
	if r != 0 || json.Unmarshal([]byte(text), &s) != nil || json.Unmarshal([]byte(s.Options["steps"]), &steps) != nil {
		return 2
	}
	base = s.Options["base"]
	do(steps)
	if !ended {
		say(fmt.Sprintf(`{"type":"DONE","status":"succeeded","records_emitted":%d}`, records))
	}
	return 0
}

func main() {}

func do(steps []step) {
	for _, s := range steps {
		one(s)
	}
}

func one(s step) {
	name, arg, data := expand(s.Name), expand(s.Arg), expand(s.Data)
	keep := func(v string, r int64) {
		if vars[s.As] = v; r != 0 {
			tell(s.Do+" "+name, r)
		}
	}
	switch s.Do {
	case "use":
		p, n := in(name)
		keep(out(64, func(o, c uint32) int64 { return use(p, n, o, c) }))
	case "status":
		p, n := in(name)
		keep(out(200, func(o, c uint32) int64 { return status(p, n, o, c) }))
	case "reveal":
		p, n := in(name)
		keep(out(200, func(o, c uint32) int64 { return reveal(p, n, o, c) }))
	case "totp":
		p, n := in(name)
		keep(out(64, func(o, c uint32) int64 { return totp(p, n, o, c) }))
	case "sign":
		p, n := in(name)
		ap, an := in(arg)
		dp, dn := in(data)
		keep(out(64, func(o, c uint32) int64 { return sign(p, n, ap, an, dp, dn, o, c) }))
	case "put":
		tell("put "+name, store(name, data, arg))
	case "send":
		exchange(s)
	case "hold": // a request that is left open
		tell(s.Do, request(head{Method: "GET", URL: base + s.URL}, "", false) >= 0)
	case "print":
		println(data)
	case "ask":
		p, n := in(`{"type":"INTERACTION","request_id":"` + vars["i"] + `","kind":"manual_action","message":"Look at your telephone"}`)
		keep(out(200, func(o, c uint32) int64 { return interact(p, n, o, c) }))
	case "json":
		vars[s.As] = field(vars[name], arg)
	case "tell":
		tell(name, data)
	case "is surrogate":
		tell(name, len(data) == 40 && strings.HasPrefix(data, "sp1"))
	case "same":
		tell(name, arg == data)
	case "repeat":
		for i := range s.Times {
			vars["i"] = fmt.Sprint(i)
			do(s.Steps)
		}
	case "fail":
		ended = true
		say(fmt.Sprintf(`{"type":"DONE","status":"failed","records_emitted":%d,"error":{"message":"no luck","retryable":true,"code":%q}}`, records, name))
	default:
		tell("unknown step", s.Do)
	}
}

func expand(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(vars[name])
		s = after
	}
}

// field is the text at a pointer of one key.
func field(doc, key string) string {
	var members map[string]any
	_ = json.Unmarshal([]byte(doc), &members)
	text, _ := members[key].(string)
	return text
}

// exchange sends a request and keeps the answer: its body under the step's
// name, its headers under that, a dot and theirs, the cookies that it sets,
// ready to be sent back, under cookies.
func exchange(s step) {
	h := head{Method: s.Method, URL: expand(s.URL), Timeout: 20_000}
	if strings.HasPrefix(h.URL, "/") {
		h.URL = base + h.URL
	}
	for _, pair := range s.Headers {
		h.Headers = append(h.Headers, [2]string{pair[0], expand(pair[1])})
	}
	what := s.Method + " " + s.URL
	r := request(h, expand(s.Body), s.Follows)
	if r < 0 {
		tell(what, r)
		return
	}
	a := answer(uint32(r))
	closeHandle(uint32(r))
	if a.failed != "" {
		tell(what, a.failed)
		return
	}
	if !s.Quiet {
		tell(what, a.status)
	}
	vars[s.As] = a.body
	var cookies []string
	for _, pair := range a.headers {
		vars[s.As+"."+pair[0]] = pair[1]
		if pair[0] == "Set-Cookie" {
			cookie, _, _ := strings.Cut(pair[1], ";")
			name, value, _ := strings.Cut(cookie, "=")
			vars[s.As+".cookie."+name] = value
			cookies = append(cookies, cookie)
		}
	}
	vars[s.As+".cookies"] = strings.Join(cookies, "; ")
}
