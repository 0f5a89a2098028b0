package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Client sends requests over a transport: each as it was decided, paced for
// its origin, repeated where that is safe, its phases bounded. There is one
// for each (owner, connector, instance); its limits are for each origin apart.
// It is safe for concurrent use.
type Client struct {
	base    http.RoundTripper
	pacer   *pacer
	backoff func(try int) time.Duration
}

var _ http.RoundTripper = (*Client)(nil)

// NewClient returns a client over base, which [NewTransport] made.
func NewClient(base http.RoundTripper, l Limits) *Client {
	return &Client{base: base, pacer: newPacer(l), backoff: backoff}
}

// SetLimits changes the limits, for all requests that are not under way.
func (c *Client) SetLimits(l Limits) { c.pacer.setLimits(l) }

// CloseIdleConnections closes those of the transport.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.base.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

type checkKey struct{}

// WithCheck has check asked each time before a request of ctx is sent, after
// all waiting, the first time among them. It says whether the request may go
// as it stands: that its grant is active still, and the values it carries are
// the current ones. Its error ends the first try and is returned as it is; a
// later try is not made then, and the answer so far is the answer.
func WithCheck(ctx context.Context, check func() error) context.Context {
	return context.WithValue(ctx, checkKey{}, check)
}

// RoundTrip sends req and returns the answer's head; the body's errors come
// from reading it. The wait for a turn, for a rate and between tries counts in
// the time of req's context, and ends with it.
//
// A 429 or 503 to a request that is safe to repeat is followed by up to
// [MaxTries] - 1 more, after the time that Retry-After says, or a growing
// random one, when the context leaves that much; the last answer is returned
// as it is. A 429 has the origin's other requests wait as well.
//
// Errors: [*AddressError], [*TimeoutError], [ErrRequest], [ErrConnect],
// [ErrNoAddress], [ErrSwitched], [ErrAnswer], the cause of the context, or one of net/http.
// The answer has no trailers, ever.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := wellFormed(req); err != nil {
		closeBody(req)
		return nil, err
	}
	var last *http.Response
	for try := 0; ; try++ {
		res, err := c.once(req, try)
		if err != nil && last != nil && errors.Is(err, errStale) {
			return last, nil
		}
		if err != nil {
			return nil, unstale(err)
		}
		delay, again := c.again(req, res, try)
		if !again {
			return res, nil
		}
		last = res
		if err := sleep(req.Context(), delay); err != nil {
			return nil, turnError(req, err)
		}
	}
}

// once sends req when its turn has come.
func (c *Client) once(req *http.Request, try int) (*http.Response, error) {
	ctx := req.Context()
	g, err := c.pacer.enter(ctx, originOf(req))
	if err != nil {
		closeBody(req)
		return nil, turnError(req, err)
	}
	if check, ok := ctx.Value(checkKey{}).(func() error); ok {
		if err := check(); err != nil {
			closeBody(req)
			c.pacer.leave(g)
			return nil, &staleError{err}
		}
	}
	inner, cancel := context.WithCancel(ctx)
	end := func() { cancel(); c.pacer.leave(g) }
	out := req.WithContext(inner)
	if try > 0 && req.GetBody != nil {
		if out.Body, err = req.GetBody(); err != nil {
			end()
			return nil, err
		}
	}
	res, err := c.base.RoundTrip(out)
	if err != nil {
		end()
		return nil, headError(req, err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		_ = res.Body.Close()
		end()
		return nil, ErrSwitched
	}
	if !cleanHead(res.Header) {
		_ = res.Body.Close()
		end()
		return nil, ErrAnswer
	}
	return answer(req, res, cancel, end), nil
}

func originOf(req *http.Request) origin { return origin{req.URL.Scheme, req.URL.Host} }

// answer copies a response: net/http writes the trailers into its own, when
// the body has ended.
func answer(req *http.Request, res *http.Response, cancel, end func()) *http.Response {
	out := *res
	out.Trailer = nil
	if res.Body == http.NoBody {
		end()
		return &out
	}
	out.Body = newBody(req.Context(), res.Body, req.URL.Hostname(), cancel, end)
	return &out
}

// again reports whether, and after how long, a request is sent once more. The
// answer's body is kept then.
func (c *Client) again(req *http.Request, res *http.Response, try int) (time.Duration, bool) {
	if !overloaded(res.StatusCode) {
		return 0, false
	}
	delay := c.backoff(try)
	asked, ok := retryAfter(res.Header, time.Now())
	delay = max(delay, asked)
	if res.StatusCode == http.StatusTooManyRequests {
		c.pacer.pause(originOf(req), min(delay, MaxRetryAfter))
	}
	if try+1 >= MaxTries || !repeatable(req) || ok && asked > MaxRetryAfter {
		return 0, false
	}
	if deadline, ok := req.Context().Deadline(); ok && time.Until(deadline) <= delay {
		return 0, false
	}
	return delay, keep(res)
}

// errStale and staleError tell what a check said from all other errors.
var errStale = errors.New("stale")

type staleError struct{ cause error }

func (e *staleError) Error() string        { return e.cause.Error() }
func (e *staleError) Is(target error) bool { return target == errStale }

func unstale(err error) error {
	if stale, ok := err.(*staleError); ok {
		return stale.cause
	}
	return err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// turnError words the end of a context before a request was sent.
func turnError(req *http.Request, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &TimeoutError{Host: req.URL.Hostname(), Phase: PhaseTurn}
	}
	return err
}

// headError names the phase when net/http gave up waiting for the head.
func headError(req *http.Request, err error) error {
	var phase *TimeoutError
	var timeout net.Error
	switch {
	case errors.As(err, &phase):
		return phase
	case req.Context().Err() != nil:
		return err
	case errors.As(err, &timeout) && timeout.Timeout():
		return &TimeoutError{Host: req.URL.Hostname(), Phase: PhaseHead}
	}
	return err
}
