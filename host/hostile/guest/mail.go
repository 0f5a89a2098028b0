//go:build wasip1

package main

import (
	"fmt"
	"strings"
)

func opened(address string) int64 { p, n := in(address); return open(p, n) }

// stream opens a stream, for its verdict alone.
func stream(address string) any {
	r := opened(address)
	if r > 0 {
		closeHandle(uint32(r))
	}
	return r
}

// talk opens a stream to the mail server, says the lines one by one, and
// notes each answer.
func talk(lines ...string) {
	r := opened(s.Options.Mail)
	if r < 0 {
		note("open %d", r)
		return
	}
	h := uint32(r)
	defer closeHandle(h)
	if _, err := hear(h, "* OK"); err != "" {
		note("greeting: %s", err)
		return
	}
	for _, line := range lines {
		p, n := in(line)
		for n > 0 {
			r := write(h, p, n)
			if r == -13 {
				waitFor(20, h)
				continue
			}
			if r < 0 {
				note("write %d", r)
				return
			}
			p, n = p+uint32(r), n-uint32(r)
		}
		tag, _, _ := strings.Cut(line, " ")
		text, err := hear(h, tag+" ")
		if err != "" {
			note("%s", err)
			return
		}
		note("%s", strings.TrimSpace(text))
	}
}

// hear reads until a line begins with prefix.
func hear(h uint32, prefix string) (text, failed string) {
	for {
		if i := strings.Index("\n"+text, "\n"+prefix); i >= 0 && strings.HasSuffix(text, "\n") {
			return text, ""
		}
		ready, r := waitFor(-1, h)
		if r < 0 || len(ready) == 0 {
			return text, fmt.Sprint("wait ", r)
		}
		switch ready[0].State {
		case "error":
			return text, "failed " + ready[0].Error
		case "done":
			return text, "closed after " + fmt.Sprintf("%q", text)
		case "body":
			buf := make([]byte, 4096)
			if n := read(h, ptr(buf), 4096); n > 0 {
				text += string(buf[:n])
			}
		}
	}
}

// Tricks with a mail server.
var _ = add(map[string]func(){
	"IMAP: what is meant": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", "b FETCH 1 BODY[]\r\n")
	},
	"IMAP: SEARCH": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", "b SEARCH TEXT "+t+"\r\n")
	},
	"IMAP: APPEND": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", fmt.Sprintf("b APPEND Drafts {%d+}\r\n%s\r\n", len(t), t))
	},
	"IMAP: a folder's name": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", "b CREATE \""+t+"\"\r\n")
	},
	"IMAP: as the user": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN " + t + " x\r\n")
	},
	"IMAP: twice": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", "b LOGIN ada "+t+"\r\n")
	},
	"IMAP: after LOGOUT": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", "b LOGOUT\r\n", "c LOGIN ada "+t+"\r\n")
	},
	"IMAP: a part of a part": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada "+t+"\r\n", "b FETCH 1 BODY[]<0.10>\r\n")
	},
	"IMAP: COMPRESS": func() { t := mine("MAIL_PASSWORD"); talk("a LOGIN ada "+t+"\r\n", "b COMPRESS DEFLATE\r\n") },
	"IMAP: STARTTLS": func() { t := mine("MAIL_PASSWORD"); talk("a STARTTLS\r\n", "b LOGIN ada "+t+"\r\n") },
	"IMAP: two commands in one": func() {
		t := mine("MAIL_PASSWORD")
		talk("a LOGIN ada x\r\nb NOOP " + t + "\r\n")
	},
	"IMAP: a tag":              func() { t := mine("MAIL_PASSWORD"); talk(t + " NOOP\r\n") },
	"IMAP: another credential": func() { talk("a LOGIN ada " + mine("TOKEN") + "\r\n") },
	"IMAP: the value itself": func() {
		v, _ := named(reveal, "REVEALED")
		talk("a NOOP " + v + "\r\n")
	},
	"IMAP: the value in a message": func() {
		v, _ := named(reveal, "REVEALED")
		talk(fmt.Sprintf("a APPEND Drafts {%d+}\r\n%s\r\n", len(b64(v)), b64(v)))
	},
	"a mail server as a web server": func() {
		note("%s", get("https://"+s.Options.Mail[len("imaps://"):]+"/", bearer(mine("MAIL_PASSWORD"))))
	},
})
