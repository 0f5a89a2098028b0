package egress

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// When a request is sent again.
const (
	// MaxTries is how often a request is sent at most.
	MaxTries = 3
	// MaxRetryAfter is how long a source may have a request wait. One that asks
	// for more gets no second request: its answer goes to the guest.
	MaxRetryAfter = 2 * time.Minute

	backoffBase = time.Second      // the most before the second try; it doubles
	backoffMost = 16 * time.Second // the most before any
	maxKept     = 64 << 10         // bytes of an answer that is kept while its request waits to be sent again
)

// repeatable reports whether a request may be sent twice: its method is safe
// (RFC 9110, section 9.2.1; REPORT is by RFC 3253), and its body can be had
// again. PUT and DELETE are not, though idempotent: when the first was done in
// spite of its 503, the second would answer the guest something untrue.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, "PROPFIND", "REPORT":
		return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	}
	return false
}

// overloaded reports whether an answer asks for patience.
func overloaded(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// backoff is how long to wait before try n (the first is 0) is followed by
// another: full jitter, so that those who failed together do not return
// together.
func backoff(n int) time.Duration {
	most := backoffMost
	if n < 4 {
		most = min(most, backoffBase<<n)
	}
	return rand.N(most) + 1
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3); ok is false when
// there is none that can be read. A date is taken against the source's own
// clock when it tells it.
func retryAfter(h http.Header, now time.Time) (d time.Duration, ok bool) {
	text := h.Get("Retry-After")
	if text == "" {
		return 0, false
	}
	if text[0] >= '0' && text[0] <= '9' {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return MaxRetryAfter + 1, allDigits(text) // too many for a number, or none
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return max(0, at.Sub(now)), true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// keep reads the body of an answer, so that it can still be given to the guest
// after its connection serves others. It reports false, with the body as it
// was, when that is too large or breaks off.
func keep(res *http.Response) bool {
	kept, err := io.ReadAll(io.LimitReader(res.Body, maxKept+1))
	if err == nil && len(kept) <= maxKept {
		_ = res.Body.Close()
		res.Body = io.NopCloser(newReplay(kept, nil, nil))
		return true
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{newReplay(kept, res.Body, err), res.Body}
	return false
}

// replay gives what was read already, and then the rest, or the error that
// ended it.
type replay struct {
	head []byte
	rest io.Reader // nil: nothing more
	err  error
}

func newReplay(head []byte, rest io.Reader, err error) *replay { return &replay{head, rest, err} }

func (r *replay) Read(p []byte) (int, error) {
	switch {
	case len(r.head) > 0:
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	case r.err != nil:
		return 0, r.err
	case r.rest == nil:
		return 0, io.EOF
	}
	return r.rest.Read(p)
}
