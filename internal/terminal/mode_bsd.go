//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package terminal

import "golang.org/x/sys/unix"

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
	// flushTermios also drops what was typed and not read.
	flushTermios = unix.TIOCSETAF
	keyDisabled  = 0xff
)
