package terminal

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// Screen is a terminal to write to, with a status line at its bottom that
// other output does not disturb.
type Screen struct {
	mu     sync.Mutex
	w      io.Writer
	width  func() int
	plain  bool // no escape sequences
	status string
	drawn  bool
	held   bool // a question is open
}

var _ io.Writer = (*Screen)(nil)

// NewScreen returns a screen on f, which should be a terminal. One that says
// it is dumb gets no escape sequences.
func NewScreen(f *os.File) *Screen {
	width := func() int {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
		return defaultWidth
	}
	return &Screen{w: f, width: width, plain: os.Getenv("TERM") == "dumb" || !ansi(f)}
}

const defaultWidth = 80

const (
	clearLine     = "\r\x1b[K"
	alternateOn   = "\x1b[?1049h\x1b[H"
	alternateOff  = "\x1b[?1049l"
	alternateNone = "\n"
)

// Write writes p above the status line. p should end its last line.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	n, err := s.w.Write(p)
	s.draw()
	return n, err
}

// Status sets the status line; "" takes it away. It is cut to the screen's
// width, and not shown while a question is open or where lines cannot be
// rewritten.
func (s *Screen) Status(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == s.status {
		return
	}
	s.erase()
	s.status = line
	s.draw()
}

func (s *Screen) erase() {
	if s.drawn {
		_, _ = io.WriteString(s.w, clearLine) // the status line is a courtesy
		s.drawn = false
	}
}

func (s *Screen) draw() {
	if s.status == "" || s.held || s.plain {
		return
	}
	_, _ = io.WriteString(s.w, cut(s.status, s.width()-1))
	s.drawn = true
}

func (s *Screen) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.held = true
}

func (s *Screen) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	s.draw()
}

// direct writes for a question, which has the screen for itself.
func (s *Screen) direct(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.w, text) // a question that cannot be seen ends by its context
}

func (s *Screen) alternate() (on, off string) {
	if s.plain {
		return "", alternateNone
	}
	return alternateOn, alternateOff
}

func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width < 2 {
		return ""
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n == width {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}
