package hostile_test

import (
	"bufio"
	"compress/gzip"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// network is the source, one more origin that the owner has approved (the
// drop), and a mail server.
type network struct {
	home, drop *httptest.Server
	mail       net.Listener

	homeURL, dropURL, mailURL string

	mu      sync.Mutex
	got     []seen
	mailGot strings.Builder
	profile string // what the source was asked to keep
	kept    string // the credential that it saw
	free    chan struct{}
}

// seen is a request as it came.
type seen struct {
	host, path string
	all        string // method, target, headers, body
}

func newNetwork(t *testing.T) *network {
	n := &network{free: make(chan struct{})}
	n.home = httptest.NewTLSServer(http.HandlerFunc(n.serveHome))
	n.drop = httptest.NewTLSServer(http.HandlerFunc(n.serveDrop))
	n.homeURL = "https://home.example.com:" + portOf(n.home.Listener)
	n.dropURL = "https://drop.example.com:" + portOf(n.drop.Listener)
	var err error
	n.mail, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: n.home.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	n.mailURL = "imaps://mail.example.com:" + portOf(n.mail)
	go n.serveMail()
	t.Cleanup(func() {
		close(n.free)
		_ = n.mail.Close()
		n.home.Close()
		n.drop.Close()
	})
	return n
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// addresses are the names that the operator lets through to loopback.
func (n *network) addresses() map[string]string {
	return map[string]string{"home.example.com": n.home.Listener.Addr().String(), "drop.example.com": n.drop.Listener.Addr().String(), "mail.example.com": n.mail.Addr().String()}
}

// fill puts the origins into a manifest.
func (n *network) fill(manifest string) string {
	return strings.NewReplacer(`"HOME"`, `"`+n.homeURL+`"`, `"DROP"`, `"`+n.dropURL+`"`, `"MAIL"`, `"`+n.mailURL+`"`, ":PORT", ":"+portOf(n.home.Listener)).Replace(manifest)
}

// plain takes ports out of a text, which differ from run to run.
func (n *network) plain(text string) string {
	return strings.NewReplacer(":"+portOf(n.home.Listener), ":PORT", ":"+portOf(n.drop.Listener), ":DROP", ":"+portOf(n.mail), ":MAIL").Replace(text)
}

func (n *network) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = nil
	n.mailGot.Reset()
}

// keep makes the source remember a value from an earlier run.
func (n *network) keep(value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept, n.profile = value, ""
}

func (n *network) requests() ([]seen, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]seen(nil), n.got...), n.mailGot.String()
}

// note keeps a request, and returns its body.
func (n *network) note(name string, req *http.Request) string {
	body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	var all strings.Builder
	fmt.Fprintf(&all, "%s %s %s\n", req.Method, req.Host, req.RequestURI)
	_ = req.Header.Write(&all)
	all.Write(body)
	n.mu.Lock()
	n.got = append(n.got, seen{name, req.URL.Path, all.String()})
	n.mu.Unlock()
	return string(body)
}

func (n *network) serveDrop(w http.ResponseWriter, req *http.Request) {
	n.note("drop", req)
	switch req.URL.Path {
	case "/give":
		fmt.Fprint(w, values["TOKEN"])
	case "/minted":
		fmt.Fprint(w, values["MINTED"])
	default:
		fmt.Fprint(w, "dropped")
	}
}

func (n *network) serveHome(w http.ResponseWriter, req *http.Request) {
	body := n.note("home", req)
	v := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	path := req.URL.Path
	if how, ok := strings.CutPrefix(path, "/auth/echo/"); ok {
		echo(w, strings.ReplaceAll(how, "-", " "), v)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch path {
	case "/auth/keep":
		n.kept = v
	case "/open/kept":
		fmt.Fprint(w, "you said "+n.kept)
	case "/auth/show":
		fmt.Fprint(w, "shown")
	case "/auth/redirect":
		w.Header().Set("Location", n.dropURL+"/landed?t="+url.QueryEscape(v))
		w.WriteHeader(http.StatusFound)
	case "/auth/redirect-home":
		w.Header().Set("Location", "/open/landed")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "/auth/upgrade":
		raw(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"+v)
	case "/auth/asked":
		fmt.Fprintf(w, "asked for %q", req.Header.Get("Accept-Encoding"))
	case "/auth/profile", "/json/profile", "/form/profile":
		n.profile = body
	case "/open/profile":
		fmt.Fprint(w, n.profile)
	case "/auth/cookie":
		w.Header().Set("Set-Cookie", "id="+values["COOKIE"]+"; Path=/; HttpOnly")
	case "/auth/wide-cookie":
		w.Header().Set("Set-Cookie", "id="+values["COOKIE"]+"; Domain=example.com; Path=/")
	case "/open/crumb":
		fmt.Fprint(w, req.Header.Get("Cookie") == "id="+values["COOKIE"])
	case "/auth/mint":
		fmt.Fprintf(w, `{"token":%q,"note":"shown once"}`, values["MINTED"]+req.URL.Query().Get("n"))
	case "/auth/mint-twice":
		fmt.Fprintf(w, `{"token":"x-not-the-one-1","copy":%q,"token":%q}`, values["MINTED"], values["MINTED"])
	case "/auth/mint-html":
		fmt.Fprintf(w, "<p>%s</p>", values["MINTED"])
	case "/auth/wash":
		fmt.Fprintf(w, `{"laundry":%q}`, v)
	case "/login":
		form, _ := url.ParseQuery(body)
		w.Header().Set("Set-Cookie", "sid="+values["SID"]+"; Path=/")
		if req.URL.RawQuery == "wash" {
			w.Header().Set("Set-Cookie", "sid="+form.Get("password")+"; Path=/")
		}
	case "/open/minted":
		fmt.Fprint(w, "again: "+values["MINTED"])
	case "/open/hang", "/auth/drip", "/auth/head-drip":
		n.mu.Unlock()
		n.linger(w, req)
		n.mu.Lock()
	case "/auth/huge-head":
		for i := range 400 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
		}
	default:
		fmt.Fprint(w, "fine")
	}
}

// linger drips, or says nothing, until nobody listens.
func (n *network) linger(w http.ResponseWriter, req *http.Request) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if req.URL.Path == "/auth/drip" {
				fmt.Fprint(w, ".")
				w.(http.Flusher).Flush()
			}
		case <-req.Context().Done():
			return
		case <-n.free:
			return
		}
	}
}

