package sallyporttest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

func (s *session) Open(address string) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	scheme, rest, ok := strings.Cut(address, "://")
	switch {
	case s.over():
		return s.refuse(abi.StatusCancelled)
	case len(s.exchanges) >= abi.MaxHandles:
		return s.refuse(abi.StatusExhausted)
	case !ok || rest == "" || s.hasSurrogate(address):
		return s.refuse(abi.StatusInvalid)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	x := &exchange{cancel: cancel, stream: true, changed: make(chan struct{}), follows: true}
	handle := s.add(x, "open "+address)
	var swap func([]byte) []byte
	if scheme != "tls" { // there, nothing is put in
		swap = (&authentication{swap: func(text string) string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.swapPlain(text)
		}}).next
	}
	go x.connect(ctx, s.host.Dial, address, swap)
	return abi.OK(handle, 0)
}

func (s *session) StreamWrite(handle uint32, p []byte) abi.Result { return s.Write(handle, p) }

func (s *session) StreamPoll(handle uint32, out []byte) abi.Result { return s.Wait(handle, 0, out) }

func (s *session) StreamRead(handle uint32, out []byte) abi.Result { return s.Read(handle, out) }

// connect carries bytes both ways until one side has ended.
func (x *exchange) connect(ctx context.Context, dial func(context.Context, string) (net.Conn, error), address string, swap func([]byte) []byte) {
	var conn net.Conn
	err := errors.New("no server")
	if dial != nil {
		conn, err = dial(ctx, address)
	}
	if err != nil {
		x.change(func() { x.failed, x.ended = abi.StatusUnavailable, true })
		return
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	x.change(func() { x.stands = true })
	go x.send(ctx, conn, swap)
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			x.change(func() { x.body = append(x.body, buf[:n]...) })
		}
		switch {
		case err == io.EOF:
			x.change(func() { x.ended = true })
			return
		case err != nil || !x.await(ctx, func() bool { return len(x.body) < window }):
			x.change(func() { x.failed, x.ended = abi.StatusUnavailable, true })
			return
		}
	}
}

// send carries what the connector wrote to the server.
func (x *exchange) send(ctx context.Context, conn net.Conn, swap func([]byte) []byte) {
	upload := uploadReader{x, ctx}
	buf := make([]byte, 16<<10)
	for {
		n, err := upload.Read(buf)
		out := buf[:n]
		if swap != nil {
			out = swap(out)
		}
		if _, lost := conn.Write(out); lost != nil {
			x.change(func() { x.mute = true })
			return
		}
		if err != nil {
			if half, ok := conn.(interface{ CloseWrite() error }); ok && err == io.EOF {
				_ = half.CloseWrite() // a server that is gone is noticed in reading
			}
			return
		}
	}
}

// authentication puts values into authentication commands, a line at a time.
type authentication struct {
	swap func(string) string
	line []byte
	more int // how many of the next lines belong to the command
}

var (
	authCommand = regexp.MustCompile(`(?i)^(\S+ +(LOGIN|AUTHENTICATE)|AUTH) `)
	// authBare is a command whose argument comes on the next line, or two.
	authBare = regexp.MustCompile(`(?i)^(\S+ +AUTHENTICATE|AUTH) +(\S+)\r?\n$`)
)

// next takes what was written, and returns what can be sent: whole lines, with
// values in them. What is left at the end is an empty chunk's.
func (a *authentication) next(chunk []byte) (out []byte) {
	a.line = append(a.line, chunk...)
	for {
		i := bytes.IndexByte(a.line, '\n')
		if i < 0 {
			break
		}
		out = append(out, a.command(string(a.line[:i+1]))...)
		a.line = a.line[i+1:]
	}
	if len(chunk) == 0 || len(a.line) > window {
		out, a.line = append(out, a.line...), nil
	}
	return out
}

func (a *authentication) command(line string) string {
	switch {
	case a.more > 0:
		a.more--
	case !authCommand.MatchString(line):
		return line
	}
	if bare := authBare.FindStringSubmatch(line); bare != nil {
		a.more = 1
		if strings.EqualFold(bare[2], "LOGIN") {
			a.more = 2 // a name, a password
		}
	}
	end := line[len(strings.TrimRight(line, "\r\n")):]
	words := strings.Split(strings.TrimSuffix(line, end), " ")
	for i, word := range words {
		words[i] = a.word(word)
	}
	return strings.Join(words, " ") + end
}

// word puts a value into a word: as it is, escaped in a quoted string, or in
// base64.
func (a *authentication) word(word string) string {
	if swapped := a.swap(word); swapped != word {
		if word[0] != '"' || len(word) < 2 {
			return swapped
		}
		inner := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.swap(word[1 : len(word)-1]))
		return `"` + inner + `"`
	}
	plain, err := base64.StdEncoding.DecodeString(word)
	if err != nil {
		return word
	}
	if swapped := a.swap(string(plain)); swapped != string(plain) {
		return base64.StdEncoding.EncodeToString([]byte(swapped))
	}
	return word
}
