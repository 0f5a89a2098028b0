package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/host/internal/mailwire"
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/manifests"
)

// probeRequest puts a probe together as a guest would: a surrogate stands at
// the one position that the manifest names, and the value takes its place.
// Nothing else of the owner's is in it but the account name that Basic
// authentication needs.
func (r *run) probeRequest(ctx context.Context, c *credential, value []byte) (*http.Request, error) {
	p := c.decl.ProbeCall
	token := surrogate.Mint()
	form, err := r.probeForm(p, token, strings.Contains(string(value), " "))
	if err != nil {
		return nil, err
	}
	live := func(s string) bool { return s == token }
	resolve := func(_ string, at manifests.Position, target manifests.Target) ([]byte, error) {
		return asCookies(value, at, target), nil
	}
	wrong := func(err error) error {
		return r.refuse(&Refusal{Thing: "probing " + c.decl.Name, Rule: "probe", Reason: err.Error(), Remedy: "store another value, or correct the manifest's probe"})
	}
	draft, err := surrogate.Locate(form.Request, live)
	if err == nil && draft.Whole != "" {
		err = draft.Open(func(string) ([]byte, error) { return value, nil })
	}
	if err != nil {
		return nil, wrong(err)
	}
	if draft.Whole != "" && !slices.ContainsFunc(c.decl.SendTo, func(d manifests.Destination) bool { return d.Allows(draft.Target, p.As) }) {
		return nil, wrong(fmt.Errorf("it leads to a place that send_to of %s does not name", c.decl.Name))
	}
	ready, err := draft.Fill(resolve)
	if err != nil {
		return nil, wrong(err)
	}
	body := surrogate.NewBody(form.contentType, live, resolve, ready.Target)
	content, err := body.Next(nil, []byte(form.body))
	if err == nil {
		content, err = body.Rest(content)
	}
	if err != nil {
		return nil, wrong(err)
	}
	req, err := http.NewRequestWithContext(ctx, p.Method, ready.URL.String(), strings.NewReader(string(content)))
	if err != nil {
		return nil, fmt.Errorf("credential %s: its probe has no address", c.decl.Name)
	}
	req.Header = ready.Header
	return req, nil
}

// probeForm is a probe in which a surrogate stands.
type probeForm struct {
	surrogate.Request
	contentType, body string
}

// probeForm writes a probe down. whole says that the value of a header is all
// of it, with its scheme.
func (r *run) probeForm(p *manifests.Probe, token string, whole bool) (probeForm, error) {
	query := url.Values{}
	for key, text := range p.Query {
		query.Set(key, text)
	}
	f := probeForm{Request: surrogate.Request{Method: p.Method}}
	set := func(name, value string) { f.Headers = append(f.Headers, [2]string{name, value}) }
	set("User-Agent", "sallyport/"+r.manifest.ConnectorKey)
	set("Accept", "application/json, */*;q=0.5")
	switch p.As.Kind {
	case manifests.AsHeader:
		if p.As.Param == "Authorization" && !whole {
			token = "Bearer " + token
		}
		set(p.As.Param, token)
	case manifests.AsBasic:
		user, err := r.identity()
		if err != nil {
			return f, err
		}
		set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+token)))
	case manifests.AsCookie:
		set("Cookie", token)
	case manifests.AsQuery:
		query.Set(p.As.Param, token)
	case manifests.AsForm:
		f.contentType, f.body = "application/x-www-form-urlencoded", url.QueryEscape(p.As.Param)+"="+token
	case manifests.AsJSON:
		f.contentType, f.body = "application/json", jsonAt(p.As.Param, token)
	}
	if f.contentType != "" {
		set("Content-Type", f.contentType)
	}
	f.URL = p.Origin + strings.Replace(p.Path, manifests.ProbeValue, token, 1)
	if p.As.Kind == manifests.AsURL {
		f.URL = token
	} else if len(query) > 0 {
		f.URL += "?" + query.Encode()
	}
	return f, nil
}

// jsonAt returns the document that holds text at a JSON pointer, and nothing
// else.
func jsonAt(pointer, text string) string {
	var doc any = text
	for _, key := range slices.Backward(pointerPath(pointer)) {
		doc = map[string]any{key: doc}
	}
	out, _ := json.Marshal(doc) // texts: never fails
	return string(out)
}

// probeLogin logs in to a mail server, and out again. The account is the name
// that it logs in with.
func (r *run) probeLogin(ctx context.Context, c *credential, value []byte) (account string, err error) {
	name := c.decl.Name
	origin, err := manifests.ParseOrigin(c.decl.ProbeCall.Origin)
	if err != nil {
		return "", fmt.Errorf("credential %s: its probe has no address", name)
	}
	user, err := r.identity()
	switch {
	case err != nil:
		return "", err
	case user == "":
		return "", r.refuse(&Refusal{Thing: "probing " + name, Rule: "probe", Reason: "the manifest declares no identity to log in with", Remedy: "declare a credential with identity: true"})
	}
	ctx, cancel := context.WithTimeout(ctx, hostCallTime)
	defer cancel()
	if err := r.mayCall(ctx, c, manifests.Target{Origin: origin}); err != nil {
		return "", err
	}
	conn, greeting, err := r.connect(ctx, origin)
	if err != nil {
		return "", &callError{origin.String() + " " + mailFailed(err), err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	protocol := mailwire.IMAP
	if c.decl.ProbeCall.As.Kind == manifests.AsSMTP {
		protocol = mailwire.SMTP
	}
	err = mailwire.Login(conn, protocol, greeting, mailwire.Credentials{User: user, Value: value, Bearer: c.decl.OAuth != nil})
	switch {
	case err == nil:
		return user, nil
	case errors.Is(err, mailwire.ErrRejected):
		return "", fmt.Errorf("%s: %w", name, ErrNotAccepted)
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return "", &callError{origin.String() + " " + mailFailed(err), err}
}

// mailFailed is [plainly] for a mail server.
func mailFailed(err error) string {
	var refused *mailwire.Refusal
	if errors.As(err, &refused) {
		return "gave no answer that tells: " + refused.Error()
	}
	return plainly(err)
}
