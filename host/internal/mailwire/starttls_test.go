package mailwire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// server is a connection to a server that answers each line it is sent with
// the next of its pieces.
type server struct {
	pieces []string
	said   bytes.Buffer
	left   string
}

func (c *server) Read(p []byte) (int, error) {
	if c.left == "" {
		if len(c.pieces) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		c.left, c.pieces = c.pieces[0], c.pieces[1:]
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *server) Write(p []byte) (int, error) { return c.said.Write(p) }

// slow gives one byte at a time.
type slow struct{ *server }

func (c slow) Read(p []byte) (int, error) { return c.server.Read(p[:min(len(p), 1)]) }

func TestStartTLS(t *testing.T) {
	const askSMTP = "EHLO localhost\r\nSTARTTLS\r\n"
	for name, c := range map[string]struct {
		p      Protocol
		pieces []string
		said   string
	}{
		"imap":            {IMAP, []string{"* OK [CAPABILITY EVIL] hi\r\n", "* CAPABILITY EVIL\r\nS1 OK go\r\n"}, "S1 STARTTLS\r\n"},
		"smtp":            {SMTP, []string{"220-hi\r\n220 hi\r\n", "250-mx\r\n250-starttls\r\n250 SIZE\r\n", "220 go\r\n"}, askSMTP},
		"smtp, last line": {SMTP, []string{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"}, askSMTP},
	} {
		t.Run(name, func(t *testing.T) {
			for _, one := range []bool{false, true} {
				s := &server{pieces: c.pieces}
				var conn io.ReadWriter = s
				if one {
					conn = slow{s}
				}
				greeting, err := StartTLS(conn, c.p)
				if err != nil || s.said.String() != c.said {
					t.Fatalf("said %q, ended with %v", s.said.String(), err)
				}
				if strings.Contains(string(greeting), "EVIL") || !strings.HasSuffix(string(greeting), "\r\n") {
					t.Errorf("greets with %q", greeting)
				}
				// a session takes up from there
				start := NewIMAP
				if c.p == SMTP {
					start = NewSMTP
				}
				if _, _, err := start(Hooks{}).FromServer(greeting); err != nil {
					t.Errorf("the greeting: %v", err)
				}
			}
		})
	}
}

func TestStartTLSRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		p      Protocol
		pieces []string
		reason string // "" for ErrServer
	}{
		"imap: more in the clear":    {IMAP, []string{"* OK\r\n", "S1 OK go\r\n* CAPABILITY EVIL\r\n"}, "more in the clear"},
		"imap: a part of more":       {IMAP, []string{"* OK\r\n", "S1 OK go\r\n*"}, "more in the clear"},
		"imap: consent before asked": {IMAP, []string{"* OK\r\nS1 OK go\r\nS1 OK more\r\n"}, "more in the clear"},
		"imap: PREAUTH":              {IMAP, []string{"* PREAUTH\r\n"}, "skips the login"},
		"imap: BYE":                  {IMAP, []string{"* BYE\r\n"}, "turned the connection away"},
		"imap: NO":                   {IMAP, []string{"* OK\r\n", "S1 NO\r\n"}, "does not offer"},
		"imap: BAD":                  {IMAP, []string{"* OK\r\n", "S1 BAD\r\n"}, "does not offer"},
		"imap: another greeting":     {IMAP, []string{"220 hi\r\n"}, ""},
		"imap: another answer":       {IMAP, []string{"* OK\r\n", "+ go\r\n"}, ""},
		"imap: BYE in place of it":   {IMAP, []string{"* OK\r\n", "* BYE\r\n"}, ""},
		"imap: a long line":          {IMAP, []string{strings.Repeat("*", 2*maxPlainLine)}, ""},
		"imap: chatter":              {IMAP, []string{strings.Repeat("* OK\r\n", 2*maxPlainLines)}, ""},
		"smtp: more in the clear":    {SMTP, []string{"220 hi\r\n", "250 STARTTLS\r\n", "220 go\r\n250 STARTTLS\r\n"}, "more in the clear"},
		"smtp: not offered":          {SMTP, []string{"220 hi\r\n", "250-mx\r\n250 SIZE\r\n"}, "does not offer"},
		"smtp: no":                   {SMTP, []string{"220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no\r\n"}, "does not offer"},
		"smtp: turned away":          {SMTP, []string{"554 no\r\n"}, "turned the connection away"},
		"smtp: no reply":             {SMTP, []string{"* OK\r\n"}, ""},
		"smtp: chatter":              {SMTP, []string{strings.Repeat("220-x\r\n", 2*maxPlainLines)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := StartTLS(&server{pieces: c.pieces}, c.p)
			var f *Refusal
			switch {
			case c.reason == "" && !errors.Is(err, ErrServer):
				t.Errorf("ended with %v, want %v", err, ErrServer)
			case c.reason != "" && (!errors.As(err, &f) || !strings.Contains(f.Reason, c.reason)):
				t.Errorf("ended with %v, want a refusal: %s", err, c.reason)
			}
		})
	}
	for _, p := range []Protocol{IMAP, SMTP} {
		if _, err := StartTLS(&server{pieces: []string{"* OK\r\n"}[:1-int(p)]}, p); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: a dropped connection: %v", p, err)
		}
	}
}
