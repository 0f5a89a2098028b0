package mailwire

import (
	"bytes"
	"strings"
	"testing"
)

func TestSMTP(t *testing.T) {
	const (
		plain  = `\0USER\0PASS`
		xoauth = "user=USER\x01auth=Bearer PASS\x01\x01"
		bearer = "n,a=USER,\x01auth=Bearer PASS\x01\x01"
	)
	for name, c := range map[string]struct {
		lines script
		said  []bool
	}{
		"a session": {script{"s> 220 hi", ">g 220 hi", "g> EHLO me", ">s EHLO me", "s> 250-mx", "s> 250 AUTH PLAIN", ">g 250-mx", ">g 250 AUTH PLAIN",
			"g> AUTH PLAIN " + b64(plain), ">s AUTH PLAIN " + b64filled(plain), "s> 235 in", ">g 235 in",
			"g> MAIL FROM:<a@b>", "g> RCPT TO:<c@d>", "g> DATA", ">s MAIL FROM:<a@b>", ">s RCPT TO:<c@d>", ">s DATA", "s> 250 ok", "s> 250 ok", "s> 354 go", ">g 250 ok", ">g 250 ok", ">g 354 go",
			"g> Subject: PASS", "g> ", "g> ..", "g> AUTH PLAIN " + b64(plain), "g> .", "g> QUIT",
			">s Subject: PASS", ">s ", ">s ..", ">s AUTH PLAIN " + b64(plain), ">s .", ">s QUIT", "s> 250 queued", "s> 221 bye", ">g 250 queued", ">g 221 bye"}, []bool{true}},
		"asked":          {script{"g> auth plain", ">s AUTH PLAIN", "s> 334 ", ">g 334 ", "g> " + b64(plain), ">s " + b64filled(plain), "s> 535 5.7.8 no", ">g 535 5.7.8 no"}, []bool{false}},
		"prompts":        {script{"g> AUTH LOGIN", ">s AUTH LOGIN", "s> 334 VXNlcm5hbWU6", ">g 334 VXNlcm5hbWU6", "g> " + b64("ada"), ">s " + b64("ada"), "s> 334 UGFzc3dvcmQ6", ">g 334 UGFzc3dvcmQ6", "g> " + b64("PASS"), ">s " + b64filled("PASS"), "s> 235 in", ">g 235 in"}, []bool{true}},
		"a first prompt": {script{"g> AUTH LOGIN " + b64("USER"), ">s AUTH LOGIN " + b64filled("USER"), "s> 334 UGFzc3dvcmQ6", ">g 334 UGFzc3dvcmQ6", "g> " + b64("PASS"), ">s " + b64filled("PASS"), "s> 235 in", ">g 235 in"}, []bool{true}},
		"xoauth2":        {script{"g> AUTH XOAUTH2 " + b64(xoauth), ">s AUTH XOAUTH2 " + b64filled(xoauth), "s> 334 eyJ9", ">g 334 eyJ9", "g> ", ">s ", "s> 535 no", ">g 535 no"}, []bool{false}},
		"oauthbearer":    {script{"g> AUTH OAUTHBEARER " + b64(bearer), ">s AUTH OAUTHBEARER " + b64filled(bearer), "s> 235 in", ">g 235 in"}, []bool{true}},
		"given up":       {script{"g> AUTH PLAIN", ">s AUTH PLAIN", "s> 334 ", ">g 334 ", "g> *", ">s *", "s> 501 ok", ">g 501 ok", "g> NOOP", ">s NOOP", "s> 250 ok", ">g 250 ok"}, nil},
		"later":          {script{"g> AUTH PLAIN " + b64(plain), ">s AUTH PLAIN " + b64filled(plain), "s> 454 later", ">g 454 later"}, nil},
		"again":          {script{"g> AUTH PLAIN " + b64(plain), ">s AUTH PLAIN " + b64filled(plain), "s> 535 no", ">g 535 no", "g> AUTH PLAIN " + b64(plain), ">s AUTH PLAIN " + b64filled(plain), "s> 235 in", ">g 235 in"}, []bool{false, true}},
		"pipelined": {script{"g> EHLO me", "g> AUTH PLAIN " + b64(plain), "g> NOOP", ">s EHLO me", "s> 220 hi", ">g 220 hi", "s> 250 mx", ">g 250 mx", ">s AUTH PLAIN " + b64filled(plain),
			"s> 235 in", ">g 235 in", ">s NOOP", "s> 250 ok", ">g 250 ok"}, []bool{true}},
		"a message refused":                {script{"g> DATA", "g> RSET", ">s DATA", "s> 503 no", ">g 503 no", ">s RSET", "s> 250 ok", ">g 250 ok"}, nil},
		"a login accepted without a value": {script{"g> AUTH PLAIN " + b64(`\0a\0b`), ">s AUTH PLAIN " + b64(`\0a\0b`), "s> 235 in", ">g 235 in"}, nil},
		"an echo":                          {script{"g> NOOP", ">s NOOP", "s> 250-" + values[tokenUser], "s> 250 ok", ">g 250-USER", ">g 250 ok"}, nil},
		"a farewell":                       {script{"s> 421 over", ">g 421 over"}, nil},
		"no greeting":                      {script{"s> 554 go away", ">g 554 go away"}, nil},
		"a code alone":                     {script{"g> NOOP", ">s NOOP", "s> 250", ">g 250"}, nil},
		"an empty message":                 {script{"g> DATA", ">s DATA", "s> 354 go", ">g 354 go", "g> .", ">s .", "s> 250 ok", ">g 250 ok"}, nil},
	} {
		t.Run(name, func(t *testing.T) { eachSize(t, NewSMTP, c.lines, wantSaid(c.said...)) })
	}
}

