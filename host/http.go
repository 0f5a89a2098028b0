package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
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
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/internal/strictjson"
	"github.com/sallyport-host/sallyport/manifests"
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
	if s == abi.StatusOK && len(r.exchanges) >= abi.MaxHandles {
		s = abi.StatusExhausted
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

	misplaced string // the credential whose surrogate stands where it may not
}

// sent is a credential whose value a request carries.
type sent struct {
	*credential
	epoch int
}

func (r *run) open(head, body []byte, follows bool) (uint32, abi.Status) {
	o, s := r.readHead(head)
	if s == abi.StatusOK {
		s = r.mayReach(o)
	}
	if s == abi.StatusOK {
		s = r.fillHeaders(o)
	}
	if s == abi.StatusOK {
		s = r.scanBody(o, body)
	}
	if s != abi.StatusOK {
		return 0, s
	}
	return r.launch(o, body, follows)
}

// scanBody looks for surrogates in a body, a piece at a time: a stopped run
// does not wait for a large one.
func (r *run) scanBody(o *outgoing, body []byte) abi.Status {
	scan := surrogate.Scanner{Live: r.live}
	for piece := range slices.Chunk(body, bodyChunk) {
		if r.Err() != nil {
			return abi.StatusCancelled
		}
		if _, found := scan.Next(piece); found {
			return r.misplaced(o, scan.Found, "the body")
		}
	}
	return abi.StatusOK
}

// readHead decodes a request's head and refuses what could be read in two
// ways.
func (r *run) readHead(text []byte) (*outgoing, abi.Status) {
	o := &outgoing{header: http.Header{}}
	head, err := parseHead(text)
	if err != nil {
		return nil, r.refuseRequest(o, "request_head", err.Error(), "see abi/ABI.md, section 7", abi.StatusInvalid)
	}
	o.head = head
	if len(o.head.URL) > abi.MaxURLBytes || len(o.head.Headers) > abi.MaxHeaders {
		return nil, abi.StatusTooLarge
	}
	if token, found := surrogate.In(o.head.Method+" "+o.head.URL, r.live); found {
		return nil, r.misplaced(o, token, "the URL")
	}
	u, err := url.Parse(o.head.URL)
	if err != nil || strings.Contains(o.head.URL, "#") || !plainQuery(u.RawQuery) {
		return nil, r.refuseRequest(o, "request_url", "the URL cannot be read, or not in one way only", "escape it, and leave out the fragment", abi.StatusInvalid)
	}
	o.url = u
	if o.target, err = manifests.TargetOf(o.head.Method, u); err != nil {
		return nil, r.refuseRequest(o, "request_url", err.Error(), "", abi.StatusInvalid)
	}
	// What is dialled is what was decided, not another spelling of it.
	_, u.Host, _ = strings.Cut(o.target.Origin.String(), "://")
	return o, abi.StatusOK
}

// parseHead decodes a head that has one reading.
func parseHead(text []byte) (h abi.RequestHead, err error) {
	v, err := strictjson.Parse(text, strictjson.Limits{})
	if err != nil {
		return h, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return h, errors.New("the head is not an object")
	}
	for name, v := range members {
		ok := false
		switch name {
		case "method":
			h.Method, ok = v.(string)
		case "url":
			h.URL, ok = v.(string)
		case "timeout_ms":
			n, isNumber := v.(json.Number)
			h.TimeoutMS, err = n.Int64()
			ok = isNumber && err == nil && h.TimeoutMS >= 0
		case "headers":
			h.Headers, ok = headerPairs(v)
		}
		if !ok {
			return h, errors.New("the head has an unknown member, or one of another type")
		}
	}
	return h, nil
}

func headerPairs(v any) (pairs [][2]string, ok bool) {
	list, ok := v.([]any)
	for _, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return nil, false
		}
		name, ok1 := pair[0].(string)
		value, ok2 := pair[1].(string)
		if !ok1 || !ok2 {
			return nil, false
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, ok
}

