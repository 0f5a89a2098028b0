package sallyporttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// window is how much of a body, in either direction, is held for the other
// side.
const window = 64 << 10

// exchange is one request under way, or one stream.
type exchange struct {
	cancel context.CancelFunc
	stream bool

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	status  int           // 0 until the head has come
	headers [][2]string
	stands  bool   // a stream's connection does
	told    bool   // the head has been reported
	body    []byte // that has come and was not read
	ended   bool   // no more will come
	failed  abi.Status
	upload  []byte // of the request's body, not sent yet
	follows bool   // more of it may come
	mute    bool   // a stream's server takes no more
	closed  bool

	readDeadline, writeDeadline time.Time
}

// change changes x and wakes all who wait.
func (x *exchange) change(f func()) {
	x.attempt(func() abi.Status { f(); return abi.StatusOK })
}

// attempt does the same unless f, which then changes nothing, says otherwise.
func (x *exchange) attempt(f func() abi.Status) abi.Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	st := f()
	if st == abi.StatusOK {
		close(x.changed)
		x.changed = make(chan struct{})
	}
	return st
}

// await waits until ready, called under the lock, says so; it returns false
// when ctx ends before.
func (x *exchange) await(ctx context.Context, ready func() bool) bool {
	for {
		x.mu.Lock()
		ok, changed := ready(), x.changed
		x.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *session) Send(rawHead, body []byte, follows bool) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over() {
		return s.refuse(abi.StatusCancelled)
	}
	if len(s.exchanges) >= abi.MaxHandles {
		return s.refuse(abi.StatusExhausted)
	}
	var head struct {
		Method    string      `json:"method"`
		URL       string      `json:"url"`
		Headers   [][2]string `json:"headers"`
		TimeoutMS int64       `json:"timeout_ms"`
	}
	if json.Unmarshal(rawHead, &head) != nil {
		return s.refuse(abi.StatusInvalid)
	}
	timeout := time.Hour
	if head.TimeoutMS > 0 {
		timeout = time.Duration(head.TimeoutMS) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	x := &exchange{cancel: cancel, changed: make(chan struct{}), follows: follows}
	address, place := s.swapURL(head.URL)
	if s.hasSurrogate(string(body)) {
		place = "the body"
	}
	if place != "" {
		cancel()
		s.problem("%s: a surrogate in %s", head.Method, place)
		return s.refuse(abi.StatusLeakBlocked)
	}
	req, err := http.NewRequestWithContext(ctx, head.Method, address, bytes.NewReader(body))
	if err != nil {
		cancel()
		return s.refuse(abi.StatusInvalid)
	}
	if follows {
		req.Body, req.ContentLength = &uploadReader{x, ctx}, -1
	}
	for _, pair := range head.Headers {
		req.Header.Add(pair[0], s.swap(pair[1]))
	}
	handle := s.add(x, head.Method+" "+head.URL)
	go x.run(s.host.Source, req, s.capture)
	return abi.OK(handle, 0)
}

// add gives an exchange a handle, and notes what it is.
func (s *session) add(x *exchange, what string) (handle uint32) {
	s.handle++
	handle = abi.FirstHandle - 1 + s.handle
	s.exchanges[handle] = x
	s.result.Requests = append(s.result.Requests, what)
	return handle
}

// run sends the request and takes the response in, with what capture makes of
// its texts.
func (x *exchange) run(source http.RoundTripper, req *http.Request, capture *strings.Replacer) {
	fail := func(err error) {
		st := abi.StatusUnavailable
		if errors.Is(err, context.DeadlineExceeded) {
			st = abi.StatusTimeout
		}
		x.change(func() { x.failed, x.ended = st, true })
	}
	if source == nil {
		fail(errors.New("no source"))
		return
	}
	resp, err := source.RoundTrip(req)
	if err != nil {
		fail(err)
		return
	}
	defer resp.Body.Close()
	captured := func(text string) string {
		if capture == nil {
			return text
		}
		return capture.Replace(text)
	}
	var pairs [][2]string
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			pairs = append(pairs, [2]string{name, captured(value)})
		}
	}
	if capture != nil { // the secret may lie across two chunks
		whole, err := io.ReadAll(resp.Body)
		if err != nil {
			fail(err)
			return
		}
		resp.Body = io.NopCloser(strings.NewReader(captured(string(whole))))
	}
	x.change(func() { x.status, x.headers = resp.StatusCode, pairs })
	buf := make([]byte, 16<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			x.change(func() { x.body = append(x.body, buf[:n]...) })
		}
		switch {
		case err == io.EOF:
			x.change(func() { x.ended = true })
			return
		case err != nil:
			fail(err)
			return
		case !x.await(req.Context(), func() bool { return len(x.body) < window }):
			fail(req.Context().Err())
			return
		}
	}
}

// uploadReader is the body of a request whose body follows.
type uploadReader struct {
	x   *exchange
	ctx context.Context
}

func (u *uploadReader) Read(p []byte) (n int, err error) {
	if !u.x.await(u.ctx, func() bool { return len(u.x.upload) > 0 || !u.x.follows }) {
		return 0, u.ctx.Err()
	}
	u.x.change(func() {
		if n = copy(p, u.x.upload); n == 0 && len(p) > 0 {
			err = io.EOF
		}
		u.x.upload = u.x.upload[n:]
	})
	return n, err
}

func (u *uploadReader) Close() error { return nil }

