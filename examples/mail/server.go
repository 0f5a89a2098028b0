package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/stream"
)

// Times, beside those that the client library has of its own.
const (
	dialTimeout = time.Minute
	// idleTimeout is how long the server may say nothing.
	idleTimeout = 2 * time.Minute
)

// What is about one folder or message, and not about the server.
var (
	// errUnreadable is an answer that the client library cannot read; it gives
	// the connection up.
	errUnreadable = errors.New("an answer that cannot be read")
	// errRefused is a refusal to do what was asked. The connection stands.
	errRefused = errors.New("refused")
)

// server is a connection to the mail server, logged in.
type server struct {
	run               *sallyport.Run
	address           string
	account, password sallyport.Surrogate

	wire     *wire
	client   *imapclient.Client
	caps     imap.CapSet
	examined string // the open folder
	validity uint32 // its UIDVALIDITY
}

func connect(ctx context.Context, run *sallyport.Run) (*server, error) {
	s := &server{run: run, address: "imaps://" + run.Option("host") + ":" + run.Option("port")}
	var err error
	if s.account, err = run.Credential(accountName); err != nil {
		return nil, err
	}
	if s.password, err = run.Credential(passwordName); err != nil {
		return nil, err
	}
	return s, s.open(ctx)
}

// open connects and logs in.
func (s *server) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := stream.Dial(ctx, s.run, s.address)
	if err != nil {
		return err
	}
	s.wire, s.examined = &wire{Conn: conn}, ""
	s.client = imapclient.New(s.wire, &imapclient.Options{WordDecoder: &words})
	if err := s.login(); err != nil {
		s.close()
		return err
	}
	s.caps = s.client.Caps()
	return nil
}

// login logs in. The surrogate becomes the password on its way.
func (s *server) login() error {
	if err := s.client.WaitGreeting(); err != nil {
		return s.failed("greeting", err)
	}
	if s.client.State() == imap.ConnStateAuthenticated {
		return nil
	}
	account, password := string(s.account), string(s.password)
	var err error
	if caps := s.client.Caps(); caps.Has(imap.CapLoginDisabled) || !isASCII(account) {
		err = s.client.Authenticate(sasl.NewPlainClient("", account, password))
	} else {
		err = s.client.Login(account, password).Wait()
	}
	var no *imap.Error
	if !errors.As(err, &no) || no.Type != imap.StatusResponseTypeNo {
		return s.failed("login", err)
	}
	switch no.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit, imap.ResponseCodeServerBug, imap.ResponseCodeContactAdmin:
		return fmt.Errorf("%s: login: %w (%w)", s.address, sallyport.ErrUnavailable, err)
	}
	reason := sallyport.RejectUnauthorized
	if no.Code == imap.ResponseCodeExpired {
		reason = sallyport.RejectExpired
	}
	rejected := fmt.Errorf("%s refused the account or the password: %w", s.address, sallyport.ErrRejected)
	return errors.Join(rejected, s.run.Reject(passwordName, reason))
}

// reopen begins anew after an answer that could not be read, with the same
// folder open.
func (s *server) reopen(ctx context.Context) error {
	folder, validity := s.examined, s.validity
	s.close()
	if err := s.open(ctx); err != nil {
		return err
	}
	data, err := s.examine(folder)
	if err != nil {
		return err
	}
	if data.UIDValidity != validity {
		return fmt.Errorf("%s: folder %s was made anew during the run: %w", s.address, folder, sallyport.ErrUnavailable)
	}
	return nil
}

// examine opens a folder for reading: nothing is marked as seen.
func (s *server) examine(folder string) (*imap.SelectData, error) {
	data, err := s.client.Select(folder, &imap.SelectOptions{ReadOnly: true, CondStore: s.caps.Has(imap.CapCondStore)}).Wait()
	if err != nil {
		return nil, s.failed("open folder "+folder, err)
	}
	s.examined, s.validity = folder, data.UIDValidity
	return data, nil
}

// close ends the connection. There is nothing to lose in it.
func (s *server) close() {
	_ = s.client.Close()
}

// failed makes the error of one of the library's: what the host said of the
// connection comes first, then whether the server is still there.
func (s *server) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	op = s.address + ": " + op
	var said *imap.Error
	switch refused, lost := s.wire.Err(), s.wire.lostBy(); {
	case refused != nil:
		return fmt.Errorf("%s: %w", op, refused)
	case errors.As(err, &said):
		if said.Code == imap.ResponseCodeUnavailable || said.Type == imap.StatusResponseTypeBye {
			return fmt.Errorf("%s: %w (%w)", op, sallyport.ErrUnavailable, err)
		}
		return fmt.Errorf("%s: %w (%w)", op, errRefused, err)
	case lost != nil:
		return fmt.Errorf("%s: the server broke off: %w (%w)", op, sallyport.ErrUnavailable, lost)
	}
	return fmt.Errorf("%s: %w (%w)", op, errUnreadable, err)
}

// wire is the connection as the library sees it. It notes how it was lost,
// which the library's errors do not tell from what it could not read, and bounds
// the wait where the library does not.
type wire struct {
	*stream.Conn

	mu   sync.Mutex
	lost error
}

// Read reads, and notes the first error that is not of this side's closing.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	return n, w.note(err)
}

// Write writes likewise.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	return n, w.note(err)
}

// SetReadDeadline sets one also where the library wants none.
func (w *wire) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(idleTimeout)
	}
	return w.Conn.SetReadDeadline(t)
}

func (w *wire) note(err error) error {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.lost = err
	}
	return err
}

func (w *wire) lostBy() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
