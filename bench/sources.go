package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// sourceName is the name in httptest's certificate. The host reaches it by an
// exception, the native client by a dialler of its own.
const sourceName = "example.com"

const (
	itemBytes    = 16 << 10
	messageBytes = 1 << 20
)

// sources are the servers of a measurement, in this process: HTTP/1.1 and
// HTTP/2 over TLS, and IMAP over TLS.
type sources struct {
	http1, http2 *httptest.Server
	imap         net.Listener
	roots        *x509.CertPool
	password     string
	texts        map[string][]byte // a MiB each, sent again and again
	items        atomic.Int64      // how many were sent
}

// startSources starts servers that want password for everything but /open.
func startSources(password string) (*sources, error) {
	s := &sources{password: password, texts: texts()}
	s.http1 = httptest.NewTLSServer(s)
	s.http2 = httptest.NewUnstartedServer(s)
	s.http2.EnableHTTP2 = true
	s.http2.StartTLS()
	s.roots = x509.NewCertPool()
	for _, server := range []*httptest.Server{s.http1, s.http2} {
		s.roots.AddCert(server.Certificate())
	}
	var err error
	s.imap, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: s.http1.TLS.Certificates})
	if err != nil {
		s.close()
		return nil, err
	}
	go s.serveIMAP()
	return s, nil
}

func (s *sources) close() {
	s.http1.Close()
	s.http2.Close()
	if s.imap != nil {
		s.imap.Close()
	}
}

// url returns an address by name, and where it leads.
func url(scheme string, at net.Addr) (string, netip.AddrPort) {
	addr := at.(*net.TCPAddr).AddrPort()
	return fmt.Sprintf("%s://%s:%d", scheme, sourceName, addr.Port()), addr
}

// ServeHTTP answers /item with 16 KiB of JSON, and /TEXT?bytes=N with so much
// of a text; /open/TEXT is for everybody.
func (s *sources) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, open := strings.CutPrefix(r.URL.Path, "/open")
	if !open && r.Header.Get("Authorization") != "Bearer "+s.password {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if path == "/item" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(itemBytes))
		s.items.Add(1)
		_, _ = w.Write(s.texts["JSON"][:itemBytes])
		return
	}
	text, size := s.texts[strings.TrimPrefix(path, "/")], r.URL.Query().Get("bytes")
	left, err := strconv.Atoi(size)
	if text == nil || err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", size)
	for left > 0 {
		n, err := w.Write(text[:min(left, len(text))])
		if err != nil {
			return
		}
		left -= n
	}
}

func (s *sources) serveIMAP() {
	for {
		conn, err := s.imap.Accept()
		if err != nil {
			return
		}
		go s.serveMailbox(conn)
	}
}

// serveMailbox is IMAP as far as work.Mailbox speaks it.
func (s *sources) serveMailbox(conn net.Conn) {
	defer conn.Close()
	message := s.texts["mail"][:messageBytes]
	in, out := bufio.NewReader(conn), bufio.NewWriterSize(conn, 64<<10)
	fmt.Fprint(out, "* OK ready\r\n")
	for out.Flush() == nil {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		verb, rest, _ := strings.Cut(command, " ")
		switch {
		case verb == "LOGIN" && !strings.Contains(rest, `"`+s.password+`"`):
			fmt.Fprintf(out, "%s NO who are you?\r\n", tag)
			continue
		case verb == "SELECT":
			fmt.Fprint(out, "* 1 EXISTS\r\n")
		case verb == "FETCH":
			fmt.Fprintf(out, "* 1 FETCH (BODY[] {%d}\r\n", len(message))
			_, _ = out.Write(message)
			fmt.Fprint(out, ")\r\n")
		}
		fmt.Fprintf(out, "%s OK done\r\n", tag)
	}
}

// texts are what sources send: JSON as of an API, a mail of quoted-printable
// text and an attachment, and bytes that are no text, as of a picture.
func texts() map[string][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	const size = 1 << 20
	list := []map[string]any{}
	for i := range size / 300 {
		list = append(list, map[string]any{"id": i, "node_id": randomValue(rnd, 24), "title": prose(rnd, 60), "body": prose(rnd, 150) + "\n" + prose(rnd, 40),
			"url": fmt.Sprintf("https://api.example.com/repos/a/b/%d?page=%d&per_page=50", i, i), "created_at": "2024-05-01T10:11:12Z", "score": rnd.Float64()})
	}
	all, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and numbers
	}
	binary := make([]byte, size)
	for i := range binary {
		binary[i] = byte(rnd.Uint32())
	}
	return map[string][]byte{"JSON": all[:size], "binary": binary, "mail": mail(rnd, binary, size)}
}

func mail(rnd *rand.Rand, attached []byte, size int) []byte {
	var b strings.Builder
	b.WriteString("From: a@example.com\r\nTo: b@example.com\r\nSubject: " + prose(rnd, 40) + "\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" +
		"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	for b.Len() < size/4 {
		b.WriteString(prose(rnd, 66) + "=C3=A9=20=\r\n")
	}
	b.WriteString("\r\n--x\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for i := 0; b.Len() < size; i += 57 {
		b.WriteString(base64.StdEncoding.EncodeToString(attached[i:i+57]) + "\r\n")
	}
	return []byte(b.String()[:size])
}

func prose(rnd *rand.Rand, n int) string {
	words := strings.Fields("the connector lists what changed since its cursor and writes a record for each message " +
		"that it has not seen yet 2024 inbox from sent thread 17 label attachment subject reply")
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[rnd.IntN(len(words))] + " ")
	}
	return b.String()[:n]
}

func randomValue(rnd *rand.Rand, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rnd.IntN(len(alphabet))]
	}
	return string(b)
}
