package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeDevice is a keyboard whose keys come through a pipe.
type fakeDevice struct {
	*io.PipeReader
	mu    sync.Mutex
	quiet int // how deep
	was   int // how often
}

func (d *fakeDevice) Quiet() (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quiet++
	d.was++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.quiet--
	}, nil
}

func (d *fakeDevice) state() (quiet, was int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.quiet, d.was
}

// patience bounds every wait of a test: a machine may be busy, but a question
// that nobody answers is a failure, and not a suite that never ends.
const patience = 20 * time.Second

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// next is what comes out of c, in good time.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came within %v", patience)
		panic("unreachable")
	}
}

// within waits until it is so.
func within(t *testing.T, is func() bool, format string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf(format, args...)
		}
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// person types at a fake terminal.
type person struct {
	ctx context.Context // ends with the test
	t   *Terminal
	dev *fakeDevice
	out *buffer
	w   *io.PipeWriter
}

func newPerson(t *testing.T) *person {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	p := &person{ctx: bounded(t), dev: &fakeDevice{PipeReader: r}, out: &buffer{}, w: w}
	p.t = New(p.dev, &Screen{w: p.out, width: func() int { return 40 }})
	return p
}

// types sends keys in the background; one string is one read.
func (p *person) types(keys ...string) {
	go func() {
		for _, k := range keys {
			if _, err := io.WriteString(p.w, k); err != nil {
				return
			}
		}
	}()
}

// answers types an answer each time that text comes to the screen; it takes
// text and answer in turn.
func (p *person) answers(textAndAnswer ...string) {
	go func() {
		from := 0
		for pair := textAndAnswer; len(pair) > 1; pair = pair[2:] {
			at := -1
			for at < 0 {
				if p.ctx.Err() != nil {
					return
				}
				time.Sleep(time.Millisecond)
				at = strings.Index(p.out.String()[from:], pair[0])
			}
			from += at + len(pair[0])
			if _, err := io.WriteString(p.w, pair[1]); err != nil {
				return
			}
		}
	}()
}

// sees waits for text to be on the screen.
func (p *person) sees(t *testing.T, text string) {
	t.Helper()
	within(t, func() bool { return strings.Contains(p.out.String(), text) }, "never saw %q", text)
}

const canary = "canary-4f1d9c"

func TestSecret(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	tests := map[string]struct {
		keys []string
		want string
		err  error
	}{
		"plain":           {[]string{canary + "\n"}, canary, nil},
		"key by key":      {strings.Split(canary+"\r", ""), canary, nil},
		"backspace":       {[]string{"canarx\x7fy\x08y-4f1d9c\n"}, canary, nil},
		"backspace rune":  {[]string{"é\x7f" + canary + "\n"}, canary, nil},
		"backspace empty": {[]string{"\x7f\x7f" + canary + "\n"}, canary, nil},
		"kill line":       {[]string{"wrong\x15" + canary + "\n"}, canary, nil},
		"arrow keys":      {[]string{"can\x1b[Dary\x1bOP-4f1d9c\x1b[1;5C\n"}, canary, nil},
		"past the limits of a terminal's own lines": {[]string{long + "\n"}, long, nil},
		"end at once":                 {[]string{"\x04"}, "", ErrEnd},
		"end after text":              {[]string{canary + "\x04"}, canary, nil},
		"interrupt":                   {[]string{"x\x03"}, "", context.Canceled},
		"empty":                       {[]string{"\n"}, "", nil},
		"unicode, spaces":             {[]string{" pä ß \n"}, " pä ß ", nil},
		"lines of one paste":          {[]string{canary + "\nsecond\nthird\n"}, "", ErrLines},
		"lines of a paste in pieces":  {[]string{canary + "\r", "\n", "\n", "second\n", "third"}, "", ErrLines},
		"a paste that ends in blanks": {[]string{canary + "\n", "\n \n"}, canary, nil},
		"too long":                    {[]string{strings.Repeat("y", MaxSecretBytes+1) + "\n"}, "", ErrTooLong},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			if errors.Is(tt.err, ErrLines) {
				p.t.keys.gap = time.Second // for who types on a machine that is busy
			}
			p.types(tt.keys...)
			got, err := p.t.Secret(p.ctx, "secret: ")
			if string(got) != tt.want || !errors.Is(err, tt.err) {
				t.Fatalf("got %d bytes, %v; want %d bytes, %v", len(got), err, len(tt.want), tt.err)
			}
			if quiet, was := p.dev.state(); quiet != 0 || was != 1 {
				t.Errorf("the echo is off %d deep after %d times", quiet, was)
			}
			if tt.want != "" && strings.Contains(p.out.String(), strings.TrimSpace(tt.want)) {
				t.Error("the secret is on the screen")
			}
		})
	}
}

