package mailwire

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// In a fuzzed conversation a byte of these says who speaks from there on, or
// stands for more than fuzzing would find.
const (
	guestSpeaks  = 0xf0
	serverSpeaks = 0xf1
	aToken       = 0xf2 // of a value that is quoted
	bToken       = 0xf3 // of one that is a literal
	aValue       = 0xf4
	bValue       = 0xf5
	aPlain       = 0xf6 // \0ada\0 and the first token, in base64
)

const (
	fuzzA = "canary-secret"
	fuzzB = "canary-g\u00fcltig"
)

// talk is what one party says without a break.
type talk struct {
	server bool
	text   []byte
}

func conversation(data []byte) (out []talk) {
	now := talk{}
	for _, c := range data {
		switch c {
		case guestSpeaks, serverSpeaks:
			out = append(out, now)
			now = talk{server: c == serverSpeaks}
		case aToken:
			now.text = append(now.text, tokenPass...)
		case bToken:
			now.text = append(now.text, tokenOdd...)
		case aValue:
			now.text = append(now.text, fuzzA...)
		case bValue:
			now.text = append(now.text, fuzzB...)
		case aPlain:
			now.text = append(now.text, b64(`\0ada\0PASS`)...)
		default:
			now.text = append(now.text, c)
		}
	}
	return append(out, now)
}

// heard is how a conversation went.
type heard struct {
	toServer, toGuest []byte
	said              []bool
	err               error
}

// hold has a conversation, in pieces of at most size.
func hold(t *testing.T, start func(Hooks) *Session, talks []talk, size int) (h heard) {
	w := &world{}
	hooks := w.hooks()
	hooks.Live = func(token string) bool { return token == tokenPass || token == tokenOdd }
	hooks.Resolve = func(token string) ([]byte, error) {
		if slices.Contains(w.said, true) {
			t.Error("a value was asked for after the server had said yes")
		}
		if token == tokenPass {
			return []byte(fuzzA), nil
		}
		return []byte(fuzzB), nil
	}
	hooks.Scrub = func(dst, p []byte) ([]byte, error) {
		return append(dst, strings.NewReplacer(fuzzA, tokenPass, fuzzB, tokenOdd).Replace(string(p))...), nil
	}
	s := start(hooks)
	for _, part := range talks {
		for text := part.text; len(text) > 0 && h.err == nil; {
			n := min(size, len(text))
			var a, b []byte
			if part.server {
				b, a, h.err = s.FromServer(text[:n])
			} else {
				a, b, h.err = s.FromGuest(text[:n])
			}
			h.toServer, h.toGuest = append(h.toServer, a...), append(h.toGuest, b...)
			text = text[n:]
		}
	}
	h.said = w.said
	return h
}

// check holds a session to its promise.
func check(t *testing.T, start func(Hooks) *Session, data []byte, size uint8) (h heard) {
	talks := conversation(data)
	h = hold(t, start, talks, len(data)*64+1)
	pieces := hold(t, start, talks, int(size%32)+1)
	same := bytes.Equal(h.toServer, pieces.toServer) && bytes.Equal(h.toGuest, pieces.toGuest)
	switch {
	case (h.err == nil) != (pieces.err == nil) || h.err != nil && h.err.Error() != pieces.err.Error():
		t.Errorf("it ends with %v whole, and with %v in pieces", h.err, pieces.err)
	case h.err == nil && !same:
		t.Errorf("whole   %q %q\npieces  %q %q", h.toServer, h.toGuest, pieces.toServer, pieces.toGuest)
	}
	if h.err != nil && bytes.Contains([]byte(h.err.Error()), canary) {
		t.Errorf("the error holds a value: %v", h.err)
	}
	return h
}

var (
	loginLine   = regexp.MustCompile(`^[^ ]+ LOGIN `)
	authLine    = regexp.MustCompile(`^([^ ]+ AUTHENTICATE|AUTH) (PLAIN|LOGIN|XOAUTH2|OAUTHBEARER) [A-Za-z0-9+/=]+$`)
	literalLine = regexp.MustCompile(`\{([0-9]+)\}$`)
)

// checkValues finds the values in what the server got: each in a login, and
// no more of them than there may be logins.
func checkValues(t *testing.T, h heard) {
	found := 0
	before := "" // the line before
	for line := range strings.SplitSeq(string(h.toServer), "\r\n") {
		words := strings.Split(line, " ")
		decoded, _ := base64.StdEncoding.DecodeString(words[len(words)-1])
		switch {
		case bytes.Contains(decoded, canary):
			found++
			if len(words) > 1 && !authLine.MatchString(line) {
				t.Errorf("a value went out in %q", line)
			}
		case strings.Contains(line, "canary"):
			found += strings.Count(line, "canary")
			if !loginLine.MatchString(line) && !(loginLine.MatchString(before) && literalLine.MatchString(before)) {
				t.Errorf("a value went out in %q", line)
			}
		}
		if !strings.HasPrefix(line, "canary") { // a literal of LOGIN goes on in the next line
			before = line
		}
	}
	if found > 2*MaxLogins {
		t.Errorf("values went out %d times", found)
	}
}

