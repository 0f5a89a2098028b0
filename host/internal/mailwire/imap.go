package mailwire

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// mode is what the next of a guest's bytes are.
type mode int

const (
	inCommand  mode = iota // a command's line, or its first
	inRest                 // the rest of a command's line, after a literal
	inLiteral              // the bytes of one
	inResponse             // a line of an authentication
	inIdle                 // DONE
	inDoubt                // not known before the server has answered
)

// imap is a stream of IMAP.
type imap struct {
	*wire
	mode mode
	tags []string // of the commands without an answer
	now  imapCommand
	auth *imapLogin // the authentication that is open
	late bool       // an IDLE was ended by the server: its DONE says nothing

	within bool     // the server's next line goes on with a response
	echo   imapEcho // a literal of the server's
}

// imapCommand is the command that the guest is sending.
type imapCommand struct {
	tag, name string
	// literal is of what is to come, or comes.
	literal struct {
		left    int64
		sync    bool // the guest waits for the server's leave
		message bool // it is a message, not an argument
		window  window
	}
	// announced says that the server was asked whether it takes the literal.
	announced bool
	// skip says that the server wants no more of it.
	skip bool
}

func (m *imap) refuseNow(reason, remedy string) error { return m.refuse(m.now.name, reason, remedy) }

func (m *imap) stepGuest() (bool, error) {
	switch m.mode {
	case inDoubt:
		return false, nil
	case inLiteral:
		return m.guestLiteral()
	}
	line, size := m.guest.line(MaxGuestLine)
	if size < 0 {
		return false, m.refuse("", "a line is too long", "send long text as a literal")
	}
	if size == 0 || m.mustBeQuiet(line) {
		return false, nil
	}
	defer m.guest.drop(size)
	if err := m.checkLine(line); err != nil {
		return false, err
	}
	switch m.mode {
	case inRest:
		return true, m.rest(line)
	case inResponse:
		return true, m.authResponse(line)
	case inIdle:
		return true, m.done(line)
	}
	return true, m.command(line)
}

// mustBeQuiet holds an authentication back until the server has answered what
// came before: then it is known to read a command, and no literal.
func (m *imap) mustBeQuiet(line []byte) bool {
	if m.mode != inCommand || len(m.tags) == 0 {
		return false
	}
	_, name, _, ok := splitCommand(line)
	return ok && isLogin(name)
}

func isLogin(name string) bool { return name == "LOGIN" || name == "AUTHENTICATE" }

// splitCommand reads tag SP name [SP arguments]. UID goes with what follows.
func splitCommand(line []byte) (tag, name string, args []byte, ok bool) {
	first, rest, _ := bytes.Cut(line, []byte{' '})
	word, args, _ := bytes.Cut(rest, []byte{' '})
	if !validTag(first) || !validName(word) {
		return "", "", nil, false
	}
	name = strings.ToUpper(string(word))
	if name == "UID" {
		word, args, _ = bytes.Cut(args, []byte{' '})
		if !validName(word) {
			return "", "", nil, false
		}
		name += " " + strings.ToUpper(string(word))
	}
	return string(first), name, args, true
}

