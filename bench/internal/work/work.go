// Package work is what the bench's guest and its native twin both do.
//
// # Promise
//
// It is the same code on both sides, so that what is compared is the way to
// the network.
package work

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BufferBytes is how much of a body or a message is asked for at once.
const BufferBytes = 64 << 10

// warmUp is how often a thing is done before it is timed: connections are
// made, code is compiled, pools are filled.
const warmUp = 10

// Timed does do times over and returns what each took.
func Timed(times int, do func() error) ([]time.Duration, error) {
	for range warmUp {
		if err := do(); err != nil {
			return nil, err
		}
	}
	return Once(times, do)
}

// Once is Timed without doing it before.
func Once(times int, do func() error) ([]time.Duration, error) {
	took := make([]time.Duration, times)
	for i := range took {
		began := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	return took, nil
}

// Quantile returns the q-th of all durations, 0.5 for the median.
func Quantile(took []time.Duration, q float64) time.Duration {
	took = slices.Sorted(slices.Values(took))
	return took[min(int(q*float64(len(took))), len(took)-1)]
}

// Drain reads all of r, keeps nothing, and returns how much it was.
func Drain(r io.Reader) (n int64, err error) {
	buf := make([]byte, BufferBytes)
	for {
		m, err := r.Read(buf)
		n += int64(m)
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// Mailbox is a logged-in IMAP connection, as far as fetching needs it.
type Mailbox struct {
	conn io.ReadWriter
	in   *bufio.Reader
	body []byte
}

// Login logs in and opens INBOX.
func Login(conn io.ReadWriter, account, password string) (*Mailbox, error) {
	m := &Mailbox{conn: conn, in: bufio.NewReader(conn)}
	if _, err := m.in.ReadString('\n'); err != nil { // the greeting
		return nil, err
	}
	for _, command := range []string{fmt.Sprintf("LOGIN %q %q", account, password), "SELECT INBOX"} {
		if err := m.say(command); err != nil {
			return nil, err
		}
		if err := m.untilTagged(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Fetch reads the one message whole and returns it; it is valid until the next
// Fetch.
func (m *Mailbox) Fetch() ([]byte, error) {
	if err := m.say("FETCH 1 BODY.PEEK[]"); err != nil {
		return nil, err
	}
	line, err := m.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	_, length, ok := strings.Cut(strings.TrimRight(line, "}\r\n"), "{")
	n, err := strconv.Atoi(length)
	if !ok || err != nil {
		return nil, fmt.Errorf("no literal in %q", line)
	}
	m.body = slices.Grow(m.body[:0], n)[:n]
	if _, err := io.ReadFull(m.in, m.body); err != nil {
		return nil, err
	}
	return m.body, m.untilTagged()
}

func (m *Mailbox) say(command string) error {
	_, err := io.WriteString(m.conn, "a "+command+"\r\n")
	return err
}

// untilTagged skips what comes before the end of the command, which is to be
// OK.
func (m *Mailbox) untilTagged() error {
	for {
		line, err := m.in.ReadString('\n')
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(line, "a "); ok {
			if !strings.HasPrefix(rest, "OK") {
				return fmt.Errorf("the server says %q", rest)
			}
			return nil
		}
	}
}