// checkIMAP reads what the guest got as a client would, and finds no value.
func checkIMAP(t *testing.T, text []byte) {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		wantNoValue(t, line)
		text = rest
		m := literalLine.FindSubmatch(bytes.TrimSuffix(line, []byte{'\r'}))
		if m == nil || bytes.HasPrefix(line, []byte("* OK")) {
			continue
		}
		if n, err := strconv.Atoi(string(m[1])); err == nil && n <= len(text) {
			wantNoValue(t, text[:n])
			text = text[n:]
		}
	}
}

func wantNoValue(t *testing.T, text []byte) {
	if bytes.Contains(text, []byte(fuzzA)) || bytes.Contains(text, []byte(fuzzB)) {
		t.Errorf("the guest got %q", text)
	}
}

// seed is a script as a fuzzed conversation.
func seed(lines ...string) (out []byte) {
	r := strings.NewReplacer("<A>", "\xf2", "<B>", "\xf3", "<a>", "\xf4", "<b>", "\xf5", "<P>", "\xf6")
	who := ""
	for _, l := range lines {
		now, text, _ := strings.Cut(l, " ")
		if now != who {
			out = append(out, map[string]byte{"g>": guestSpeaks, "s>": serverSpeaks}[now])
		}
		who = now
		out = append(append(out, r.Replace(text)...), "\r\n"...)
	}
	return out
}

func FuzzIMAP(f *testing.F) {
	f.Add(seed("s> * OK hi", "g> A1 LOGIN ada <A>", "g> A2 SELECT INBOX", "s> A1 OK <a>", "s> * 1 FETCH (BODY[] {21}", "s> x <a> y FLAGS ())", "s> A2 OK"), uint8(3))
	f.Add(seed("g> A1 LOGIN {3+}", "g> ada {40}", "g> <B>", "s> + ", "s> A1 NO <b>", "g> A2 LOGIN ada <A>", "s> A2 OK", "g> A3 LOGIN a <A>"), uint8(1))
	f.Add(seed("g> A1 AUTHENTICATE PLAIN", "s> + ", "g> <P>", "s> A1 NO", "g> A2 AUTHENTICATE PLAIN <P>", "s> A2 OK"), uint8(7))
	f.Add(seed("g> A1 APPEND x {44+}", "g> <A>", "g> ", "s> + ", "s> A1 OK", "g> A2 IDLE", "g> DONE", "s> + ", "s> * 3 EXISTS", "s> A2 OK"), uint8(2))
	f.Add(seed("g> A1 APPEND x {5+}", "g> abcde {40+}", "g> <A>", "g> A2 FETCH 1 BODY[]<0.10>", "s> A1 NO"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		h := check(t, NewIMAP, data, size)
		checkValues(t, h)
		checkIMAP(t, h.toGuest)
	})
}

func FuzzSMTP(f *testing.F) {
	f.Add(seed("s> 220 hi", "g> EHLO me", "s> 250 AUTH PLAIN", "g> AUTH PLAIN <P>", "s> 235 <a>", "g> DATA", "s> 354 go", "g> <A>", "g> .", "s> 250 ok"), uint8(3))
	f.Add(seed("g> AUTH LOGIN", "s> 334 VXNlcm5hbWU6", "g> YWRh", "s> 334 UGFzc3dvcmQ6", "g> <P>", "s> 535 no", "g> AUTH PLAIN <P>", "s> 235 in", "g> AUTH PLAIN <P>"), uint8(1))
	f.Add(seed("g> EHLO me", "g> AUTH PLAIN <P>", "g> MAIL FROM:<A>", "s> 220-hi", "s> 220 hi", "s> 250 mx", "s> 454 <b>"), uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		h := check(t, NewSMTP, data, size)
		checkValues(t, h)
		for line := range bytes.SplitSeq(h.toGuest, []byte{'\n'}) {
			wantNoValue(t, line)
		}
	})
}

// FuzzStartTLS holds the way to TLS to its bounds: any server is refused, or
// has said all that it says in the clear.
func FuzzStartTLS(f *testing.F) {
	f.Add("* OK hi\r\n", "S1 OK go\r\n", "", false)
	f.Add("220 hi\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", true)
	f.Add("* OK\r\n* x\r\n", "S1 OK\r\n* CAPABILITY EVIL\r\n", "", false)
	f.Fuzz(func(t *testing.T, a, b, c string, mail bool) {
		p := IMAP
		if mail {
			p = SMTP
		}
		s := &server{pieces: []string{a, b, c}}
		greeting, err := StartTLS(s, p)
		if err == nil && s.left != "" {
			t.Errorf("%q was read and is lost", s.left)
		}
		if (err == nil) != (len(greeting) > 0) {
			t.Errorf("greets with %q, and ends with %v", greeting, err)
		}
	})
}