func validTag(tag []byte) bool {
	if len(tag) == 0 || len(tag) > maxTag {
		return false
	}
	for _, c := range tag {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\+]`, c) >= 0 {
			return false
		}
	}
	return true
}

func validName(name []byte) bool {
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	for _, c := range name {
		if !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// command takes the first line of a command.
func (m *imap) command(line []byte) error {
	if late := m.late; late {
		m.late = false
		if strings.EqualFold(string(line), "DONE") {
			return nil
		}
	}
	tag, name, args, ok := splitCommand(line)
	if !ok {
		if m.holdsSurrogate(line) {
			return m.refuse("", "a surrogate stands outside of a login", "use it in LOGIN or AUTHENTICATE")
		}
		return m.refuse("", "a line is no command", "write a tag, a space and a command")
	}
	m.now = imapCommand{tag: tag, name: name}
	for _, t := range m.tags {
		if t == tag {
			return m.refuseNow("its tag is that of a command without an answer", "give each command a tag of its own")
		}
	}
	if len(m.tags) >= MaxPipelined {
		return m.refuseNow("too many commands wait for an answer", "wait for the answers")
	}
	switch name {
	case "LOGIN":
		return m.login(args)
	case "AUTHENTICATE":
		return m.authenticate(args)
	}
	m.now.literal.message = name == "APPEND" || name == "REPLACE" || name == "UID REPLACE"
	if err := m.checkCommand(line); err != nil {
		return err
	}
	m.tags = append(m.tags, tag)
	return m.forward(line)
}

// checkCommand refuses what no guest may say on a stream.
func (m *imap) checkCommand(line []byte) error {
	switch m.now.name {
	case "STARTTLS":
		return m.refuseNow("the stream is encrypted already", "leave it out")
	case "COMPRESS":
		return m.refuseNow("the host could not see what it is to guard", "leave it out")
	}
	return m.checkText(line)
}

// checkText refuses surrogates and ranges in a line of a command.
func (m *imap) checkText(line []byte) error {
	if m.holdsSurrogate(line) {
		return m.refuseNow("a surrogate stands outside of a login", "use it in LOGIN or AUTHENTICATE")
	}
	if !m.guarded() {
		return nil
	}
	const reason = "a range of a message was asked for, and a credential could come back in pieces"
	switch m.now.name {
	case "PARTIAL", "URLFETCH":
		return m.refuseNow(reason, "fetch the whole, or a whole part")
	}
	if hasRange(line) {
		return m.refuseNow(reason, "fetch the whole, or a whole part: BODY[1] without <…>")
	}
	if m.now.literal.message && bytes.Contains(bytes.ToUpper(line), []byte("CATENATE")) {
		return m.refuseNow("CATENATE may take ranges of messages", "send the message whole")
	}
	return nil
}

// hasRange finds BODY[…]<0.100> and its like.
func hasRange(line []byte) bool {
	for {
		i := bytes.IndexByte(line, ']')
		if i < 0 {
			return false
		}
		line = bytes.TrimLeft(line[i+1:], " \t")
		if len(line) > 0 && line[0] == '<' {
			return true
		}
	}
}

// forward sends the server a line, and finds out what follows it.
func (m *imap) forward(line []byte) error {
	head, size, sync, kind := cutLiteral(line)
	switch {
	case kind == badLiteral:
		return m.refuseNow("a line ends as if a literal followed", "write {n} or {n+}, or quote the text")
	case kind == noLiteral && m.now.skip:
		m.mode = inCommand
	case kind == noLiteral:
		m.toServer.put(line, crlf)
		m.mode = inCommand
		if m.now.name == "IDLE" {
			m.mode = inDoubt
		}
	case m.now.skip && sync:
		m.mode = inCommand // the guest waits, and was told no
	default:
		return m.announce(head, size, sync)
	}
	return nil
}

// announce asks the server whether it takes a literal, whatever the guest did.
func (m *imap) announce(head []byte, size int64, sync bool) error {
	most := int64(MaxArgument)
	if m.now.literal.message {
		most = MaxMessage
	}
	if size > most {
		return m.refuseNow("a literal is too long", "send less")
	}
	l := &m.now.literal
	l.left, l.sync, l.window = size, sync, window{check: m.CheckOut}
	if m.now.skip {
		m.mode = inLiteral
		return nil
	}
	m.toServer.put(head)
	m.toServer.putString(announcement(size))
	m.now.announced = true
	m.mode = inDoubt
	return nil
}

// guestLiteral takes the bytes of a literal: a message as it comes, an
// argument whole.
func (m *imap) guestLiteral() (bool, error) {
	l := &m.now.literal
	there := m.guest.upTo(l.left)
	if whole := int64(len(there)) == l.left; !whole && (len(there) == 0 || !l.message && !m.now.skip) {
		return false, nil
	}
	defer m.guest.drop(len(there))
	l.left -= int64(len(there))
	if l.left == 0 {
		m.mode = inRest
	}
	switch {
	case m.now.skip:
		return true, nil
	case m.auth != nil:
		return true, m.loginLiteral(there)
	}
	if !l.message && m.holdsSurrogate(there) {
		return false, m.refuseNow("a surrogate stands outside of a login", "use it in LOGIN or AUTHENTICATE")
	}
	if err := l.window.next(&m.toServer, there); err != nil {
		return false, err
	}
	if l.left > 0 {
		return true, nil
	}
	return true, l.window.end(&m.toServer)
}

// rest takes the line that follows a literal.
func (m *imap) rest(line []byte) error {
	if m.auth != nil {
		return m.loginArgs(line)
	}
	if !m.now.skip {
		if err := m.checkText(line); err != nil {
			return err
		}
	}
	return m.forward(line)
}

func (m *imap) done(line []byte) error {
	if !strings.EqualFold(string(line), "DONE") {
		return m.refuse("IDLE", "something else than DONE was sent", "end IDLE with DONE first")
	}
	m.toServer.put(line, crlf)
	m.mode = inCommand
	return nil
}

// The ways in which a line may end.
type literalKind int

const (
	noLiteral literalKind = iota
	goodLiteral
	badLiteral
)

// cutLiteral cuts {n} or {n+} from a line's end; ~{n} leaves its ~. What some
// server might take for one is bad.
func cutLiteral(line []byte) (head []byte, size int64, sync bool, kind literalKind) {
	trimmed := bytes.TrimRight(line, " \t\v\f")
	open := bytes.LastIndexByte(trimmed, '{')
	if open < 0 || trimmed[len(trimmed)-1] != '}' {
		return line, 0, false, noLiteral
	}
	digits := trimmed[open+1 : len(trimmed)-1]
	sync = true
	if n := len(digits); n > 0 && (digits[n-1] == '+' || digits[n-1] == '-') {
		sync = false
		digits = digits[:n-1]
	}
	size, ok := number(digits)
	if !ok || len(trimmed) != len(line) || line[len(line)-2] == '-' {
		return line, 0, false, badLiteral
	}
	return line[:open], size, sync, goodLiteral
}

// number reads a number; one that is absurd is the largest.
func number(digits []byte) (n int64, ok bool) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) > 18 {
		n = math.MaxInt64
	}
	return n, len(digits) > 0
}

// announcement is what stands before a literal of n bytes.
func announcement(n int64) string { return "{" + strconv.FormatInt(n, 10) + "}\r\n" }
