package main

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// maxRedirects bounds the redirects in a row: a server that is found by
// /.well-known/carddav needs one or two.
const maxRedirects = 5

// dav speaks WebDAV with one account.
type dav struct {
	run    *sallyport.Run
	client *sallyport.Client
	login  string // the Authorization header; the password in it is a surrogate
}

func connect(run *sallyport.Run) (*dav, error) {
	account, err := run.Credential(accountName)
	if err != nil {
		return nil, err
	}
	password, err := run.Credential(passwordName)
	if err != nil {
		return nil, err
	}
	client := sallyport.NewClient(run)
	client.CheckRedirect = sallyport.FollowRedirects(maxRedirects)
	return &dav{run: run, client: client, login: sallyport.Basic(account, password)}, nil
}

// The namespaces of WebDAV's and CardDAV's elements are spelled out in the
// tags below: encoding/xml knows no other way.

// item is a response of a multistatus: a resource and its properties.
type item struct {
	url    string // absolute
	status int    // of the resource as a whole; 0 when there are only properties
	prop   prop
}

// gone reports whether the server says that the resource is not there any
// more; nothing else is taken for it.
func (it item) gone() bool { return it.status == 404 || it.status == 410 }

// failed reports whether the server could not tell of the resource.
func (it item) failed() bool { return it.status != 0 && it.status != 200 && !it.gone() }

type prop struct {
	DisplayName  string `xml:"DAV: displayname"`
	ResourceType struct {
		Collection  *struct{} `xml:"DAV: collection"`
		AddressBook *struct{} `xml:"urn:ietf:params:xml:ns:carddav addressbook"`
	} `xml:"DAV: resourcetype"`
	Principal struct {
		Href string `xml:"DAV: href"`
	} `xml:"DAV: current-user-principal"`
	HomeSet struct {
		Hrefs []string `xml:"DAV: href"`
	} `xml:"urn:ietf:params:xml:ns:carddav addressbook-home-set"`
	Reports struct {
		List []struct {
			Report struct {
				Sync *struct{} `xml:"DAV: sync-collection"`
			} `xml:"DAV: report"`
		} `xml:"DAV: supported-report"`
	} `xml:"DAV: supported-report-set"`
	ETag string `xml:"DAV: getetag"`
	// Card is nil when it was not delivered, which an empty one was.
	Card *string `xml:"urn:ietf:params:xml:ns:carddav address-data"`
}

// merge adds what another part of the same answer says.
func (p *prop) merge(q prop) {
	p.DisplayName = cmp.Or(q.DisplayName, p.DisplayName)
	p.ResourceType.Collection = cmp.Or(q.ResourceType.Collection, p.ResourceType.Collection)
	p.ResourceType.AddressBook = cmp.Or(q.ResourceType.AddressBook, p.ResourceType.AddressBook)
	p.Principal.Href = cmp.Or(q.Principal.Href, p.Principal.Href)
	p.HomeSet.Hrefs = append(p.HomeSet.Hrefs, q.HomeSet.Hrefs...)
	p.Reports.List = append(p.Reports.List, q.Reports.List...)
	p.ETag = cmp.Or(q.ETag, p.ETag)
	p.Card = cmp.Or(q.Card, p.Card)
}

// answer is a whole multistatus, but for its items.
type answer struct {
	url       string // of the resource that answered, after redirects
	syncToken string
}

// ask sends a PROPFIND or a REPORT, and calls each for every resource in the
// answer as it comes in. A refusal is a *sallyport.SourceError.
func (d *dav) ask(ctx context.Context, method, target, depth, body string, each func(item) error) (answer, error) {
	resp, err := d.client.Do(ctx, &sallyport.Request{Method: method, URL: target, Body: []byte(xml.Header + body), Header: sallyport.Header{
		"Authorization": {d.login}, "Depth": {depth}, "Content-Type": {"application/xml; charset=utf-8"}}})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == 401:
		return answer{}, d.refused(resp)
	case resp.StatusCode == 207:
		return readMultistatus(resp.Request.URL, resp.Body, each)
	}
	return answer{}, &sallyport.SourceError{StatusCode: resp.StatusCode, Method: method, URL: target}
}

