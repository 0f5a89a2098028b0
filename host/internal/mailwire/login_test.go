package mailwire

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestLogin: a yes, a no, and all that tells nothing, from servers of both
// kinds. The value goes out once, and errors hold nothing of the server's.
func TestLogin(t *testing.T) {
	const value = `canary "5Hc9\Ws2`
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	plain, bearer := b64("\x00ada\x00"+value), b64("user=ada\x01auth=Bearer "+value+"\x01\x01")
	askIMAP := "* OK EVIL\r\n"
	ehlo := "250-mx EVIL\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE\r\n"
	told := errors.New("something else") // any error that is no rejection
	for name, c := range map[string]struct {
		p      Protocol
		pieces []string
		want   error
		said   string // what holds the value
		bearer bool
	}{
		"IMAP, by PLAIN":           {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na OK\r\n", "+ \r\n", "b OK in\r\n"}, nil, plain, false},
		"IMAP, by LOGIN":           {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1\r\na OK\r\n", "b OK in\r\n"}, nil, `"canary \"5Hc9\\Ws2"`, false},
		"IMAP, wrong":              {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na OK\r\n", "+ \r\n", "b NO [AUTHENTICATIONFAILED] EVIL\r\n"}, ErrRejected, plain, false},
		"IMAP, by token, wrong":    {IMAP, []string{askIMAP, "* CAPABILITY AUTH=XOAUTH2\r\na OK\r\n", "+ \r\n", "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n", "b NO [AUTHENTICATIONFAILED] EVIL\r\n"}, ErrRejected, bearer, true},
		"IMAP, no login now":       {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1\r\na OK\r\n", "b NO [UNAVAILABLE] EVIL\r\n"}, told, "", false},
		"IMAP, not understood":     {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1\r\na OK\r\n", "b BAD EVIL\r\n"}, told, "", false},
		"IMAP, no way in":          {IMAP, []string{askIMAP, "* CAPABILITY LOGINDISABLED\r\na OK\r\n"}, told, "-", false},
		"IMAP, turned away":        {IMAP, []string{"* BYE EVIL\r\n"}, told, "-", false},
		"IMAP, logged in already":  {IMAP, []string{"* PREAUTH EVIL\r\n"}, told, "-", false},
		"IMAP, gone":               {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1\r\na OK\r\n"}, told, "", false},
		"IMAP, without an end":     {IMAP, []string{askIMAP, strings.Repeat("* EVIL\r\n", 1000)}, told, "-", false},
		"IMAP, a line without end": {IMAP, []string{askIMAP, "* CAPABILITY IMAP4rev1\r\na OK\r\n", strings.Repeat("x", 1<<14)}, told, "", false},
		"SMTP, by PLAIN":           {SMTP, []string{"220-EVIL\r\n220 mx\r\n", ehlo, "235 in\r\n"}, nil, plain, false},
		"SMTP, by LOGIN":           {SMTP, []string{"220 mx\r\n", "250-mx\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 in\r\n"}, nil, b64(value), false},
		"SMTP, by token, wrong":    {SMTP, []string{"220 mx\r\n", "250 AUTH XOAUTH2\r\n", "334 eyJzdGF0dXMiOiI0MDAifQ==\r\n", "535 EVIL\r\n"}, ErrRejected, bearer, true},
		"SMTP, wrong":              {SMTP, []string{"220 mx\r\n", ehlo, "535 5.7.8 EVIL\r\n"}, ErrRejected, plain, false},
		"SMTP, not now":            {SMTP, []string{"220 mx\r\n", ehlo, "454 EVIL\r\n"}, told, "", false},
		"SMTP, no way in":          {SMTP, []string{"220 mx\r\n", "250 mx\r\n"}, told, "-", false},
		"SMTP, turned away":        {SMTP, []string{"554 EVIL\r\n"}, told, "-", false},
		"SMTP, no SMTP":            {SMTP, []string{"SSH-2.0-EVIL\r\n"}, told, "-", false},
		"SMTP, gone":               {SMTP, []string{"220 mx\r\n", ehlo}, told, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, one := range []bool{false, true} {
				s := &server{pieces: c.pieces}
				var conn io.ReadWriter = s
				if one {
					conn = slow{s}
				}
				err := Login(conn, c.p, nil, Credentials{User: "ada", Value: []byte(value), Bearer: c.bearer})
				if (err == nil) != (c.want == nil) || errors.Is(err, ErrRejected) != errors.Is(c.want, ErrRejected) {
					t.Fatalf("ended with %v, want %v", err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), "EVIL") {
					t.Errorf("the error quotes the server: %v", err)
				}
				said := s.said.String()
				if c.said == "-" && strings.Contains(said, "b ") || c.said != "-" && strings.Count(said, c.said) < 1 || strings.Contains(said, standIn) {
					t.Errorf("said %q", said)
				}
			}
		})
	}
}

// TestLoginAfterStartTLS: the greeting is the one that the host made up.
func TestLoginAfterStartTLS(t *testing.T) {
	for p, pieces := range map[Protocol][]string{
		IMAP: {"* CAPABILITY IMAP4rev1\r\na OK\r\n", "b OK in\r\n"}, SMTP: {"250 AUTH PLAIN\r\n", "235 in\r\n"},
	} {
		greeting := map[Protocol]string{IMAP: imapGreeting, SMTP: smtpGreeting}[p]
		if err := Login(&server{pieces: pieces}, p, []byte(greeting), Credentials{User: "ada", Value: []byte("canary-5Hc9")}); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}