// find returns the exchange of a handle, or the refusal.
func (s *session) find(handle uint32) (*exchange, abi.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over() {
		return nil, s.refuse(abi.StatusCancelled)
	}
	x, ok := s.exchanges[handle]
	if !ok {
		return nil, s.refuse(abi.StatusNotFound)
	}
	return x, 0
}

// answer makes a result of what an exchange said.
func (s *session) answer(n int, st abi.Status) abi.Result {
	if st == abi.StatusOK {
		return abi.OK(uint32(n), 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refuse(st)
}

func (s *session) Write(handle uint32, p []byte) abi.Result {
	x, refused := s.find(handle)
	if x == nil {
		return refused
	}
	st := x.attempt(func() abi.Status {
		switch {
		case x.failed != abi.StatusOK:
			return x.failed
		case !x.follows:
			return abi.StatusInvalid
		case x.mute:
			return abi.StatusUnavailable
		case x.stream && !x.stands:
			return abi.StatusAgain
		case len(p) == 0:
			x.follows = false
		case len(x.upload) >= window:
			return abi.StatusAgain
		default:
			p = p[:min(len(p), window-len(x.upload))]
			x.upload = append(x.upload, p...)
		}
		return abi.StatusOK
	})
	return s.answer(len(p), st)
}

func (s *session) Wait(handle uint32, timeoutMS int64, out []byte) abi.Result {
	x, refused := s.find(handle)
	if x == nil {
		return refused
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Duration(timeoutMS)*time.Millisecond)
	defer cancel()
	ready := []report{}
	x.await(ctx, func() bool {
		if r, ok := x.ready(handle); ok {
			ready = append(ready, r)
		}
		return len(ready) > 0
	})
	raw, _ := json.Marshal(ready) // strings and numbers always encode
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.give(raw, out)
}

// report is what wait says of one handle.
type report struct {
	Handle  uint32      `json:"handle"`
	State   string      `json:"state"`
	Status  int         `json:"status,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// ready makes a report, when there is something to report: as the host, a head
// once, its headers with the first report that has a status, and what else
// there is until it is taken away. It is called under the lock.
func (x *exchange) ready(handle uint32) (r report, ok bool) {
	r = report{Handle: handle, Status: x.status}
	switch {
	case x.stands && !x.told:
		r.State, x.told = abi.ReadyHead, true
	case len(x.body) > 0:
		r.State = abi.ReadyBody
	case x.failed != abi.StatusOK:
		r.State, r.Error = abi.ReadyError, x.failed.String()
	case x.ended:
		r.State = abi.ReadyDone
	case x.status != 0 && !x.told:
		r.State = abi.ReadyHead
	default:
		return r, false
	}
	if x.status != 0 && !x.told {
		r.Headers, x.told = x.headers, true
	}
	return r, true
}

func (s *session) Read(handle uint32, out []byte) abi.Result {
	x, refused := s.find(handle)
	if x == nil {
		return refused
	}
	n := 0
	st := x.attempt(func() abi.Status {
		switch {
		case len(x.body) > 0:
			n = copy(out, x.body)
			x.body = x.body[n:]
		case x.failed != abi.StatusOK:
			return x.failed
		case !x.ended:
			return abi.StatusAgain
		}
		return abi.StatusOK
	})
	return s.answer(n, st)
}

func (x *exchange) close() {
	x.cancel()
	x.change(func() { x.closed = true })
}

// Alone says yes every other time: a guest's goroutines are real threads here,
// so that it makes no difference to a connector, and its tests go both ways.
func (s *session) Alone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.asked%2 == 0
}

func (s *session) Close(handle uint32) error {
	s.drop(handle)
	return nil
}

// Waiter parks on an exchange. There is none in a run that is over.
func (s *session) Waiter(handle uint32) (hostcall.Waiter, error) {
	x, _ := s.find(handle)
	if x == nil {
		s.drop(handle)
		return nil, os.ErrInvalid
	}
	return &waiter{s, handle, x}, nil
}

type waiter struct {
	session *session
	handle  uint32
	x       *exchange
}

func (w *waiter) Read(try func() bool) error { return w.park(&w.x.readDeadline, try) }

func (w *waiter) Write(try func() bool) error { return w.park(&w.x.writeDeadline, try) }

func (w *waiter) park(until *time.Time, try func() bool) error {
	for {
		w.x.mu.Lock()
		changed, deadline, closed := w.x.changed, *until, w.x.closed
		w.x.mu.Unlock()
		switch {
		case closed:
			return os.ErrClosed
		case !deadline.IsZero() && !time.Now().Before(deadline):
			return os.ErrDeadlineExceeded
		case try():
			return nil
		}
		var late <-chan time.Time
		if !deadline.IsZero() {
			late = time.After(time.Until(deadline))
		}
		select {
		case <-changed:
		case <-late:
		case <-w.session.ctx.Done(): // the next try is told so
		}
	}
}

func (w *waiter) SetDeadline(t time.Time) error {
	w.x.change(func() { w.x.readDeadline, w.x.writeDeadline = t, t })
	return nil
}

func (w *waiter) SetReadDeadline(t time.Time) error {
	w.x.change(func() { w.x.readDeadline = t })
	return nil
}

func (w *waiter) SetWriteDeadline(t time.Time) error {
	w.x.change(func() { w.x.writeDeadline = t })
	return nil
}

func (w *waiter) Close() error {
	w.session.drop(w.handle)
	return nil
}

// drop closes a handle, once.
func (s *session) drop(handle uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.exchanges[handle]; x != nil {
		delete(s.exchanges, handle)
		x.close()
	}
}
