package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const (
	account  = "ada@mail.example"
	password = `CANARY "31c2d8\` // the connector never has it
)

// received is when the tests' messages came, unless they say otherwise.
var received = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// server is an IMAP server of one account.
type mailServer struct {
	t      *testing.T
	user   *imapmemserver.User
	imap   *imapserver.Server
	listen net.Listener

	mu   sync.Mutex
	edit func([]byte) ([]byte, error) // of what the server says; an error breaks off
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	s := &mailServer{t: t, user: imapmemserver.NewUser(account, password)}
	memory := imapmemserver.New()
	memory.AddUser(s.user)
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	var err error
	if s.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.imap.Serve(s.listen) }()
	t.Cleanup(func() { _ = s.imap.Close() })
	s.create("INBOX")
	return s
}

func (s *mailServer) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *mailServer) create(folder string) { s.t.Helper(); s.must(s.user.Create(folder, nil)) }

// add appends a message and returns its key.
func (s *mailServer) add(folder, text string, flags ...imap.Flag) string {
	s.t.Helper()
	raw := strings.ReplaceAll(text, "\n", "\r\n")
	data, err := s.user.Append(folder, literal{strings.NewReader(raw), int64(len(raw))}, &imap.AppendOptions{Flags: flags, Time: received})
	s.must(err)
	return messageID(folder, data.UIDValidity, uint32(data.UID))
}

type literal struct {
	io.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

// do runs f with the folder open for changes.
func (s *mailServer) do(folder string, f func(c *imapclient.Client) error) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.listen.Addr().String())
	s.must(err)
	c := imapclient.New(conn, nil)
	defer func() { _ = c.Close() }()
	s.must(c.Login(account, password).Wait())
	_, err = c.Select(folder, nil).Wait()
	s.must(err)
	s.must(f(c))
}

func (s *mailServer) setFlags(folder string, uid imap.UID, flags ...imap.Flag) {
	s.t.Helper()
	s.do(folder, func(c *imapclient.Client) error {
		return c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: imap.StoreFlagsSet, Silent: true, Flags: flags}, nil).Close()
	})
}

func (s *mailServer) expunge(folder string, uid imap.UID) {
	s.t.Helper()
	s.setFlags(folder, uid, imap.FlagDeleted)
	s.do(folder, func(c *imapclient.Client) error { return c.Expunge().Close() })
}

// host is a host that reaches the server.
func (s *mailServer) host(streams ...string) sallyporttest.Host {
	if len(streams) == 0 {
		streams = []string{messagesStream, labelsStream, bodiesStream, attachmentsStream}
	}
	return sallyporttest.Host{
		Streams: streams, Options: map[string]any{"host": "mail.example", "port": 993},
		Identities: map[string]string{accountName: account}, Credentials: map[string]string{passwordName: password},
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			if address != "imaps://mail.example:993" {
				s.t.Errorf("it dialled %s", address)
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.listen.Addr().String())
			return edited{conn, s}, err
		},
	}
}

// edited is a connection whose server says what edit makes of it.
type edited struct {
	net.Conn
	server *mailServer
}

func (e edited) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	e.server.mu.Lock()
	defer e.server.mu.Unlock()
	if e.server.edit == nil || n == 0 {
		return n, err
	}
	text, broken := e.server.edit(bytes.Clone(p[:n]))
	if len(text) > len(p) {
		e.server.t.Error("edit makes it longer than fits")
	}
	return copy(p, text), broken
}

func (s *mailServer) editing(edit func([]byte) ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edit = edit
}

// succeeded runs the connector and expects it to end well.
func succeeded(t *testing.T, h sallyporttest.Host) *sallyporttest.Result {
	t.Helper()
	return ended(t, h, collect)
}

func ended(t *testing.T, h sallyporttest.Host, connector func(context.Context, *sallyport.Run) error) *sallyporttest.Result {
	t.Helper()
	r := h.Run(connector)
	if r.Done.Status != abi.Succeeded || len(r.Problems) != 0 || r.Open != 0 {
		t.Fatalf("ended as %+v, %d open, problems %q", r.Done, r.Open, r.Problems)
	}
	return r
}

// reasons are those of what was skipped.
func reasons(r *sallyporttest.Result) (all []string) {
	for _, raw := range r.Skips {
		var s struct{ Reason string }
		if json.Unmarshal(raw, &s) == nil {
			all = append(all, s.Reason)
		}
	}
	return all
}

// told are the records of a stream: keys, a minus before those deleted.
func told(r *sallyporttest.Result, stream string) (keys []string) {
	for _, rec := range r.Of(stream) {
		key := strings.Join(rec.Key, " ")
		if rec.Delete {
			key = "-" + key
		}
		keys = append(keys, key)
	}
	return keys
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// decoded are the records of a stream, by key.
func decoded[T any](t *testing.T, r *sallyporttest.Result, stream string) map[string]T {
	t.Helper()
	all := map[string]T{}
	for _, rec := range r.Of(stream) {
		if rec.Delete {
			continue
		}
		var v T
		if err := json.Unmarshal(rec.Data, &v); err != nil {
			t.Fatal(err)
		}
		all[strings.Join(rec.Key, " ")] = v
	}
	return all
}

// plain is a small message.
func plain(subject, text string) string {
	return fmt.Sprintf("From: Grace Hopper <grace@navy.example>\nTo: Ada <%s>\nSubject: %s\nDate: Tue, 24 Nov 2026 09:59:00 +0100\n"+
		"Message-ID: <%s@navy.example>\nContent-Type: text/plain; charset=utf-8\n\n%s\n", account, subject, strings.ReplaceAll(subject, " ", "-"), text)
}
