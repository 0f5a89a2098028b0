// Command submission is a guest of the tests: it logs in to a mail server and
// sends a message, through emersion/go-smtp as it is, in the way that its
// option says. What it was told it emits.
package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/stream"
)

func main() { sallyport.Main(send) }

// told is a record of what came of it.
type told struct {
	ID   string `json:"id"`
	Said string `json:"said"` // by the server
	Err  string `json:"err"`
}

func send(ctx context.Context, run *sallyport.Run) error {
	account, err := run.Credential("ACCOUNT")
	if err != nil {
		return err
	}
	password, err := run.Credential("APP_PASSWORD")
	if err != nil {
		return err
	}
	heard := &hearing{}
	failed := submit(ctx, run, heard, string(account), string(password))
	record := told{ID: "1", Said: heard.text()}
	if failed != nil {
		record.Err = failed.Error()
	}
	emit := sallyport.NewStream(run, "told", func(t told) sallyport.Key { return sallyport.Key{t.ID} })
	return errors.Join(failed, emit.Emit(record), run.Flush())
}

func submit(ctx context.Context, run *sallyport.Run, heard *hearing, account, password string) error {
	conn, err := stream.Dial(ctx, run, run.Option("address"))
	if err != nil {
		return err
	}
	heard.Conn = conn
	client := smtp.NewClient(heard)
	defer client.Close()
	from, to, text := "alice@mail.test", "bob@mail.test", "Subject: hello\r\n\r\nIt is not "+password+", and not\r\n.. either.\r\n"
	login := sasl.NewPlainClient("", account, password)
	switch run.Option("how") {
	case "PLAIN later":
		login = later{login, new(bool)}
	case "LOGIN":
		login = sasl.NewLoginClient(account, password)
	case "from":
		from = password + "@mail.test"
	case "to":
		to = password + "@mail.test"
	}
	if err := client.Auth(login); err != nil {
		return err
	}
	return errors.Join(client.SendMail(from, []string{to}, strings.NewReader(text)), client.Quit())
}

// later sends its first response when it is asked for it.
type later struct {
	sasl.Client
	asked *bool
}

func (l later) Start() (string, []byte, error) {
	mechanism, _, err := l.Client.Start()
	return mechanism, nil, err
}

func (l later) Next(challenge []byte) ([]byte, error) {
	if *l.asked {
		return l.Client.Next(challenge)
	}
	*l.asked = true
	_, first, err := l.Client.Start()
	return first, err
}

// hearing keeps what the server says.
type hearing struct {
	net.Conn
	mu   sync.Mutex
	said strings.Builder
}

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.mu.Lock()
	h.said.Write(p[:n])
	h.mu.Unlock()
	return n, err
}

func (h *hearing) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said.String()
}
