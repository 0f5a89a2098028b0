// Package egress connects to sources: only to addresses that are allowed, and
// over nothing but what was checked.
//
// # Promise
//
// A name is resolved once, every address it has is checked, and the
// connection goes to a checked address: a resolver that changes its answer
// gains nothing. Loopback, private, link-local, shared (CGNAT), metadata and
// all other special-purpose addresses are refused, in any spelling, unless
// the operator excepted that exact name for that exact address. No proxy is
// asked, no redirect followed, and TLS is always verified.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"code.dny.dev/ssrf"

	"github.com/sallyport-host/sallyport/abi"
)

// The times a connection may take.
const (
	DialTimeout = 15 * time.Second
	TLSTimeout  = 15 * time.Second
	IdleTimeout = 90 * time.Second
)

// The errors of a dialer, beside a [*AddressError].
var (
	// ErrAddress is wrapped when an address is refused.
	ErrAddress = errors.New("address refused")
	// ErrNoAddress is wrapped when a name has none.
	ErrNoAddress = errors.New("its name does not resolve")
	// ErrConnect is wrapped when no address of a name answers.
	ErrConnect = errors.New("no connection")
)

// AddressError says which name was refused, and why.
type AddressError struct {
	Host   string
	Reason string
}

func (e *AddressError) Error() string { return e.Host + ": " + e.Reason }

// Unwrap returns [ErrAddress].
func (e *AddressError) Unwrap() error { return ErrAddress }

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

// Dialer opens TCP connections to checked addresses. It is safe for
// concurrent use.
type Dialer struct {
	exceptions Exceptions
	lookup     Lookup
	guard      *ssrf.Guardian
}

// NewDialer returns a dialer. A nil lookup is the system's resolver.
func NewDialer(exceptions Exceptions, lookup Lookup) *Dialer {
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return &Dialer{exceptions: exceptions, lookup: lookup, guard: ssrf.New(ssrf.WithAnyPort())}
}

// DialContext connects to host:port. Its errors name the host, never an
// address that the owner did not write.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &AddressError{Host: address, Reason: "it is not a host and a port"}
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, &AddressError{Host: host, Reason: "its port is not a number"}
	}
	addrs, err := d.addresses(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: DialTimeout}
	var failed error
	for _, a := range addrs {
		conn, err := dialer.DialContext(ctx, "tcp", a.String())
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, &connectError{host, failed}
}

// connectError keeps the addresses that were tried out of its text.
type connectError struct {
	host  string
	cause error
}

func (e *connectError) Error() string   { return e.host + ": " + ErrConnect.Error() }
func (e *connectError) Unwrap() []error { return []error{ErrConnect, e.cause} }

// addresses returns where host may be reached. One special address among
// those of a name refuses the name: no honest one has it.
func (d *Dialer) addresses(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if a, ok := d.exceptions.For(host, port); ok {
		return []netip.AddrPort{a}, nil
	}
	if len(d.exceptions[strings.ToLower(host)]) > 0 {
		return nil, &AddressError{Host: host, Reason: fmt.Sprintf("the operator's exception is for another port than %d", port)}
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		a = a.Unmap()
		network := "tcp6"
		if a.Is4() {
			network = "tcp4"
		}
		ap := netip.AddrPortFrom(a, port)
		if a.Zone() != "" || d.guard.Safe(network, ap.String(), nil) != nil {
			return nil, &AddressError{Host: host, Reason: "it is at a loopback, private or otherwise special address"}
		}
		out = append(out, ap)
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
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", host, ErrNoAddress)
	}
	return addrs, nil
}

// NewTransport returns a transport over d. A nil roots is the system's pool.
func NewTransport(d *Dialer, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    TLSTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        abi.MaxHandles, // those still being dialled for a request that was given up among them
		IdleConnTimeout:        IdleTimeout,
		MaxResponseHeaderBytes: abi.MaxResponseHeadBytes,
	}
}
