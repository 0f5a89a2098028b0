package host

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/guard"
	"github.com/sallyport-host/sallyport/manifests"
)

// The bounds of what a run looks for. A credential's value is never forgotten
// while the run goes on: what was sent once may come back late. Of each kind
// of what comes and goes, such as signatures or cookies, the newest are looked
// for.
const (
	maxWatched        = 192
	maxPassingWatched = 16
)

// watch is the values that are live in a run, ready to be looked for. It is
// safe for concurrent use, and costs nothing while there is none.
type watch struct {
	mu  sync.Mutex
	now atomic.Pointer[lookout] // nil while there is no value
}

// lookout is one state of a watch. It does not change.
type lookout struct {
	set *guard.Set
	// values are those of the set, by index; one that has gone is zero.
	values []watched
}

// watched is one value, and the surrogate that stands for it.
type watched struct {
	holding *holding
	value   []byte
	never   bool // class 3: a find stops the run, it is never replaced
}

// add makes value looked for from now on. It reports false when there are too
// many.
func (w *watch) add(h *holding, value []byte, never bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := lookout{}
	if old := w.now.Load(); old != nil {
		next = *old
	}
	for _, v := range next.values {
		if v.holding == h && bytes.Equal(v.value, value) {
			return true
		}
	}
	if h.passing && !h.once() {
		next.withoutOldest(h.kind())
	} else if next.staying() >= maxWatched {
		return false
	}
	next.values = append(slices.Clip(next.values), watched{h, bytes.Clone(value), never})
	next.set = next.set.With(next.values[len(next.values)-1].secret())
	w.now.Store(&next)
	return true
}

func (v watched) secret() guard.Secret {
	return guard.Secret{Name: v.holding.name(), Value: v.value, Stop: v.never}
}

func (l *lookout) staying() (n int) {
	for _, v := range l.values {
		if v.holding != nil && (!v.holding.passing || v.holding.once()) {
			n++
		}
	}
	return n
}

// withoutOldest makes room for one more of a kind that comes and goes. The set
// is compiled anew when a good part of it is of what has gone: now and then, and
// not with every signature.
func (l *lookout) withoutOldest(k kind) {
	first, n, gone := 0, 0, 0
	for i, v := range slices.Backward(l.values) {
		switch {
		case v.holding == nil:
			gone++
		case v.holding.passing && !v.holding.once() && v.holding.kind() == k:
			first, n = i, n+1
		}
	}
	if n < maxPassingWatched {
		return
	}
	l.values = slices.Clone(l.values)
	l.values[first] = watched{}
	if gone++; gone <= max(maxPassingWatched, len(l.values)/2) {
		l.set = l.set.Without(first)
		return
	}
	l.values = slices.DeleteFunc(l.values, func(v watched) bool { return v.holding == nil })
	secrets := make([]guard.Secret, len(l.values))
	for i, v := range l.values {
		secrets[i] = v.secret()
	}
	l.set = guard.New(secrets)
}

// pass is add for what comes and goes.
func (w *watch) pass(h *holding, value []byte) { _ = w.add(h, value, false) }

// goesTo reports whether a value belongs to origin: an answer from there may
// hold it, and gets the surrogate in its place.
func (h *holding) goesTo(origin manifests.Origin) bool {
	if h.c == nil {
		return h.origin == origin
	}
	for _, d := range h.c.decl.SendTo {
		if manifests.MatchOrigin(d.Origin, origin) {
			return true
		}
	}
	return false
}

// guards reports whether a value is live that belongs to origin.
func (w *watch) guards(origin manifests.Origin) bool {
	l := w.now.Load()
	if l == nil {
		return false
	}
	for _, v := range l.values {
		if v.holding != nil && v.holding.goesTo(origin) {
			return true
		}
	}
	return false
}

// holds returns what credential's value a text holds, nil when it holds none.
func (w *watch) holds(text []byte) (*credential, string) {
	l := w.now.Load()
	if l == nil {
		return nil, ""
	}
	hit, found := l.set.Find(text)
	if !found {
		return nil, ""
	}
	return l.values[hit.Secret].holding.c, hit.Form
}

// checkOut looks for values in what the guest has built, before it goes
// anywhere. where says what it is, for the owner: "a record". What is found
// stops the run.
func (r *run) checkOut(text []byte, where string) abi.Status {
	l := r.watch.now.Load()
	if l == nil {
		return abi.StatusOK
	}
	if hit, found := l.set.Find(text); found {
		return r.leaked(l.values[hit.Secret].holding.name(), hit.Form, where)
	}
	return abi.StatusOK
}

// leaked stops a run in which a value turned up where none may be.
func (r *run) leaked(name, form, where string) abi.Status {
	f := Refusal{
		Thing: where, Rule: ruleGuard, Reason: fmt.Sprintf("it held the value of %s (as %s), which no connector is given", name, form),
		Remedy: "do not run this connector again before you know where it has that from; renew " + name,
	}
	r.stop(errLeak)
	r.note(f)
	e := Event{Kind: EventLeak, Op: "guard", Name: name, Rule: f.Rule, Reason: f.Thing + ": " + f.Reason, Remedy: f.Remedy}
	last, cancel := context.WithTimeout(context.WithoutCancel(r), lastWords)
	defer cancel()
	if err := r.ledger.decided(last, question{op: "guard", name: name, origin: where}, e); err != nil {
		return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
	return abi.StatusLeakBlocked
}

const ruleGuard = "guard"

// redact puts [redacted:NAME] in the place of every surrogate in a message of
// the guest's: a surrogate is of no use to anybody, and stands where the
// source wrote the value. One that was put into an answer may stand there in
// the form that the value had.
func (r *run) redact(text []byte) []byte {
	text = r.redactPlain(text)
	l := r.echoed.now.Load()
	if l == nil {
		return text
	}
	out, n, stop := l.set.Scrub(nil, text, func(hit guard.Hit) []byte { return redacted(l.values[hit.Secret].holding) })
	if n == 0 || stop != nil {
		return text
	}
	return out
}

func redacted(h *holding) []byte { return []byte("[redacted:" + h.name() + "]") }

func (r *run) redactPlain(text []byte) []byte {
	var out []byte
	done := 0
	for i := 0; ; {
		at := bytes.Index(text[i:], []byte(abi.SurrogatePrefix))
		if at < 0 || i+at+abi.SurrogateLen > len(text) {
			break
		}
		i += at
		h := r.tokens.get(string(text[i : i+abi.SurrogateLen]))
		if h == nil {
			i++
			continue
		}
		out = append(append(out, text[done:i]...), redacted(h)...)
		i += abi.SurrogateLen
		done = i
	}
	if out == nil {
		return text
	}
	return append(out, text[done:]...)
}

// clean makes a text that may quote the guest or a source fit to be shown:
// what holds a value is withheld.
func (r *run) clean(s string) string {
	if l := r.watch.now.Load(); l != nil {
		if hit, found := l.set.Find([]byte(s)); found {
			return "(withheld: it held the value of " + l.values[hit.Secret].holding.name() + ")"
		}
	}
	if strings.Contains(s, abi.SurrogatePrefix) {
		return string(r.redact([]byte(s)))
	}
	return s
}
