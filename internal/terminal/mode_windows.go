package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

const ttyPath = "CONOUT$"

// fileDevice is a console behind a file.
type fileDevice struct{ *os.File }

var _ Device = fileDevice{}

// Quiet turns off the echo and the console's own line editing; Ctrl-C works
// on.
func (d fileDevice) Quiet() (restore func(), err error) {
	h := windows.Handle(d.Fd())
	var old uint32
	if err := windows.GetConsoleMode(h, &old); err != nil {
		return nil, err
	}
	quiet := old&^(windows.ENABLE_ECHO_INPUT|windows.ENABLE_LINE_INPUT) | windows.ENABLE_PROCESSED_INPUT
	if err := windows.SetConsoleMode(h, quiet); err != nil {
		return nil, err
	}
	return func() { _ = windows.SetConsoleMode(h, old) }, nil
}

// ansi turns on escape sequences and reports whether the console has them.
func ansi(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
