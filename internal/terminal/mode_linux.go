package terminal

import "golang.org/x/sys/unix"

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
	// flushTermios also drops what was typed and not read.
	flushTermios = unix.TCSETSF
	keyDisabled  = 0
)
