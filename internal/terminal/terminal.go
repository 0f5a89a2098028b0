// Package terminal talks to a person: questions with and without echo, a
// status line, tables.
//
// # Promise
//
// A secret is read without echo, at any length up to [MaxSecretBytes], and is
// written nowhere. A paste of several lines is refused, never cut to its first.
// Text that someone else wrote is shown without control,
// bidirectional and invisible characters, so that it cannot move the cursor,
// paint over a question or read other than it is. A question ends at once when
// its context does, and the terminal's settings are then as they were.
//
// # Limits
//
// Whoever owns the terminal (an emulator, a multiplexer, a logger of one) sees
// what is typed and shown.
//
// All types are safe for concurrent use; questions wait for one another.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// The bounds of what is read and asked.
const (
	// MaxSecretBytes bounds a secret that is typed or pasted.
	MaxSecretBytes = 1 << 20
	// MaxLineBytes bounds a line that is typed with echo.
	MaxLineBytes = 64 << 10
	// MaxAttempts is how often a question is put again after a wrong answer.
	MaxAttempts = 5
)

// The errors of a question, beside its context's own.
var (
	// ErrEnd says that the person closed the input (Ctrl-D).
	ErrEnd = errors.New("input closed")
	// ErrTooLong says that an answer went past its bound.
	ErrTooLong = errors.New("answer too long")
	// ErrLines says that more than one line was pasted where a secret was
	// asked for. None of it was taken.
	ErrLines = errors.New("more than one line")
	// ErrAttempts says that the answers were wrong [MaxAttempts] times.
	ErrAttempts = errors.New("too many wrong answers")
)

// Device is a terminal's keyboard and its modes. [Open] gives that of the
// process; another is for tests.
type Device interface {
	io.Reader
	// Quiet turns the echo off and delivers keys as they are typed, until
	// restore is called. Signals from the keyboard work on.
	Quiet() (restore func(), err error)
}

// Terminal is a person with a keyboard and a screen.
type Terminal struct {
	screen *Screen
	dev    Device
	turn   chan struct{} // holds one token: whose turn it is to ask
	keys   *keyboard
	modes  modes
}

// New returns a terminal over dev that writes to screen.
func New(dev Device, screen *Screen) *Terminal {
	t := &Terminal{screen: screen, dev: dev, turn: make(chan struct{}, 1), keys: newKeyboard(dev)}
	t.turn <- struct{}{}
	return t
}

// Open returns the terminal of the process, and false when nobody is there:
// when stdin is no terminal, or there is nothing to write to. screen is nil
// when stderr is no terminal; the controlling terminal then serves.
func Open(stdin *os.File, screen *Screen) (*Terminal, bool) {
	if !IsTerminal(stdin) {
		return nil, false
	}
	if screen == nil {
		tty, err := os.OpenFile(ttyPath, os.O_WRONLY, 0)
		if err != nil {
			return nil, false
		}
		screen = NewScreen(tty) // open for as long as the process is
	}
	return New(fileDevice{stdin}, screen), true
}

// IsTerminal reports whether f is one.
func IsTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// Screen returns the terminal's screen.
func (t *Terminal) Screen() *Screen { return t.screen }

// Restore puts the terminal's settings back at once, for a process that is
// about to exit in the middle of a question.
func (t *Terminal) Restore() { t.modes.restore() }

// ask runs one question while no other is put and the status line is away.
func (t *Terminal) ask(ctx context.Context, question func() error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.turn:
	}
	defer func() { t.turn <- struct{}{} }()
	t.screen.hold()
	defer t.screen.release()
	if err := ctx.Err(); err != nil {
		return err
	}
	t.keys.fresh() // before anything is shown that someone may answer at once
	err := question()
	if err != nil {
		t.keys.abandon()
		t.print("\n")
	}
	return err
}

func (t *Terminal) print(s string) { t.screen.direct(s) }

// Line shows prompt and returns what is typed, with echo, without its end of
// line and the spaces around it.
func (t *Terminal) Line(ctx context.Context, prompt string) (answer string, err error) {
	err = t.ask(ctx, func() error {
		answer, err = t.line(ctx, prompt)
		return err
	})
	return answer, err
}

func (t *Terminal) line(ctx context.Context, prompt string) (string, error) {
	t.print(prompt)
	b, err := t.keys.line(ctx)
	return strings.TrimSpace(string(b)), err
}

// Secret shows prompt and returns what is typed or pasted up to the end of
// line, without echo. When another line follows at once it is [ErrLines].
func (t *Terminal) Secret(ctx context.Context, prompt string) (secret []byte, err error) {
	err = t.ask(ctx, func() error {
		secret, err = t.secret(ctx, prompt)
		return err
	})
	return secret, err
}

func (t *Terminal) secret(ctx context.Context, prompt string) ([]byte, error) {
	restore, err := t.dev.Quiet()
	if err != nil {
		return nil, fmt.Errorf("turn the terminal's echo off: %w", err)
	}
	defer t.modes.during(restore)()
	t.print(prompt)
	secret, err := t.keys.secret(ctx)
	if err != nil {
		return nil, err
	}
	if len(secret) > 0 && t.keys.more(ctx) {
		clear(secret)
		return nil, ErrLines
	}
	t.print("\n")
	return secret, nil
}

// Confirm puts a yes/no question; nothing but a plain yes is one.
func (t *Terminal) Confirm(ctx context.Context, question string) (yes bool, err error) {
	err = t.ask(ctx, func() error {
		yes, err = t.confirm(ctx, question)
		return err
	})
	return yes, err
}

func (t *Terminal) confirm(ctx context.Context, question string) (bool, error) {
	for range MaxAttempts {
		answer, err := t.line(ctx, question+" [y/N] ")
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "", "n", "no":
			return false, nil
		}
		t.print("please answer y or n\n")
	}
	return false, ErrAttempts
}

// ShowOnce shows text until Enter is pressed and takes it away again: it is
// on the terminal's other screen, so that it does not stay in the scrollback,
// where the terminal has one.
func (t *Terminal) ShowOnce(ctx context.Context, text string) error {
	return t.ask(ctx, func() error {
		restore, err := t.dev.Quiet()
		if err != nil {
			return fmt.Errorf("turn the terminal's echo off: %w", err)
		}
		defer t.modes.during(restore)()
		on, off := t.screen.alternate()
		defer t.modes.during(func() { t.print(off) })()
		t.print(on + text)
		_, err = t.keys.secret(ctx)
		return err
	})
}
