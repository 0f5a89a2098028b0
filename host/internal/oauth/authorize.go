package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// redirectPath is where the browser comes back to. Sources that want a
// redirect registered take http://127.0.0.1/callback with any port (RFC 8252
// section 7.3).
const redirectPath = "/callback"

// maxStrays is how many requests that are not the answer the loopback server
// turns away before it gives up: someone else is talking to it.
const maxStrays = 64

// Authorize has the owner authorize the client in a browser (RFC 6749 section
// 4.1 with PKCE, RFC 7636, and a loopback redirect, RFC 8252): it listens on a
// free port of 127.0.0.1, calls open with the address that the browser is to
// show, waits for the one answer that has the right state, and trades its
// code for tokens. The error of open ends it.
//
// The source may be slow and the owner slower: ctx ends the wait, and so does
// [AuthorizeTimeout], as [ErrExpired].
func (c *Client) Authorize(ctx context.Context, p Provider, open func(address string) error) (Tokens, error) {
	verifier, state := randomText(), randomText()
	back, err := listen(ctx, state)
	if err != nil {
		return Tokens{}, err
	}
	defer back.close()
	address, err := authorizationURL(p, back.redirect(), state, verifier)
	if err != nil {
		return Tokens{}, err
	}
	if err := open(address); err != nil {
		return Tokens{}, err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, AuthorizeTimeout, ErrExpired)
	defer cancel()
	code, err := back.wait(waiting)
	if err != nil {
		return Tokens{}, err
	}
	return noRefresh(c.token(ctx, p, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back.redirect()}, "code_verifier": {verifier},
	}))
}

// authorizationURL adds ours to the query that the address may have.
func authorizationURL(p Provider, redirect, state, verifier string) (string, error) {
	u, err := url.Parse(p.AuthorizationURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "", badConfig("there is no authorization address")
	}
	if p.ClientID == "" {
		return "", badConfig("there is no client id")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", badConfig("the authorization address cannot be read")
	}
	challenge := sha256.Sum256([]byte(verifier))
	ours := map[string]string{
		"response_type": "code", "client_id": p.ClientID, "redirect_uri": redirect, "state": state,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	}
	if len(p.Scopes) > 0 {
		ours["scope"] = strings.Join(p.Scopes, " ")
	}
	for name, value := range ours {
		if query.Has(name) {
			return "", badConfig("the authorization address says " + name + " itself")
		}
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// randomText returns 256 random bits, which RFC 7636 section 4.1 wants of a
// verifier.
func randomText() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the process instead
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// callback is the loopback server that the browser comes back to.
type callback struct {
	host   string // 127.0.0.1:port
	state  string
	server *http.Server
	ended  chan struct{} // Serve has returned
	result chan result
	strays atomic.Int32
	once   atomic.Bool
}

type result struct {
	code string
	err  error
}

func listen(ctx context.Context, state string) (*callback, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("%w: no port of 127.0.0.1 can be listened on: %w", ErrLoopback, err)
	}
	b := &callback{host: listener.Addr().String(), state: state, ended: make(chan struct{}), result: make(chan result, 1)}
	b.server = &http.Server{
		Handler:           b,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          discardLog(),
	}
	b.server.SetKeepAlivesEnabled(false)
	go func() {
		defer close(b.ended)
		_ = b.server.Serve(listener) // ErrServerClosed, or nobody can come any more: then the wait ends
	}()
	return b, nil
}

func (b *callback) redirect() string { return "http://" + b.host + redirectPath }

// close lets the page that is being sent go out, and no more.
func (b *callback) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if b.server.Shutdown(ctx) != nil {
		_ = b.server.Close()
	}
	<-b.ended
}

func (b *callback) wait(ctx context.Context) (string, error) {
	select {
	case r := <-b.result:
		return r.code, r.err
	case <-b.ended:
		return "", fmt.Errorf("%w: the loopback server ended", ErrLoopback)
	case <-ctx.Done():
		if cause := context.Cause(ctx); errors.Is(cause, ErrExpired) {
			return "", cause
		}
		return "", ctx.Err()
	}
}

// ServeHTTP answers the browser. A request from elsewhere, which a page in the
// same browser can make, is told nothing and changes nothing: it cannot know
// the state.
func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	query, err := url.ParseQuery(r.URL.RawQuery)
	state := query["state"]
	if err != nil || r.Method != http.MethodGet || r.Host != b.host || r.URL.Path != redirectPath ||
		len(state) != 1 || subtle.ConstantTimeCompare([]byte(state[0]), []byte(b.state)) != 1 {
		b.stray(w)
		return
	}
	if !b.once.CompareAndSwap(false, true) {
		http.Error(w, "This authorization is over.", http.StatusGone)
		return
	}
	b.answer(w, query)
}

func (b *callback) stray(w http.ResponseWriter) {
	http.Error(w, "This is not the answer that is waited for.", http.StatusBadRequest)
	if b.strays.Add(1) >= maxStrays && b.once.CompareAndSwap(false, true) {
		b.result <- result{err: fmt.Errorf("%w: too many requests came to the loopback address that were no answer", ErrRefused)}
	}
}

// answer takes the one answer. The page is plain text: nothing in it comes
// from the request.
func (b *callback) answer(w http.ResponseWriter, query url.Values) {
	codes, refused := query["code"], query["error"]
	switch {
	case len(refused) > 0:
		fmt.Fprintln(w, "The authorization was not given. You can close this window.")
		b.result <- result{err: codeError(refused[0])}
	case len(codes) != 1 || codes[0] == "" || len(codes[0]) > MaxCodeBytes:
		http.Error(w, "The source's answer cannot be used. You can close this window.", http.StatusBadRequest)
		b.result <- result{err: badAnswer("it has no code")}
	default:
		fmt.Fprintln(w, "Done. You can close this window.")
		b.result <- result{code: codes[0]}
	}
}
