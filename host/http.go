package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"golang.org/x/net/http/httpguts"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host/internal/cookies"
	"github.com/sallyport-host/sallyport/host/internal/egress"
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// defaultExchange bounds an exchange whose head does not.
const defaultExchange = 5 * time.Minute

// send starts a request, once all of it is decided.
func (r *run) send(mod api.Module, stack []uint64) {
	head, s := view(mod, stack[0], stack[1], abi.MaxHeadBytes)
	var body []byte
	follows := uint32(stack[3]) == abi.BodyFollows
	if s == abi.StatusOK && !follows {
		body, s = view(mod, stack[2], stack[3], abi.MaxRequestBodyBytes)
	}
	if s == abi.StatusOK {
		s = r.room()
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	handle, s := r.open(head, body, follows)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = uint64(handle)
}

// outgoing is a request while it is being decided.
type outgoing struct {
	head   abi.RequestHead
	url    *url.URL
	target manifests.Target
	header http.Header
	used   []sent

	draft *surrogate.Draft
	sigv4 *holding // signs the request when it is ready

	misplaced string // the credential whose surrogate stands where it may not
}

// sent is a credential whose value a request carries.
type sent struct {
	*credential
	epoch int
	to    *manifests.Destination // the entry of send_to, nil where there is none
}

// uses notes that the request carries a credential's value, or a proof of it.
func (o *outgoing) uses(c *credential, epoch int, at manifests.Position) {
	if use := (sent{c, epoch, c.decl.Destination(o.target, at)}); !slices.Contains(o.used, use) {
		o.used = append(o.used, use)
	}
}

// carried returns the epoch of a credential's value that the request carries,
// -1 when it carries none.
func (o *outgoing) carried(c *credential) int {
	for _, use := range o.used {
		if use.credential == c {
			return use.epoch
		}
	}
	return -1
}

func (r *run) open(head, body []byte, follows bool) (uint32, abi.Status) {
	if s := r.checkOut(head, "the head of a request"); s != abi.StatusOK {
		return 0, s
	}
	o, s := r.readHead(head)
	if s == abi.StatusOK {
		s = r.checkHeaders(o)
	}
	if s == abi.StatusOK {
		s = r.locate(o)
	}
	if s == abi.StatusOK {
		s = r.mayReach(o)
	}
	if s == abi.StatusOK {
		s = r.fill(o)
	}
	if s == abi.StatusOK {
		body, s = r.filled(o, body)
	}
	if s == abi.StatusOK && o.sigv4 != nil {
		s = r.signRequest(o, body, follows)
	}
	if s != abi.StatusOK {
		return 0, s
	}
	return r.launch(o, body, follows)
}

// filled returns a whole body with values put in, a piece at a time: a stopped
// run does not wait for a large one.
func (r *run) filled(o *outgoing, body []byte) ([]byte, abi.Status) {
	if len(body) == 0 {
		return nil, abi.StatusOK
	}
	pass := r.outbound(o)
	out := make([]byte, 0, len(body))
	for len(body) > 0 {
		if r.Err() != nil {
			return nil, abi.StatusCancelled
		}
		n := min(len(body), bodyChunk)
		piece, s := pass(body[:n], n == len(body))
		if s != abi.StatusOK {
			return nil, s
		}
		out, body = append(out, piece...), body[n:]
	}
	return out, abi.StatusOK
}

// readHead decodes a request's head.
func (r *run) readHead(text []byte) (*outgoing, abi.Status) {
	o := &outgoing{}
	head, plain := plainHead(string(text))
	var err error
	if !plain {
		head, err = parseHead(text)
	}
	if err != nil {
		return nil, r.refuseRequest(o, "request_head", err.Error(), "see abi/ABI.md, section 7", abi.StatusInvalid)
	}
	o.head = head
	if len(o.head.URL) > abi.MaxURLBytes || len(o.head.Headers) > abi.MaxHeaders {
		return nil, abi.StatusTooLarge
	}
	return o, abi.StatusOK
}

// locate finds where the request goes, and refuses what could be read in two
// ways.
func (r *run) locate(o *outgoing) (s abi.Status) {
	draft, err := surrogate.Locate(surrogate.Request{Method: o.head.Method, URL: o.head.URL, Headers: o.head.Headers}, r.tokens.live)
	if err == nil && draft.Whole != "" {
		err = draft.Open(r.peek)
	}
	if err != nil {
		return r.unfilled(o, err)
	}
	o.draft, o.target = draft, draft.Target
	if slices.ContainsFunc(o.head.Headers, asksForPart) && r.watch.guards(o.target.Origin) {
		return r.refuseRequest(o, "range", "a part of an answer is asked for where a credential may be echoed", "ask for all of it", abi.StatusDenied)
	}
	return abi.StatusOK
}

func asksForPart(pair [2]string) bool {
	name := textproto.CanonicalMIMEHeaderKey(pair[0])
	return name == "Range" || name == "If-Range"
}

// peek reads the value that is a whole URL, to see where it leads: that is
// what is then decided on.
func (r *run) peek(token string) ([]byte, error) {
	h := r.tokens.get(token)
	if h.c == nil || h.sigv4 != nil {
		return nil, &refusedUse{abi.StatusDenied}
	}
	if h.value != nil {
		return h.value()
	}
	if err := r.refresh(h.c); err != nil {
		return nil, &refusedUse{r.unavailable(err)}
	}
	value, _ := h.c.value()
	return value, nil
}

// fill puts values in where surrogates stand. What a value makes of the path
// has to be allowed too.
func (r *run) fill(o *outgoing) abi.Status {
	resolve := func(token string, at manifests.Position, target manifests.Target) ([]byte, error) {
		return r.resolve(o, token, at, target)
	}
	if o.sigv4 != nil {
		if _, err := resolve(o.sigv4.token, manifests.Position{Kind: manifests.AsHeader, Param: "Authorization"}, o.target); err != nil {
			return r.unfilled(o, err)
		}
	}
	ready, err := o.draft.Fill(resolve)
	if err != nil {
		return r.unfilled(o, err)
	}
	o.url, o.header = ready.URL, ready.Header
	if ready.Target == o.target {
		return abi.StatusOK
	}
	o.target = ready.Target
	return r.mayReach(o)
}

// mayReach asks the egress rules, and for plain http the operator's
// exceptions.
func (r *run) mayReach(o *outgoing) abi.Status {
	if ok, why := manifests.AllowEgress(r.bound.Egress, o.target); !ok {
		reason, remedy, _ := strings.Cut(why, ": ")
		if remedy != "" {
			remedy += " in the manifest, and approve again"
		}
		return r.refuseRequest(o, "egress", reason, remedy, abi.StatusDenied)
	}
	if ok, _ := manifests.AllowEgress(*r.approvedEgress.Load(), o.target); !ok {
		return r.refuseRequest(o, "egress_not_approved", "the owner did not approve it", "run: "+capabilities.ApproveCommand(r.scope), abi.StatusDenied)
	}
	if o.target.Origin.Scheme == "http" && !r.host.excepted(o.target.Origin) {
		return r.refuseRequest(o, "plain_http", "it is plain http, which anyone on the way can read", "use https, or let the operator allow it: "+allowFlag(o.target.Origin), abi.StatusDenied)
	}
	return abi.StatusOK
}

func (h *Host) excepted(o manifests.Origin) bool {
	for _, a := range h.exceptions[o.Host] {
		if a.Port() == o.Port {
			return true
		}
	}
	return false
}

func allowFlag(o manifests.Origin) string {
	return fmt.Sprintf("--allow-address %s=ADDRESS:%d", o.Host, o.Port)
}

// checkHeaders refuses headers that a guest may not set, and takes out those
// that are the host's to write.
func (r *run) checkHeaders(o *outgoing) abi.Status {
	kept := o.head.Headers[:0]
	for _, pair := range o.head.Headers {
		name, value := textproto.CanonicalMIMEHeaderKey(pair[0]), pair[1]
		if token, found := surrogate.In(pair[0], r.tokens.live); found {
			return r.misplaced(o, token, "a header's name")
		}
		if !httpguts.ValidHeaderFieldName(pair[0]) || !httpguts.ValidHeaderFieldValue(value) {
			return r.refuseRequest(o, "header", "a header is malformed", "", abi.StatusInvalid)
		}
		if hostsOwn(strings.ReplaceAll(name, "_", "-")) {
			return r.refuseRequest(o, "header", "header "+oneLine(name)+" is the host's to set", "leave it out", abi.StatusDenied)
		}
		if surrogate.NamesMethod(name) {
			return r.unfilled(o, surrogate.ErrMethod)
		}
		if name == "Accept-Encoding" {
			continue // the host asks for what it can undo
		}
		if h := r.tokens.get(value); h != nil && h.sigv4 != nil && name == "Authorization" {
			o.sigv4 = h
			continue
		}
		kept = append(kept, pair)
	}
	o.head.Headers = kept
	return abi.StatusOK
}

// hostsOwn lists the headers that frame a message, or that go to a proxy.
func hostsOwn(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer", "Expect", "Http2-Settings":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}

func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Te", "Trailer":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}

// refusedUse carries a verdict's status through package surrogate.
type refusedUse struct{ status abi.Status }

func (e *refusedUse) Error() string { return e.status.Text() }

// unfilled sorts why a request could not be put together.
func (r *run) unfilled(o *outgoing, err error) abi.Status {
	var refused *refusedUse
	var place *surrogate.PlaceError
	var value *surrogate.ValueError
	switch {
	case errors.As(err, &refused):
		return refused.status
	case errors.As(err, &place):
		return r.misplaced(o, place.Token, place.Where)
	case errors.As(err, &value):
		h := r.tokens.get(value.Token)
		return r.refuseRequest(o, "position", fmt.Sprintf("%s as %s: %s", h.name(), value.At, value.Reason), "store another value, or send it elsewhere", abi.StatusInvalid)
	case errors.Is(err, surrogate.ErrMethod):
		return r.refuseRequest(o, "method_override", "it names another method than its own, by a header or by _method", "send it by the method that is meant", abi.StatusDenied)
	case errors.Is(err, surrogate.ErrRepeated):
		return r.refuseRequest(o, "surrogate_position", err.Error(), "", abi.StatusLeakBlocked)
	case errors.Is(err, surrogate.ErrTooMany):
		return r.refuseRequest(o, "surrogate_position", err.Error(), "", abi.StatusTooLarge)
	}
	return r.refuseRequest(o, "request_url", err.Error(), "", abi.StatusInvalid)
}

// resolve decides whether a surrogate's value may go where it stands, and
// returns the value.
func (r *run) resolve(o *outgoing, token string, at manifests.Position, target manifests.Target) ([]byte, error) {
	h := r.tokens.get(token)
	if h.c == nil {
		return r.resolveCookie(o, h, at, target)
	}
	c := h.c
	if h.kept == nil {
		if err := r.refresh(c); err != nil {
			return nil, &refusedUse{r.unavailable(err)}
		}
	}
	q := r.request(capabilities.OpSend, c)
	if h.kept != nil {
		q.Stored = &capabilities.Stored{Class: c.decl.Class, Provenance: vaultstore.AutoBootstrapped, Status: vaultstore.Active, Scope: r.scope, Held: true}
	}
	q.Access, q.Target, q.Position = h.access, target, at
	v := r.explain(c, capabilities.Decide(q))
	key := question{op: string(q.Op), name: c.decl.Name, access: string(h.access), origin: target.Origin.String(), method: target.Method, position: at.String()}
	if err := r.ledger.decided(r, key, decision(q, v, c.generation())); err != nil {
		return nil, &refusedUse{r.unavailable(fmt.Errorf("%w: %w", errAudit, err))}
	}
	if !v.Allowed {
		r.note(Refusal{Thing: fmt.Sprintf("sending %s to %s as %s", c.decl.Name, target.Origin, at), Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)})
		return nil, &refusedUse{v.Status}
	}
	if h.sigv4 != nil && h != o.sigv4 {
		return nil, &refusedUse{r.misplaced(o, token, "the middle of something: a signature stands alone in Authorization")}
	}
	if h.sigv4 != nil {
		return nil, nil // it is computed when the request is ready
	}
	if h.value != nil {
		value, err := h.value()
		if err != nil {
			return nil, &refusedUse{r.unavailable(err)}
		}
		if h.access == abi.AccessSign {
			o.uses(c, h.epoch, at) // what the source says of a signature it says of the key
		}
		return asCookies(value, at, target), nil
	}
	if err := r.watchOut(c, v.Class); err != nil {
		return nil, &refusedUse{r.unavailable(err)}
	}
	value, epoch := c.value()
	o.uses(c, epoch, at)
	if at.Kind == manifests.AsCookie {
		value = r.jars.latest(c, value, epoch)
	}
	return asCookies(value, at, target), nil
}

// asCookies writes a stored session as the cookies that go to target.
func asCookies(value []byte, at manifests.Position, target manifests.Target) []byte {
	if at.Kind != manifests.AsCookie {
		return value
	}
	u, err := url.Parse(target.Origin.String() + target.Path)
	if err != nil {
		return value
	}
	state, err := cookies.Parse(value)
	if err != nil {
		return value
	}
	return []byte(state.Header(u))
}

// resolveCookie sends a cookie back to where it came from.
func (r *run) resolveCookie(o *outgoing, h *holding, at manifests.Position, target manifests.Target) ([]byte, error) {
	allowed := at.Kind == manifests.AsCookie && target.Origin == h.origin
	e := Event{Kind: EventDecision, Op: string(capabilities.OpSend), Allowed: allowed, Rule: "cookie", Origin: target.Origin.String(), Method: target.Method}
	if !allowed {
		e.Reason = fmt.Sprintf("a cookie of %s goes back there, as a cookie, and nowhere else", h.origin)
		e.Remedy = "for another use, declare it as a credential with capture"
		r.note(Refusal{Thing: "sending a cookie to " + target.Origin.String() + " as " + at.String(), Rule: e.Rule, Reason: e.Reason, Remedy: e.Remedy})
	}
	if err := r.ledger.decided(r, question{op: e.Op, name: "cookie", origin: e.Origin, method: e.Method, position: at.String()}, e); err != nil {
		return nil, &refusedUse{r.unavailable(fmt.Errorf("%w: %w", errAudit, err))}
	}
	if !allowed {
		return nil, &refusedUse{abi.StatusDenied}
	}
	value, err := h.value()
	return value, err
}

// misplaced refuses a surrogate where none may stand.
func (r *run) misplaced(o *outgoing, token, where string) abi.Status {
	name := r.tokens.get(token).name()
	o.misplaced = name
	return r.refuseRequest(o, "surrogate_position", "the surrogate of "+name+" stands in "+where, "put it where send_to of "+name+" says", abi.StatusLeakBlocked)
}

// refuseRequest notes and audits a request that is not sent.
func (r *run) refuseRequest(o *outgoing, rule, reason, remedy string, s abi.Status) abi.Status {
	thing := "a request"
	origin := ""
	if o.target.Origin.Host != "" {
		origin = o.target.Origin.String()
		thing = "a request to " + origin
	} else if o.url != nil && o.url.Host != "" {
		thing = "a request to " + oneLine(o.url.Host)
	}
	r.note(Refusal{Thing: thing, Rule: rule, Reason: reason, Remedy: remedy})
	e := Event{Kind: EventEgress, Op: "send", Rule: rule, Reason: thing + ": " + reason, Remedy: remedy, Origin: origin, Method: o.target.Method, Name: o.misplaced}
	if err := r.ledger.decided(r, question{op: "egress", name: o.misplaced, origin: thing}, e); err != nil {
		return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
	return s
}

// launch sends a request that was decided.
func (r *run) launch(o *outgoing, body []byte, follows bool) (uint32, abi.Status) {
	timeout := defaultExchange
	if ms := o.head.TimeoutMS; ms > 0 {
		timeout = min(timeout, time.Duration(min(ms, defaultExchange.Milliseconds()))*time.Millisecond)
	}
	held := int64(len(body))
	if !r.spend(limitRequests, 1) || !r.spend(limitBytesOut, held) {
		return 0, abi.StatusExhausted
	}
	if r.inFlight.Add(held) > abi.MaxRequestBodyBytes {
		r.inFlight.Add(-held)
		return 0, abi.StatusExhausted
	}
	ctx, cancel := context.WithTimeout(r.Context, timeout)
	x := newExchange(r.nudge, cancel, &r.spares)
	if follows {
		x.upload = newUpload(r.outbound(o), r.nudge)
	}
	if _, ok := o.header["User-Agent"]; !ok {
		o.header["User-Agent"] = []string{"sallyport/" + r.manifest.ConnectorKey}
	}
	req := o.request(body, x.upload).WithContext(egress.WithCheck(ctx, func() error { return r.stillGood(o) }))
	number := r.take(x)
	a := answers{
		head:   func(res *http.Response) (*reception, abi.Status) { return r.receive(o, res) },
		failed: func(err error) abi.Status { return r.exchangeFailed(ctx, o, err) },
	}
	r.moving.move(func() {
		defer r.inFlight.Add(-held)
		x.run(r.transport, req, a)
	})
	return number, abi.StatusOK
}

// request is the request as it was decided: its address is not read again.
func (o *outgoing) request(body []byte, follows *upload) *http.Request {
	req := &http.Request{Method: o.target.Method, URL: o.url, Host: o.url.Host, Header: o.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	switch {
	case follows != nil:
		req.Body, req.ContentLength = follows, -1
	case len(body) > 0:
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
	return req
}

// stillGood is asked before a request is sent, and sent again: it may have
// waited for its turn meanwhile.
func (r *run) stillGood(o *outgoing) error {
	if s := r.halted.Load(); s != 0 {
		return &refusedUse{abi.Status(s)}
	}
	for _, u := range o.used {
		if _, epoch := u.value(); epoch != u.epoch {
			return &refusedUse{abi.StatusUnavailable}
		}
	}
	return nil
}

// exchangeFailed tells the owner why. It runs on the exchange's goroutine.
func (r *run) exchangeFailed(ctx context.Context, o *outgoing, err error) abi.Status {
	var gone *refusedUse
	if errors.As(err, &gone) {
		return gone.status
	}
	s, refused := failure(ctx, err)
	origin := o.target.Origin
	switch {
	case refused != nil:
		f := Refusal{Thing: "a connection to " + origin.String(), Rule: "address", Reason: refused.Reason, Remedy: "if it is meant, let the operator allow it: " + allowFlag(origin)}
		r.note(f)
		e := Event{Kind: EventEgress, Op: "connect", Rule: f.Rule, Reason: f.Reason, Remedy: f.Remedy, Origin: origin.String(), Method: o.target.Method}
		if err := r.ledger.decided(r, question{op: "connect", origin: origin.String()}, e); err != nil {
			return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
		}
	case s == abi.StatusUnavailable || s == abi.StatusTimeout:
		r.mu.Lock()
		r.outcome.Problem = origin.String() + " " + plainly(err)
		r.mu.Unlock()
	}
	return s
}

func sortedNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
