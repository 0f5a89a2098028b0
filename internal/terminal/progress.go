package terminal

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

// The pace of a status line and the bounds of what it shows.
const (
	statusEvery = 100 * time.Millisecond
	maxStatus   = 200
	maxLogQueue = 256
)

// Progress shows how a run goes on: its progress in the status line of a
// screen, its log lines through a logger. It never blocks the run: what a
// slow terminal cannot take is dropped, and the last word is shown.
type Progress struct {
	screen *Screen // nil: no status line
	logger *slog.Logger

	mu      sync.Mutex
	latest  string
	dropped int

	wake  chan struct{}
	lines chan logLine
	stop  chan struct{}
	done  chan struct{}
}

type logLine struct {
	level slog.Level
	text  string
}

var _ host.Observer = (*Progress)(nil)

// NewProgress returns an observer that shows progress on screen, which may be
// nil, and logs to logger. Call [Progress.Close] when the run has ended.
func NewProgress(screen *Screen, logger *slog.Logger) *Progress {
	p := &Progress{
		screen: screen,
		logger: logger,
		wake:   make(chan struct{}, 1),
		lines:  make(chan logLine, maxLogQueue),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go p.loop()
	return p
}

// Progress takes the connector's word of how far it is.
func (p *Progress) Progress(m abi.Progress) {
	if p.screen == nil {
		return
	}
	text := progressText(m)
	p.mu.Lock()
	p.latest = text
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func progressText(m abi.Progress) string {
	text := Clean(m.Message, maxStatus)
	if m.Stream != "" {
		text = Clean(m.Stream, maxStatus) + ": " + text
	}
	switch {
	case m.Count != nil && m.Total != nil:
		text += fmt.Sprintf(" (%d of %d)", *m.Count, *m.Total)
	case m.Count != nil:
		text += fmt.Sprintf(" (%d)", *m.Count)
	}
	return text
}

// Log takes a line of the connector's log.
func (p *Progress) Log(level abi.LogLevel, line string) {
	l := logLine{levelOf(level), Clean(line, abi.MaxLogBytes)}
	if !p.logger.Enabled(context.Background(), l.level) {
		return
	}
	select {
	case p.lines <- l:
	default:
		p.mu.Lock()
		p.dropped++
		p.mu.Unlock()
	}
}

func levelOf(l abi.LogLevel) slog.Level {
	switch l {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogInfo:
		return slog.LevelInfo
	case abi.LogWarn:
		return slog.LevelWarn
	}
	return slog.LevelError
}

func (p *Progress) loop() {
	defer close(p.done)
	pace := time.NewTicker(statusEvery)
	defer pace.Stop()
	wake := p.wake
	for {
		select {
		case l := <-p.lines:
			p.log(l)
		case <-wake:
			p.show()
			wake = nil // until the next tick
		case <-pace.C:
			wake = p.wake
		case <-p.stop:
			p.drain()
			return
		}
	}
}

func (p *Progress) show() {
	p.mu.Lock()
	text := p.latest
	p.mu.Unlock()
	p.screen.Status(text)
}

func (p *Progress) log(l logLine) {
	p.logger.Log(context.Background(), l.level, "connector says", "text", l.text)
}

func (p *Progress) drain() {
	for {
		select {
		case l := <-p.lines:
			p.log(l)
			continue
		default:
		}
		break
	}
	if p.dropped > 0 {
		p.logger.Warn("log lines of the connector were dropped", "count", p.dropped)
	}
	if p.screen != nil {
		p.screen.Status("")
	}
}

// Close writes what is still to be logged and takes the status line away.
// Nothing may be observed after it. Calling it again does nothing.
func (p *Progress) Close() {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	<-p.done
}
