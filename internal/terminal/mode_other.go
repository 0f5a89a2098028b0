//go:build !windows && (!unix || aix || solaris || illumos)

package terminal

import (
	"os"

	"golang.org/x/term"
)

const ttyPath = "/dev/tty"

// fileDevice is a terminal behind a file.
type fileDevice struct{ *os.File }

var _ Device = fileDevice{}

// Quiet is raw mode, where Ctrl-C is a key like any other.
func (d fileDevice) Quiet() (restore func(), err error) {
	old, err := term.MakeRaw(int(d.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(d.Fd()), old) }, nil
}

func ansi(*os.File) bool { return true }
