package mailwire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
)

// ErrRejected: the server says that the credentials are wrong.
var ErrRejected = errors.New("the server refuses the login")

// maxLoginLines bounds what a server may say during [Login].
const maxLoginLines = 256

// Credentials are what [Login] logs in with.
type Credentials struct {
	User   string
	Value  []byte // a password, or an OAuth access token; not kept
	Bearer bool   // it is a token: XOAUTH2, not PLAIN or LOGIN
}

// Login logs in over a fresh connection with TLS, as a guest would: what it
// says goes through a [Session]. greeting is what [StartTLS] returned, nil
// where there was none. It ends with nil when the server has accepted the
// credentials, with [ErrRejected] when it said that they are wrong, and with
// another error when it did not tell. No error holds a word of the server's.
// It bounds what it reads, not the time.
func Login(conn io.ReadWriter, p Protocol, greeting []byte, with Credentials) error {
	c := &client{conn: conn, protocol: p, in: greeting, with: with}
	hooks := Hooks{
		Live:          func(token string) bool { return token == standIn },
		Guarded:       func() bool { return true },
		Resolve:       func(string) ([]byte, error) { return with.Value, nil },
		Authenticated: func(ok bool) { c.told, c.accepted = true, ok },
	}
	login, end := c.imap, "c LOGOUT"
	c.session = NewIMAP(hooks)
	if p == SMTP {
		c.session = NewSMTP(hooks)
		login, end = c.smtp, "QUIT"
	}
	err := login()
	switch {
	case c.told && !c.accepted:
		return ErrRejected
	case err != nil:
		return err
	case !c.told:
		return c.silent("it did not say whether the login is right")
	}
	_ = c.say(end) // it has said what is to be known
	return nil
}

// standIn stands for the value in what the client says.
var standIn = abi.SurrogatePrefix + strings.Repeat("0", abi.SurrogateLen-len(abi.SurrogatePrefix))

// client is a program that does nothing but log in.
type client struct {
	conn     io.ReadWriter
	session  *Session
	protocol Protocol
	with     Credentials
	in       []byte
	lines    int

	told, accepted bool
}

// silent is a [*Refusal]: its words are the host's.
func (c *client) silent(why string) error {
	return &Refusal{Where: c.protocol.String() + " login", Reason: why}
}

// imap logs in by AUTHENTICATE where the server has it, else by LOGIN.
func (c *client) imap() error {
	greeting, err := c.line()
	if err != nil {
		return err
	}
	if wordAt(greeting, 0) != "*" || wordAt(greeting, 1) != "OK" {
		return c.silent("the server did not greet, or asks for no login")
	}
	var offered []string
	if err := c.command("a", "CAPABILITY", func(line string) {
		if wordAt(line, 0) == "*" && wordAt(line, 1) == "CAPABILITY" {
			offered = strings.Fields(strings.ToUpper(line))
		}
	}); err != nil {
		return err
	}
	switch {
	case c.with.Bearer:
		return c.authenticate("XOAUTH2", c.bearer())
	case slices.Contains(offered, "AUTH=PLAIN"):
		return c.authenticate("PLAIN", c.plain())
	case slices.Contains(offered, "LOGINDISABLED") || strings.ContainsFunc(c.with.User, func(r rune) bool { return r < ' ' || r > '~' }):
		return c.silent("the server offers no way to log in that is known here")
	}
	user := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.with.User)
	return c.command("b", `LOGIN "`+user+`" `+standIn, nil)
}

func (c *client) authenticate(mechanism, response string) error {
	responses := []string{response}
	return c.command("b", "AUTHENTICATE "+mechanism, func(line string) {
		if !strings.HasPrefix(line, "+") {
			return
		}
		next := "" // to what the server says of a token that is wrong
		if len(responses) > 0 {
			next, responses = responses[0], nil
		}
		_ = c.say(next) // what is wrong shows in what comes next
	})
}

// command says a command and reads up to its end.
func (c *client) command(tag, text string, each func(line string)) error {
	if err := c.say(tag + " " + text); err != nil {
		return err
	}
	for {
		line, err := c.line()
		if err != nil || wordAt(line, 0) == strings.ToUpper(tag) {
			return err
		}
		if each != nil {
			each(line)
		}
	}
}

// smtp logs in by the first mechanism that both know.
func (c *client) smtp() error {
	code, _, err := c.reply()
	if err != nil {
		return err
	}
	if code != "220" {
		return c.silent("the server turned the connection away")
	}
	if err := c.say("EHLO localhost"); err != nil {
		return err
	}
	code, lines, err := c.reply()
	if err != nil {
		return err
	}
	var offered []string
	for _, line := range lines {
		if words := strings.Fields(strings.ToUpper(line)); code == "250" && len(words) > 0 && words[0] == "AUTH" {
			offered = words[1:]
		}
	}
	switch {
	case c.with.Bearer:
		return c.auth("XOAUTH2 " + c.bearer())
	case slices.Contains(offered, "PLAIN"):
		return c.auth("PLAIN " + c.plain())
	case slices.Contains(offered, "LOGIN"):
		return c.auth("LOGIN", encode(c.with.User), encode(standIn))
	}
	return c.silent("the server offers no way to log in that is known here")
}

// auth says AUTH, and answers what the server asks then.
func (c *client) auth(text string, responses ...string) error {
	if err := c.say("AUTH " + text); err != nil {
		return err
	}
	for {
		code, _, err := c.reply()
		if err != nil || code != "334" {
			return err
		}
		next := ""
		if len(responses) > 0 {
			next, responses = responses[0], responses[1:]
		}
		if err := c.say(next); err != nil {
			return err
		}
	}
}

// reply reads a reply to its end.
func (c *client) reply() (code string, lines []string, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return "", nil, err
		}
		code, last, ok := replyCode([]byte(line))
		if !ok {
			return "", nil, serverFault("a line is no reply")
		}
		lines = append(lines, line[min(len(line), 4):])
		if last {
			return code, lines, nil
		}
	}
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func (c *client) plain() string { return encode("\x00" + c.with.User + "\x00" + standIn) }

func (c *client) bearer() string {
	return encode("user=" + c.with.User + "\x01auth=Bearer " + standIn + "\x01\x01")
}

func (c *client) say(line string) error {
	out, in, err := c.session.FromGuest([]byte(line + "\r\n"))
	c.in = append(c.in, in...)
	return c.send(out, err)
}

func (c *client) send(out []byte, err error) error {
	if len(out) > 0 {
		if _, writeErr := c.conn.Write(out); writeErr != nil && err == nil {
			err = fmt.Errorf("%s login: %w", c.protocol, writeErr)
		}
	}
	return err
}

// line reads one line, without its end.
func (c *client) line() (string, error) {
	if c.lines++; c.lines > maxLoginLines {
		return "", serverFault("it says too much before the login")
	}
	for {
		if line, rest, found := strings.Cut(string(c.in), "\n"); found {
			c.in = []byte(rest)
			return strings.TrimSuffix(line, "\r"), nil
		}
		if len(c.in) > MaxReplyLine {
			return "", serverFault("a line is too long")
		}
		var chunk [2048]byte
		n, readErr := c.conn.Read(chunk[:])
		in, out, err := c.session.FromServer(chunk[:n])
		c.in = append(c.in, in...)
		if err = c.send(out, err); err != nil {
			return "", err
		}
		if readErr != nil && !strings.Contains(string(c.in), "\n") {
			return "", fmt.Errorf("%s login: %w", c.protocol, readErr)
		}
	}
}
