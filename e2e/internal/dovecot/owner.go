package dovecot

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
)

// Do does what the mailbox's owner would with a program of their own, past the
// relay: each command in turn, without its tag, in one connection. A message to
// append follows its command behind a newline.
func (s *Server) Do(commands ...string) {
	s.t.Helper()
	if err := s.do(commands...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) do(commands ...string) error {
	conn, err := tls.Dial("tcp", s.direct, s.tls())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	if _, err := answers.ReadString('\n'); err != nil {
		return err
	}
	for i, command := range append([]string{fmt.Sprintf("LOGIN %s %s", s.User, s.Password)}, commands...) {
		command, message, appends := strings.Cut(command, "\n")
		if appends {
			message = strings.ReplaceAll(message, "\n", "\r\n")
			command += fmt.Sprintf(" {%d+}\r\n%s", len(message), message)
		}
		tag := fmt.Sprintf("t%d", i)
		if _, err := io.WriteString(conn, tag+" "+command+"\r\n"); err != nil {
			return err
		}
		if err := done(answers, tag); err != nil {
			return fmt.Errorf("command %d: %w", i, err) // 0 is the login
		}
	}
	return nil
}

// done reads up to the end of a command, and expects it to have been done.
func done(answers *bufio.Reader, tag string) error {
	for {
		line, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return fmt.Errorf("dovecot refused it: %s", strings.TrimSpace(rest))
			}
			return nil
		}
	}
}
