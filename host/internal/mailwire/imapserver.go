package mailwire

import (
	"bytes"
	"errors"
	"strings"
)

// imapEcho is a literal of the server's.
type imapEcho struct {
	open bool
	left int64  // of what is to come
	head []byte // the line before it, when its length is not told yet
	// pass is what a long one goes through as it comes, owed how much of what
	// came that has still to pass on.
	pass Filter
	owed int64
}

func (m *imap) stepServer() (bool, error) {
	if m.echo.open {
		return m.serverLiteral()
	}
	line, size := m.server.line(MaxServerLine)
	if size < 0 {
		return false, serverFault("a line is too long")
	}
	if size == 0 {
		return false, nil
	}
	defer m.server.drop(size)
	text := m.server.rest()[:size]
	if m.within {
		return true, m.data(line, text)
	}
	return true, m.opening(line, text)
}

// opening takes the first line of a response; text is the line with its end.
func (m *imap) opening(line, text []byte) error {
	first, rest, _ := bytes.Cut(line, []byte{' '})
	switch string(first) {
	case "+":
		return m.leave(text)
	case "*":
		word, _, _ := bytes.Cut(rest, []byte{' '})
		switch strings.ToUpper(string(word)) {
		case "PREAUTH":
			m.authenticated = true
			return m.scrubbed(text)
		case "OK", "NO", "BAD", "BYE": // for people: what looks like a literal is none
			return m.scrubbed(text)
		}
		return m.data(line, text)
	}
	return m.tagged(string(first), rest, text)
}

// leave takes a continuation: the server's leave to go on.
func (m *imap) leave(text []byte) error {
	unasked := serverFault("it asked for more where nothing was to come")
	if m.mode != inDoubt {
		return unasked
	}
	switch a := m.auth; {
	case a != nil && len(a.parts) > 0:
		m.sendPart()
		return nil
	case a != nil && a.sasl != nil:
		m.mode = inResponse
	case a != nil:
		return unasked
	case m.now.announced:
		m.now.announced = false
		m.mode = inLiteral
		if !m.now.literal.sync {
			return nil
		}
	default:
		m.mode = inIdle
	}
	return m.scrubbed(text)
}

// tagged takes the answer to a command.
func (m *imap) tagged(tag string, rest, text []byte) error {
	i := indexOf(m.tags, tag)
	word, said, _ := bytes.Cut(rest, []byte{' '})
	status := strings.ToUpper(string(word))
	if i < 0 || status != "OK" && status != "NO" && status != "BAD" {
		return serverFault("it sent what is no response, or one to no command")
	}
	m.tags = append(m.tags[:i], m.tags[i+1:]...)
	if tag == m.now.tag {
		if err := m.answered(status, said); err != nil {
			return err
		}
	}
	return m.scrubbed(text)
}

func indexOf(tags []string, tag string) int {
	for i, t := range tags {
		if t == tag {
			return i
		}
	}
	return -1
}

// answered takes the answer to the guest's newest command, which it may not
// have finished.
func (m *imap) answered(status string, said []byte) error {
	switch {
	case m.auth != nil:
		return m.loggedIn(imapVerdict(status, said))
	case m.mode == inDoubt && m.now.announced && !m.now.literal.sync:
		m.now.skip = true // the guest sends the rest, as it did not ask
		m.mode = inLiteral
	case m.mode == inDoubt:
		m.mode = inCommand
	case m.mode == inIdle:
		m.mode, m.late = inCommand, true
	case m.mode != inCommand:
		return serverFault("it answered a command that it had not seen the whole of")
	}
	return nil
}

// imapVerdict reads an answer to a login: a NO that is about the server (RFC
// 5530) says nothing of the credential.
func imapVerdict(status string, said []byte) verdict {
	switch status {
	case "OK":
		return accepted
	case "BAD":
		return nothing
	}
	code, _, _ := bytes.Cut(bytes.ToUpper(said), []byte{']'})
	code, _, _ = bytes.Cut(code, []byte{' '})
	switch string(code) {
	case "[UNAVAILABLE", "[LIMIT", "[INUSE", "[SERVERBUG", "[PRIVACYREQUIRED", "[CONTACTADMIN", "[OVERQUOTA", "[CLIENTBUG", "[CANNOT":
		return nothing
	}
	return refused
}

// data takes a line of data, which a literal may follow.
func (m *imap) data(line, text []byte) error {
	head, size, _, kind := cutLiteral(line)
	if kind != goodLiteral {
		m.within = false
		return m.scrubbed(text)
	}
	if size > MaxServerLiteral {
		return serverFault("a literal is too long")
	}
	m.within = true
	clean, err := m.Scrub(nil, head)
	if err != nil {
		return err
	}
	m.echo = imapEcho{open: true, left: size, head: clean}
	if size > MaxScrubbed {
		m.toGuest.put(clean)
		m.toGuest.putString(announcement(size))
		m.echo.pass, m.echo.owed = m.Literal(), size
	}
	return nil
}

// serverLiteral takes a literal: whole, or as it comes when it is too long for
// that.
func (m *imap) serverLiteral() (bool, error) {
	e := &m.echo
	there := m.server.upTo(e.left)
	whole := int64(len(there)) == e.left
	if !whole && (e.pass == nil || len(there) == 0) {
		return false, nil
	}
	defer m.server.drop(len(there))
	e.left -= int64(len(there))
	e.open = !whole
	if e.pass != nil {
		return true, m.passOn(there, whole)
	}
	clean, err := m.Scrub(nil, there)
	if err != nil {
		return false, err
	}
	m.toGuest.put(e.head)
	m.toGuest.putString(announcement(int64(len(clean))))
	m.toGuest.put(clean)
	return true, nil
}

// passOn takes a piece of a literal whose length the guest knows already.
func (m *imap) passOn(piece []byte, last bool) (err error) {
	before := len(m.toGuest.b)
	if m.toGuest.b, err = m.echo.pass(m.toGuest.b, piece, last); err != nil {
		return err
	}
	m.echo.owed -= int64(len(m.toGuest.b) - before)
	if m.echo.owed < 0 || last && m.echo.owed != 0 { // the guest would read commands as text, or text as commands
		return errLength
	}
	return nil
}

var errLength = errors.New("mailwire: a literal was given another length than it was announced with")
