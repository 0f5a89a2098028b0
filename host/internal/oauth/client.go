package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Client speaks to authorization servers.
type Client struct {
	// Transport makes every request. It has to check whom it calls.
	Transport http.RoundTripper
	// Now is time.Now when nil.
	Now func() time.Time

	wait func(ctx context.Context, d time.Duration) error // a test's clock; nil waits
}

// Provider is a client's registration at an authorization server, as a
// manifest's oauth2 has it.
type Provider struct {
	TokenURL               string
	AuthorizationURL       string // may have a query, such as access_type=offline
	DeviceAuthorizationURL string
	ClientID               string
	ClientSecret           vaultstore.Secret // the zero Secret for a public client
	ClientAuth             string            // "basic" or "form" (RFC 6749 section 2.3.1); "" is form
	Scopes                 []string
}

// Request is one use of a refresh token.
type Request struct {
	Provider
	RefreshToken vaultstore.Secret
	// Narrow asks for these scopes alone; nil for those that were granted.
	Narrow []string
}

// Tokens is what a source gave.
type Tokens struct {
	Access     vaultstore.Secret
	Refresh    vaultstore.Secret // the zero Secret: the one that was sent stays good
	ObtainedAt time.Time         // before the request was sent, so that ExpiresAt is not late
	ExpiresAt  time.Time         // zero where the source does not say
	Scopes     []string          // nil where the source does not say: as asked for
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Refresh uses a refresh token (RFC 6749 section 6). It does not store what
// comes back: see [Renewals.Renew], which does.
func (c *Client) Refresh(ctx context.Context, r Request) (Tokens, error) {
	if r.RefreshToken.Len() == 0 {
		return Tokens{}, badConfig("there is no refresh token")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {string(r.RefreshToken.Reveal())}}
	if len(r.Narrow) > 0 {
		form.Set("scope", strings.Join(r.Narrow, " "))
	}
	return c.token(ctx, r.Provider, form)
}

// token asks the token endpoint.
func (c *Client) token(ctx context.Context, p Provider, form url.Values) (Tokens, error) {
	began := c.now()
	body, err := c.post(ctx, p, p.TokenURL, form)
	if err != nil {
		return Tokens{}, err
	}
	return readTokens(body, began)
}

// post sends a form with the client's identification and returns the body of
// a 2xx. Every other answer is an error.
func (c *Client) post(ctx context.Context, p Provider, address string, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	reach := new(reached)
	request, err := newRequest(httptrace.WithClientTrace(ctx, reach.trace()), p, address, form)
	if err != nil {
		return nil, err
	}
	if c.Transport == nil {
		return nil, badConfig("there is no transport")
	}
	response, err := c.Transport.RoundTrip(request)
	if err != nil {
		return nil, &RetryError{Uncertain: reach.maybe(), cause: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, &RetryError{Uncertain: true, cause: err}
	case len(body) > MaxAnswerBytes:
		return nil, badAnswer("it is too large")
	}
	return body, c.refusal(response, body)
}

// newRequest writes a request. Its error quotes nothing.
func newRequest(ctx context.Context, p Provider, address string, form url.Values) (*http.Request, error) {
	if p.ClientID == "" {
		return nil, badConfig("there is no client id")
	}
	basic := false
	switch p.ClientAuth {
	case "basic":
		basic = p.ClientSecret.Len() > 0
	case "", "form":
	default:
		return nil, badConfig("client_auth is basic or form")
	}
	if !basic {
		form.Set("client_id", p.ClientID)
		if p.ClientSecret.Len() > 0 {
			form.Set("client_secret", string(p.ClientSecret.Reveal()))
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, badConfig("the endpoint's address is not one")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, badConfig("the endpoint's address is not one")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "sallyport")
	if basic {
		pair := url.QueryEscape(p.ClientID) + ":" + url.QueryEscape(string(p.ClientSecret.Reveal()))
		request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return request, nil
}

// refusal returns the error that an answer is, nil for a 2xx.
func (c *Client) refusal(r *http.Response, body []byte) error {
	switch {
	case r.StatusCode >= 200 && r.StatusCode < 300:
		return nil
	case r.StatusCode >= 300 && r.StatusCode < 400:
		return badAnswer("it redirects, which a token endpoint does not")
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode >= 500:
		return &RetryError{After: c.retryAfter(r), Status: r.StatusCode, Uncertain: r.StatusCode >= 500}
	}
	err := codeError(readErrorCode(body))
	var retry *RetryError
	if errors.As(err, &retry) {
		return &RetryError{After: c.retryAfter(r), Status: r.StatusCode}
	}
	return err
}

// retryAfter reads RFC 9110 section 10.2.3.
func (c *Client) retryAfter(r *http.Response) time.Duration {
	text := strings.TrimSpace(r.Header.Get("Retry-After"))
	var after time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(c.now())
	}
	return min(max(after, 0), MaxRetryAfter)
}

// reached finds out whether a request that failed may have arrived.
type reached struct{ asked, wrote atomic.Bool }

func (r *reached) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { r.asked.Store(true) },
		WroteHeaders: func() { r.wrote.Store(true) },
	}
}

// maybe is true where it is not known: a transport that tells nothing may
// have done anything.
func (r *reached) maybe() bool { return !r.asked.Load() || r.wrote.Load() }

// sleep waits for d or the context.
func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	if c.wait != nil {
		return c.wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
