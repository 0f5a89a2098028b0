//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreClosedPipes makes an error of a write to a closed stdout, so that a
// run ends cleanly, instead of a signal that ends the process.
func ignoreClosedPipes() { signal.Ignore(syscall.SIGPIPE) }
