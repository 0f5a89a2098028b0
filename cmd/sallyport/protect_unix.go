//go:build unix

package main

import (
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// protectMemory keeps secrets out of core dumps, as far as the system lets
// it: best effort, and no error is worth stopping for.
func protectMemory() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	undumpable()
}

// ignoreClosedPipes makes an error of a write to a closed stdout, so that a
// run ends cleanly, instead of a signal that ends the process.
func ignoreClosedPipes() { signal.Ignore(syscall.SIGPIPE) }