func TestCarriageReturnNewlineIsOneEnd(t *testing.T) {
	p := newPerson(t)
	for _, want := range []string{"one", "two", ""} {
		p.types(want+"\r", "\n")
		if got, err := p.t.Secret(p.ctx, ""); string(got) != want || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
}

// What is dropped of a paste answers no other question.
func TestARefusedPasteAnswersNothing(t *testing.T) {
	p := newPerson(t)
	p.types(canary + "\ny\ny\n")
	if _, err := p.t.Secret(p.ctx, "secret: "); !errors.Is(err, ErrLines) {
		t.Fatalf("got %v", err)
	}
	p.answers("sure?", "n\n") // what comes before the question is dropped too
	if yes, err := p.t.Confirm(p.ctx, "sure?"); yes || err != nil {
		t.Fatalf("got %v, %v", yes, err)
	}
}

// An answer that comes the moment the question is on the screen is one, also
// after a question that was given up.
func TestAQuickAnswerCounts(t *testing.T) {
	p := newPerson(t)
	gone, cancel := context.WithCancel(p.ctx)
	cancelled := make(chan struct{})
	go func() {
		defer close(cancelled)
		p.sees(t, "code: ")
		cancel()
	}()
	if _, err := p.t.Secret(gone, "code: "); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	next(t, cancelled)
	typed := false
	p.t.screen.w = writerFunc(func(b []byte) (int, error) {
		if strings.Contains(string(b), "sure?") && !typed {
			typed = true
			io.WriteString(p.w, "y\n") // the read still under way takes it
			within(t, func() bool { return len(p.t.keys.results) > 0 }, "the answer was not read")
		}
		return len(b), nil
	})
	if yes, err := p.t.Confirm(p.ctx, "sure?"); !yes || err != nil {
		t.Fatalf("got %v, %v", yes, err)
	}
}

func TestConfirm(t *testing.T) {
	tests := []struct {
		keys string
		want bool
		err  error
	}{
		{"y\n", true, nil}, {"YES\n", true, nil}, {" y \n", true, nil},
		{"\n", false, nil}, {"n\n", false, nil}, {"No\n", false, nil},
		{"what\ny\n", true, nil},
		{strings.Repeat("maybe\n", MaxAttempts), false, ErrAttempts},
		{"\x04", false, ErrEnd},
	}
	for _, tt := range tests {
		p := newPerson(t)
		p.types(tt.keys)
		if got, err := p.t.Confirm(p.ctx, "sure?"); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%q: got %v, %v; want %v, %v", tt.keys, got, err, tt.want, tt.err)
		}
	}
	p := newPerson(t)
	p.w.Close()
	if yes, err := p.t.Confirm(p.ctx, "sure?"); yes || !errors.Is(err, ErrEnd) {
		t.Errorf("closed input: got %v, %v", yes, err)
	}
}

// A cancelled question returns at once with the echo on again, and what was
// typed for it does not answer the next one.
func TestCancel(t *testing.T) {
	p := newPerson(t)
	ctx, cancel := context.WithCancel(p.ctx)
	failed := make(chan error, 1)
	go func() {
		_, err := p.t.Secret(ctx, "code: ")
		failed <- err
	}()
	p.sees(t, "code: ")
	cancel()
	if err := next(t, failed); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if quiet, _ := p.dev.state(); quiet != 0 {
		t.Fatal("the echo is still off")
	}
	io.WriteString(p.w, "y\n") // too late: by the read still under way
	within(t, func() bool { return len(p.t.keys.results) > 0 }, "the late answer was not read")
	p.types("no\n")
	if yes, err := p.t.Confirm(p.ctx, "approve?"); yes || err != nil {
		t.Fatalf("a late answer approved: %v, %v", yes, err)
	}
}

func TestQuestionsWaitForOneAnother(t *testing.T) {
	p := newPerson(t)
	first := make(chan string, 1)
	go func() {
		s, _ := p.t.Line(p.ctx, "first: ")
		first <- s
	}()
	p.sees(t, "first: ")
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := p.t.Line(ctx, "second: "); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	p.types("a\n")
	if got := next(t, first); got != "a" {
		t.Fatalf("got %q", got)
	}
	if strings.Contains(p.out.String(), "second") {
		t.Error("the second question was put while the first was open")
	}
}

func TestRestoreInTheMiddle(t *testing.T) {
	p := newPerson(t)
	ctx, cancel := context.WithCancel(p.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.t.ShowOnce(ctx, canary)
	}()
	p.sees(t, canary)
	p.t.Restore()
	if quiet, _ := p.dev.state(); quiet != 0 {
		t.Error("the echo is still off")
	}
	p.sees(t, alternateOff)
	cancel()
	next(t, ended)
	if got := strings.Count(p.out.String(), alternateOff); got != 1 {
		t.Errorf("the screen was put back %d times", got)
	}
	if quiet, _ := p.dev.state(); quiet != 0 {
		t.Errorf("the echo was put back twice: %d", quiet)
	}
}

func TestShowOnce(t *testing.T) {
	p := newPerson(t)
	p.types("\n")
	if err := p.t.ShowOnce(p.ctx, canary+"\n"); err != nil {
		t.Fatal(err)
	}
	out := p.out.String()
	if on, text, off := strings.Index(out, alternateOn), strings.Index(out, canary), strings.Index(out, alternateOff); !(0 <= on && on < text && text < off) {
		t.Errorf("not on the other screen: %q", out)
	}
}