// plainQuery reports whether a query is made of the characters of a URI
// (RFC 3986), so that it stays one word of the request line.
func plainQuery(q string) bool {
	for i := range len(q) {
		if c := q[i]; c <= 0x20 || c >= 0x7f || strings.IndexByte("\"#<>\\^`{}|", c) >= 0 {
			return false
		}
	}
	return true
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

// fillHeaders checks the headers and puts values in where surrogates stand.
func (r *run) fillHeaders(o *outgoing) abi.Status {
	for _, pair := range o.head.Headers {
		name, value := textproto.CanonicalMIMEHeaderKey(pair[0]), pair[1]
		if token, found := surrogate.In(pair[0], r.live); found {
			return r.misplaced(o, token, "a header's name")
		}
		if !httpguts.ValidHeaderFieldName(pair[0]) || !httpguts.ValidHeaderFieldValue(value) {
			return r.refuseRequest(o, "header", "a header is malformed", "", abi.StatusInvalid)
		}
		if hostsOwn(name) {
			return r.refuseRequest(o, "header", "header "+oneLine(name)+" is the host's to set", "leave it out", abi.StatusDenied)
		}
		if name == "Accept-Encoding" {
			continue // the host asks for what it can undo
		}
		filled, err := surrogate.Header(name, value, r.live, func(token string, at manifests.Position) ([]byte, error) {
			return r.resolve(o, token, at)
		})
		if err != nil {
			return r.unfilled(o, name, err)
		}
		o.header.Add(name, filled)
	}
	return abi.StatusOK
}

// hostsOwn lists the headers that frame a message, or that go to a proxy.
func hostsOwn(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer", "Expect":
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

// unfilled sorts why a header could not be filled.
func (r *run) unfilled(o *outgoing, name string, err error) abi.Status {
	var refused *refusedUse
	if errors.As(err, &refused) {
		return refused.status
	}
	return r.refuseRequest(o, "position", "header "+oneLine(name)+": "+err.Error(), "", abi.StatusLeakBlocked)
}

func (r *run) live(token string) bool { return r.surrogates[token] != nil }

// resolve decides whether a surrogate's value may go where it stands, and
// returns the value.
func (r *run) resolve(o *outgoing, token string, at manifests.Position) ([]byte, error) {
	c := r.surrogates[token]
	if err := r.refresh(c); err != nil {
		return nil, &refusedUse{r.unavailable(fmt.Errorf("vault: %w", err))}
	}
	q := r.request(capabilities.OpSend, c)
	q.Target, q.Position = o.target, at
	v := capabilities.Decide(q)
	key := question{op: string(q.Op), name: c.decl.Name, access: "use", origin: o.target.Origin.String(), method: o.target.Method, position: at.String()}
	if err := r.ledger.decided(r, key, decision(q, v, c.generation())); err != nil {
		return nil, &refusedUse{r.unavailable(fmt.Errorf("%w: %w", errAudit, err))}
	}
	if !v.Allowed {
		r.note(Refusal{Thing: fmt.Sprintf("sending %s to %s as %s", c.decl.Name, o.target.Origin, at), Rule: string(v.Rule), Reason: v.Reason, Remedy: v.Remedy, NeedsOwner: ownerCan(v.Rule)})
		return nil, &refusedUse{v.Status}
	}
	value, epoch := c.value()
	if use := (sent{c, epoch}); !slices.Contains(o.used, use) {
		o.used = append(o.used, use)
	}
	return value, nil
}

// misplaced refuses a surrogate where none may stand.
func (r *run) misplaced(o *outgoing, token, where string) abi.Status {
	name := r.surrogates[token].decl.Name
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
	if r.inFlight.Add(held) > abi.MaxRequestBodyBytes {
		r.inFlight.Add(-held)
		return 0, abi.StatusExhausted
	}
	ctx, cancel := context.WithTimeout(r.Context, timeout)
	x := newExchange(r.nudge, cancel)
	var reader io.Reader
	switch {
	case follows:
		x.upload = newUpload(r.live, r.nudge)
		reader = x.upload
	case len(body) > 0:
		reader = bytes.NewReader(bytes.Clone(body))
	}
	req, err := http.NewRequestWithContext(ctx, o.target.Method, o.url.String(), reader)
	if err != nil {
		cancel()
		r.inFlight.Add(-held)
		return 0, abi.StatusInvalid
	}
	req.Header = o.header
	if _, ok := o.header["User-Agent"]; !ok {
		req.Header["User-Agent"] = []string{"sallyport/" + r.manifest.ConnectorKey}
	}
	r.lastHandle++
	r.exchanges[r.lastHandle] = x
	answered := func(status int) {
		for _, c := range o.used {
			c.saw(c.epoch, status)
		}
	}
	failed := func(err error) abi.Status { return r.exchangeFailed(ctx, o, err) }
	r.moving.Go(func() {
		defer r.inFlight.Add(-held)
		x.run(r.transport, req, answered, failed)
	})
	return r.lastHandle, abi.StatusOK
}

// exchangeFailed tells the owner why. It runs on the exchange's goroutine.
func (r *run) exchangeFailed(ctx context.Context, o *outgoing, err error) abi.Status {
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

// nudge tells the guest's thread that an exchange has moved on.
func (r *run) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *run) exchange(handle uint64) (*exchange, abi.Status) {
	if x, ok := r.exchanges[uint32(handle)]; ok {
		return x, abi.StatusOK
	}
	return nil, abi.StatusNotFound
}

func (r *run) write(mod api.Module, stack []uint64) {
	x, s := r.exchange(stack[0])
	var p []byte
	if s == abi.StatusOK {
		p, s = view(mod, stack[1], stack[2], abi.MaxRequestBodyBytes)
	}
	if s == abi.StatusOK && x.upload == nil {
		s = abi.StatusInvalid
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	n, s := x.upload.write(p)
	if s == abi.StatusOK || s == abi.StatusAgain {
		stack[0] = result(s)
		if s == abi.StatusOK {
			stack[0] = uint64(n)
		}
		return
	}
	switch s {
	case abi.StatusLeakBlocked:
		s = r.misplaced(&outgoing{}, x.upload.scan.Found, "a body that follows")
		x.fail(s)
	case abi.StatusTooLarge:
		x.fail(s)
	case abi.StatusInvalid:
		if failure := x.failed(); failure != 0 {
			s = failure // the body was given up because the exchange failed
		}
	}
	stack[0] = result(r.fail(s))
}

func (x *exchange) failed() abi.Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failure
}

func (r *run) read(mod api.Module, stack []uint64) {
	x, s := r.exchange(stack[0])
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	buf, ok := mod.Memory().Read(uint32(stack[1]), uint32(stack[2]))
	if !ok {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	n, s := x.read(buf)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = uint64(n)
}

func (r *run) closeHandle(_ api.Module, stack []uint64) {
	if !r.closeExchange(uint32(stack[0])) {
		stack[0] = result(r.fail(abi.StatusNotFound))
		return
	}
	stack[0] = 0
}

func (r *run) closeExchange(handle uint32) bool {
	x, ok := r.exchanges[handle]
	if ok {
		x.fail(abi.StatusCancelled)
		delete(r.exchanges, handle)
	}
	return ok
}

// closeExchanges ends what is still under way, and waits for it: nothing of a
// run goes on after its end.
func (r *run) closeExchanges() {
	for handle := range r.exchanges {
		r.closeExchange(handle)
	}
	r.moving.Wait()
}

// wait blocks until one of the handles is ready, the time is over, or the run
// is stopped.
func (r *run) wait(mod api.Module, stack []uint64) {
	n := uint32(stack[1])
	if n > abi.MaxWaitHandles {
		stack[0] = result(r.fail(abi.StatusTooLarge))
		return
	}
	list, s := view(mod, stack[0], uint64(n)*4, abi.MaxWaitHandles*4)
	timeout := int64(stack[2])
	var buf []byte
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[3], stack[4])
	}
	if s == abi.StatusOK && timeout < -1 {
		s = abi.StatusInvalid
	}
	handles := make([]uint32, 0, n)
	for i := 0; s == abi.StatusOK && i < len(list); i += 4 {
		h := binary.LittleEndian.Uint32(list[i:])
		_, s = r.exchange(uint64(h))
		handles = append(handles, h)
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	ready := []abi.Ready{}
	look := func() bool {
		for _, h := range handles {
			if rd, ok := r.exchanges[h].ready(h, true); ok {
				ready = append(ready, rd)
			}
		}
		return len(ready) > 0
	}
	limit := time.Duration(-1)
	if timeout >= 0 {
		limit = time.Duration(min(timeout, int64(maxSleep/time.Millisecond))) * time.Millisecond
	}
	if s := r.block(limit, look); s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliverJSON(buf, ready)
}

// maxSleep bounds a stated time, so that it does not overflow; a run is over
// long before.
const maxSleep = 24 * time.Hour

// block waits until look reports true, for limit at most (negative is
// without limit), or until the run is stopped.
func (r *run) block(limit time.Duration, look func() bool) abi.Status {
	if look() || limit == 0 {
		return abi.StatusOK
	}
	var timer <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		timer = t.C
	}
	for {
		select {
		case <-r.wake:
			if look() {
				return abi.StatusOK
			}
		case <-timer:
			look()
			return abi.StatusOK
		case <-r.Done():
			r.stop(context.Cause(r))
			return abi.Status(r.halted.Load())
		}
	}
}

func sortedNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
