package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a pseudo-terminal.
func openPTY(t *testing.T) (person, tty *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("skip: needs a pseudo-terminal (mount /dev/pts): %v", err)
	}
	t.Cleanup(func() { person.Close() })
	// Not by Fd, which would make its reads such as no Close ends.
	control, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var ioctlErr error
	err = control.Control(func(fd uintptr) {
		if ioctlErr = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ioctlErr == nil {
			n, ioctlErr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err := errors.Join(err, ioctlErr); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return person, tty
}

func localFlags(t *testing.T, tty *os.File) uint32 {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag
}

// watch collects what a person sees on a pseudo-terminal.
func watch(f *os.File) *buffer {
	seen := &buffer{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := f.Read(b)
			if err != nil {
				return
			}
			_, _ = seen.Write(b[:n])
		}
	}()
	return seen
}

func waitFor(t *testing.T, seen *buffer, text string) {
	t.Helper()
	within(t, func() bool { return strings.Contains(seen.String(), text) }, "never saw %q", text)
}

func TestSecretOnRealTerminal(t *testing.T) {
	keyboard, tty := openPTY(t)
	seen := watch(keyboard)
	term, ok := Open(tty, NewScreen(tty))
	if !ok {
		t.Fatal("a pseudo-terminal is no terminal")
	}
	before := localFlags(t, tty)
	long := strings.Repeat("k", 10_000) // past the 4096 of a line that the kernel edits
	type result struct {
		secret []byte
		err    error
	}
	got := make(chan result, 1)
	ctx := bounded(t)
	go func() {
		s, err := term.Secret(ctx, "secret: ")
		got <- result{s, err}
	}()
	waitFor(t, seen, "secret: ")
	if localFlags(t, tty)&unix.ECHO != 0 {
		t.Error("the echo is on while a secret is typed")
	}
	if localFlags(t, tty)&unix.ISIG == 0 {
		t.Error("Ctrl-C does not work while a secret is typed")
	}
	if state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err != nil || state.Cc[unix.VSUSP] != 0 || state.Cc[unix.VQUIT] != 0 {
		t.Error("Ctrl-Z or Ctrl-\\ hands the terminal over while a secret is typed")
	}
	go func() { _, _ = keyboard.WriteString(canary + "\x1a\x1c" + long + "\r") }()
	r := next(t, got)
	if r.err != nil || string(r.secret) != canary+long {
		t.Fatalf("got %d bytes, %v; want %d", len(r.secret), r.err, len(canary+long))
	}
	if localFlags(t, tty) != before {
		t.Error("the terminal's settings are not as before")
	}
	if s := seen.String(); strings.Contains(s, canary) || strings.Contains(s, "kkk") {
		t.Error("the secret was echoed")
	}
}

// The lines of a key are refused, and none is left for the shell.
func TestPasteOnRealTerminal(t *testing.T) {
	keyboard, tty := openPTY(t)
	seen := watch(keyboard)
	term, _ := Open(tty, NewScreen(tty))
	term.keys.gap = time.Second // for who types on a machine that is busy
	failed := make(chan error, 1)
	ctx := bounded(t)
	go func() {
		_, err := term.Secret(ctx, "secret: ")
		failed <- err
	}()
	waitFor(t, seen, "secret: ")
	go func() {
		_, _ = keyboard.WriteString("-----BEGIN KEY-----\r" + strings.Repeat(canary+"\r", 200) + "-----END KEY-----\r")
	}()
	if err := next(t, failed); !errors.Is(err, ErrLines) {
		t.Fatalf("got %v, want ErrLines", err)
	}
	if left, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCINQ); err != nil || left != 0 {
		t.Errorf("%d bytes are left for the shell (%v)", left, err)
	}
	if strings.Contains(seen.String(), canary) {
		t.Error("the paste was echoed")
	}
	_, _ = keyboard.WriteString("\n") // lets the read that is still under way end
}

func TestCancelOnRealTerminal(t *testing.T) {
	keyboard, tty := openPTY(t)
	seen := watch(keyboard)
	term, _ := Open(tty, NewScreen(tty))
	before := localFlags(t, tty)
	ctx, cancel := context.WithCancel(bounded(t))
	failed := make(chan error, 1)
	go func() {
		_, err := term.Secret(ctx, "secret: ")
		failed <- err
	}()
	waitFor(t, seen, "secret: ")
	start := time.Now()
	cancel()
	if err := next(t, failed); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
	if localFlags(t, tty) != before {
		t.Error("the terminal's settings are not as before")
	}
	_, _ = keyboard.WriteString("\n") // lets the read that is still under way end
}

func TestOpenWithoutTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, ok := Open(r, NewScreen(w)); ok {
		t.Error("a pipe passed for a terminal")
	}
}
