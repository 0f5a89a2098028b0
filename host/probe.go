package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/cookies"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The bounds of a call that the host itself makes.
const (
	hostCallTime = 30 * time.Second
	hostCallBody = 1 << 20
)

// ErrNotAccepted is wrapped when the source says no to a credential that is
// being verified.
var ErrNotAccepted = errors.New("the source does not accept it")

// Verify asks the source whether value works as the credential name, by the
// probe that the manifest declares, before it is stored. account is what the
// source calls the account, "" when the probe does not tell. The call is
// approved and decided like a guest's, and audited. value is not kept.
//
// The error wraps [ErrNotAccepted] when the source said no, [ErrRefused] or
// [ErrNeedsOwner] when nothing was asked, [ErrSourceFailed] when it gave no
// answer that tells.
func (h *Host) Verify(ctx context.Context, c *Connector, o RunOptions, name string, value vaultstore.Secret) (account string, err error) {
	err = h.aside(ctx, c, o, func(r *run) error {
		cred := r.credentials[name]
		if cred == nil {
			return r.refuse(&Refusal{Thing: "credential " + oneLine(name), Rule: string(capabilities.RuleUndeclared), Reason: "the manifest declares none of that name", Remedy: "see: sallyport inspect"})
		}
		told, err := r.probe(r, cred, value.Reveal())
		account = oneLine(r.clean(told))
		return err
	})
	return account, err
}

// CanVerify reports whether the manifest declares a probe that this version
// can make for the credential.
func (c *Connector) CanVerify(name string) bool {
	decl, ok := c.manifest.Credential(name)
	return ok && canProbe(decl)
}

func canProbe(decl *manifests.Credential) bool {
	p := decl.ProbeCall
	if p == nil || p.Method == "" {
		return false
	}
	switch p.As.Kind {
	case manifests.AsHeader, manifests.AsBasic, manifests.AsCookie, manifests.AsQuery, manifests.AsForm, manifests.AsJSON:
		return true
	}
	return false
}

func account3(s capabilities.Scope) account { return account{s.Owner, s.Connector, s.Instance} }

// probe asks the source whether a value works, and whose it is.
func (r *run) probe(ctx context.Context, c *credential, value []byte) (account string, err error) {
	if !canProbe(c.decl) {
		return "", r.refuse(&Refusal{
			Thing: "probing " + c.decl.Name, Rule: "no_probe", Reason: "the manifest declares none, or one that this version does not make",
			Remedy: "declare one as header, basic, cookie, query, form or json",
		})
	}
	p := c.decl.ProbeCall
	req, err := r.probeRequest(ctx, c, value)
	if err != nil {
		return "", err
	}
	h := &holding{c: c}
	if !r.watch.add(h, value, c.decl.Class == abi.ClassPassword) {
		return "", errors.New("the run holds too many secrets already")
	}
	status, body, err := r.hostCall(ctx, c, req)
	if err != nil {
		return "", err
	}
	ok := status >= 200 && status < 300
	if len(p.Status) > 0 {
		ok = slices.Contains(p.Status, status)
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, !ok && status >= 300 && status < 500 && status != http.StatusTooManyRequests:
		return "", fmt.Errorf("%s: %w: it answered %d", c.decl.Name, ErrNotAccepted, status)
	case !ok:
		return "", fmt.Errorf("%s: %w: it answered %d", c.decl.Name, ErrSourceFailed, status)
	}
	return textAt(body, p.Account), nil
}

