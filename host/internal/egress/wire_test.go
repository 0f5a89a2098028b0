package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rawSource answers each connection's first request with fixed bytes, and
// hangs up. It counts what it was sent.
type rawSource struct {
	net.Listener
	mu   sync.Mutex
	sent bytes.Buffer
	done sync.WaitGroup
}

func startRaw(t *testing.T, answer string) (*rawSource, *Client) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawSource{Listener: l}
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.serve(conn, answer) })
		}
	})
	at := netip.MustParseAddrPort(l.Addr().String())
	c := NewClient(NewTransport(NewDialer(Exceptions{"source.example": {netip.AddrPortFrom(at.Addr(), at.Port())}}, nil), nil), Limits{})
	t.Cleanup(func() { _ = l.Close(); c.CloseIdleConnections(); s.done.Wait() })
	return s, c
}

func (s *rawSource) serve(conn net.Conn, answer string) {
	defer conn.Close()
	r := bufio.NewReader(io.TeeReader(conn, s))
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			break
		}
	}
	_, _ = io.WriteString(conn, answer)
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, r)
}

func (s *rawSource) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.Write(p)
}

func (s *rawSource) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.String()
}

func (s *rawSource) url(path string) string {
	return "http://source.example:" + strconv.Itoa(s.Addr().(*net.TCPAddr).Port) + path
}

