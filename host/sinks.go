package host

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/sallyport-host/sallyport/abi"
)

// JSONLSink writes what a run collects as lines of JSON.
type JSONLSink struct {
	w    *bufio.Writer
	file *os.File // nil when what is written to is not one
}

var _ Sink = (*JSONLSink)(nil)

// NewJSONLSink returns a sink on w. When w is a regular file, Flush also
// syncs it to the disk.
func NewJSONLSink(w io.Writer) *JSONLSink {
	s := &JSONLSink{w: bufio.NewWriterSize(w, 64<<10)}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			s.file = f
		}
	}
	return s
}

// Write implements [Sink].
func (s *JSONLSink) Write(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := s.w.Write(m.Line); err != nil {
		return err
	}
	return s.w.WriteByte('\n')
}

// Flush implements [Sink].
func (s *JSONLSink) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.w.Flush(); err != nil || s.file == nil {
		return err
	}
	return s.file.Sync()
}

// MemorySink keeps what a run collects in memory. It is safe for concurrent
// use.
type MemorySink struct {
	mu       sync.Mutex
	messages []Message
	flushed  int
}

var _ Sink = (*MemorySink)(nil)

// Write implements [Sink].
func (s *MemorySink) Write(_ context.Context, m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Line = append([]byte(nil), m.Line...)
	s.messages = append(s.messages, m)
	return nil
}

// Flush implements [Sink].
func (s *MemorySink) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushed = len(s.messages)
	return nil
}

// Lines returns the lines of one stream's RECORDs, in order.
func (s *MemorySink) Lines(stream string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.messages {
		if m.Type == abi.TypeRecord && m.Stream == stream {
			out = append(out, string(m.Line))
		}
	}
	return out
}

// Messages returns all that was written, and how much of it was flushed.
func (s *MemorySink) Messages() (all []Message, flushed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...), s.flushed
}

// nowhere is the sink of a run that has none.
type nowhere struct{}

func (nowhere) Write(context.Context, Message) error { return nil }
func (nowhere) Flush(context.Context) error          { return nil }

// logged is the observer of a run that has none: the host's own log.
type logged struct {
	logger *slog.Logger
	run    string
}

func (l logged) Progress(abi.Progress) {}

func (l logged) Log(level abi.LogLevel, line string) {
	l.logger.Log(context.Background(), slogLevel(level), "connector says", "run", l.run, "text", line)
}

func slogLevel(l abi.LogLevel) slog.Level {
	switch l {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogWarn:
		return slog.LevelWarn
	case abi.LogError:
		return slog.LevelError
	}
	return slog.LevelInfo
}
