//go:build unix

package app

import (
	"os"
	"syscall"
)

// overwrites says that a file that was deleted or replaced can be written to
// still.
const overwrites = true

// linked reports whether another name leads to the file, which has lost one.
func linked(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return true
	}
	at, ok := info.Sys().(*syscall.Stat_t)
	return !ok || at.Nlink > 0
}
