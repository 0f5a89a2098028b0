package mailwire

import "bytes"

// goOn is what the host itself answers to a literal of LOGIN.
const goOn = "+ go on\r\n"

// imapLogin is a LOGIN or AUTHENTICATE on its way.
type imapLogin struct {
	login
	args  [][]byte // of LOGIN, as the guest wrote them
	parts [][]byte // of LOGIN, what is to be sent still, each after the server's leave
	sasl  *sasl    // of AUTHENTICATE
}

// login begins to collect a LOGIN: the server sees nothing of it before it is
// whole.
func (m *imap) login(args []byte) error {
	m.auth = &imapLogin{login: login{command: "LOGIN"}}
	return m.loginArgs(args)
}

// loginArgs takes arguments, up to the end or the next literal.
func (m *imap) loginArgs(rest []byte) error {
	a := m.auth
	for len(rest) > 0 {
		if len(a.args) > 0 {
			var ok bool
			if rest, ok = bytes.CutPrefix(rest, []byte{' '}); !ok {
				return m.badLogin()
			}
		}
		if len(a.args) == 2 {
			return m.badLogin()
		}
		switch head, size, sync, kind := cutLiteral(rest); {
		case kind == badLiteral:
			return m.badLogin()
		case kind == goodLiteral && len(head) == 0:
			return m.expectLogin(size, sync)
		}
		arg, after, ok := astring(rest)
		if !ok {
			return m.badLogin()
		}
		a.args = append(a.args, arg)
		rest = after
	}
	if len(a.args) != 2 {
		return m.badLogin()
	}
	return m.sendLogin()
}

func (m *imap) badLogin() error {
	return m.refuseNow("its arguments cannot be read", "write a user and a password, each as an atom, a quoted string or a literal")
}

// expectLogin lets a literal of LOGIN come.
func (m *imap) expectLogin(size int64, sync bool) error {
	if size > MaxArgument {
		return m.refuseNow("a literal is too long", "send less")
	}
	m.now.literal.left = size
	m.mode = inLiteral
	if sync {
		m.toGuest.putString(goOn)
	}
	return nil
}

func (m *imap) loginLiteral(text []byte) error {
	m.auth.args = append(m.auth.args, bytes.Clone(text))
	return m.CheckOut(text)
}

// astring reads an atom (with ']') or a quoted string.
func astring(text []byte) (value, rest []byte, ok bool) {
	if len(text) > 0 && text[0] == '"' {
		return quoted(text[1:])
	}
	n := 0
	for n < len(text) && text[n] > ' ' && text[n] != 0x7f && bytes.IndexByte([]byte(`(){%*"\`), text[n]) < 0 {
		n++
	}
	return bytes.Clone(text[:n]), text[n:], n > 0
}

// quoted reads a quoted string from behind its first quote.
func quoted(text []byte) (value, rest []byte, ok bool) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return value, text[i+1:], true
		case '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return nil, nil, false
			}
			value = append(value, text[i])
		default:
			value = append(value, c)
		}
	}
	return nil, nil, false
}

// sendLogin puts the values in and sends the command in a form of its own.
func (m *imap) sendLogin() error {
	a := m.auth
	part := []byte(m.now.tag + " LOGIN")
	var parts [][]byte
	for _, arg := range a.args {
		value, err := m.whole(&a.login, arg)
		if err != nil {
			wipe(append(parts, part))
			return err
		}
		if bytes.IndexByte(value, 0) >= 0 {
			wipe(append(parts, part))
			return m.refuseNow("an argument holds a NUL", "leave it out")
		}
		part = appendWiped(part, []byte{' '})
		if quotable(value) {
			part = appendQuoted(part, value)
			continue
		}
		parts = append(parts, appendWiped(part, []byte(announcement(int64(len(value))))))
		part = bytes.Clone(value)
	}
	a.args = nil
	a.parts = append(parts, appendWiped(part, crlf))
	m.tags = append(m.tags, m.now.tag)
	m.mode = inDoubt
	m.sendPart()
	return nil
}

// sendPart sends what may go before the server's leave is needed.
func (m *imap) sendPart() {
	a := m.auth
	m.toServer.put(a.parts[0])
	clear(a.parts[0])
	a.parts = a.parts[1:]
}

func (m *imap) wipe() {
	if m.auth != nil {
		wipe(m.auth.parts)
	}
}

func wipe(parts [][]byte) {
	for _, p := range parts {
		clear(p)
	}
}

// quotable reports whether every server reads value as a quoted string.
func quotable(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return len(value) <= maxQuoted
}

func appendQuoted(dst, value []byte) []byte {
	dst = appendWiped(dst, []byte{'"'})
	for _, c := range value {
		if c == '"' || c == '\\' {
			dst = appendWiped(dst, []byte{'\\'})
		}
		dst = appendWiped(dst, []byte{c})
	}
	return appendWiped(dst, []byte{'"'})
}

// authenticate begins an AUTHENTICATE (RFC 9051 section 6.2.2, RFC 4959).
func (m *imap) authenticate(args []byte) error {
	x, line, err := m.startSASL("AUTHENTICATE", args)
	if err != nil {
		return err
	}
	m.auth = &imapLogin{sasl: x}
	m.tags = append(m.tags, m.now.tag)
	m.toServer.put([]byte(m.now.tag+" AUTHENTICATE "), line, crlf)
	if x.given() {
		clear(line)
	}
	m.mode = inDoubt
	return nil
}

// authResponse takes the guest's answer to a challenge.
func (m *imap) authResponse(line []byte) error {
	x := m.auth.sasl
	out, err := m.respond(x, line)
	if err != nil {
		return err
	}
	m.toServer.put(out, crlf)
	if x.given() {
		clear(out)
	}
	m.mode = inDoubt
	return nil
}

// loggedIn takes the server's answer to a login.
func (m *imap) loggedIn(said verdict) error {
	a := m.auth
	if said == accepted && len(a.parts) > 0 {
		return serverFault("it accepted a login that it had not seen the whole of")
	}
	wipe(a.parts)
	m.auth, m.mode = nil, inCommand
	if a.sasl != nil {
		m.finished(&a.sasl.login, said)
	} else {
		m.finished(&a.login, said)
	}
	return nil
}
