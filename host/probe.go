package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
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
		account = r.clip(told)
		return err
	})
	return account, err
}

// VerifyStored asks the source whether the value that the vault holds as the
// credential name works. It answers as [Host.Verify] does.
func (h *Host) VerifyStored(ctx context.Context, c *Connector, o RunOptions, name string) (account string, err error) {
	err = h.aside(ctx, c, o, func(r *run) error {
		cred, v, err := r.ask(name)
		switch {
		case err != nil:
			return err
		case !v.Allowed:
			return r.refuse(&Refusal{Thing: "credential " + oneLine(name), Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)})
		}
		value, _ := cred.value()
		told, err := r.probe(r, cred, value)
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

// canProbe reports whether a probe of this kind can be made: all can but one in
// a browser.
func canProbe(decl *manifests.Credential) bool {
	return decl.ProbeCall != nil && decl.ProbeCall.As.Kind != "" && decl.ProbeCall.As.Kind != manifests.AsBrowser
}

func account3(s capabilities.Scope) account { return account{s.Owner, s.Connector, s.Instance} }

// probe asks the source whether a value works, and whose it is. The error is
// [ErrNotAccepted] only where the source has said so.
func (r *run) probe(ctx context.Context, c *credential, value []byte) (account string, err error) {
	if !canProbe(c.decl) {
		return "", r.refuse(&Refusal{
			Thing: "probing " + c.decl.Name, Rule: "no_probe", Reason: "the manifest declares none, or one that this version does not make",
			Remedy: "declare one at another position than browser",
		})
	}
	h := &holding{c: c}
	if !r.watch.add(h, value, c.decl.Class == abi.ClassPassword) {
		return "", errors.New("the run holds too many secrets already")
	}
	p := c.decl.ProbeCall
	if p.As.Stream() {
		return r.probeLogin(ctx, c, value)
	}
	req, err := r.probeRequest(ctx, c, value)
	if err != nil {
		return "", err
	}
	status, body, err := r.hostCall(ctx, c, req)
	if err != nil {
		return "", err
	}
	return sortAnswer(c.decl.Name, p, status, body)
}

// sortAnswer says what an answer to a probe says of the credential: yes, no, or
// nothing.
func sortAnswer(name string, p *manifests.Probe, status int, body []byte) (account string, err error) {
	switch {
	case p.Accepts(status) && p.Found != "" && !json.Valid(body):
		return "", fmt.Errorf("%s: %w: it answered %d, with a text that cannot be read", name, ErrSourceFailed, status)
	case p.Accepts(status) && p.Found != "" && !somethingAt(body, p.Found):
		return "", fmt.Errorf("%s: %w: it answered %d, with nothing at %s", name, ErrNotAccepted, status, p.Found)
	case p.Accepts(status):
		return textAt(body, p.Account), nil
	case p.Rejects(status):
		return "", fmt.Errorf("%s: %w: it answered %d", name, ErrNotAccepted, status)
	}
	return "", fmt.Errorf("%s: %w: it answered %d", name, ErrSourceFailed, status)
}

// somethingAt reports whether a JSON pointer leads to something in a valid
// document: not to null, or to what is empty.
func somethingAt(doc []byte, pointer string) bool {
	found := spans(doc, 0, pointerPath(pointer))
	if len(found) == 0 {
		return false
	}
	var v any
	at := found[len(found)-1]
	if json.Unmarshal(doc[at[0]:at[1]], &v) != nil {
		return false
	}
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
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

// hostCall makes a credential's probe. It is decided, audited and sent like a
// guest's request, and what comes back is not shown to one.
func (r *run) hostCall(ctx context.Context, c *credential, req *http.Request) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, hostCallTime)
	defer cancel()
	decided := &manifests.Target{Method: c.decl.ProbeCall.Method, Path: c.decl.ProbeCall.Path}
	res, err := (&ownCalls{run: r, c: c, decided: decided}).RoundTrip(req.WithContext(ctx))
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
	// decided is what the owner approved of a probe, nil for another call: its
	// path has not the value in it.
	decided *manifests.Target
}

// RoundTrip implements http.RoundTripper. Its errors hold no address but the
// origin.
func (o *ownCalls) RoundTrip(req *http.Request) (*http.Response, error) {
	target, err := manifests.TargetOf(req.Method, req.URL)
	if err != nil {
		return nil, err
	}
	if o.decided != nil {
		target.Path = o.decided.Path
	}
	if err := o.mayCall(req.Context(), o.c, target); err != nil {
		return nil, err
	}
	res, err := o.transport.RoundTrip(req)
	if err != nil {
		return nil, &callError{target.Origin.String() + " " + plainly(err), err}
	}
	return res, nil
}

// mayCall decides and audits a call of the host's own.
func (r *run) mayCall(ctx context.Context, c *credential, target manifests.Target) error {
	q := r.request(capabilities.OpSend, c)
	q.Target = target
	v := capabilities.DecideCall(q)
	key := question{op: "host_call", name: c.decl.Name, origin: target.Origin.String(), method: target.Method}
	e := Event{
		Kind: EventDecision, Op: "host_call", Name: c.decl.Name, Class: v.Class, Allowed: v.Allowed, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy,
		Origin: target.Origin.String(), Method: target.Method,
	}
	if err := r.ledger.decided(ctx, key, e); err != nil {
		return fmt.Errorf("%w: %w", errAudit, err)
	}
	switch {
	case !v.Allowed:
		f := Refusal{Thing: "calling " + target.Origin.String() + " for " + c.decl.Name, Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: true}
		r.note(f)
		return &f
	case target.Origin.Scheme == "http" && !r.host.excepted(target.Origin):
		return &Refusal{Thing: "calling " + target.Origin.String(), Rule: "plain_http", Reason: "it is plain http, which anyone on the way can read", Remedy: "let the operator allow it: " + allowFlag(target.Origin)}
	}
	return nil
}

// callError is a call of the host's that failed, in words that hold no
// address.
type callError struct {
	text  string
	cause error
}

func (e *callError) Error() string   { return e.text }
func (e *callError) Unwrap() []error { return []error{ErrSourceFailed, e.cause} }
