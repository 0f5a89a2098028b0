package host

import (
	"fmt"
	"net/http"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/guard"
	"github.com/sallyport-host/sallyport/host/internal/surrogate"
	"github.com/sallyport-host/sallyport/manifests"
)

// receive looks at an answer before anything of it is shown to the guest: new
// secrets are taken out by the manifest's rules, and a live value that the
// source echoes becomes its surrogate again. It runs on the exchange's
// goroutine.
func (r *run) receive(o *outgoing, res *http.Response) (*reception, abi.Status) {
	for _, u := range o.used {
		u.saw(u.epoch, res.StatusCode, u.to.Rejects(res.StatusCode))
	}
	origin := o.target.Origin
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil, r.refuseAnswer(o, "it switches to another protocol, which nobody asked for", abi.StatusUnavailable)
	}
	rules := r.captureRules(o)
	if len(o.used) > 0 || len(rules) > 0 || r.watch.guards(origin) {
		if s := r.plainAnswer(o, res); s != abi.StatusOK {
			return nil, s
		}
	}
	in := &reception{body: res.Body, pass: r.inbound(origin, false)}
	var s abi.Status
	if in.body, s = r.capture(o, res, rules); s != abi.StatusOK {
		return nil, s
	}
	if in.headers, s = r.answerHeaders(origin, res.Header); s != abi.StatusOK {
		return nil, s
	}
	return in, abi.StatusOK
}

// plainAnswer refuses an answer that cannot be searched: a part of something,
// or encoded in a way that was not asked for.
func (r *run) plainAnswer(o *outgoing, res *http.Response) abi.Status {
	switch {
	case res.StatusCode == http.StatusPartialContent || res.Header.Get("Content-Range") != "":
		return r.refuseAnswer(o, "it is a part, which nobody asked for", abi.StatusUnavailable)
	case res.Header.Get("Content-Encoding") != "" && res.Header.Get("Content-Encoding") != "identity" && res.Body != http.NoBody:
		return r.refuseAnswer(o, "it is encoded in a way that was not asked for", abi.StatusUnavailable)
	}
	return abi.StatusOK
}

