package sallyport

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// logHandler renders with slog's own text handler and sends the line with its
// level. The host adds the time.
type logHandler struct {
	text slog.Handler
	line *logLine // shared with all handlers derived from this one
}

type logLine struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	host hostcall.Host
}

var _ slog.Handler = (*logHandler)(nil)

func newLogHandler(host hostcall.Host) *logHandler {
	line := &logLine{host: host}
	return &logHandler{line: line, text: slog.NewTextHandler(&line.buf, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		},
	})}
}

// Enabled lets all levels from debug on through: what is kept is the host's
// to say.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelDebug }

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	h.line.host.Log(level(r.Level), bytes.TrimSuffix(h.line.buf.Bytes(), []byte("\n")))
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{text: h.text.WithAttrs(attrs), line: h.line}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{text: h.text.WithGroup(name), line: h.line}
}