func TestSMTPRefuses(t *testing.T) {
	data := script{"g> DATA", ">s DATA", "s> 354 go", ">g 354 go"}
	const outside = "outside of a login"
	for name, c := range map[string]struct {
		lines         script
		where, reason string
	}{
		"a surrogate in MAIL":     {script{"g> MAIL FROM:<PASS@x>"}, "SMTP MAIL", outside},
		"as a command":            {script{"g> PASS"}, "SMTP", outside},
		"not encoded":             {script{"g> AUTH PLAIN PASS"}, "SMTP AUTH", "as it is"},
		"in another mechanism":    {script{"g> AUTH CRAM-MD5 " + b64("PASS")}, "SMTP AUTH", "takes none"},
		"in a third prompt":       {script{"g> AUTH LOGIN " + b64("a"), ">s AUTH LOGIN " + b64("a"), "s> 334 ", ">g 334 ", "g> " + b64("b"), ">s " + b64("b"), "s> 334 ", ">g 334 ", "g> " + b64("PASS")}, "SMTP AUTH", "takes none"},
		"one twice":               {script{"g> AUTH PLAIN " + b64(`\0PASS\0PASS`)}, "SMTP AUTH", "twice"},
		"no base64":               {script{"g> AUTH PLAIN a!"}, "SMTP AUTH", "not base64"},
		"no mechanism":            {script{"g> AUTH"}, "SMTP AUTH", "mechanism"},
		"after the login":         {script{"g> AUTH PLAIN " + b64(`\0a\0PASS`), ">s AUTH PLAIN " + b64filled(`\0a\0PASS`), "s> 235 in", ">g 235 in", "g> AUTH PLAIN " + b64(`\0a\0PASS`)}, "SMTP AUTH", "used again"},
		"STARTTLS":                {script{"g> starttls"}, "SMTP STARTTLS", "encrypted already"},
		"BDAT":                    {script{"g> BDAT 40 LAST"}, "SMTP BDAT", "cannot be told"},
		"a security layer":        {script{"g> AUTH DIGEST-MD5"}, "SMTP AUTH", "may encrypt"},
		"an empty line":           {script{"g> "}, "SMTP", "no command"},
		"a tab":                   {script{"g> AUTH\tPLAIN"}, "SMTP", "no command"},
		"a bare CR":               {script{`g> NOOP\rAUTH`}, "SMTP", "bare CR"},
		"a message of LF":         {append(data[:4:4], `g> hi\n.\n\c`), "SMTP DATA", "bare CR or LF"},
		"an end of LF":            {append(data[:4:4], `g> hi\r\n.\n\c`), "SMTP DATA", "bare CR or LF"},
		"an end of CR":            {append(data[:4:4], `g> hi\r.\r\n`), "SMTP DATA", "bare CR or LF"},
		"another end":             {append(data[:4:4], `g> hi\r\n.\rx\c`), "SMTP DATA", "bare CR or LF"},
		"a value with line break": {script{"g> AUTH XOAUTH2 " + b64("auth=Bearer ODD\x01")}, "SMTP AUTH", "control"},
	} {
		t.Run(name, func(t *testing.T) { eachSize(t, NewSMTP, c.lines, wantRefusal(c.where, c.reason)) })
	}
	eachSize(t, NewSMTP, script{"g> AUTH PLAIN " + b64(`\0a\0`+tokenNot)}, wantError(errDecided))
}

