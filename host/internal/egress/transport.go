package egress

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// What an HTTP/2 connection holds and how a dead one is found.
const (
	streamWindow = 1 << 20                       // bytes of one answer that nobody has read yet
	connWindow   = abi.MaxHandles * streamWindow // so that unread answers never hold up the others
	pingAfter    = 30 * time.Second              // without a frame
	pingTimeout  = 15 * time.Second
)

// NewTransport returns a transport over d, for HTTP/1.1 and HTTP/2. A nil
// roots is the system's pool. The head of an answer is bounded by
// [abi.MaxResponseHeadBytes]; its trailers are there as net/http has them: use
// a [Client] over it.
func NewTransport(d *Dialer, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:       nil,
		DialContext: d.DialContext,
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, port, err := splitAddress(address)
			if err != nil {
				return nil, err
			}
			conn, err := d.dial(ctx, host, port)
			if err != nil {
				return nil, err
			}
			return handshake(ctx, conn, host, roots, "h2", "http/1.1")
		},
		ForceAttemptHTTP2: true,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connWindow,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
		ResponseHeaderTimeout:  HeadTimeout,
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        abi.MaxHandles, // those still being dialled for a request that was given up among them
		IdleConnTimeout:        IdleTimeout,
		MaxResponseHeaderBytes: abi.MaxResponseHeadBytes,
	}
}
