package mailwire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// The bounds of what a server says before TLS.
const (
	maxPlainLine  = 8 << 10
	maxPlainLines = 128
)

// The greetings that a guest gets in place of the server's, of which nothing
// was protected. It asks for capabilities itself, inside TLS.
const (
	imapGreeting = "* OK ready\r\n"
	smtpGreeting = "220 ready ESMTP\r\n"
)

// StartTLS brings a fresh connection to the point where TLS begins (RFC 9051
// section 6.2.1, RFC 3207), and returns the greeting to give the guest once it
// does. Nothing else of what came in the clear goes on. A server that skips
// the login (PREAUTH), does not offer STARTTLS, or sends more in the clear
// together with its consent is a [*Refusal]: someone on the path may be at
// work (CVE-2011-0411). It bounds what it reads, not the time: the caller
// closes conn or sets its deadline. An error of conn is wrapped.
func StartTLS(conn io.ReadWriter, p Protocol) (greeting []byte, err error) {
	c := &plain{conn: conn, protocol: p}
	hello, upgrade := imapGreeting, c.imap
	if p == SMTP {
		hello, upgrade = smtpGreeting, c.smtp
	}
	if err := upgrade(); err != nil {
		return nil, err
	}
	return []byte(hello), nil
}

// plain is a connection before TLS.
type plain struct {
	conn     io.ReadWriter
	protocol Protocol
	in       input
	lines    int
}

func (c *plain) refuse(reason, remedy string) error {
	return &Refusal{Where: c.protocol.String() + " STARTTLS", Reason: reason, Remedy: remedy}
}

func (c *plain) imap() error {
	greeting, err := c.line()
	if err != nil {
		return err
	}
	switch word := wordAt(greeting, 1); {
	case wordAt(greeting, 0) != "*":
		return serverFault("it did not greet")
	case word == "PREAUTH":
		return c.refuse("the server skips the login, and TLS with it", "use imaps, on port 993")
	case word != "OK":
		return c.refuse("the server turned the connection away", "try again later")
	}
	const tag = "S1"
	if err := c.say(tag + " STARTTLS\r\n"); err != nil {
		return err
	}
	for {
		line, err := c.line()
		switch {
		case err != nil:
			return err
		case wordAt(line, 0) == "*" && wordAt(line, 1) != "BYE":
			continue
		case wordAt(line, 0) != tag:
			return serverFault("it did not answer STARTTLS")
		case wordAt(line, 1) != "OK":
			return c.notOffered()
		}
		return c.nothingMore()
	}
}

func (c *plain) smtp() error {
	if code, _, err := c.reply(""); err != nil {
		return err
	} else if code != "220" {
		return c.refuse("the server turned the connection away", "try again later")
	}
	if err := c.say("EHLO localhost\r\n"); err != nil {
		return err
	}
	code, offered, err := c.reply("STARTTLS")
	switch {
	case err != nil:
		return err
	case code != "250" || !offered:
		return c.notOffered()
	}
	if err := c.say("STARTTLS\r\n"); err != nil {
		return err
	}
	if code, _, err = c.reply(""); err != nil {
		return err
	} else if code != "220" {
		return c.notOffered()
	}
	return c.nothingMore()
}

func (c *plain) notOffered() error {
	remedy := "use imaps, on port 993"
	if c.protocol == SMTP {
		remedy = "use smtps, on port 465"
	}
	return c.refuse("the server does not offer it", remedy)
}

// nothingMore refuses what came with the consent: it was not protected, and
// would be read as if it were.
func (c *plain) nothingMore() error {
	if c.in.len() > 0 {
		return c.refuse("the server sent more in the clear after its consent", "do not use this server before you know who did")
	}
	return nil
}

// reply reads an SMTP reply to its end, and whether a line of it is keyword.
func (c *plain) reply(keyword string) (code string, has bool, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return "", false, err
		}
		code, last, ok := replyCode([]byte(line))
		if !ok {
			return "", false, serverFault("a line is no reply")
		}
		if len(line) > 4 && keyword != "" && strings.EqualFold(strings.TrimSpace(line[4:]), keyword) {
			has = true
		}
		if last {
			return code, has, nil
		}
	}
}

func (c *plain) say(text string) error {
	if _, err := io.WriteString(c.conn, text); err != nil {
		return fmt.Errorf("%s before STARTTLS: %w", c.protocol, err)
	}
	return nil
}

// line reads one line. What came behind it stays in c.in.
func (c *plain) line() (string, error) {
	if c.lines++; c.lines > maxPlainLines {
		return "", serverFault("it says too much before TLS")
	}
	for {
		line, size := c.in.line(maxPlainLine)
		switch {
		case size < 0:
			return "", serverFault("a line is too long")
		case size > 0:
			text := string(line)
			c.in.drop(size)
			return text, nil
		}
		var chunk [2048]byte
		n, err := c.conn.Read(chunk[:])
		c.in.add(chunk[:n])
		if err != nil && bytes.IndexByte(c.in.rest(), '\n') < 0 {
			return "", fmt.Errorf("%s before STARTTLS: %w", c.protocol, err)
		}
	}
}

// wordAt returns a line's word at i, upper case.
func wordAt(line string, i int) string {
	words := strings.SplitN(line, " ", i+2)
	if i >= len(words) {
		return ""
	}
	return strings.ToUpper(words[i])
}