func (r *run) refuseAnswer(o *outgoing, reason string, s abi.Status) abi.Status {
	thing := "an answer of " + o.target.Origin.String()
	r.note(Refusal{Thing: thing, Rule: "answer", Reason: reason})
	e := Event{Kind: EventEgress, Op: "receive", Rule: "answer", Reason: thing + ": " + reason, Origin: o.target.Origin.String(), Method: o.target.Method}
	if err := r.ledger.decided(r, question{op: "receive", origin: thing, name: reason}, e); err != nil {
		return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
	return s
}

// answerHeaders returns the headers that a guest gets, echoes taken out.
func (r *run) answerHeaders(origin manifests.Origin, all http.Header) ([][2]string, abi.Status) {
	headers := make([][2]string, 0, len(all)+len(all)/2)
	for _, name := range sortedNames(all) {
		if hopByHop(name) {
			continue
		}
		for _, value := range all[name] {
			headers = append(headers, [2]string{name, value})
		}
	}
	if r.clear(headers) {
		return headers, abi.StatusOK
	}
	for i := range headers {
		for j := range headers[i] {
			text, s := r.scrub(nil, origin, []byte(headers[i][j]), "a header of an answer")
			if s != abi.StatusOK {
				return nil, s
			}
			headers[i][j] = string(text)
		}
	}
	return headers, abi.StatusOK
}

// clear reports that no value is in any of the headers. It looks at them in
// one text, a line for each part: what is in a part is in that as well, and
// what reaches over a line's end is then looked for again, part by part.
func (r *run) clear(headers [][2]string) bool {
	l := r.watch.now.Load()
	if l == nil {
		return true
	}
	text := make([]byte, 0, 1<<10)
	for _, pair := range headers {
		text = append(append(append(append(text, pair[0]...), '\n'), pair[1]...), '\n')
	}
	_, found := l.set.Find(text)
	return !found
}

// scrub appends a whole text of origin's to dst, echoes taken out.
func (r *run) scrub(dst []byte, origin manifests.Origin, text []byte, where string) ([]byte, abi.Status) {
	l := r.watch.now.Load()
	if l == nil {
		return append(dst, text...), abi.StatusOK
	}
	e := echoes{run: r, origin: origin, where: where, lookout: l}
	out, _, stop := l.set.Scrub(dst, text, e.put)
	if s := e.verdict(stop); s != abi.StatusOK {
		return dst, s
	}
	return out, abi.StatusOK
}

// echoes is one text of a source's while it is searched.
type echoes struct {
	run     *run
	origin  manifests.Origin
	where   string
	lookout *lookout
	foreign *guard.Hit // a value that does not belong to origin
}

// put returns what takes a value's place.
func (e *echoes) put(hit guard.Hit) []byte {
	v := e.lookout.values[hit.Secret]
	if !v.holding.goesTo(e.origin) && e.foreign == nil {
		e.foreign = &hit
	}
	_ = e.run.echoed.add(v.holding, []byte(v.holding.token), false) // there is no end of signatures, and the newest count
	return []byte(v.holding.token)
}

// verdict stops the run when a value was found that is never replaced: one of
// class 3 or too short, or one from where it should never have come.
func (e *echoes) verdict(stop *guard.Hit) abi.Status {
	if stop == nil {
		stop = e.foreign
	}
	if stop == nil {
		return abi.StatusOK
	}
	return e.run.leaked(e.lookout.values[stop.Secret].holding.name(), stop.Form, e.where+" of "+e.origin.String())
}

// inbound returns what the body of an answer is passed through. With exact, its
// length stays what it was.
func (r *run) inbound(origin manifests.Origin, exact bool) func(dst, chunk []byte, last bool) ([]byte, abi.Status) {
	e := &echoes{run: r, origin: origin, where: "an answer"}
	var stream *guard.Stream
	return func(dst, chunk []byte, last bool) ([]byte, abi.Status) {
		now := r.watch.now.Load()
		switch {
		case now == nil && len(dst) == 0:
			return chunk, abi.StatusOK
		case now == nil:
			return append(dst, chunk...), abi.StatusOK
		case stream == nil && last && !exact: // all in one piece
			e.lookout = now
			out, _, stop := now.set.Scrub(dst, chunk, e.put)
			return out, e.verdict(stop)
		case stream == nil:
			stream = now.set.Stream(e.put)
			if exact {
				stream.KeepLength()
			}
		case now != e.lookout:
			stream.Renew(now.set)
		}
		e.lookout = now
		out, stop := stream.Next(dst, chunk)
		if stop == nil && last {
			out, stop = stream.Rest(out)
		}
		return out, e.verdict(stop)
	}
}

// outbound returns what the body of a request is passed through: a value that
// the guest has built in stops it, and then surrogates become values.
func (r *run) outbound(o *outgoing) func(chunk []byte, last bool) ([]byte, abi.Status) {
	var stream *guard.Stream
	var seen *lookout
	resolve := func(token string, at manifests.Position, target manifests.Target) ([]byte, error) {
		return r.resolve(o, token, at, target)
	}
	body := surrogate.NewBody(o.header.Get("Content-Type"), r.tokens.live, resolve, o.target)
	fill := func(chunk []byte, last bool) ([]byte, abi.Status) {
		out, err := body.Next(nil, chunk)
		if err == nil && last {
			out, err = body.Rest(out)
		}
		if err != nil {
			return nil, r.unfilled(o, err)
		}
		return out, abi.StatusOK
	}
	search := func(chunk []byte, last bool) ([]byte, abi.Status) {
		now := r.watch.now.Load()
		var stop *guard.Hit
		switch {
		case now == nil:
		case stream == nil:
			stream = now.set.Stream(nil)
		case now != seen:
			stream.Renew(now.set)
		}
		if seen = now; stream != nil {
			chunk, stop = stream.Next(nil, chunk)
			if stop == nil && last {
				chunk, stop = stream.Rest(chunk)
			}
		}
		if stop != nil {
			return nil, r.leaked(now.values[stop.Secret].holding.name(), stop.Form, "the body of a request to "+o.target.Origin.String())
		}
		return chunk, abi.StatusOK
	}
	first, second := search, fill
	if !body.Rewrites() {
		first, second = fill, search // the guard may hold the end of a surrogate back, and the guest wait for an answer
	}
	return func(chunk []byte, last bool) ([]byte, abi.Status) {
		out, s := first(chunk, last)
		if s != abi.StatusOK {
			return nil, s
		}
		return second(out, last)
	}
}