// textAt returns the string or number at a JSON pointer, "" when there is
// none.
func textAt(doc []byte, pointer string) (text string) {
	if pointer == "" {
		return ""
	}
	_, _ = replaceAt(doc, pointer, func(value string) (string, error) { text = value; return "", nil })
	return text
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

// probeRequest puts a probe together: the value stands at the one position
// that the manifest names, and nothing else of the owner's is in it but the
// account name that Basic authentication needs.
func (r *run) probeRequest(ctx context.Context, c *credential, value []byte) (*http.Request, error) {
	p := c.decl.ProbeCall
	u, err := url.Parse(p.Origin + p.Path)
	if err != nil {
		return nil, fmt.Errorf("credential %s: its probe has no address", c.decl.Name)
	}
	header := http.Header{"User-Agent": {"sallyport/" + r.manifest.ConnectorKey}, "Accept": {"application/json, */*;q=0.5"}}
	var body io.Reader
	text := string(value)
	if strings.ContainsAny(text, "\r\n\x00") {
		return nil, fmt.Errorf("credential %s: a value with a line break cannot be probed", c.decl.Name)
	}
	switch p.As.Kind {
	case manifests.AsHeader:
		if p.As.Param == "Authorization" && !strings.Contains(text, " ") {
			text = "Bearer " + text
		}
		header.Set(p.As.Param, text)
	case manifests.AsBasic:
		user, err := r.identity()
		if err != nil {
			return nil, err
		}
		probe := http.Request{Header: header}
		probe.SetBasicAuth(user, text)
	case manifests.AsCookie:
		if state, err := cookies.Parse(value); err == nil {
			text = state.Header(u)
		}
		header.Set("Cookie", text)
	case manifests.AsQuery:
		u.RawQuery = url.Values{p.As.Param: {text}}.Encode()
	case manifests.AsForm:
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		body = strings.NewReader(url.Values{p.As.Param: {text}}.Encode())
	case manifests.AsJSON:
		header.Set("Content-Type", "application/json")
		body = strings.NewReader(jsonAt(p.As.Param, text))
	}
	req, err := http.NewRequestWithContext(ctx, p.Method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("credential %s: its probe has no address", c.decl.Name)
	}
	req.Header = header
	return req, nil
}

// identity returns the account name that is stored, "" when the manifest
// declares none.
func (r *run) identity() (string, error) {
	for i := range r.bound.Credentials {
		decl := &r.bound.Credentials[i]
		if !decl.Identity {
			continue
		}
		c, v, err := r.ask(decl.Name)
		switch {
		case err != nil:
			return "", err
		case !v.Allowed:
			return "", r.refuse(&Refusal{Thing: "credential " + decl.Name, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)})
		}
		value, _ := c.value()
		return string(value), nil
	}
	return "", nil
}

// hostCall makes a call of the host's own for a credential. It is decided,
// audited and sent like a guest's, and what comes back is not shown to one.
func (r *run) hostCall(ctx context.Context, c *credential, req *http.Request) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, hostCallTime)
	defer cancel()
	res, err := (&ownCalls{r, c}).RoundTrip(req.WithContext(ctx))
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, hostCallBody))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %s %s", ErrSourceFailed, req.URL.Hostname(), plainly(err))
	}
	return res.StatusCode, bytes.TrimSpace(body), nil
}

// ownCalls sends what the host itself calls for a credential, once the
// approval is found to allow it.
type ownCalls struct {
	*run
	c *credential
}

// RoundTrip implements http.RoundTripper. Its errors hold no address but the
// origin.
func (o *ownCalls) RoundTrip(req *http.Request) (*http.Response, error) {
	target, err := manifests.TargetOf(req.Method, req.URL)
	if err != nil {
		return nil, err
	}
	q := o.request(capabilities.OpSend, o.c)
	q.Target = target
	v := capabilities.DecideCall(q)
	key := question{op: "host_call", name: o.c.decl.Name, origin: target.Origin.String(), method: target.Method}
	e := Event{
		Kind: EventDecision, Op: "host_call", Name: o.c.decl.Name, Class: v.Class, Allowed: v.Allowed, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy,
		Origin: target.Origin.String(), Method: target.Method,
	}
	if err := o.ledger.decided(req.Context(), key, e); err != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, err)
	}
	switch {
	case !v.Allowed:
		f := Refusal{Thing: "calling " + target.Origin.String() + " for " + o.c.decl.Name, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: true}
		o.note(f)
		return nil, &f
	case target.Origin.Scheme == "http" && !o.host.excepted(target.Origin):
		return nil, &Refusal{Thing: "calling " + target.Origin.String(), Rule: "plain_http", Reason: "it is plain http, which anyone on the way can read", Remedy: "let the operator allow it: " + allowFlag(target.Origin)}
	}
	res, err := o.transport.RoundTrip(req)
	if err != nil {
		return nil, &callError{target.Origin.String() + " " + plainly(err), err}
	}
	return res, nil
}

// callError is a call of the host's that failed, in words that hold no
// address.
type callError struct {
	text  string
	cause error
}

func (e *callError) Error() string   { return e.text }
func (e *callError) Unwrap() []error { return []error{ErrSourceFailed, e.cause} }
