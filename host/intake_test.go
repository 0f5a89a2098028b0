package host

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// taken is an intake's body, what of it was passed on at once, and how often
// the guest was woken.
type taken struct {
	x      *exchange
	passed []string
	woken  atomic.Int64
}

func takeIn(body io.Reader, failure abi.Status, watch func(piece string)) *taken {
	t := &taken{}
	t.x = newExchange(func() { t.woken.Add(1) }, func() {}, &spares{})
	in := &reception{body: body, pass: func(_, chunk []byte, _ bool) ([]byte, abi.Status) {
		t.passed = append(t.passed, string(chunk))
		watch(string(chunk))
		return chunk, abi.StatusOK
	}}
	go func() {
		defer t.x.survive(func(error) abi.Status { return failure })
		t.x.head(200, nil)
		i := intake{x: t.x, in: in, failed: func(error) abi.Status { return failure }, chunk: t.x.spares.buffer(), room: t.x.spares.buffer()}
		if s := i.whole(); s != abi.StatusOK {
			t.x.fail(s)
		}
	}()
	return t
}

func quietly(string) {}

func (t *taken) read() (string, abi.Status) {
	buf := make([]byte, 1<<10)
	n, s := t.x.read(buf)
	return string(buf[:n]), s
}

func TestASmallAnswerIsSearchedAndToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := takeIn(iotest.OneByteReader(iotest.DataErrReader(&slowText{text: "hello"})), abi.StatusUnavailable, quietly)
		synctest.Wait()
		if !slices.Equal(got.passed, []string{"hello"}) || got.woken.Load() != 1 {
			t.Errorf("passed %q, woken %d times", got.passed, got.woken.Load())
		}
		if text, s := got.read(); text != "hello" || s != abi.StatusOK {
			t.Errorf("read %q, %v", text, s)
		}
	})
}

// slowText waits before it goes on at each of its dots.
type slowText struct {
	text string
	wait time.Duration
	err  error
}

func (s *slowText) Read(p []byte) (int, error) {
	if s.text == "" {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	if s.text[0] == '.' {
		time.Sleep(s.wait)
	}
	n := 1
	for n < len(s.text) && s.text[n] != '.' {
		n++
	}
	n = copy(p, s.text[:n])
	s.text = s.text[n:]
	return n, nil
}

func TestASlowAnswerIsPassedOnAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var when []time.Duration
		got := takeIn(&slowText{text: "one.two.three", wait: time.Minute}, abi.StatusUnavailable, func(string) { when = append(when, time.Since(began)) })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if !slices.Equal(got.passed, []string{"one", ".two", ".three", ""}) {
			t.Errorf("passed %q", got.passed)
		}
		if want := []time.Duration{quietTime, time.Minute, 2 * time.Minute, 2 * time.Minute}; !slices.Equal(when, want) {
			t.Errorf("at %v, want %v", when, want)
		}
	})
}

func TestAHeadDoesNotWaitForItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := takeIn(&slowText{text: ".late", wait: time.Hour}, abi.StatusUnavailable, quietly)
		time.Sleep(quietTime)
		synctest.Wait()
		if report, ok := got.x.ready(64, true); !ok || report.State != abi.ReadyHead || got.woken.Load() == 0 {
			t.Errorf("%+v, %t, woken %d times", report, ok, got.woken.Load())
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestWhatCameBeforeAFailureIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := takeIn(&slowText{text: "begun", err: errors.New("reset")}, abi.StatusUnavailable, quietly)
		synctest.Wait()
		text, s := got.read()
		if _, then := got.read(); text != "begun" || s != abi.StatusOK || then != abi.StatusUnavailable {
			t.Errorf("%q, %v, then %v", text, s, then)
		}
	})
}

func TestAPanicOfTheTimersEndsTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := takeIn(&slowText{text: "one.two", wait: time.Minute}, abi.StatusUnavailable, func(string) { panic("boom") })
		time.Sleep(time.Second)
		synctest.Wait()
		if got.x.failed() != abi.StatusUnavailable {
			t.Error("it goes on")
		}
		time.Sleep(time.Hour)
	})
}

func TestMoversEndWithTheirRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMovers()
		done := make(chan int, 100)
		for i := range 100 {
			m.move(func() { done <- i })
			if i%7 == 0 {
				synctest.Wait()
			}
		}
		m.end()
		if len(done) != 100 {
			t.Errorf("%d of 100 jobs were done", len(done))
		}
	})
}
