package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/sallyport-host/sallyport/manifests"
)

// Stream connects to an imaps, smtps or tls origin and begins TLS, verified
// for its host; a nil roots is the system's pool. Address and bounds are as
// for [Dialer.DialContext] and [TLSTimeout]. ctx bounds the opening only: what
// is read and written later is the caller's to bound, by deadlines.
func (d *Dialer) Stream(ctx context.Context, o manifests.Origin, roots *x509.CertPool) (*tls.Conn, error) {
	switch o.Scheme {
	case "imaps", "smtps", "tls":
	default:
		return nil, &AddressError{Host: o.Host, Reason: "a " + o.Scheme + " origin is not a TLS stream"}
	}
	conn, err := d.dial(ctx, o.Host, o.Port)
	if err != nil {
		return nil, err
	}
	return handshake(ctx, conn, o.Host, roots)
}

// Plain connects to an imap or smtp origin without TLS, for a caller that asks
// for STARTTLS itself and then goes on with [Upgrade]. Nothing that is secret
// may be written to it.
func (d *Dialer) Plain(ctx context.Context, o manifests.Origin) (net.Conn, error) {
	switch o.Scheme {
	case "imap", "smtp":
	default:
		return nil, &AddressError{Host: o.Host, Reason: "a " + o.Scheme + " origin is not one that begins in plain text"}
	}
	return d.dial(ctx, o.Host, o.Port)
}

// Upgrade begins TLS on a connection of [Dialer.Plain], verified for host. The
// caller has read the server's consent byte by byte, and throws away what else
// it has read: anyone may have put that in (CVE-2011-0411). When Upgrade
// fails, conn is closed, so that nothing goes on in plain text.
func (d *Dialer) Upgrade(ctx context.Context, conn net.Conn, host string, roots *x509.CertPool) (*tls.Conn, error) {
	return handshake(ctx, conn, host, roots)
}