// TestAmbiguousAnswers pins down how answers are read that some read in
// another way: refused, or read as RFC 9112 says.
func TestAmbiguousAnswers(t *testing.T) {
	log.SetOutput(io.Discard) // net/http tells it of bytes after an answer's end
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	const ok = "HTTP/1.1 200 OK\r\n"
	huge := strings.Repeat("a", 300<<10)
	for name, try := range map[string]struct{ answer, body string }{ // a body of "-": an error
		"lengths that differ":            {ok + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", "-"},
		"lengths that differ, in a list": {ok + "Content-Length: 3, 5\r\n\r\nabcde", "-"},
		"the same length twice":          {ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabcde", "abc"},
		"a length with a sign":           {ok + "Content-Length: +3\r\n\r\nabcde", "-"},
		"a negative length":              {ok + "Content-Length: -3\r\n\r\nabcde", "-"},
		"a hexadecimal length":           {ok + "Content-Length: 0x3\r\n\r\nabcde", "-"},
		"a length past its number":       {ok + "Content-Length: 18446744073709551617\r\n\r\na", "-"},
		"a length and chunks":            {ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", "abcde"},
		"chunks and another coding":      {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "-"},
		"chunks twice":                   {ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "-"},
		"chunked, misspelt":              {ok + "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc", "-"},
		"chunked after a tab":            {ok + "Transfer-Encoding:\x0bchunked\r\nContent-Length: 3\r\n\r\nabc", "-"},
		"a space before the colon":       {ok + "Content-Length : 3\r\n\r\nabcde", "-"},
		"a space in another name":        {ok + "X-A : 3\r\nContent-Length: 3\r\n\r\nabcde", "abc"},
		"a folded header":                {ok + "Content-Length:\r\n 3\r\nX: y\r\n\r\nabc", "abc"},
		"a fold before all headers":      {ok + " X: y\r\n\r\n", "-"},
		"a bare CR in a header":          {ok + "X: a\rContent-Length: 1\r\nContent-Length: 3\r\n\r\nabc", "-"},
		"a NUL in a header":              {ok + "X: a\x00b\r\n\r\n", "-"},
		"a NUL in a header's name":       {ok + "X\x00: a\r\n\r\n", "-"},
		"a header without a name":        {ok + ": a\r\n\r\n", "-"},
		"a line that is no header":       {ok + "nonsense\r\n\r\n", "-"},
		"a chunk's extension":            {ok + "Transfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\n\r\n", "abc"},
		"a chunk's extension with a CR":  {ok + "Transfer-Encoding: chunked\r\n\r\n3;x\ry\r\nabc\r\n0\r\n\r\n", "-"},
		"an extension without end":       {ok + "Transfer-Encoding: chunked\r\n\r\n3;" + huge, "-"},
		"a chunk size that is none":      {ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n", "-"},
		"a chunk size with a sign":       {ok + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", "-"},
		"a chunk size with 0x":           {ok + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "-"},
		"a chunk size past its number":   {ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", "-"},
		"an empty chunk size":            {ok + "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", "-"},
		"a chunk longer than its size":   {ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "-"},
		"a chunk that is cut off":        {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "-"},
		"chunks without their end":       {ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "-"},
		"a body that is cut off":         {ok + "Content-Length: 5\r\n\r\nabc", "-"},
		"two answers":                    {ok + "Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz", "abc"},
		"trailers":                       {ok + "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: canary-e21\r\n\r\n", "abc"},
		"trailers without end":           {ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: " + huge, "-"},
		"a version that is none":         {"HTTP/9.9 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"},
		"no version":                     {"200 OK\r\n\r\n", "-"},
		"a status of four digits":        {"HTTP/1.1 2000 OK\r\n\r\n", "-"},
		"a negative status":              {"HTTP/1.1 -20 OK\r\n\r\n", "-"},
		"a head past its bound":          {ok + "X: " + huge + "\r\n\r\n", "-"},
		"heads past their bound":         {ok + strings.Repeat("X: "+huge[:1000]+"\r\n", 300) + "\r\n", "-"},
		"early hints":                    {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nabc", "abc"},
		"hints without end":              {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 10000), "-"},
		"another protocol":               {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := startRaw(t, try.answer)
			req := request(t.Context(), "POST", s.url("/"), "") // POST: net/http does not ask twice
			res, err := c.RoundTrip(req)
			var b []byte
			if err == nil {
				b, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
				for name := range res.Header {
					if strings.Contains(name, " ") {
						t.Errorf("a header's name is %q", name)
					}
				}
				if res.Trailer != nil {
					t.Error("the answer has trailers")
				}
			}
			if try.body == "-" && err == nil || try.body != "-" && (err != nil || string(b) != try.body) {
				t.Errorf("read as %q, %v; want %q", b, err, try.body)
			}
			if n := strings.Count(s.got(), "POST "); n != 1 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

// TestAmbiguousRequestsDoNotLeave sends what a guest might try, past the
// host's own checks: no byte of it may arrive.
func TestAmbiguousRequestsDoNotLeave(t *testing.T) {
	s, c := startRaw(t, "HTTP/1.1 204 No Content\r\n\r\n")
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{value} }
	}
	for name, spoil := range map[string]func(*http.Request){
		"CR LF in a value":     header("X", "a\r\nY: b"),
		"a bare CR in a value": header("X", "a\rb"),
		"a bare LF in a value": header("X", "a\nb"),
		"a fold in a value":    header("X", "a\r\n b"),
		"NUL in a value":       header("X", "a\x00b"),
		"DEL in a value":       header("X", "a\x7fb"),
		"CR LF in a name":      header("X\r\nY", "b"),
		"a colon in a name":    header("X:", "b"),
		"a space in a name":    header("X ", "b"),
		"no name":              header("", "b"),
		"a pseudo-header":      header(":path", "/other"),
		"a name beyond ASCII":  header("X\u0130", "b"),
		"Content-Length":       header("Content-Length", "5"),
		"Transfer-Encoding":    header("Transfer-Encoding", "chunked"),
		"transfer_encoding":    header("transfer_encoding", "chunked"),
		"Host":                 header("Host", "evil.example"),
		"Connection":           header("Connection", "Authorization"),
		"Upgrade":              header("Upgrade", "websocket"),
		"HTTP2-Settings":       header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
		"TE":                   header("TE", "trailers"),
		"Trailer":              header("Trailer", "X"),
		"Expect":               header("Expect", "100-continue"),
		"Proxy-Authorization":  header("Proxy-Authorization", "x"),
		"Proxy-Connection":     header("proxy-connection", "x"),
		"a CR in the path": func(r *http.Request) {
			r.URL = &url.URL{Scheme: "http", Host: r.URL.Host, Opaque: "//" + r.URL.Host + "/\r\nX: y"}
		},
		"a space in the query":         func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1" },
		"CR LF in the query":           func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" },
		"a tab in the query":           func(r *http.Request) { r.URL.RawQuery = "a\tb" },
		"UTF-8 in the query":           func(r *http.Request) { r.URL.RawQuery = "\u010d\u010a" },
		"another Host":                 func(r *http.Request) { r.Host = "evil.example" },
		"a CR in the URL's host":       func(r *http.Request) { r.URL.Host += "\r\nX: y" },
		"no host":                      func(r *http.Request) { r.URL.Host = "" },
		"a user":                       func(r *http.Request) { r.URL.User = url.UserPassword("a", "b") },
		"another scheme":               func(r *http.Request) { r.URL.Scheme = "ftp" },
		"a method with a space":        func(r *http.Request) { r.Method = "GET /other HTTP/1.1\r\nX:" },
		"no method":                    func(r *http.Request) { r.Method = "" },
		"CONNECT":                      func(r *http.Request) { r.Method = "CONNECT" },
		"a path that begins elsewhere": func(r *http.Request) { r.URL.Path = "other.example/"; r.URL.Opaque = "other.example/" },
		"framing of its own":           func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"trailers":                     func(r *http.Request) { r.Trailer = http.Header{"X": {"y"}} },
	} {
		req := request(t.Context(), "POST", s.url("/"), "body")
		closed := &closeCounter{}
		req.Body = closed
		spoil(req)
		if _, err := c.RoundTrip(req); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v, want ErrRequest", name, err)
		}
		if closed.n == 0 {
			t.Errorf("%s: its body was not closed", name)
		}
	}
	if got := s.got(); got != "" {
		t.Errorf("the source was sent %d bytes", len(got))
	}
}

// FuzzWire writes requests as net/http does, and reads them back as a server:
// what passes is one request, and the one that was meant.
func FuzzWire(f *testing.F) {
	f.Add("GET", "/a/b", "x=1", "Accept", "text/plain")
	f.Add("REPORT", "/a%20b", "", "X-A", "\xe9\t ")
	f.Add("GET", "/\r\nX: y", "a b", "X\r\n", "a\r\n b")
	f.Add("GET", "//evil.example/", "#", "Content_Length", "1")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string) {
		req := (&http.Request{
			Method: method, URL: &url.URL{Scheme: "https", Host: "source.example", Path: path, RawQuery: query},
			Header: http.Header{name: {value}}, ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(context.Background())
		if wellFormed(req) != nil {
			return
		}
		var wire bytes.Buffer
		if err := req.Write(&wire); err != nil {
			return // net/http is stricter
		}
		r := bufio.NewReader(&wire)
		got, err := http.ReadRequest(r)
		if err != nil {
			t.Fatalf("cannot be read back: %v", err)
		}
		if got.Method != method || got.RequestURI != req.URL.RequestURI() || got.Host != "source.example" || got.ContentLength > 0 || len(got.TransferEncoding) > 0 {
			t.Fatalf("read back as %q %q %q", got.Method, got.RequestURI, got.Host)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Fatalf("%d bytes follow the request", len(rest))
		}
		delete(got.Header, "User-Agent")
		if got.Header.Get("Content-Length") == "0" { // net/http's, of a PUT without a body
			delete(got.Header, "Content-Length")
		}
		if len(got.Header) > 1 {
			t.Fatalf("%d headers were made of one", len(got.Header))
		}
	})
}
