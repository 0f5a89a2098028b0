package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// source answers requests in a bubble's time and writes down when they came.
type source struct {
	mu     sync.Mutex
	began  time.Time
	came   []time.Duration
	bodies []string
	now    int // under way
	most   int
	answer func(n int, req *http.Request) *http.Response
	takes  time.Duration
}

func newSource(answer func(n int, req *http.Request) *http.Response) *source {
	return &source{began: time.Now(), answer: answer}
}

func (s *source) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	n := len(s.came)
	s.came = append(s.came, time.Since(s.began))
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	if req.Body != nil {
		b, _ := io.ReadAll(req.Body)
		_ = req.Body.Close()
		s.mu.Lock()
		s.bodies = append(s.bodies, string(b))
		s.mu.Unlock()
	}
	err := sleep(req.Context(), s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if err != nil {
		return nil, err
	}
	return s.answer(n, req), nil
}

func says(status int, body string, headers ...string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(headers); i += 2 {
		res.Header.Set(headers[i], headers[i+1])
	}
	return res
}

func request(ctx context.Context, method, url, body string) *http.Request {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		panic(err)
	}
	return req
}

// ask sends a request and reads its answer.
func ask(c *Client, req *http.Request) (status int, body string, err error) {
	res, err := c.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

const there = "https://source.example/x"

func TestRepeats(t *testing.T) {
	date := time.Date(2000, 1, 1, 0, 0, 30, 0, time.UTC) // bubbles begin at midnight
	for name, try := range map[string]struct {
		method, body string
		status       int
		headers      []string
		tries        int
		least, most  time.Duration // between the first and the second
	}{
		"GET 429":                          {"GET", "", 429, nil, 3, 0, backoffBase},
		"GET 503":                          {"GET", "", 503, nil, 3, 0, backoffBase},
		"REPORT with a body":               {"REPORT", "<q/>", 503, nil, 3, 0, backoffBase},
		"HEAD":                             {"HEAD", "", 503, nil, 3, 0, backoffBase},
		"seconds":                          {"GET", "", 429, []string{"Retry-After", "7"}, 3, 7 * time.Second, 7 * time.Second},
		"a date":                           {"GET", "", 503, []string{"Retry-After", date.Format(http.TimeFormat)}, 3, 30 * time.Second, 30 * time.Second},
		"a date by the source's own clock": {"GET", "", 503, []string{"Retry-After", "Mon, 02 Jan 2006 15:04:15 GMT", "Date", "Mon, 02 Jan 2006 15:04:05 GMT"}, 3, 10 * time.Second, 10 * time.Second},
		"a date gone by":                   {"GET", "", 503, []string{"Retry-After", "Mon, 02 Jan 1995 15:04:15 GMT"}, 3, 0, backoffBase},
		"nonsense":                         {"GET", "", 503, []string{"Retry-After", "soon"}, 3, 0, backoffBase},
		"0":                                {"GET", "", 503, []string{"Retry-After", "0"}, 3, 1, backoffBase},
		"more than is borne":               {"GET", "", 429, []string{"Retry-After", "121"}, 1, 0, 0},
		"more than a number":               {"GET", "", 429, []string{"Retry-After", "99999999999999999999"}, 1, 0, 0},
		"more than the deadline":           {"GET", "", 429, []string{"Retry-After", "110"}, 1, 0, 0},
		"POST":                             {"POST", "x", 429, nil, 1, 0, 0},
		"PUT":                              {"PUT", "x", 503, nil, 1, 0, 0},
		"DELETE":                           {"DELETE", "", 503, nil, 1, 0, 0},
		"another failure":                  {"GET", "", 500, nil, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource(func(n int, _ *http.Request) *http.Response {
					return says(try.status, "answer "+strconv.Itoa(n), try.headers...)
				})
				limit := time.Hour
				if name == "more than the deadline" {
					limit = 100 * time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				status, body, err := ask(NewClient(s, Limits{}), request(ctx, try.method, there, try.body))
				if status != try.status || body != "answer "+strconv.Itoa(try.tries-1) || err != nil {
					t.Errorf("%d %q, %v: want the last answer as it is", status, body, err)
				}
				if len(s.came) != try.tries {
					t.Fatalf("%d tries, want %d", len(s.came), try.tries)
				}
				if try.tries > 1 && (s.came[1] < try.least || s.came[1] > try.most+time.Nanosecond) {
					t.Errorf("the second after %v, want %v to %v", s.came[1], try.least, try.most)
				}
				for i, b := range s.bodies {
					if b != try.body {
						t.Errorf("try %d had body %q", i, b)
					}
				}
			})
		})
	}
}

func TestBodyThatCannotBeHadAgainIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(func(int, *http.Request) *http.Response { return says(503, "") })
		req := request(t.Context(), "REPORT", there, "x")
		req.GetBody = nil
		if status, _, err := ask(NewClient(s, Limits{}), req); status != 503 || err != nil || len(s.came) != 1 {
			t.Errorf("%d, %v, %d tries", status, err, len(s.came))
		}
	})
}

func TestLargeRefusalIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := strings.Repeat("x", maxKept+1)
		s := newSource(func(int, *http.Request) *http.Response { return says(503, large) })
		if status, body, err := ask(NewClient(s, Limits{}), request(t.Context(), "GET", there, "")); status != 503 || body != large || err != nil || len(s.came) != 1 {
			t.Errorf("%d, %d bytes, %v, %d tries", status, len(body), err, len(s.came))
		}
	})
}

func TestTooManyHoldsTheWholeOriginBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(func(n int, _ *http.Request) *http.Response {
			if n == 0 {
				return says(429, "", "Retry-After", "20")
			}
			return says(200, "")
		})
		c := NewClient(s, Limits{})
		go func() { _, _, _ = ask(c, request(t.Context(), "POST", there, "x")) }()
		synctest.Wait()
		for _, url := range []string{there + "/1", there + "/2", "https://other.example/"} {
			go func() { _, _, _ = ask(c, request(t.Context(), "GET", url, "")) }()
		}
		time.Sleep(time.Minute) // of the bubble
		synctest.Wait()
		if len(s.came) != 4 || s.came[1] != 0 || s.came[2] != 20*time.Second || s.came[3] != 20*time.Second {
			t.Errorf("came at %v: want one at the other origin at once, two after 20 s", s.came)
		}
	})
}

func TestCheckIsAskedBeforeEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revoked := errors.New("revoked")
		for allowed, want := range map[int]struct {
			status, tries int
			err           error
		}{0: {0, 0, revoked}, 1: {503, 1, nil}, 2: {503, 2, nil}, 9: {503, 3, nil}} {
			s := newSource(func(n int, _ *http.Request) *http.Response { return says(503, "answer "+strconv.Itoa(n)) })
			asked := 0
			ctx := WithCheck(t.Context(), func() error {
				if asked++; asked > allowed {
					return revoked
				}
				return nil
			})
			c := NewClient(s, Limits{})
			status, body, err := ask(c, request(ctx, "GET", there, ""))
			if g := c.pacer.gates[origin{"https", "source.example"}]; g.users != 0 {
				t.Errorf("allowed %d times: %d turns are not over", allowed, g.users)
			}
			if status != want.status || err != want.err || len(s.came) != want.tries {
				t.Errorf("allowed %d times: %d, %v, %d tries", allowed, status, err, len(s.came))
			}
			if want.tries > 0 && body != "answer "+strconv.Itoa(want.tries-1) {
				t.Errorf("allowed %d times: body %q", allowed, body)
			}
		}
	})
}

func TestWaitBetweenTriesEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(func(int, *http.Request) *http.Response { return says(503, "", "Retry-After", "60") })
		why := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, _, err := ask(NewClient(s, Limits{}), request(ctx, "GET", there, ""))
		if !errors.Is(err, why) || time.Since(s.began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(s.began))
		}
	})
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	for n, most := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 3: 8 * time.Second, 4: backoffMost, 1 << 30: backoffMost} {
		var seen time.Duration
		for range 2000 {
			d := backoff(n)
			if d <= 0 || d > most {
				t.Fatalf("backoff(%d) = %v, want up to %v", n, d, most)
			}
			seen = max(seen, d)
		}
		if seen < most*9/10 {
			t.Errorf("backoff(%d) reaches %v only: it is not spread over %v", n, seen, most)
		}
	}
}

func TestAnswerNeverHasTrailers(t *testing.T) {
	c := NewClient(newSource(func(int, *http.Request) *http.Response {
		res := says(200, "x")
		res.Trailer = http.Header{"X-Late": {"canary-5c1"}}
		return res
	}), Limits{})
	res, err := c.RoundTrip(request(t.Context(), "GET", there, ""))
	if err != nil || res.Trailer != nil {
		t.Fatalf("%v, trailers %d", err, len(res.Trailer))
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.Trailer != nil {
		t.Error("trailers came with the body's end")
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "0", "121", "99999999999999999999", "-1", "1.5", "1e9", "Mon, 02 Jan 2006 15:04:15 GMT", "Mon, 02 Jan 9999 15:04:15 GMT", ""} {
		f.Add(s, "Mon, 02 Jan 2006 15:04:05 GMT")
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		d, ok := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, time.Unix(0, 0))
		if d < 0 || !ok && d > MaxRetryAfter && !allDigits(after) && after[0] >= '0' && after[0] <= '9' && d != MaxRetryAfter+1 {
			t.Fatalf("%q: %v, %v", after, d, ok)
		}
	})
}

func zero(int) time.Duration { return 0 }
