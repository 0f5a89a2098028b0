package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/signing"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// sigv4 is a signature over a request that is still to be sent.
type sigv4 struct{ template manifests.SignTemplate }

// sign computes with a credential, and hands out a surrogate of the result.
func (r *run) sign(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	var template, data, buf []byte
	if s == abi.StatusOK {
		template, s = view(mod, stack[2], stack[3], abi.MaxNameBytes)
	}
	if s == abi.StatusOK {
		data, s = view(mod, stack[4], stack[5], abi.MaxSignBytes)
	}
	if s == abi.StatusOK {
		s = r.checkOut(data, "what is to be signed")
	}
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[6], stack[7])
	}
	var token string
	if s == abi.StatusOK {
		token, s = r.derive(string(name), abi.AccessSign, func(c *credential) (*holding, error) { return r.signed(c, string(template), data) })
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliver(buf, []byte(token))
}

// totp hands out a surrogate of a one-time code.
func (r *run) totp(mod api.Module, stack []uint64) {
	name, s := view(mod, stack[0], stack[1], abi.MaxNameBytes)
	var buf []byte
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[2], stack[3])
	}
	var token string
	if s == abi.StatusOK {
		token, s = r.derive(string(name), abi.AccessTOTP, r.code)
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliver(buf, []byte(token))
}

// derive decides whether a credential may be computed with, and holds what
// comes of it.
func (r *run) derive(name string, access abi.Access, compute func(*credential) (*holding, error)) (token string, s abi.Status) {
	c, v, err := r.askFor(name, access)
	switch {
	case err != nil:
		return "", r.unavailable(err)
	case !v.Allowed:
		return "", v.Status
	}
	if err := r.hold(c, v.Class); err != nil {
		return "", r.unavailable(err)
	}
	h, err := compute(c)
	if err != nil {
		return "", r.underived(c, access, err)
	}
	if !r.tokens.add(h) {
		return "", r.tooManySecrets()
	}
	if h.sigv4 == nil && access == abi.AccessSign {
		value, _ := h.value() // fixed: it does not fail
		r.watch.pass(h, value)
	}
	return h.token, abi.StatusOK
}

// errSignUnapproved: the template is not the one that the owner approved.
var errSignUnapproved = errors.New("the owner did not approve this template, or approved another one of its name")

// underived notes and audits why nothing was computed.
func (r *run) underived(c *credential, access abi.Access, err error) abi.Status {
	s := abi.StatusInvalid
	f := Refusal{
		Thing: "signing with " + c.decl.Name, Rule: "sign", Reason: err.Error(),
		Remedy: "see /credentials_schema/properties/" + c.decl.Name + "/sign in the manifest",
	}
	switch {
	case errors.Is(err, errSignUnapproved):
		s = abi.StatusDenied
		f.Rule, f.Remedy, f.NeedsOwner = "sign_not_approved", "run: "+capabilities.ApproveCommand(r.scope), true
	case errors.Is(err, signing.ErrKey):
		f.Thing, f.Rule, f.Remedy, f.NeedsOwner = "credential "+c.decl.Name, "key", "run: "+capabilities.SetCommand(r.scope, c.decl.Name), true
	}
	r.note(f)
	e := Event{Kind: EventDecision, Op: string(access), Name: c.decl.Name, Access: access, Rule: f.Rule, Reason: f.Thing + ": " + f.Reason, Remedy: f.Remedy}
	if err := r.ledger.decided(r, question{op: e.Op, name: c.decl.Name, access: string(access)}, e); err != nil {
		return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
	return s
}

// signed returns what stands for a signature or a token.
func (r *run) signed(c *credential, template string, data []byte) (*holding, error) {
	t, ok := c.decl.Sign[template]
	if !ok {
		return nil, errors.New("the manifest has no template of that name")
	}
	if !r.standing.Load().Approval.AllowsSign(c.decl.Name, t) {
		return nil, errSignUnapproved
	}
	h := &holding{c: c, access: abi.AccessSign, passing: true}
	if t.AWS != nil {
		if len(data) > 0 {
			return nil, errors.New("a template of AWS's signs the request, and takes no data")
		}
		h.sigv4 = &sigv4{t}
		return h, nil
	}
	value, epoch := c.value()
	text, err := signing.Template(t, value, data, time.Now())
	if err != nil {
		return nil, err
	}
	h.epoch = epoch
	h.value = func() ([]byte, error) { return []byte(text), nil }
	return h, nil
}

// code returns what stands for the code of the moment at which it is sent.
func (r *run) code(c *credential) (*holding, error) {
	value := func() ([]byte, error) {
		seed, _ := c.value()
		code, _, err := signing.TOTP(seed, time.Now())
		return []byte(code), err
	}
	if _, err := value(); err != nil {
		return nil, err
	}
	return &holding{c: c, access: abi.AccessTOTP, passing: true, value: value}, nil
}

// signRequest signs a request that is ready to be sent; follows says that its
// body is not there yet.
func (r *run) signRequest(o *outgoing, body []byte, follows bool) abi.Status {
	c := o.sigv4.c
	t := o.sigv4.sigv4.template.AWS
	id, s := r.part(o, t.AccessKeyID, "Authorization")
	if s != abi.StatusOK {
		return s
	}
	key, epoch := c.value()
	o.uses(c, epoch, manifests.Position{Kind: manifests.AsHeader, Param: "Authorization"})
	a := signing.AWS{AccessKeyID: id, SecretKey: vaultstore.NewSecret(key), Region: t.Region, Service: t.Service}
	if t.SessionToken != "" {
		if a.SessionToken, s = r.part(o, t.SessionToken, "X-Amz-Security-Token"); s != abi.StatusOK {
			return s
		}
	}
	digest := sha256.Sum256(body)
	q := signing.Request{Method: o.target.Method, URL: o.url, Header: o.header, BodySHA256: hex.EncodeToString(digest[:]), Time: time.Now()}
	if follows {
		q.BodySHA256 = signing.UnsignedPayload
	}
	added, err := a.Sign(q)
	if err != nil {
		return r.refuseRequest(o, "sign", err.Error(), "see /credentials_schema/properties/"+c.decl.Name+"/sign in the manifest", abi.StatusInvalid)
	}
	for name, values := range added {
		o.header[http.CanonicalHeaderKey(name)] = values
	}
	return abi.StatusOK
}

// part returns another credential that a signature needs, and that goes out
// with it in a header: that is decided like any other use.
func (r *run) part(o *outgoing, name, header string) (vaultstore.Secret, abi.Status) {
	c, v, err := r.ask(name)
	switch {
	case err != nil:
		return vaultstore.Secret{}, r.unavailable(err)
	case !v.Allowed:
		return vaultstore.Secret{}, v.Status
	}
	if c.decl.Identity {
		value, _ := c.value()
		return vaultstore.NewSecret(value), abi.StatusOK
	}
	if err := r.hold(c, v.Class); err != nil {
		return vaultstore.Secret{}, r.unavailable(err)
	}
	value, err := r.resolve(o, c.held.token, manifests.Position{Kind: manifests.AsHeader, Param: header}, o.target)
	if err != nil {
		return vaultstore.Secret{}, r.unfilled(o, err)
	}
	return vaultstore.NewSecret(value), abi.StatusOK
}
