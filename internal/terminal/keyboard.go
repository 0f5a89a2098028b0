package terminal

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// keyboard reads bytes on demand. A read that its question no longer waits
// for, because a terminal's read cannot be interrupted, stays under way and
// serves the next question.
type keyboard struct {
	src     io.Reader
	results chan chunk
	pending bool
	stale   bool // what comes next was typed for a question that is gone
	cr      bool // the last byte was a carriage return: a newline belongs to it
	buf     []byte
	gap     time.Duration // pasteGap
}

type chunk struct {
	data []byte
	err  error
}

func newKeyboard(src io.Reader) *keyboard {
	return &keyboard{src: src, results: make(chan chunk, 1), gap: pasteGap}
}

// abandon forgets what was typed so far.
func (k *keyboard) abandon() {
	clear(k.buf)
	k.buf, k.stale = nil, true
}

// fresh drops what was typed between an abandoned question and the next. Call
// it before that is put: a quick answer is none to the old one.
func (k *keyboard) fresh() {
	if !k.stale {
		return
	}
	k.stale = false
	select {
	case c := <-k.results:
		clear(c.data)
		k.pending = false
	default:
	}
}

func (k *keyboard) next(ctx context.Context) (byte, error) {
	if len(k.buf) == 0 {
		if err := k.fill(ctx); err != nil {
			return 0, err
		}
	}
	b := k.buf[0]
	k.buf[0] = 0
	k.buf = k.buf[1:]
	if k.cr && b == '\n' {
		k.cr = false
		return k.next(ctx)
	}
	k.cr = b == '\r'
	return b, nil
}

func (k *keyboard) fill(ctx context.Context) error {
	if !k.pending {
		k.pending = true
		go func() {
			data := make([]byte, 4096)
			n, err := k.src.Read(data)
			k.results <- chunk{data[:n], err}
		}()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c := <-k.results:
		k.pending = false
		k.buf = c.data
		switch {
		case len(c.data) > 0:
			return nil
		case c.err == nil || errors.Is(c.err, io.EOF):
			return ErrEnd
		}
		return c.err
	}
}

// line reads up to an end of line.
func (k *keyboard) line(ctx context.Context) ([]byte, error) {
	var line []byte
	for {
		b, err := k.next(ctx)
		switch {
		case errors.Is(err, ErrEnd) && len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		case b == '\n' || b == '\r':
			return line, nil
		case b == keyEnd && len(line) == 0:
			return nil, ErrEnd
		}
		if line = append(line, b); len(line) > MaxLineBytes {
			return nil, ErrTooLong
		}
	}
}

// The keys that editing a secret knows.
const (
	keyInterrupt = 0x03 // only where the terminal makes no signal of it
	keyEnd       = 0x04
	keyBackspace = 0x08
	keyKillLine  = 0x15
	keyKillWord  = 0x17
	keySuspend   = 0x1a
	keyEscape    = 0x1b
	keyQuit      = 0x1c
	keyDelete    = 0x7f
)

// secret reads up to an end of line. Editing is ours because a terminal that
// edits lines cuts them: at 1024 bytes on macOS, at 4096 on Linux.
func (k *keyboard) secret(ctx context.Context) ([]byte, error) {
	var s []byte
	done := func(err error) ([]byte, error) {
		clear(s[:cap(s)])
		return nil, err
	}
	for {
		b, err := k.next(ctx)
		switch {
		case errors.Is(err, ErrEnd) && len(s) > 0:
			return s, nil
		case err != nil:
			return done(err)
		}
		switch b {
		case '\r', '\n':
			return s, nil
		case keyEnd:
			if len(s) == 0 {
				return done(ErrEnd)
			}
			return s, nil
		case keyInterrupt:
			return done(context.Canceled)
		case keyBackspace, keyDelete:
			_, n := utf8.DecodeLastRune(s)
			s = s[:len(s)-n]
		case keyKillLine, keyKillWord:
			s = s[:0]
		case keySuspend, keyQuit: // signals elsewhere; no part of a secret
		case keyEscape:
			if err := k.escape(ctx); err != nil {
				return done(err)
			}
		default:
			if s = grow(s, b); len(s) > MaxSecretBytes {
				return done(ErrTooLong)
			}
		}
	}
}

// pasteGap is how soon after an end of line the next byte comes when both are
// of one paste, and no person types.
const pasteGap = 100 * time.Millisecond

// more reports whether more than blanks follows an end of line at once, as the
// next line of a paste does, and drops it. Blanks and control characters stay
// for the next question.
func (k *keyboard) more(ctx context.Context) bool {
	var blanks []byte
	more := false
	for dropped := 0; dropped < MaxSecretBytes; dropped++ {
		b, err := k.soon(ctx)
		if err != nil {
			break
		}
		if b <= ' ' || b == keyDelete {
			blanks = append(blanks, b)
		} else {
			more = true
		}
	}
	if !more && len(blanks) > 0 {
		k.buf, k.cr = append(blanks, k.buf...), false
	}
	return more
}

// soon is next for a byte that comes within the gap of a paste.
func (k *keyboard) soon(ctx context.Context) (byte, error) {
	if len(k.buf) > 0 {
		return k.next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, k.gap)
	defer cancel()
	return k.next(ctx)
}

// escape drops what an arrow or function key sends: CSI or SS3 sequences.
func (k *keyboard) escape(ctx context.Context) error {
	b, err := k.next(ctx)
	if err != nil || b != '[' && b != 'O' {
		return err
	}
	for {
		b, err := k.next(ctx)
		if err != nil || b >= 0x40 && b <= 0x7e {
			return err
		}
	}
}

// grow appends b and leaves no copy behind when it has to move.
func grow(s []byte, b byte) []byte {
	if len(s) < cap(s) {
		return append(s, b)
	}
	next := make([]byte, len(s), 2*cap(s)+64)
	copy(next, s)
	clear(s[:cap(s)])
	return append(next, b)
}

// modes holds what has to be undone before the process may end.
type modes struct {
	mu   sync.Mutex
	undo []func()
}

// during registers undo and returns what runs it, once, however it comes.
func (m *modes) during(undo func()) func() {
	once := sync.OnceFunc(undo)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.undo = append(m.undo, once)
	at := len(m.undo) - 1
	return func() {
		once()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.undo = m.undo[:min(at, len(m.undo))]
	}
}

func (m *modes) restore() {
	m.mu.Lock()
	all := append([]func(){}, m.undo...)
	m.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i]()
	}
}
