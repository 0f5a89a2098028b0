// Package mailwire stands between a guest that speaks IMAP or SMTP and the
// mail server that the host has reached over TLS. It works on bytes and opens
// nothing itself, but for [StartTLS], which is given a connection.
//
// # Promise
//
// A surrogate becomes its value in the arguments of an authentication command
// (LOGIN, AUTHENTICATE, AUTH) and nowhere else: not before every earlier
// command has been answered, not while another authentication is open, not
// twice in one, and never again after the server has said yes. In a message
// (the literals of APPEND and REPLACE, the text after DATA) a surrogate stays
// what it is; anywhere else it is refused, naming the command. What a server
// echoes of a value reaches the guest as the surrogate, or not at all.
//
// The two ends never disagree about what is a command. The server's own answer
// says whether a literal begins: non-synchronising literals (RFC 7888) are
// sent as synchronising ones, and what the guest sent meanwhile waits. A tag
// is in use once at a time; bare CR, NUL, and lines that some server might
// read as a literal are refused; a message after DATA has CRLF line ends only.
// A server that asks for more unasked, or answers what was not sent, ends the
// stream.
//
// # What is refused
//
// STARTTLS, COMPRESS and SASL mechanisms with a security layer, as they would
// blind the host. While a value is live: ranges of a message (BODY[]<0.100>,
// PARTIAL, URLFETCH, CATENATE), as an echo could be fetched in pieces that no
// guard knows. BDAT, as its length is binding on no server that lacks it.
//
// # Limits
//
// A literal of up to [MaxScrubbed] bytes is held, searched and announced with
// its new length, so that RFC822.SIZE, BODY.SIZE and the octet counts of
// BODYSTRUCTURE may disagree with it. A longer one streams through, in constant
// memory: its length was announced before its bytes came, and so what takes the
// place of an echo there has exactly its length, the surrogate filled up with
// asterisks or, where that would be longer, asterisks alone.
//
// A message that a guest sends is searched in windows; what is spelled in more
// than [Overlap] bytes may pass there. Lines and literals are searched one by one: what a server
// itself spreads over two is not found. What a dropped connection left
// incomplete is not passed on.
//
// SEARCH and PREVIEW are the server's: a guest that may search a mailbox in
// which the value was mailed can ask for pieces of it.
//
// # Concurrency
//
// A [Session] is for one stream, and not safe for concurrent use: the caller
// gives it one piece at a time, in the order in which the pieces came.
package mailwire

import (
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/abi"
)

// The bounds of a stream, in bytes unless they say otherwise.
const (
	// MaxGuestLine is one line of a guest's, its end included.
	MaxGuestLine = 64 << 10
	// MaxArgument is one literal that is an argument of a command.
	MaxArgument = 64 << 10
	// MaxMessage is one message that a guest sends.
	MaxMessage = abi.MaxRequestBodyBytes
	// MaxHeld is what a guest may send ahead while the server is to answer.
	MaxHeld = 8 << 20
	// MaxPipelined is the number of commands without an answer.
	MaxPipelined = 512
	// MaxLogins is the number of authentications of one stream in which a
	// value may go out, should the server refuse the first ones.
	MaxLogins = 3
	// MaxServerLine is one line of an IMAP server's, its end included.
	MaxServerLine = 8 << 20
	// MaxReplyLine is one line of an SMTP server's, its end included.
	MaxReplyLine = 64 << 10
	// MaxScrubbed is the longest literal of a server's that is held, to be
	// announced with the length that it has with its echoes replaced.
	MaxScrubbed = 256 << 10
	// MaxServerLiteral is the longest literal at all.
	MaxServerLiteral = abi.MaxResponseBodyBytes
	// Overlap is how far what is searched in windows is searched twice.
	Overlap = 64 << 10

	windowSize = 4 * Overlap
	maxTag     = 32
	maxName    = 32
	maxQuoted  = 1000 // a longer string goes as a literal
)

// Protocol is what a mail server speaks.
type Protocol int

// The protocols.
const (
	IMAP Protocol = iota
	SMTP
)

// String returns the name of a protocol.
func (p Protocol) String() string {
	if p == SMTP {
		return "SMTP"
	}
	return "IMAP"
}

// Hooks are what a [Session] asks its host. None of them may call the session.
// A nil Live knows no surrogate, a nil CheckOut, Scrub and Literal pass
// everything, a nil Resolve refuses.
type Hooks struct {
	// Live reports whether a token of a surrogate's shape is one of this run's.
	Live func(token string) bool
	// Guarded reports whether a value is live that the server may echo. A
	// session to which a value was given is guarded whatever it says.
	Guarded func() bool
	// Resolve returns the value for a token, or the refusal, which ends the
	// stream. The value is not kept, and not changed.
	Resolve func(token string) ([]byte, error)
	// CheckOut looks for values in a text that the guest has built; an error
	// ends the stream.
	CheckOut func(text []byte) error
	// Scrub appends text to dst with echoes of values replaced; an error ends
	// the stream.
	Scrub func(dst, text []byte) ([]byte, error)
	// Literal returns what one long literal passes through.
	Literal func() Filter
	// Authenticated is told what the server said to an authentication in which
	// a value went out: yes, or that the value is wrong. It is not called when
	// the server could not tell, did not understand, or went away.
	Authenticated func(ok bool)
	// Refused makes the error that a session ends with of a refusal. Nil
	// leaves it as it is.
	Refused func(*Refusal) error
}

