//go:build wasip1

package main

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

//go:wasmimport sallyport:run/v1 input
func input(o, c uint32) int64

//go:wasmimport sallyport:run/v1 emit
func emit(p, n uint32) int64

//go:wasmimport sallyport:run/v1 interact
func interact(p, n, o, c uint32) int64

//go:wasmimport sallyport:run/v1 fetch_result
func fetchResult(ticket, offset, o, c uint32) int64

//go:wasmimport sallyport:credential/v1 use
func use(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential/v1 status
func status(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential-sign/v1 sign
func sign(p, n, ap, an, dp, dn, o, c uint32) int64

//go:wasmimport sallyport:credential-sign/v1 totp
func totp(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential-reveal/v1 reveal
func reveal(p, n, o, c uint32) int64

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
		k := fetchResult(ticket, got, ptr(whole)+got, n-got)
		if k <= 0 {
			return "", k
		}
		got += uint32(k)
	}
	return string(whole), 0
}

func say(line string) int64 { p, n := in(line); return emit(p, n) }

// tell emits a record of what came of a step.
func tell(what string, got any) {
	data, _ := json.Marshal(map[string]string{"id": fmt.Sprintf("%04d", records), "what": what, "got": fmt.Sprint(got)})
	if say(fmt.Sprintf(`{"type":"RECORD","stream":"findings","key":"%04d","data":%s,"emitted_at":"2026-01-01T00:00:00Z"}`, records, data)) == 1 {
		records++
	}
}

type head struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers,omitempty"`
	Timeout int64       `json:"timeout_ms,omitempty"`
}

// request starts a request; a body that follows comes in two parts.
func request(h head, body string, follows bool) int64 {
	b, _ := json.Marshal(h)
	bp, bn := in(body)
	if !follows {
		return send(ptr(b), uint32(len(b)), bp, bn)
	}
	r := send(ptr(b), uint32(len(b)), 0, 0xFFFF_FFFF)
	if r >= 0 {
		half := bn / 2
		write(uint32(r), bp, half)
		write(uint32(r), bp+half, bn-half)
		write(uint32(r), 0, 0)
	}
	return r
}

type reply struct {
	status  int
	headers [][2]string
	body    string
	failed  string
}

// answer waits for an exchange's end.
func answer(h uint32) (a reply) {
	hs := []uint32{h}
	hp := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(hs))))
	buf := make([]byte, 32<<10)
	for {
		text, r := out(8192, func(o, c uint32) int64 { return wait(hp, 1, -1, o, c) })
		var ready []struct {
			State, Error string
			Status       int
			Headers      [][2]string
		}
		if r < 0 || json.Unmarshal([]byte(text), &ready) != nil || len(ready) == 0 {
			a.failed = fmt.Sprint("wait ", r)
			return a
		}
		if a.status = ready[0].Status; len(ready[0].Headers) > 0 {
			a.headers = ready[0].Headers
		}
		switch ready[0].State {
		case "error":
			a.failed = ready[0].Error
			return a
		case "done":
			return a
		case "body":
			if n := read(h, ptr(buf), uint32(len(buf))); n > 0 {
				a.body += string(buf[:n])
			}
		}
	}
}
