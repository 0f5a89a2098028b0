//go:build unix && !aix && !solaris && !illumos

package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

const ttyPath = "/dev/tty"

// fileDevice is a terminal behind a file.
type fileDevice struct{ *os.File }

var _ Device = fileDevice{}

// Quiet turns off the echo and the terminal's own line editing. Ctrl-C and
// output stay as they are, unlike in raw mode, and a log line written meanwhile
// looks as ever; but Ctrl-Z and Ctrl-\ do nothing, as a shell that takes over
// would turn the echo on, or never. What was typed or pasted beyond the answer
// is dropped at the end: it is no command for the shell.
func (d fileDevice) Quiet() (restore func(), err error) {
	fd := int(d.Fd())
	old, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHONL | unix.ICANON | unix.IEXTEN
	quiet.Lflag |= unix.ISIG
	quiet.Iflag |= unix.ICRNL
	quiet.Cc[unix.VMIN], quiet.Cc[unix.VTIME] = 1, 0
	quiet.Cc[unix.VSUSP], quiet.Cc[unix.VQUIT] = keyDisabled, keyDisabled
	if err := unix.IoctlSetTermios(fd, setTermios, &quiet); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, flushTermios, old) }, nil
}

func ansi(*os.File) bool { return true }
