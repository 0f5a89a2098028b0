package mailwire

import (
	"bytes"
	"strings"
)

// smtp is a stream of SMTP. Replies come in the order of the commands.
type smtp struct {
	*wire
	mode    smtpMode
	pending []smtpAsked // the commands without a reply
	greeted bool        // a reply has come
	auth    *sasl       // the authentication that is open
	message smtpMessage
}

// smtpMode is what the next of a guest's bytes are.
type smtpMode int

const (
	smtpCommand  smtpMode = iota
	smtpData              // a message
	smtpResponse          // a line of an authentication
	smtpDoubt             // not known before the server has replied
)

// smtpAsked is what a reply is to.
type smtpAsked int

const (
	askedCommand smtpAsked = iota
	askedData
	askedAuth
)

func (m *smtp) stepGuest() (bool, error) {
	switch m.mode {
	case smtpDoubt:
		return false, nil
	case smtpData:
		return m.data()
	}
	line, size := m.guest.line(MaxGuestLine)
	if size < 0 {
		return false, m.refuse("", "a line is too long", "send shorter lines")
	}
	if size == 0 || m.mode == smtpCommand && len(m.pending) > 0 && isAuth(line) {
		return false, nil
	}
	defer m.guest.drop(size)
	if err := m.checkLine(line); err != nil {
		return false, err
	}
	if m.mode == smtpResponse {
		return true, m.response(line)
	}
	return true, m.command(line)
}

func isAuth(line []byte) bool {
	verb, _, _ := bytes.Cut(line, []byte{' '})
	return strings.EqualFold(string(verb), "AUTH")
}

// command takes a command's line.
func (m *smtp) command(line []byte) error {
	word, args, _ := bytes.Cut(line, []byte{' '})
	verb := ""
	if validName(word) {
		verb = strings.ToUpper(string(word))
	}
	if verb == "AUTH" {
		return m.authenticate(args)
	}
	if m.holdsSurrogate(line) {
		return m.refuse(verb, "a surrogate stands outside of a login", "use it in AUTH")
	}
	if len(m.pending) >= MaxPipelined {
		return m.refuse(verb, "too many commands wait for a reply", "wait for the replies")
	}
	asked := askedCommand
	switch verb {
	case "":
		return m.refuse("", "a line is no command", "write a command")
	case "STARTTLS":
		return m.refuse(verb, "the stream is encrypted already", "leave it out")
	case "BDAT", "XEXCH50":
		return m.refuse(verb, "what follows it cannot be told from commands", "send the message with DATA")
	case "DATA":
		asked, m.mode = askedData, smtpDoubt
	}
	m.pending = append(m.pending, asked)
	m.toServer.put(line, crlf)
	return nil
}

// authenticate begins an AUTH (RFC 4954).
func (m *smtp) authenticate(args []byte) error {
	x, line, err := m.startSASL("AUTH", args)
	if err != nil {
		return err
	}
	m.auth = x
	m.pending = append(m.pending, askedAuth)
	m.toServer.put([]byte("AUTH "), line, crlf)
	if x.given() {
		clear(line)
	}
	m.mode = smtpDoubt
	return nil
}

// response takes the guest's answer to a challenge.
func (m *smtp) response(line []byte) error {
	out, err := m.respond(m.auth, line)
	if err != nil {
		return err
	}
	m.toServer.put(out, crlf)
	if m.auth.given() {
		clear(out)
	}
	m.mode = smtpDoubt
	return nil
}

func (m *smtp) stepServer() (bool, error) {
	line, size := m.server.line(MaxReplyLine)
	if size < 0 {
		return false, serverFault("a line is too long")
	}
	if size == 0 {
		return false, nil
	}
	defer m.server.drop(size)
	code, last, ok := replyCode(line)
	if !ok {
		return false, serverFault("a line is no reply")
	}
	if last {
		if err := m.replied(code); err != nil {
			return false, err
		}
	}
	return true, m.scrubbed(m.server.rest()[:size])
}

// replyCode reads "250-text", "250 text" or "250".
func replyCode(line []byte) (code string, last, ok bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return "", false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return "", false, false
		}
	}
	if line[0] < '2' || line[0] > '5' {
		return "", false, false
	}
	return string(line[:3]), len(line) == 3 || line[3] == ' ', true
}

// replied takes a reply's code. Nothing but a greeting is 220 at first: a
// guest may speak before it.
func (m *smtp) replied(code string) error {
	first := !m.greeted
	m.greeted = true
	if first && (code == "220" || len(m.pending) == 0) || code == "421" && len(m.pending) == 0 {
		return nil
	}
	if len(m.pending) == 0 {
		return serverFault("a reply came to no command")
	}
	asked := m.pending[0]
	switch {
	case code == "334" && asked == askedAuth && m.mode == smtpDoubt:
		m.mode = smtpResponse
		return nil
	case code == "354" && asked == askedData:
		m.mode, m.message = smtpData, smtpMessage{left: MaxMessage, window: window{check: m.CheckOut}}
	case code[0] == '3':
		return serverFault("it asked for more where nothing was to come")
	case asked == askedAuth:
		m.loggedIn(code)
	case asked == askedData:
		m.mode = smtpCommand
	}
	m.pending = m.pending[1:]
	return nil
}

// loggedIn takes the server's answer to an authentication: only 535 is about
// the credential (RFC 4954 section 6).
func (m *smtp) loggedIn(code string) {
	said := nothing
	switch {
	case code[0] == '2':
		said = accepted
	case code == "535":
		said = refused
	}
	x := m.auth
	m.auth, m.mode = nil, smtpCommand
	m.finished(&x.login, said)
}

// wipe has nothing to do: what is filled is sent at once.
func (m *smtp) wipe() {}

// smtpMessage is the text after DATA, up to a line with one dot.
type smtpMessage struct {
	window window
	left   int // of what may come
	at     smtpPlace
}

// smtpPlace is where in a line a message is.
type smtpPlace int

const (
	atStart smtpPlace = iota
	atText
	atCR
	atDot
	atDotCR
	atEnd
	atBare // a CR or LF alone, where servers disagree about the end
)

func (p smtpPlace) next(c byte) smtpPlace {
	switch {
	case p == atCR || p == atDotCR:
		if c != '\n' {
			return atBare
		}
		if p == atDotCR {
			return atEnd
		}
		return atStart
	case c == '\n':
		return atBare
	case c == '\r' && p == atDot:
		return atDotCR
	case c == '\r':
		return atCR
	case c == '.' && p == atStart:
		return atDot
	}
	return atText
}

// data takes what is there of a message.
func (m *smtp) data() (bool, error) {
	text := m.guest.rest()
	if len(text) == 0 {
		return false, nil
	}
	n := 0
	for n < len(text) && m.message.at != atEnd && m.message.at != atBare {
		m.message.at = m.message.at.next(text[n])
		n++
	}
	defer m.guest.drop(n)
	if m.message.at == atBare {
		return false, m.refuse("DATA", "the message holds a bare CR or LF, which may end it for some servers", "end lines with CR LF")
	}
	if m.message.left -= n; m.message.left < 0 {
		return false, m.refuse("DATA", "the message is too long", "send less")
	}
	if err := m.message.window.next(&m.toServer, text[:n]); err != nil || m.message.at != atEnd {
		return true, err
	}
	m.mode = smtpCommand
	m.pending = append(m.pending, askedCommand)
	return true, m.message.window.end(&m.toServer)
}