// refused is the error of a 401. A server that does not take passwords this
// way has not said that this one is wrong.
func (d *dav) refused(resp *sallyport.Response) error {
	challenges := resp.Header.Values("WWW-Authenticate")
	if len(challenges) == 0 || offersBasic(challenges) {
		if err := d.run.Reject(passwordName, sallyport.RejectUnauthorized); err != nil {
			return err
		}
		return fmt.Errorf("the server refused the account or its password: %w", resp.Err())
	}
	// The host takes a 401 for a rejection unless it is told that the password
	// is good, and is not what is missing.
	if err := d.run.Reject(passwordName, sallyport.RejectScope); err != nil {
		return err
	}
	return &sallyport.Failure{Message: "the server wants an authentication that is not supported: it does not take a password by HTTP Basic",
		Code: "unsupported_authentication", Recovery: sallyport.ManualActionRequired}
}

// offersBasic reports whether Basic is among a server's challenges (RFC 9110,
// 11.6.1), several of which may stand in one field.
func offersBasic(challenges []string) bool {
	for _, field := range challenges {
		for _, part := range splitOutsideQuotes(field, ',') {
			scheme, _, _ := strings.Cut(strings.TrimSpace(part), " ")
			if strings.EqualFold(scheme, "Basic") {
				return true
			}
		}
	}
	return false
}

// readMultistatus decodes response after response, so that no more than one
// card is held at a time.
func readMultistatus(from string, body io.Reader, each func(item) error) (answer, error) {
	a := answer{url: from}
	base, err := url.Parse(from)
	if err != nil {
		return a, err
	}
	dec := xml.NewDecoder(body)
	whole := false
	for {
		token, err := dec.Token()
		if err == io.EOF {
			if !whole {
				return a, fmt.Errorf("the answer of %s is not what was asked for", base.Path)
			}
			return a, nil
		}
		if err != nil {
			return a, fmt.Errorf("the answer of %s cannot be read: %w", base.Path, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Space != "DAV:" {
			continue
		}
		switch start.Name.Local {
		case "multistatus":
			whole = true // the decoder refuses one that is not closed
		case "response":
			var r response
			if err = dec.DecodeElement(&r, &start); err == nil {
				err = r.each(base, each)
			}
		case "sync-token":
			err = dec.DecodeElement(&a.syncToken, &start)
		}
		if err != nil {
			return a, err
		}
	}
}

type response struct {
	Hrefs     []string `xml:"DAV: href"`
	Status    string   `xml:"DAV: status"`
	Propstats []struct {
		Status string `xml:"DAV: status"`
		Prop   prop   `xml:"DAV: prop"`
	} `xml:"DAV: propstat"`
}

// each calls f for each resource of the response.
func (r response) each(base *url.URL, f func(item) error) error {
	it := item{status: statusCode(r.Status)}
	for _, ps := range r.Propstats {
		if code := statusCode(ps.Status); code == 200 || code == 0 {
			it.prop.merge(ps.Prop)
		}
	}
	for _, href := range r.Hrefs {
		var err error
		if it.url, err = resolve(base, href); err != nil {
			return err
		}
		if err := f(it); err != nil {
			return err
		}
	}
	return nil
}

// statusCode reads "HTTP/1.1 404 Not Found".
func statusCode(line string) int {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return 0
	}
	code, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return code
}

// resolve makes a href absolute, in one spelling: servers do not always escape
// a path the same way twice.
func resolve(base *url.URL, href string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return "", errors.New("the server names a resource by something that is no URL")
	}
	u = base.ResolveReference(u)
	if u.Hostname() == base.Hostname() {
		// A server behind a proxy that ends TLS writes its own scheme and port.
		u.Scheme, u.Host = base.Scheme, base.Host
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawPath = respell(u.EscapedPath())
	return u.String(), nil
}

// respell escapes a path as net/url would, but for a slash that belongs to a
// name: that stays %2F.
func respell(escaped string) string {
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		name, err := url.PathUnescape(segment)
		if err != nil {
			return escaped // unreachable: a parsed URL's
		}
		parts := strings.Split(name, "/")
		for j, part := range parts {
			parts[j] = (&url.URL{Path: "/" + part}).EscapedPath()[1:]
		}
		segments[i] = strings.Join(parts, "%2F")
	}
	return strings.Join(segments, "/")
}

// refusedWith reports whether err is a source's answer with one of codes.
func refusedWith(err error, codes ...int) bool {
	var refusal *sallyport.SourceError
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if refusal.StatusCode == code {
			return true
		}
	}
	return false
}
