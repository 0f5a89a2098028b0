package egress

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkGet measures this client against a plain net/http transport, over
// the same server: a small answer, and a large one in the host's pieces.
func BenchmarkGet(b *testing.B) {
	small, piece := make([]byte, 16<<10), make([]byte, 256<<10)
	const large = 256 << 20
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			_, _ = w.Write(small)
			return
		}
		for range large / len(piece) {
			_, _ = w.Write(piece)
		}
	})
	for _, proto := range []string{"HTTP1", "HTTP2"} {
		srv := httptest.NewUnstartedServer(handler)
		srv.EnableHTTP2 = proto == "HTTP2"
		srv.StartTLS()
		at := srv.Listener.Addr().(*net.TCPAddr).AddrPort()
		native := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(srv), ServerName: "example.com"}, ForceAttemptHTTP2: true}
		ours := NewClient(NewTransport(NewDialer(Exceptions{"example.com": {at}}, nil), rootsOf(srv)), Limits{})
		for _, size := range []string{"small", "large"} {
			b.Run(proto+"/"+size+"/native", func(b *testing.B) { fetch(b, native, "https://"+at.String()+"/"+size) })
			b.Run(proto+"/"+size+"/ours", func(b *testing.B) { fetch(b, ours, "https://example.com:"+itoa(at.Port())+"/"+size) })
		}
		native.CloseIdleConnections()
		ours.CloseIdleConnections()
		srv.Close()
	}
}

func fetch(b *testing.B, t http.RoundTripper, url string) {
	buf := make([]byte, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		res, err := t.RoundTrip(request(b.Context(), "GET", url, ""))
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.CopyBuffer(onlyWriter{}, res.Body, buf)
		if err != nil || res.Body.Close() != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}

type onlyWriter struct{}

func (onlyWriter) Write(p []byte) (int, error) { return len(p), nil }
