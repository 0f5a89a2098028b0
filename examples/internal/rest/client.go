package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// The bounds of what is read.
const (
	MaxAnswer = 32 << 20
	MaxPages  = 2000
)

// UnexpectedAnswer is the code of a run that an API's answer has ended: it is
// no JSON, or leads where the connector does not go.
const UnexpectedAnswer = "unexpected_answer"

// API says how a source is called.
type API struct {
	Name   string           // as its owner knows it
	Origin string           // "https://api.example", without a path
	Header sallyport.Header // of each request
	Query  url.Values       // of each request, beside its own
	// Limited reads from an answer whether a rate limit is used up. nil is
	// [TooMany].
	Limited func(*sallyport.Response) (Limit, bool)
	// Renewable says that the host renews the credential, as it does with
	// OAuth 2.0: a request that is answered with 401 is sent once more, and
	// carries a new one then.
	Renewable bool
}

// Client reads from an API.
type Client struct {
	api    API
	client *sallyport.Client
}

// New returns a client for an API.
func New(run *sallyport.Run, api API) *Client {
	if api.Limited == nil {
		api.Limited = TooMany
	}
	return &Client{api, sallyport.NewClient(run)}
}

// Answer is what stands around the JSON.
type Answer struct {
	Header sallyport.Header
	// Unchanged says that it is what the ETag stood for: there is no JSON.
	Unchanged bool
}

// Get reads what is at address, a path with its query or a whole URL of the
// API's origin, into a value as encoding/json does. The error of a status from
// 400 on is a [*sallyport.SourceError], or [sallyport.ErrRateLimited] with the
// time at which the limit ends.
func (c *Client) Get(ctx context.Context, address string, into any) (Answer, error) {
	return c.GetIfChanged(ctx, address, "", into)
}

// GetIfChanged reads what is at address unless it still has that ETag; an
// empty one reads in any case.
func (c *Client) GetIfChanged(ctx context.Context, address, etag string, into any) (Answer, error) {
	u, err := c.locate(address)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.send(ctx, c.request(u, etag))
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	answer := Answer{Header: resp.Header, Unchanged: etag != "" && resp.StatusCode == 304}
	if limit, ok := c.api.Limited(resp); ok {
		return answer, limit.failure(c.api.Name, resp.Err())
	}
	switch err := resp.Err(); {
	case err != nil:
		return answer, err
	case answer.Unchanged:
		return answer, nil
	case resp.StatusCode != 200:
		return answer, c.unexpected(u, fmt.Sprintf("answered with status %d", resp.StatusCode), nil)
	}
	body, err := resp.Bytes(MaxAnswer)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return answer, c.unexpected(u, "answered with something else than the JSON that it documents", err)
	}
	return answer, nil
}

func (c *Client) send(ctx context.Context, req *sallyport.Request) (*sallyport.Response, error) {
	resp, err := c.client.Do(ctx, req)
	if err != nil || resp.StatusCode != 401 || !c.api.Renewable {
		return resp, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	return c.client.Do(ctx, req)
}

func (c *Client) request(u *url.URL, etag string) *sallyport.Request {
	if len(c.api.Query) > 0 {
		q := u.Query()
		for name, values := range c.api.Query {
			q[name] = values
		}
		u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: q.Encode()}
	}
	header := sallyport.Header{"Accept": {"application/json"}}
	for name, values := range c.api.Header {
		header[name] = values
	}
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	return &sallyport.Request{URL: u.String(), Header: header}
}

// locate resolves an address, and refuses one of another origin: what goes
// with a request is for this one.
func (c *Client) locate(address string) (*url.URL, error) {
	base, err := url.Parse(c.api.Origin)
	if err != nil {
		return nil, err
	}
	u, err := base.Parse(address)
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil {
		return nil, c.failure("linked to another site, which is not followed", nil)
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// Pages reads a list page by page. read reads the page at an address and
// returns the next one's, "" at the end.
func (c *Client) Pages(first string, read func(address string) (next string, err error)) error {
	seen := map[string]bool{}
	for address := first; address != ""; {
		u, err := c.locate(address)
		switch {
		case err != nil:
			return err
		case seen[u.String()]:
			return c.unexpected(u, "links in a circle", nil)
		case len(seen) >= MaxPages:
			return c.unexpected(u, fmt.Sprintf("has more than %d pages", MaxPages), nil)
		}
		seen[u.String()] = true
		if address, err = read(address); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) unexpected(u *url.URL, what string, cause error) error {
	return c.failure(u.Path+" "+what, cause)
}

func (c *Client) failure(what string, cause error) error {
	return &sallyport.Failure{
		Message: c.api.Name + ": " + what, Code: UnexpectedAnswer,
		Recovery: sallyport.RetryOnConnectorUpgrade, Err: cause,
	}
}
