package terminal

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

func number(n int64) *int64 { return &n }

func TestProgress(t *testing.T) {
	p := newPerson(t)
	var log buffer
	o := NewProgress(p.t.Screen(), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})))
	o.Progress(abi.Progress{Message: "cards\x1b[2J", Stream: "contacts", Count: number(3), Total: number(9)})
	p.sees(t, "contacts: cards[2J (3 of 9)")
	o.Log(abi.LogWarn, "slow\nfake=line")
	o.Log(abi.LogDebug, "unseen")
	o.Close()
	o.Close()
	if got := log.String(); !strings.Contains(got, `text="slow fake=line"`) || strings.Contains(got, "unseen") {
		t.Errorf("log: %q", got)
	}
	if !strings.HasSuffix(p.out.String(), clearLine) {
		t.Errorf("the status line stays: %q", p.out.String())
	}
}

// What the run says must not wait for a terminal that does not take it.
func TestProgressDoesNotBlock(t *testing.T) {
	stuck := make(chan struct{})
	o := NewProgress(&Screen{w: writerFunc(func(p []byte) (int, error) { <-stuck; return len(p), nil }), width: func() int { return 80 }},
		slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { <-stuck; return len(p), nil }), nil)))
	for range 4 * maxLogQueue {
		o.Progress(abi.Progress{Message: "on"})
		o.Log(abi.LogError, "line")
	}
	close(stuck)
	o.Close()
	if o.dropped == 0 {
		t.Error("nothing was dropped, so something waited")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