func TestSMTPHostileServer(t *testing.T) {
	for name, lines := range map[string]script{
		"a reply to nothing":    {"s> 220 hi", ">g 220 hi", "s> 250 ok"},
		"no reply":              {"s> * OK imap"},
		"a code out of range":   {"s> 199 x"},
		"asks for a message":    {"g> NOOP", ">s NOOP", "s> 354 go"},
		"asks for a login":      {"g> NOOP", ">s NOOP", "s> 334 go"},
		"asks twice":            {"g> AUTH PLAIN", ">s AUTH PLAIN", "s> 334 ", "s> 334 "},
		"greets twice":          {"s> 220 hi", "s> 220 hi"},
		"a line without an end": {"s> " + strings.Repeat("2", MaxReplyLine)},
	} {
		t.Run(name, func(t *testing.T) {
			if len(lines[0]) > 1000 {
				wantError(ErrServer)(t, nil, play(t, NewSMTP(Hooks{}), lines, 1000))
				return
			}
			eachSize(t, NewSMTP, lines, func(t *testing.T, w *world, err error) { wantError(ErrServer)(t, w, err) })
		})
	}
}

// A connection that drops says nothing of the credential, and leaves nothing.
func TestDrop(t *testing.T) {
	for _, start := range []func(Hooks) *Session{NewIMAP, NewSMTP} {
		w := &world{}
		s := start(w.hooks())
		if s.protocol == IMAP {
			if _, _, err := s.FromGuest([]byte("A1 LOGIN ada " + tokenOdd + "\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		_, _, _ = s.FromServer([]byte("* OK cana"))
		if out, err := s.EndOfServer(); len(out) > 0 || len(w.said) > 0 {
			t.Errorf("%s: passed %q on, %v, and told %v", s.protocol, out, err, w.said)
		}
		if out, err := s.EndOfGuest(); len(out) > 0 || err != nil {
			t.Errorf("%s: at the guest's end: %q, %v", s.protocol, out, err)
		}
	}
}

func TestSMTPBounds(t *testing.T) {
	s := NewSMTP(Hooks{})
	var err error
	for i := 0; i <= MaxPipelined && err == nil; i++ {
		_, _, err = s.FromGuest([]byte("NOOP\r\n"))
	}
	wantRefusal("SMTP NOOP", "too many commands")(t, nil, err)

	s = NewSMTP(Hooks{})
	err = play(t, s, script{"g> DATA", ">s DATA", "s> 354 go", ">g 354 go"}, 100)
	line := bytes.Repeat([]byte("0123456789abcd\r\n"), 1<<16)
	for n := 0; n <= MaxMessage && err == nil; n += len(line) {
		_, _, err = s.FromGuest(line)
	}
	wantRefusal("SMTP DATA", "too long")(t, nil, err)
}

// What may hold a value is wiped by the next call.
func TestWipes(t *testing.T) {
	s := NewIMAP((&world{}).hooks())
	out, _, err := s.FromGuest([]byte("A1 LOGIN ada " + tokenPass + "\r\n"))
	if err != nil || !bytes.Contains(out, canary) {
		t.Fatalf("%q, %v", out, err)
	}
	_, _, _ = s.FromGuest(nil)
	if bytes.Contains(out, canary) {
		t.Error("the value stands in the buffer still")
	}
	s = NewIMAP((&world{}).hooks())
	_, _, _ = s.FromGuest([]byte("A1 LOGIN " + tokenUser + " " + tokenOdd + "\r\n"))
	parts := s.machine.(*imap).auth.parts
	_, _ = s.EndOfServer()
	if len(parts) != 1 || bytes.Contains(parts[0], canary) {
		t.Error("the rest of a login stands there still")
	}
	part := bytes.Clone(canary)
	m := NewIMAP(Hooks{}).machine.(*imap)
	m.auth = &imapLogin{parts: [][]byte{part}}
	if m.sendPart(); bytes.Contains(part, canary) || !bytes.Contains(m.toServer.b, canary) {
		t.Error("the part of a login that went out stands there still, or did not go")
	}
}
