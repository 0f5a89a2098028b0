package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// How the addresses of a name are tried (RFC 8305): one after the other, the
// next when one has failed or has not answered for attemptDelay, the families
// by turns. All of them are checked; no more than maxAttempts are tried.
const (
	attemptDelay = 250 * time.Millisecond
	maxAttempts  = 8
)

// Exceptions maps a name, lower case, to the addresses that an operator
// allows for it.
type Exceptions map[string][]netip.AddrPort

// For returns the address excepted for a name and port.
func (x Exceptions) For(host string, port uint16) (netip.AddrPort, bool) {
	for _, a := range x[strings.ToLower(host)] {
		if a.Port() == port {
			return a, true
		}
	}
	return netip.AddrPort{}, false
}

// Lookup resolves a name.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Resolver returns a lookup by r, which never appends a search domain: what is
// asked for is the name that was decided about. A nil r is the system's.
func Resolver(r *net.Resolver) Lookup {
	if r == nil {
		r = net.DefaultResolver
	}
	return func(ctx context.Context, host string) ([]netip.Addr, error) {
		return r.LookupNetIP(ctx, "ip", host+".")
	}
}

// Dialer opens TCP connections to checked addresses. It is safe for
// concurrent use.
type Dialer struct {
	exceptions Exceptions
	lookup     Lookup
	special    special
	connect    func(context.Context, netip.AddrPort) (net.Conn, error)
}

// NewDialer returns a dialer. A nil lookup is the system's resolver.
func NewDialer(exceptions Exceptions, lookup Lookup) *Dialer {
	if lookup == nil {
		lookup = Resolver(nil)
	}
	return &Dialer{exceptions: exceptions, lookup: lookup, special: newSpecial(), connect: connectTCP}
}

func connectTCP(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", a.String())
}

// DialContext connects to host:port within [DialTimeout]; network is not
// looked at. Its errors name the host, never an address that the owner did
// not write.
func (d *Dialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	return d.dial(ctx, host, port)
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, &AddressError{Host: address, Reason: "it is not a host and a port"}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, &AddressError{Host: host, Reason: "its port is not a number from 1 to 65535"}
	}
	return host, uint16(n), nil
}

func (d *Dialer) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	timed, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	addrs, err := d.addresses(timed, host, port)
	if err != nil {
		return nil, phaseError(ctx, timed, err, host, PhaseResolve)
	}
	conn, err := d.race(timed, byTurns(addrs))
	if err != nil {
		return nil, phaseError(ctx, timed, &connectError{host, err}, host, PhaseConnect)
	}
	return conn, nil
}

// phaseError tells the end of the caller's context and that of a phase from
// other errors.
func phaseError(outer, timed context.Context, err error, host string, phase Phase) error {
	var refused *AddressError
	switch {
	case errors.As(err, &refused):
		return err
	case outer.Err() != nil:
		return context.Cause(outer)
	case timed.Err() != nil:
		return &TimeoutError{Host: host, Phase: phase}
	}
	return err
}

// connectError keeps the addresses that were tried out of its text.
type connectError struct {
	host  string
	cause error
}

func (e *connectError) Error() string   { return e.host + ": " + ErrConnect.Error() }
func (e *connectError) Unwrap() []error { return []error{ErrConnect, e.cause} }

// race connects to the first address that answers. When it returns, no
// attempt goes on.
func (d *Dialer) race(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	if len(addrs) == 1 {
		return d.connect(ctx, addrs[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type attempt struct {
		conn net.Conn
		err  error
	}
	done := make(chan attempt)
	next := time.NewTimer(0)
	defer next.Stop()
	var won net.Conn
	var failed error
	for started, running := 0, 0; running > 0 || won == nil && started < len(addrs); {
		select {
		case <-next.C:
			if won == nil && started < len(addrs) {
				to := addrs[started]
				go func() { conn, err := d.connect(ctx, to); done <- attempt{conn, err} }()
				started, running = started+1, running+1
				next.Reset(attemptDelay)
			}
		case a := <-done:
			running--
			switch {
			case a.err != nil:
				failed = errors.Join(failed, a.err)
				next.Reset(0)
			case won != nil:
				_ = a.conn.Close()
			default:
				won = a.conn
				cancel()
			}
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, failed
}

// byTurns orders addresses so that the families alternate, beginning with that
// of the first, and drops those past [maxAttempts].
func byTurns(addrs []netip.AddrPort) []netip.AddrPort {
	var first, second []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	var out []netip.AddrPort
	for i := 0; i < max(len(first), len(second)); i++ {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out[:min(len(out), maxAttempts)]
}

// addresses returns where host may be reached. One special address among
// those of a name refuses the name: no honest one has it.
func (d *Dialer) addresses(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if a, ok := d.exceptions.For(host, port); ok {
		return []netip.AddrPort{a}, nil
	}
	if len(d.exceptions[strings.ToLower(host)]) > 0 {
		return nil, &AddressError{Host: host, Reason: fmt.Sprintf("the operator's exception is for another port than %d", port)}
	}
	if fault := hostFault(host); fault != "" {
		return nil, &AddressError{Host: host, Reason: fault}
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		if d.special.refuses(a) {
			return nil, &AddressError{Host: host, Reason: reasonSpecial}
		}
		out = append(out, netip.AddrPortFrom(a.Unmap(), port))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", host, ErrNoAddress)
	}
	return out, nil
}

func (d *Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := d.lookup(ctx, host)
	if err == nil {
		return addrs, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsTimeout {
		return nil, &TimeoutError{Host: host, Phase: PhaseResolve}
	}
	return nil, fmt.Errorf("%s: %w", host, ErrNoAddress)
}

// handshake begins TLS on conn within [TLSTimeout], verified for host. It
// closes conn when it fails.
func handshake(ctx context.Context, conn net.Conn, host string, roots *x509.CertPool, protocols ...string) (*tls.Conn, error) {
	timed, cancel := context.WithTimeout(ctx, TLSTimeout)
	defer cancel()
	c := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: protocols})
	if err := c.HandshakeContext(timed); err != nil {
		_ = conn.Close()
		return nil, phaseError(ctx, timed, err, host, PhaseTLS)
	}
	return c, nil
}
