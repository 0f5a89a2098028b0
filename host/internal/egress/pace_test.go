package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func quick(int, *http.Request) *http.Response { return says(200, "ok") }

func TestConcurrencyIsPerOriginAndFair(t *testing.T) {
	for _, limit := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var order []string
			s := newSource(func(_ int, req *http.Request) *http.Response {
				order = append(order, req.URL.Path)
				return says(200, "")
			})
			s.takes = time.Second
			want := limit
			if limit == 0 {
				want = DefaultConcurrency
			}
			c := NewClient(s, Limits{Concurrency: limit})
			for i := range 20 {
				go func() { _, _, _ = ask(c, request(t.Context(), "GET", "https://source.example/"+strconv.Itoa(i), "")) }()
				synctest.Wait()
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if s.most != want || len(s.came) != 20 {
				t.Errorf("limit %d: %d at once, %d in all", limit, s.most, len(s.came))
			}
			for i, at := range s.came {
				if at != time.Duration(i/want)*time.Second {
					t.Errorf("limit %d: number %d came at %v", limit, i, at)
				}
			}
			if limit == 1 {
				for i, path := range order {
					if path != "/"+strconv.Itoa(i) {
						t.Errorf("number %d is %s: it was overtaken", i, path)
					}
				}
			}
		})
	}
}

func TestTurnLastsUntilTheBodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(*http.Response){
			"read to its end": func(r *http.Response) { _, _ = io.Copy(io.Discard, r.Body) },
			"closed":          func(r *http.Response) { _ = r.Body.Close() },
			"closed twice":    func(r *http.Response) { _ = r.Body.Close(); _ = r.Body.Close() },
		} {
			s := newSource(quick)
			c := NewClient(s, Limits{Concurrency: 1})
			first, err := c.RoundTrip(request(t.Context(), "GET", there, ""))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				go func() { _, _, _ = ask(c, request(t.Context(), "GET", there, "")) }()
			}
			synctest.Wait()
			if len(s.came) != 1 {
				t.Errorf("%s: the second came before the first ended", name)
			}
			end(first)
			synctest.Wait()
			if g := c.pacer.gates[origin{"https", "source.example"}]; len(s.came) != 3 || g.users != 0 {
				t.Errorf("%s: %d came, %d under way", name, len(s.came), g.users)
			}
		}
	})
}

func TestWaitForATurnEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(quick)
		c := NewClient(s, Limits{Concurrency: 1})
		first, _ := c.RoundTrip(request(t.Context(), "GET", there, ""))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, _, err := ask(c, request(ctx, "GET", there, ""))
		var late *TimeoutError
		if !errors.As(err, &late) || late.Phase != PhaseTurn || !errors.Is(err, context.DeadlineExceeded) || time.Since(s.began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(s.began))
		}
		why := errors.New("stopped")
		stopped, stop := context.WithCancelCause(t.Context())
		stop(why)
		closed := &closeCounter{}
		req := request(stopped, "POST", there, "")
		req.Body = closed
		if _, err := c.RoundTrip(req); !errors.Is(err, why) || closed.n == 0 {
			t.Errorf("%v; its body was closed %d times", err, closed.n)
		}
		_ = first.Body.Close()
		if _, _, err := ask(c, request(t.Context(), "GET", there, "")); err != nil || len(s.came) != 2 {
			t.Errorf("after those that gave up: %v, %d came", err, len(s.came))
		}
	})
}

type closeCounter struct{ n int }

func (*closeCounter) Read([]byte) (int, error) { return 0, io.EOF }
func (c *closeCounter) Close() error           { c.n++; return nil }

func TestRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(quick)
		c := NewClient(s, Limits{RequestsPerMinute: 60})
		for range 200 {
			if _, _, err := ask(c, request(t.Context(), "GET", there, "")); err != nil {
				t.Fatal(err)
			}
		}
		for i := range s.came {
			n := 0
			for _, at := range s.came[i:] {
				if at < s.came[i]+time.Minute {
					n++
				}
			}
			if n > 66 {
				t.Fatalf("%d requests in the minute from %v", n, s.came[i])
			}
		}
		if took := time.Since(s.began); took < 193*time.Second || took > 196*time.Second {
			t.Errorf("200 requests at 60 a minute took %v", took)
		}
	})
}

func TestRequestThatGivesUpTakesNoShareOfTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(quick)
		c := NewClient(s, Limits{RequestsPerMinute: 6}) // one in ten seconds
		_, _, _ = ask(c, request(t.Context(), "GET", there, ""))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := ask(c, request(ctx, "GET", there, "")); !errors.Is(err, ErrTimeout) {
			t.Errorf("%v", err)
		}
		_, _, _ = ask(c, request(t.Context(), "GET", there, ""))
		if time.Since(s.began) != 10*time.Second {
			t.Errorf("the next came after %v", time.Since(s.began))
		}
		if g := c.pacer.gates[origin{"https", "source.example"}]; g.users != 0 {
			t.Errorf("%d turns are not over", g.users)
		}
	})
}

// TestTurnGivenTooLateIsPassedOn has a waiter give up just when its turn comes.
func TestTurnGivenTooLateIsPassedOn(t *testing.T) {
	p := newPacer(Limits{Concurrency: 1})
	o := origin{"https", "source.example"}
	g, err := p.enter(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	first, second := waiter{make(chan struct{})}, waiter{make(chan struct{})}
	place := g.queue.PushBack(first)
	g.queue.PushBack(second)
	p.leave(g)
	<-first.turn
	p.abandon(g, place, first)
	select {
	case <-second.turn:
	default:
		t.Error("the turn was lost")
	}
	if g.users != 1 {
		t.Errorf("%d under way", g.users)
	}
}

func TestLimitsCanChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(quick)
		s.takes = time.Second
		c := NewClient(s, Limits{Concurrency: 1, RequestsPerMinute: 1})
		for range 5 {
			go func() { _, _, _ = ask(c, request(t.Context(), "GET", there, "")) }()
		}
		synctest.Wait()
		c.SetLimits(Limits{Concurrency: 5})
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.most != 5 || len(s.came) != 5 {
			t.Errorf("%d at once, %d in all", s.most, len(s.came))
		}
	})
}

func TestOriginsAreForgottenOnceNothingIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(func(n int, _ *http.Request) *http.Response {
			if n == 0 {
				return says(429, "", "Retry-After", "100")
			}
			return says(200, "")
		})
		c := NewClient(s, Limits{})
		_, _, _ = ask(c, request(t.Context(), "POST", there, ""))
		for i := range 10 * maxQuietGates {
			_, _, _ = ask(c, request(t.Context(), "GET", "https://h"+strconv.Itoa(i)+".example/", ""))
		}
		if n := len(c.pacer.gates); n > maxQuietGates {
			t.Errorf("%d origins are remembered", n)
		}
		_, _, _ = ask(c, request(t.Context(), "GET", there, ""))
		if time.Since(s.began) != 100*time.Second {
			t.Errorf("a pause was forgotten: the next came after %v", time.Since(s.began))
		}
	})
}
