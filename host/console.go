package host

import (
	"bytes"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/profile"
)

// The bounds of what a guest says beside the protocol.
const (
	lastLines    = 500 // of stderr, kept until the end
	tailLines    = 60  // of them, in the report of a crash
	maxTailBytes = 6 << 10
	// searched is how much of a line is searched before it is cut: a value must
	// not get by because the cut goes through it.
	searched = 2 * abi.MaxLogBytes
)

// console makes lines of what a guest writes to stdout and stderr.
type console struct {
	log   func(level abi.LogLevel, line string)
	parts [3][]byte // of the line under way, by descriptor
	last  []string  // of stderr
}

func (c *console) write(fd uint32, p []byte) {
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		if room := searched - len(c.parts[fd]); room > 0 {
			c.parts[fd] = append(c.parts[fd], line[:min(len(line), room)]...)
		}
		if whole {
			c.end(fd)
		}
		p = rest
	}
}

func (c *console) end(fd uint32) {
	line := string(c.parts[fd])
	c.parts[fd] = c.parts[fd][:0]
	level := abi.LogInfo
	if fd == 2 {
		level = abi.LogWarn
		if c.last = append(c.last, profile.Clip(line, abi.MaxLogBytes)); len(c.last) > lastLines {
			c.last = c.last[1:]
		}
	}
	c.log(level, line)
}

func (c *console) flush() {
	for fd := range c.parts {
		if len(c.parts[fd]) > 0 {
			c.end(uint32(fd))
		}
	}
}

// tail returns what a guest said last on stderr, from where it began to
// crash: Go, Rust and C say so in the first line, and traces follow.
func (c *console) tail() string {
	from := max(0, len(c.last)-tailLines)
	for i, line := range c.last {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.Contains(line, "panicked at") {
			from = i
			break
		}
	}
	var b strings.Builder
	for _, line := range c.last[from:min(len(c.last), from+tailLines)] {
		if b.Len()+len(line) >= maxTailBytes {
			break
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}

// log takes a line of the guest's to the run's log.
func (r *run) log(mod api.Module, stack []uint64) {
	level := abi.LogLevel(uint32(stack[0]))
	n := min(uint32(stack[2]), searched)
	line, ok := mod.Memory().Read(uint32(stack[1]), n)
	if whole := mod.Memory().Size(); !ok || level > abi.LogError || uint64(uint32(stack[1]))+uint64(uint32(stack[2])) > uint64(whole) {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	r.logLine(level, string(line))
	stack[0] = 0
}

func (r *run) logLine(level abi.LogLevel, line string) {
	if !r.spend(limitLogLines, 1) {
		return
	}
	if r.checkOut([]byte(line), "a log line of the connector's") != abi.StatusOK {
		return
	}
	line = profile.Clip(r.clean(line), abi.MaxLogBytes)
	r.opts.Observer.Log(level, line)
}
