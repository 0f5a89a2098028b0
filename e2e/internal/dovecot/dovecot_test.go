package dovecot_test

import (
	"crypto/tls"
	"testing"

	"github.com/sallyport-host/sallyport/e2e/internal/dovecot"
)

// TestServer holds the stand to what tests rely on: a login, a certificate that
// the CA vouches for, connections that are counted and broken off.
func TestServer(t *testing.T) {
	s := dovecot.Start(t, "mail.test", "alice", "right-and-long")
	s.Do("CREATE Box", "APPEND Box (\\Seen)\nSubject: x\n\nx\n", "SELECT Box")
	s.SetPassword("another-and-long")
	s.Do("NOOP")
	dial := func() error {
		conn, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{RootCAs: s.Roots, ServerName: "mail.test"})
		if err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
		return err
	}
	if err := dial(); err != nil {
		t.Error(err)
	}
	s.BreakOffAfter(0)
	if err := dial(); err == nil {
		t.Error("it was not broken off")
	}
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}
