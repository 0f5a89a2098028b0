package mailwire

import (
	"bytes"
	"strings"
)

// imapEcho is a literal of the server's.
type imapEcho struct {
	open   bool
	left   int64  // of what is to come
	head   []byte // the line before it, when its length is not told yet
	window *window
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
		m.echo.window = &window{check: m.noEcho}
	}
	return nil
}

// serverLiteral takes a literal: whole, or as it comes when it is too long for
// that.
func (m *imap) serverLiteral() (bool, error) {
	e := &m.echo
	there := m.server.upTo(e.left)
	whole := int64(len(there)) == e.left
	if !whole && (e.window == nil || len(there) == 0) {
		return false, nil
	}
	defer m.server.drop(len(there))
	e.left -= int64(len(there))
	if e.window == nil {
		clean, err := m.Scrub(nil, there)
		if err != nil {
			return false, err
		}
		m.toGuest.put(e.head)
		m.toGuest.putString(announcement(int64(len(clean))))
		m.toGuest.put(clean)
		e.open = false
		return true, nil
	}
	if err := e.window.next(&m.toGuest, there); err != nil {
		return false, err
	}
	if !whole {
		return true, nil
	}
	e.open = false
	return true, e.window.end(&m.toGuest)
}

// noEcho refuses a text in which something would be replaced.
func (m *imap) noEcho(text []byte) error {
	clean, err := m.Scrub(nil, text)
	if err != nil {
		return err
	}
	if !bytes.Equal(clean, text) {
		return m.refuse("", "a literal that is too long to be replaced holds the value of a credential", "fetch the parts of that message one by one")
	}
	return nil
}
