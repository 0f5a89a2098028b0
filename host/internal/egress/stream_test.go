package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/manifests"
)

// startLine serves TLS connections as example.com, which answer a line with
// itself. With plain, they first answer one in plain text.
func startLine(t *testing.T, plain bool, max uint16) (netip.AddrPort, *x509.CertPool) {
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	certs.Close()
	config := &tls.Config{Certificates: certs.TLS.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: max, NextProtos: []string{"h2", "imap"}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				if plain {
					_, _ = io.CopyN(conn, conn, 5)
				}
				c := tls.Server(conn, config)
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return netip.MustParseAddrPort(l.Addr().String()), rootsOf(certs)
}

func echoes(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
}

func TestStream(t *testing.T) {
	at, roots := startLine(t, false, tls.VersionTLS13)
	d := NewDialer(Exceptions{"example.com": {at}, "other.test": {at}}, lookupOf("127.0.0.1"))
	for _, scheme := range []string{"imaps", "smtps", "tls"} {
		c, err := d.Stream(t.Context(), manifests.Origin{Scheme: scheme, Host: "example.com", Port: at.Port()}, roots)
		if err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		if s := c.ConnectionState(); s.NegotiatedProtocol != "" || len(s.VerifiedChains) == 0 || s.ServerName != "example.com" {
			t.Errorf("%s: agreed on %q, verified by %d chains for %q", scheme, s.NegotiatedProtocol, len(s.VerifiedChains), s.ServerName)
		}
		echoes(t, c, "hello")
		_ = c.Close()
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	for host, try := range map[string]struct {
		scheme string
		roots  *x509.CertPool
		fails  func(error) bool
	}{
		"example.com":    {"imaps", x509.NewCertPool(), func(err error) bool { return errors.As(err, &unknown) }},
		"other.test":     {"imaps", roots, func(err error) bool { return errors.As(err, &name) }},
		"source.example": {"imaps", roots, func(err error) bool { return errors.Is(err, ErrAddress) }},
		"127.0.0.1":      {"tls", roots, func(err error) bool { return errors.Is(err, ErrAddress) }},
		"mail.example.com": {"https", roots, func(err error) bool {
			return errors.Is(err, ErrAddress) && strings.Contains(err.Error(), "not a TLS stream")
		}},
	} {
		if c, err := d.Stream(t.Context(), manifests.Origin{Scheme: try.scheme, Host: host, Port: at.Port()}, try.roots); c != nil || !try.fails(err) {
			t.Errorf("%s://%s: %v", try.scheme, host, err)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	at, roots := startLine(t, false, tls.VersionTLS11)
	d := NewDialer(Exceptions{"example.com": {at}}, nil)
	if _, err := d.Stream(t.Context(), manifests.Origin{Scheme: "imaps", Host: "example.com", Port: at.Port()}, roots); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestPlainThenTLS(t *testing.T) {
	at, roots := startLine(t, true, tls.VersionTLS13)
	d := NewDialer(Exceptions{"example.com": {at}}, lookupOf("127.0.0.1"))
	for _, scheme := range []string{"imap", "smtp"} {
		o := manifests.Origin{Scheme: scheme, Host: "example.com", Port: at.Port()}
		conn, err := d.Plain(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, conn, "plain")
		c, err := d.Upgrade(t.Context(), conn, o.Host, roots)
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c, "hidden")
		_ = c.Close()

		conn, err = d.Plain(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, conn, "plain")
		if _, err := d.Upgrade(t.Context(), conn, "other.test", roots); err == nil {
			t.Error("a certificate for another name was taken")
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after a failure the plain connection goes on: %v", err)
		}
	}
	for _, o := range []manifests.Origin{{Scheme: "imaps", Host: "example.com", Port: at.Port()}, {Scheme: "imap", Host: "source.example", Port: at.Port()}} {
		if _, err := d.Plain(t.Context(), o); !errors.Is(err, ErrAddress) {
			t.Errorf("%v: %v", o, err)
		}
	}
}
