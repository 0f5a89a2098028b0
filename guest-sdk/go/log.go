package sallyport

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// LogHandler returns a [slog.Handler] that writes to the host's log, a line of
// at most 4 KiB each: the message, and key=value for each attribute. Inside a
// guest [Main] makes it slog's default, for package log too.
func (r *Run) LogHandler() slog.Handler { return &logHandler{host: r.host} }

// logHandler writes a record as one line: the message, then key=value for each
// attribute, quoted where it has to be. Level and time are the host's to show.
type logHandler struct {
	host  hostcall.Host
	attrs string // of With: " key=value …"
	group string // of WithGroup: "a.b."
}

var _ slog.Handler = (*logHandler)(nil)

// Enabled lets all levels from debug on through: what is kept is the host's
// to say.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelDebug }

// Handle never fails: a line that the host does not take is lost.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return true
	})
	h.host.Log(level(r.Level), []byte(b.String()))
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	next := *h
	next.attrs = b.String()
	return &next
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.group += name + "."
	}
	return &next
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			writeAttr(b, group, member)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := v.String()
	if v.Kind() == slog.KindTime {
		text = v.Time().Format(time.RFC3339Nano)
	}
	b.WriteByte(' ')
	b.WriteString(quoted(group + a.Key))
	b.WriteByte('=')
	b.WriteString(quoted(text))
}

// quoted quotes what could be read as something else.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r >= 0x7f && !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func level(l slog.Level) uint32 {
	switch {
	case l < slog.LevelInfo:
		return abi.LogDebug
	case l < slog.LevelWarn:
		return abi.LogInfo
	case l < slog.LevelError:
		return abi.LogWarn
	}
	return abi.LogError
}