// Filter appends to dst what may pass on of a text that comes in pieces, with
// echoes of values replaced: in all as many bytes as came. It may hold some
// back until the last piece. An error ends the stream.
type Filter func(dst, piece []byte, last bool) ([]byte, error)

func (h Hooks) withDefaults() Hooks {
	if h.Live == nil {
		h.Live = func(string) bool { return false }
	}
	if h.Guarded == nil {
		h.Guarded = func() bool { return false }
	}
	if h.Resolve == nil {
		h.Resolve = func(string) ([]byte, error) { return nil, errors.New("there is nothing to resolve a surrogate with") }
	}
	if h.CheckOut == nil {
		h.CheckOut = func([]byte) error { return nil }
	}
	if h.Scrub == nil {
		h.Scrub = func(dst, text []byte) ([]byte, error) { return append(dst, text...), nil }
	}
	if h.Literal == nil {
		h.Literal = func() Filter {
			return func(dst, piece []byte, _ bool) ([]byte, error) { return append(dst, piece...), nil }
		}
	}
	if h.Authenticated == nil {
		h.Authenticated = func(bool) {}
	}
	if h.Refused == nil {
		h.Refused = func(f *Refusal) error { return f }
	}
	return h
}

// Refusal says what a guest may not do on a mail stream. It holds nothing of
// what was sent but the name of a command.
type Refusal struct {
	Where  string // "IMAP FETCH"
	Reason string // "a part of a message was asked for by its range"
	Remedy string // "fetch the whole"
}

// Error is one line.
func (r *Refusal) Error() string {
	s := r.Where + " refused: " + r.Reason
	if r.Remedy != "" {
		s += "; " + r.Remedy
	}
	return s
}

// ErrServer is wrapped when it is the server that broke the protocol or a
// bound. The text holds nothing of what the server sent.
var ErrServer = errors.New("the mail server does not keep to its protocol")

func serverFault(reason string) error { return fmt.Errorf("%w: %s", ErrServer, reason) }

// Session is one stream's state. Once a method has returned an error, each
// returns that error.
type Session struct {
	wire
	machine machine
	err     error
}

// machine is one protocol. Each step takes one thing, a line or as much as is
// there of something longer, and reports whether it got on.
type machine interface {
	stepGuest() (bool, error)
	stepServer() (bool, error)
	// wipe forgets the values that were to go out still.
	wipe()
}

// NewIMAP returns a session for a stream of IMAP (RFC 3501, RFC 9051), from
// the greeting on, or from the first command after [StartTLS].
func NewIMAP(h Hooks) *Session {
	s := &Session{wire: wire{Hooks: h.withDefaults(), protocol: IMAP}}
	s.machine = &imap{wire: &s.wire}
	return s
}

// NewSMTP returns a session for a stream of SMTP (RFC 5321), from the greeting
// on, or from the first command after [StartTLS].
func NewSMTP(h Hooks) *Session {
	s := &Session{wire: wire{Hooks: h.withDefaults(), protocol: SMTP}}
	s.machine = &smtp{wire: &s.wire}
	return s
}

// FromGuest takes what the guest sent. What it returns is valid until the next
// call, which wipes it: toServer may hold a value. With an error come the
// bytes of what was in order before.
func (s *Session) FromGuest(p []byte) (toServer, toGuest []byte, err error) {
	s.toServer.reset()
	s.toGuest.reset()
	if s.err != nil {
		return nil, nil, s.err
	}
	s.guest.add(p)
	s.err = s.advanceGuest()
	if s.err == nil && s.guest.len() > MaxHeld {
		s.err = s.refuse("", "too much was sent ahead of the server's answer", "wait for the answer")
	}
	s.wipeAfter()
	return s.toServer.b, s.toGuest.b, s.err
}

// FromServer takes what the server sent. It returns as [Session.FromGuest]
// does; toServer is what the guest had sent ahead, or the rest of a login.
func (s *Session) FromServer(p []byte) (toGuest, toServer []byte, err error) {
	s.toServer.reset()
	s.toGuest.reset()
	if s.err != nil {
		return nil, nil, s.err
	}
	s.server.add(p)
	for moved := true; moved && s.err == nil; {
		if moved, s.err = s.machine.stepServer(); moved && s.err == nil {
			s.err = s.advanceGuest()
		}
	}
	s.wipeAfter()
	return s.toGuest.b, s.toServer.b, s.err
}

func (s *Session) advanceGuest() (err error) {
	for moved := true; moved && err == nil; {
		moved, err = s.machine.stepGuest()
	}
	return err
}

// wipeAfter forgets what a session that ended still held.
func (s *Session) wipeAfter() {
	if s.err != nil {
		s.guest.drop(s.guest.len())
		s.server.drop(s.server.len())
		s.machine.wipe()
	}
}

// Held returns how many bytes of the guest's wait for the server. A caller
// that takes no more while there are many never meets [MaxHeld].
func (s *Session) Held() int { return s.guest.len() }

// EndOfGuest says that the guest sends no more. What it left incomplete is not
// sent; what it sent ahead still goes out as the server answers.
func (s *Session) EndOfGuest() (toServer []byte, err error) { return nil, s.err }

// EndOfServer says that the server sends no more. What it left incomplete is
// dropped: the beginning of an echo cannot be told from other text.
func (s *Session) EndOfServer() (toGuest []byte, err error) {
	s.toServer.reset()
	s.toGuest.reset()
	s.server.drop(s.server.len())
	s.machine.wipe()
	return nil, s.err
}
