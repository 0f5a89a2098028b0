package exim_test

import (
	"crypto/tls"
	"errors"
	"net/smtp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/e2e/internal/exim"
)

// TestServer holds the stand to what tests rely on: a login over TLS of either
// kind, a certificate that the CA vouches for, messages that are kept, and
// echoes.
func TestServer(t *testing.T) {
	s := exim.Start(t, "mail.test", "alice", "right-and-long")
	config := &tls.Config{RootCAs: s.Roots, ServerName: "mail.test"}
	send := func(password string) error {
		conn, err := tls.Dial("tcp", s.TLS.Addr().String(), config)
		if err != nil {
			return err
		}
		c, err := smtp.NewClient(conn, "mail.test")
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Auth(smtp.PlainAuth("", "alice", password, "mail.test"))
	}
	if err := send("right-and-long"); err != nil {
		t.Error(err)
	}
	if err := send("wrong"); err == nil || !strings.HasPrefix(err.Error(), "535") {
		t.Errorf("a wrong password: %v", err)
	}
	c, err := smtp.Dial(s.Plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ok, _ := c.Extension("AUTH"); ok {
		t.Error("it lets one log in without TLS")
	}
	if err := c.StartTLS(config); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", "alice", "right-and-long", "127.0.0.1")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Mail("alice@mail.test"), c.Rcpt("bob@mail.test")); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("Subject: x\r\n\r\nhello\r\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.Messages(); len(got) != 1 || !strings.Contains(got[0], "hello") || !strings.Contains(got[0], "bob@mail.test") {
		t.Errorf("messages %q", got)
	}
	if got := s.Logins(); !slices.Equal(got, []string{"PLAIN", "PLAIN", "PLAIN"}) {
		t.Errorf("logins %q", got)
	}
	s.Echo("you there")
	if err := send("right-and-long"); err == nil || !strings.Contains(err.Error(), "you there") {
		t.Errorf("no echo: %v", err)
	}
	if n := s.TLS.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
}