// raw writes an answer byte by byte as it stands here.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(text))
	_ = conn.Close()
}

// echo writes v into an answer.
func echo(w http.ResponseWriter, how, v string) {
	switch how {
	case "split":
		fmt.Fprint(w, "you said "+v[:len(v)/2])
		w.(http.Flusher).Flush()
		fmt.Fprint(w, v[len(v)/2:]+"!")
	case "base64":
		fmt.Fprint(w, base64.StdEncoding.EncodeToString([]byte("me:"+v)))
	case "hex":
		fmt.Fprint(w, hex.EncodeToString([]byte(v)))
	case "percent":
		fmt.Fprint(w, spell(v, "%%%02X"))
	case "HTML":
		fmt.Fprint(w, spell(v, "&#%d;"))
	case "JSON":
		fmt.Fprint(w, `{"token":"`+spell(v, `\u%04x`)+`"}`)
	case "UTF 16":
		fmt.Fprint(w, spell(v, "%c\x00"))
	case "quoted printable":
		fmt.Fprint(w, v[:5]+"=\r\n"+v[5:])
	case "header":
		w.Header().Set("X-Echo", "you said "+v)
	case "header name":
		w.Header().Set("X-"+v, "1")
	case "location":
		w.Header().Set("Location", "/?t="+url.QueryEscape(v))
		w.WriteHeader(http.StatusSeeOther)
	case "reason":
		raw(w, "HTTP/1.1 200 "+v+"\r\nContent-Length: 0\r\n\r\n")
	case "status line":
		raw(w, v+" 200 OK\r\nContent-Length: 0\r\n\r\n")
	case "trailer":
		w.Header().Set("Trailer", "X-Echo")
		fmt.Fprint(w, "body")
		w.Header().Set("X-Echo", v)
	case "chunk extension":
		raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;t="+v+"\r\nbody\r\n0;t="+v+"\r\n\r\n")
	case "early hint":
		raw(w, "HTTP/1.1 103 Early Hints\r\nLink: <"+v+">\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
	case "HTTP 1.0":
		raw(w, "HTTP/1.0 200 OK\r\n\r\nyou said "+v)
	case "HTTP 0.9":
		raw(w, "you said "+v+"\r\n")
	case "after the end":
		raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"+v)
	case "gzip":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, "you said "+v)
		_ = z.Close()
	case "gzip twice":
		w.Header().Set("Content-Encoding", "gzip, gzip")
		z := gzip.NewWriter(w)
		zz := gzip.NewWriter(z)
		fmt.Fprint(zz, "you said "+v)
		_ = zz.Close()
		_ = z.Close()
	case "another encoding":
		w.Header().Set("Content-Encoding", "br")
		fmt.Fprint(w, "you said "+v)
	case "part":
		w.Header().Set("Content-Range", "bytes 0-9/20")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprint(w, v[:10])
	case "cookie":
		w.Header().Set("Set-Cookie", "id="+v+"; Path=/")
	case "cookie path":
		w.Header().Set("Set-Cookie", "a=b; Path=/"+v)
	case "cookie name":
		w.Header().Set("Set-Cookie", v+"=1")
	default:
		fmt.Fprint(w, "you said "+v)
	}
}

func spell(v, format string) string {
	var out strings.Builder
	for i := range len(v) {
		fmt.Fprintf(&out, format, v[i])
	}
	return out.String()
}

// serveMail speaks as much IMAP as the tricks need, and keeps what it hears.
func (n *network) serveMail() {
	for {
		conn, err := n.mail.Accept()
		if err != nil {
			return
		}
		go n.mailbox(conn)
	}
}

func (n *network) mailbox(conn net.Conn) {
	defer conn.Close()
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("* OK here")
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		n.mu.Lock()
		n.mailGot.WriteString(line)
		n.mu.Unlock()
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb, _, _ := strings.Cut(command, " "); strings.ToUpper(verb) {
		case "FETCH":
			text := "my password is " + values["MAIL_PASSWORD"]
			say("* 1 FETCH (BODY[] {%d}\r\n%s)", len(text), text)
			say("%s OK done", tag)
		case "APPEND":
			if !strings.Contains(line, "+}") {
				say("+ go on")
			}
			message, _ := lines.ReadString('\n')
			n.mu.Lock()
			n.mailGot.WriteString(message)
			n.mu.Unlock()
			say("%s OK kept", tag)
		default:
			say("%s OK %s", tag, verb)
		}
	}
}
