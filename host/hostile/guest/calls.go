//go:build wasip1

package main

import (
	"encoding/json"
	"fmt"
	"strings"
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

//go:wasmimport sallyport:credential/v1 use
func use(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential/v1 status
func status(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential-reveal/v1 reveal
func reveal(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential-sign/v1 sign
func sign(p, n, ap, an, dp, dn, o, c uint32) int64

//go:wasmimport sallyport:credential-sign/v1 totp
func totp(p, n, o, c uint32) int64

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

//go:wasmimport sallyport:stream/v1 open
func open(p, n uint32) int64

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
		k := fetchResult(ticket, got, ptr(whole)+got, n-got)
		if k < 0 {
			return "", k
		}
		got += uint32(k)
	}
	return string(whole), 0
}

// named is a call that takes a name and writes an answer.
func named(f func(p, n, o, c uint32) int64, name string) (string, int64) {
	p, n := in(name)
	return out(256, func(o, c uint32) int64 { return f(p, n, o, c) })
}

// surrogate is for tricks that are about what comes after.
func surrogate(name string) string {
	token, r := named(use, name)
	if r != 0 {
		note("use %s: %d", name, r)
	}
	return token
}

func signed(name, template, data string) (string, int64) {
	p, n := in(name)
	ap, an := in(template)
	dp, dn := in(data)
	return out(64, func(o, c uint32) int64 { return sign(p, n, ap, an, dp, dn, o, c) })
}

func say(line string) int64 { p, n := in(line); return emit(p, n) }

func logged(line string) int64 { p, n := in(line); return log(1, p, n) }

func ask(question string) (string, int64) {
	p, n := in(question)
	return out(512, func(o, c uint32) int64 { return interact(p, n, o, c) })
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

var records int

// record emits a record whose what is the text.
func record(what string) int64 { return recordLine(quote(what)) }

// recordLine is record for what is JSON already.
func recordLine(what string) int64 {
	r := say(fmt.Sprintf(`{"type":"RECORD","stream":"findings","key":"k%d","data":{"id":"k%d","what":%s},"emitted_at":"2026-01-01T00:00:00Z"}`, records, records, what))
	if r == 1 {
		records++
	}
	return r
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

// streamed sends a body in the parts given, and returns what the last write
// answered, or the answer to it all.
func streamed(url string, headers [][2]string, parts ...string) string {
	b, _ := json.Marshal(head{Method: "POST", URL: url, Headers: headers})
	h := send(ptr(b), uint32(len(b)), 0, 0xFFFF_FFFF)
	if h < 0 {
		return fmt.Sprint("send ", h)
	}
	for _, part := range append(parts, "") {
		p, n := in(part)
		if r := write(uint32(h), p, n); r < 0 {
			return fmt.Sprint("write ", r)
		}
	}
	return finish(h)
}

// answer is an exchange's end.
type answer struct {
	status  int
	headers [][2]string
	body    string
	failed  string
}

func (a answer) String() string {
	if a.failed != "" {
		return "failed " + a.failed
	}
	return fmt.Sprint(a.status, " ", a.body)
}

func (a answer) header(name string) string {
	for _, h := range a.headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

type event struct {
	Handle  uint32
	State   string
	Status  int
	Headers [][2]string
	Error   string
}

func waitFor(timeout int64, hs ...uint32) ([]event, int64) {
	text, r := out(8192, func(o, c uint32) int64 {
		return wait(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(hs)))), uint32(len(hs)), timeout, o, c)
	})
	var ready []event
	_ = json.Unmarshal([]byte(text), &ready)
	return ready, r
}

// await reads an exchange to its end.
func await(h uint32) (a answer) {
	for {
		ready, r := waitFor(-1, h)
		if r < 0 || len(ready) == 0 {
			a.failed = fmt.Sprint("wait ", r)
			return a
		}
		if e := ready[0]; e.Status != 0 {
			a.status = e.Status
			a.headers = append(a.headers, e.Headers...)
		}
		switch ready[0].State {
		case "error":
			a.failed = ready[0].Error
			return a
		case "done":
			return a
		case "body":
			buf := make([]byte, 8192)
			if n := read(h, ptr(buf), uint32(len(buf))); n > 0 {
				a.body += string(buf[:n])
			}
		}
	}
}

func finish(h int64) string {
	a := await(uint32(h))
	closeHandle(uint32(h))
	return a.String()
}

// do sends a request and reads its answer.
func do(method, url, body string, headers ...[2]string) answer {
	r := request(head{Method: method, URL: url, Headers: headers}, body)
	if r < 0 {
		return answer{failed: fmt.Sprint(r)}
	}
	a := await(uint32(r))
	closeHandle(uint32(r))
	return a
}

func get(url string, headers ...[2]string) answer { return do("GET", url, "", headers...) }

func bearer(token string) [2]string { return [2]string{"Authorization", "Bearer " + token} }

// journal is where a guest notes what it got, for the test to read out of its
// memory at the end: no call to the host is needed, and none can hide it.
var journal [1 << 16]byte

var written int

// mark begins the journal. Written backwards here, so that the module's data
// does not hold it too.
const mark = "\x01lanruoj-elitsoh"

// note adds a line to the journal. Surrogates in it are told as <NAME>.
func note(format string, args ...any) {
	if written == 0 {
		for i := range len(mark) {
			journal[i] = mark[len(mark)-1-i]
		}
		written = len(mark)
	}
	line := fmt.Sprintf(format, args...)
	for _, name := range []string{"TOKEN", "ANOTHER", "MAIL_PASSWORD", "PASSWORD", "SHORT"} {
		if token := seen[name]; token != "" {
			line = strings.ReplaceAll(line, token, "<"+name+">")
		}
	}
	written += copy(journal[written:len(journal)-1], strings.NewReplacer("\n", " ", "\x00", ".").Replace(line)+"\n")
}

// seen are the surrogates that a trick has asked for by mine.
var seen = map[string]string{}

// mine is surrogate, told by its name in the journal.
func mine(name string) string {
	token := surrogate(name)
	seen[name] = token
	return token
}
